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

/// Who comes to the instances of a world of a given size. A tenth of them are guests, who have only a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Population {
    /// Nobody comes twice.
    New,
    /// Nine in ten come every time, each with one of two machines, and one in ten was never there before.
    Regulars,
    /// The same people come every time, with the same machines.
    Same,
}

impl Population {
    /// The number of the person who has this place in an instance.
    fn person(self, instance: usize, participants: usize, index: usize) -> usize {
        match self {
            Self::New => instance * participants + index,
            Self::Regulars if index % 10 == 4 => {
                participants + instance * participants.div_ceil(10) + index / 10
            }
            Self::Regulars | Self::Same => index,
        }
    }

    /// The number of the machine that the person joins with; each person has two of their own.
    fn machine(self, dice: &mut fastrand::Rng, person: usize) -> usize {
        person * 2 + usize::from(self == Self::Regulars && dice.bool())
    }
}

impl World {
    /// So many ended instances of so many participants each, of twenty meetings in turn, the latest ended
    /// just before `now`. The same people come every time, with the same machines.
    pub fn sized(seed: u64, now: Timestamp, instances: usize, participants: usize) -> Self {
        Self::populated(Population::Same, seed, now, instances, participants)
    }

    /// The same as [`World::sized`], with other people.
    ///
    /// Each row has 50 fields in about 1,430 bytes; what Zoom measures of each join differs from row to row.
    pub fn populated(
        population: Population,
        seed: u64,
        now: Timestamp,
        instances: usize,
        participants: usize,
    ) -> Self {
        let mut dice = fastrand::Rng::with_seed(seed);
        let mut world = Self::new();
        let mut end = now.minus(Duration::from_secs(1));
        for number in 0..instances {
            let start = whole_second(end.minus(LENGTH));
            let (meeting_id, topic) = meeting(number);
            let mut instance =
                Instance::new(meeting_id, uuid(&mut dice), &topic, start, Some(whole_second(end)));
            let rows = (0..participants).map(|index| {
                let person = population.person(number, participants, index);
                let machine = population.machine(&mut dice, person);
                row(&mut dice, index, start, person, machine)
            });
            instance.sessions = rows.collect();
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

fn row(dice: &mut fastrand::Rng, index: usize, start: Timestamp, person: usize, machine: usize) -> Session {
    let join = start.plus(Duration::from_secs(dice.u64(..300)));
    let leave = join.plus(Duration::from_secs(dice.u64(60..600)));
    let guest = person % 10 == 9;
    let id = if guest { String::new() } else { format!("Zs{person:06}AyTNCMWjiWC18KQ") };
    let email = if guest { String::new() } else { format!("person{person:06}@example.com") };
    let user_id = FIRST_USER_ID + u64::try_from(index).unwrap_or_default() * USER_ID_STEP;
    let (first, second, third) = (machine / 62_500, machine / 250 % 250, machine % 250);
    let [device, os_version, device_name, microphone, camera, speaker, network] =
        if machine.is_multiple_of(2) { FIRST_MACHINE } else { SECOND_MACHINE };
    let text = format!(
        r#"{{"user_id":"{user_id}","participant_uuid":"{uuid:08X}-2ABB-2FCC-019B-39E41D8DADF7","id":"{id}","participant_user_id":"{id}","user_name":"Person {person:06}","email":"{email}","customer_key":"","join_time":"{join}","leave_time":"{leave}","status":"in_meeting","role":"{role}","leave_reason":"Person {person:06} left the meeting.","device":"{device}","client":"Zoom Workplace","version":"6.2.11.50939","os":"{device}","os_version":"{os_version}","browser_name":"","browser_version":"","device_name":"{device_name} Gen {generation}","ip_address":"198.{net}.{second}.{third}","internal_ip_addresses":["10.{first}.{second}.{third}"],"location":"Lisbon (PT)","network_type":"{network}","connection_type":"UDP","data_center":"Germany (FR)","full_data_center":"Germany (FR Top);Netherlands (AM Top);","microphone":"{microphone}","camera":"{camera}","speaker":"{speaker}","pc_name":"PC-{machine:06}","domain":"campus.example.com","mac_addr":"02-00-5e-{first:02x}-{second:02x}-{third:02x}","harddisk_id":"5ac1-{machine:06x}","share_application":false,"share_desktop":false,"share_whiteboard":false,"recording":false,"has_archiving":false,"audio_quality":"{quality}","video_quality":"{quality}","screen_share_quality":"","video_connection_type":"UDP","as_connection_type":"","optional_archiving":"no optional archiving","aic_disclaimer":"no disclaimer","groupId":"TcjqVCTzRy6hLa0d8WpAIg","health":"good","is_original_host":false,"total_jointime_cost":{cost}.{cents:02}}}"#,
        uuid = dice.u32(..),
        quality = ["good", "good", "good", "fair"][dice.usize(..4)],
        cost = dice.u32(1..9),
        cents = dice.u32(..100),
        join = instant(join),
        leave = instant(leave),
        role = if index == 0 { "host" } else { "attendee" },
        generation = machine / 2 % 5 + 1,
        // The addresses that are kept for benchmarks.
        net = 18 + first % 2,
    );
    let known_as = if guest { format!("Person {person:06}") } else { email };
    Session::from_text(text, Facts { join: Some(join), leave: Some(leave), waiting: false, person: known_as })
}

/// Device and system, its version, device name, microphone, camera, speaker, network.
const FIRST_MACHINE: [&str; 7] = [
    "Windows",
    "11",
    "ThinkPad T14",
    "Microphone Array (Intel Smart Sound)",
    "Integrated Camera",
    "Speakers (Realtek(R) Audio)",
    "Wifi",
];
const SECOND_MACHINE: [&str; 7] = [
    "macOS",
    "15.1",
    "MacBook Pro 14",
    "MacBook Pro Microphone (built in)",
    "FaceTime HD Camera",
    "MacBook Pro Speakers (built in)",
    "Wired",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::simulator::session::Shape;

    const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_123);

    #[test]
    fn a_row_has_the_size_of_a_real_one() {
        let world = World::populated(Population::Regulars, 7, NOW, 3, 25);
        assert_eq!(world.instances().count(), 3);
        for session in world.instances().flat_map(|instance| &instance.sessions) {
            let mut text = String::new();
            session.write(Shape::Dashboard, false, &mut text);
            assert!((1_330..1_530).contains(&text.len()), "{} bytes", text.len());
            let row: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(row.as_object().unwrap().len(), 50);
            assert_eq!(session.facts(), Session::from_json(row).facts());
        }
    }

    /// How many different values of a field the rows of ten instances of twenty people have.
    fn different(population: Population, field: &str) -> usize {
        let world = World::populated(population, 7, NOW, 10, 20);
        let rows = world.instances().flat_map(|instance| &instance.sessions);
        rows.map(|session| session.text(field)).collect::<BTreeSet<_>>().len()
    }

    #[test]
    fn each_population_has_its_people_and_machines() {
        assert_eq!(
            (different(Population::New, "user_name"), different(Population::New, "pc_name")),
            (200, 200)
        );
        assert_eq!(
            (different(Population::Same, "user_name"), different(Population::Same, "pc_name")),
            (20, 20)
        );
        assert_eq!(different(Population::Regulars, "user_name"), 18 + 10 * 2);
        // Each of the eighteen came ten times, with one machine of two.
        assert!((18 + 18 + 20 - 2..=18 * 2 + 20).contains(&different(Population::Regulars, "pc_name")));
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
