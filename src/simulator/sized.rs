//! Worlds of a given size, for benches and for tests of many rows.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;

use super::session::{FIRST_USER_ID, Facts, Session, USER_ID_STEP, instant};
use super::world::{Instance, World};
use crate::model::{InstanceUuid, MeetingId, Timestamp};

/// The meetings that the instances are of, in turn.
const MEETINGS: i64 = 20;

/// How far apart instances are, back from `now`: seventy a day.
const APART: Duration = Duration::from_mins(20);

/// How long each instance lasts.
const LENGTH: Duration = Duration::from_mins(15);

impl World {
    /// So many ended instances of so many participants each, of twenty meetings in turn, the latest ended
    /// just before `now`.
    ///
    /// Each row has 39 fields in about 1,170 bytes. People come again from instance to instance, with
    /// the same machine, and a tenth of them are guests.
    #[must_use]
    pub fn sized(seed: u64, now: Timestamp, instances: usize, participants: usize) -> Self {
        let mut dice = fastrand::Rng::with_seed(seed);
        let mut world = Self::new();
        let mut end = now.minus(Duration::from_secs(1));
        for number in 0..instances {
            let start = whole_second(end.minus(LENGTH));
            let (meeting_id, topic) = meeting(number);
            let mut instance =
                Instance::new(meeting_id, uuid(&mut dice), &topic, start, Some(whole_second(end)));
            instance.sessions = (0..participants).map(|index| row(&mut dice, index, start)).collect();
            world.add_instance(instance);
            end = end.minus(APART);
        }
        world
    }
}

/// The meeting that an instance is of.
fn meeting(number: usize) -> (MeetingId, String) {
    let meeting = i64::try_from(number).unwrap_or_default() % MEETINGS;
    let meeting_id = MeetingId::new(93_000_000_001 + meeting * 1_013).expect("eleven digits");
    (meeting_id, format!("Sized meeting {}", meeting + 1))
}

/// A UUID as Zoom makes them: sixteen bytes in base64.
fn uuid(dice: &mut fastrand::Rng) -> InstanceUuid {
    BASE64.encode(dice.u128(..).to_be_bytes()).parse().expect("base64 is what a UUID is made of")
}

fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_millis(at.millis().div_euclid(1_000) * 1_000)
}

fn row(dice: &mut fastrand::Rng, index: usize, start: Timestamp) -> Session {
    let join = start.plus(Duration::from_secs(dice.u64(..300)));
    let leave = join.plus(Duration::from_secs(dice.u64(60..600)));
    let guest = index % 10 == 9;
    let id = if guest { String::new() } else { format!("Zs{index:06}AyTNCMWjiWC18KQ") };
    let email = if guest { String::new() } else { format!("person{index:06}@example.com") };
    let user_id = FIRST_USER_ID + u64::try_from(index).unwrap_or_default() * USER_ID_STEP;
    let (first, second) = (index / 250 % 250, index % 250);
    let text = format!(
        r#"{{"user_id":"{user_id}","participant_uuid":"{uuid:08X}-2ABB-2FCC-019B-39E41D8DADF7","id":"{id}","participant_user_id":"{id}","user_name":"Person {index:06}","email":"{email}","customer_key":"","join_time":"{join}","leave_time":"{leave}","status":"in_meeting","role":"{role}","leave_reason":"Person {index:06} left the meeting.","device":"Windows","client":"Zoom Workplace","version":"6.2.11.50939","os":"Windows","os_version":"11","browser_name":"","browser_version":"","device_name":"ThinkPad T14 Gen {generation}","ip_address":"198.51.{first}.{second}","internal_ip_addresses":["10.0.{first}.{second}"],"location":"Lisbon (PT)","network_type":"Wifi","connection_type":"UDP","data_center":"Germany (FR)","full_data_center":"Germany (FR Top);Netherlands (AM Top);","microphone":"Microphone Array (Intel Smart Sound)","camera":"Integrated Camera","speaker":"Speakers (Realtek(R) Audio)","pc_name":"PC-{index:06}","domain":"campus.example.com","mac_addr":"02-00-5e-{first:02x}-{second:02x}-01","harddisk_id":"5ac1-{index:06x}","share_application":false,"share_desktop":false,"share_whiteboard":false,"recording":false,"has_archiving":false}}"#,
        uuid = dice.u32(..),
        join = instant(join),
        leave = instant(leave),
        role = if index == 0 { "host" } else { "attendee" },
        generation = index % 5 + 1,
    );
    let person = if guest { format!("Person {index:06}") } else { email };
    Session::from_text(text, Facts { join: Some(join), leave: Some(leave), waiting: false, person })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::session::Shape;

    const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_123);

    #[test]
    fn a_row_has_the_size_of_a_real_one() {
        let world = World::sized(7, NOW, 3, 25);
        assert_eq!(world.instances().count(), 3);
        for session in world.instances().flat_map(|instance| &instance.sessions) {
            let mut text = String::new();
            session.write(Shape::Dashboard, false, &mut text);
            assert!((1_050..1_250).contains(&text.len()), "{} bytes", text.len());
            let row: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(row.as_object().unwrap().len(), 39);
            assert_eq!(session.facts(), Session::from_json(row).facts());
        }
    }

    #[test]
    fn one_seed_makes_one_world() {
        let uuids = |seed| -> Vec<_> {
            World::sized(seed, NOW, 4, 1).instances().map(|instance| instance.uuid.clone()).collect()
        };
        assert_eq!(uuids(5), uuids(5));
        assert_ne!(uuids(5), uuids(6));
        assert!(World::sized(5, NOW, 4, 1).instances().all(|instance| instance.has_ended(NOW)));
    }
}
