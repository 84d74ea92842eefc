//! A believable term for the demo: three weekly meetings, and what happens in them.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use chrono::Days;
use serde_json::json;

use super::courses::{Course, courses, latest_start};
use super::people::{self, Person, guest_name, mark_caller, mark_guest};
use super::session::{FIRST_USER_ID, Session, USER_ID_STEP};
use super::world::{Host, Instance, World};
use crate::model::{InstanceUuid, MeetingId, Timestamp};

/// How many weeks a term has.
const WEEKS: u64 = 12;

/// Callers join between two seconds, for Zoom has written its instants with and without fractions.
const CALLER_MILLIS: Duration = Duration::from_millis(837);

/// How long a host who dropped is away.
const DROP: Duration = Duration::from_mins(1);

impl World {
    /// Twelve weeks of three meetings before `now`, of some ten to thirty people each.
    ///
    /// People come late, leave early, lose their connection and come again, wait to be let in, go to
    /// breakout rooms, use two devices at once, or come from outside with nothing but a name. One
    /// instance was of one person, and once the host dropped out, so that the meeting went on under a
    /// second UUID. The same seed and `now` make the same term.
    pub fn term(seed: u64, now: Timestamp) -> Self {
        let mut dice = fastrand::Rng::with_seed(seed);
        let people = people::people(&mut dice);
        let room = people::room(&mut dice);
        let mut world = Self::new();
        for course in courses() {
            let host = host(&people[course.members.start]);
            let latest = latest_start(&course, now);
            for week in 1..=WEEKS {
                let Some(start) = latest.checked_sub_days(Days::new(7 * (week - 1))) else { continue };
                let holding = CourseWeek { course: &course, people: &people, room: &room, week };
                for instance in holding.instances(&mut dice, start.into()) {
                    world.add_instance(instance.with_host(host.clone()));
                }
            }
        }
        world
    }
}

fn host(person: &Person) -> Host {
    Host {
        id: person.id.clone(),
        name: person.name.clone(),
        email: person.email.clone(),
        department: "Teaching".to_owned(),
    }
}

/// A course in one week.
struct CourseWeek<'a> {
    course: &'a Course,
    people: &'a [Person],
    room: &'a Person,
    week: u64,
}

/// One stay before it has a number.
struct SessionDraft<'a> {
    who: Who<'a>,
    join: Timestamp,
    leave: Timestamp,
    place: MeetingRoom,
    /// Counts the person's connections, since each new one has another `participant_uuid`.
    connection: u64,
    device: usize,
}

#[derive(Clone, Copy)]
enum Who<'a> {
    Member(&'a Person, usize),
    Guest(&'static str, usize),
    Caller(usize),
}

#[derive(Clone, PartialEq, Eq)]
enum MeetingRoom {
    Waiting,
    Main,
    /// A breakout room, and whether Zoom forgot who it is.
    Breakout(InstanceUuid, bool),
}

fn minutes(number: u64) -> Duration {
    Duration::from_mins(number)
}

impl<'a> CourseWeek<'a> {
    fn instances(&self, dice: &mut fastrand::Rng, start: Timestamp) -> Vec<Instance> {
        let start = start.plus(Duration::from_secs(dice.u64(..90)));
        let end = start.plus(minutes(self.course.minutes) + Duration::from_secs(dice.u64(..240)));
        if self.course.drop_in_week == Some(self.week) {
            let dropped = start.plus(minutes(20));
            let again = dropped.plus(DROP);
            return vec![self.instance(dice, start, dropped), self.instance(dice, again, end)];
        }
        vec![self.instance(dice, start, end)]
    }

    fn instance(&self, dice: &mut fastrand::Rng, start: Timestamp, end: Timestamp) -> Instance {
        let meeting_id = MeetingId::new(self.course.meeting_id).expect("eleven digits");
        let uuid = uuid(dice, self.week);
        let mut instance = Instance::new(meeting_id, uuid, self.course.topic, start, Some(end));
        let mut stays = self.stays(dice, start, end);
        stays.sort_by_key(|stay| stay.join);
        instance.sessions =
            (0..).zip(&stays).map(|(number, stay)| self.row(dice, number, stay, end)).collect();
        instance
    }

    fn stays(&self, dice: &mut fastrand::Rng, start: Timestamp, end: Timestamp) -> Vec<SessionDraft<'a>> {
        let mut stays = Vec::new();
        for index in self.course.members.clone() {
            let who = Who::Member(&self.people[index], index);
            if index == self.course.members.start {
                stays.push(SessionDraft::main(who, start, end));
            } else if self.course.alone_in_week != Some(self.week) && dice.u8(..100) < 84 {
                self.attend(dice, who, start, end, &mut stays);
            }
        }
        if self.course.alone_in_week == Some(self.week) {
            return stays;
        }
        for index in 0..dice.usize(..=self.course.guests) {
            let who = match index {
                4 => Who::Caller(900),
                _ => Who::Guest(guest_name(dice), 901 + index),
            };
            self.attend(dice, who, start, end, &mut stays);
        }
        if self.course.room {
            stays.push(SessionDraft::main(Who::Member(self.room, 950), start.plus(minutes(1)), end));
        }
        stays
    }

    /// What one person does in one instance.
    fn attend(
        &self,
        dice: &mut fastrand::Rng,
        who: Who<'a>,
        start: Timestamp,
        end: Timestamp,
        stays: &mut Vec<SessionDraft<'a>>,
    ) {
        let late = match dice.u8(..100) {
            0..15 => dice.u64(6 * 60..18 * 60),
            _ => dice.u64(5..240),
        };
        let early = if dice.u8(..100) < 12 { dice.u64(5 * 60..20 * 60) } else { 0 };
        let join = start.plus(Duration::from_secs(late));
        let join = join.plus(if matches!(who, Who::Caller(_)) { CALLER_MILLIS } else { Duration::ZERO });
        let leave = end.minus(Duration::from_secs(early));
        if join.plus(minutes(2)) >= leave {
            return;
        }
        if dice.u8(..100) < 25 {
            let asked = join.minus(Duration::from_secs(dice.u64(10..120)));
            stays.push(SessionDraft { place: MeetingRoom::Waiting, ..SessionDraft::main(who, asked, join) });
        }
        let middle = join.plus(leave.since(join) / 2);
        let rooms = self.course.breakouts && self.week.is_multiple_of(2);
        match dice.u8(..100) {
            _ if rooms => self.visit_a_room(dice, who, join, leave, start, stays),
            0..14 => {
                // The connection is lost and made again: a new number, a row of its own.
                let back = middle.plus(Duration::from_secs(dice.u64(15..300)));
                stays.push(SessionDraft::main(who, join, middle));
                stays.push(SessionDraft { connection: 1, ..SessionDraft::main(who, back.min(leave), leave) });
            }
            14..22 if matches!(who, Who::Member(..)) => {
                stays.push(SessionDraft::main(who, join, leave));
                let second = SessionDraft::main(who, middle, leave.minus(minutes(1)).max(middle));
                stays.push(SessionDraft { connection: 2, device: 1, ..second });
            }
            _ => stays.push(SessionDraft::main(who, join, leave)),
        }
    }

    /// Main room, breakout room, main room, without a second between them.
    fn visit_a_room(
        &self,
        dice: &mut fastrand::Rng,
        who: Who<'a>,
        join: Timestamp,
        leave: Timestamp,
        start: Timestamp,
        stays: &mut Vec<SessionDraft<'a>>,
    ) {
        let opens = start.plus(minutes(30) + Duration::from_secs(dice.u64(..20)));
        let closes = start.plus(minutes(50) + Duration::from_secs(dice.u64(..20)));
        if join >= opens || leave <= closes {
            stays.push(SessionDraft::main(who, join, leave));
            return;
        }
        let mut rooms = fastrand::Rng::with_seed(self.week);
        let uuids = [uuid(&mut rooms, 2), uuid(&mut rooms, 3), uuid(&mut rooms, 4)];
        let room = uuids[dice.usize(..uuids.len())].clone();
        let forgotten = dice.u8(..4) == 0;
        stays.push(SessionDraft::main(who, join, opens));
        stays.push(SessionDraft {
            place: MeetingRoom::Breakout(room, forgotten),
            ..SessionDraft::main(who, opens, closes)
        });
        stays.push(SessionDraft::main(who, closes, leave));
    }

    /// Who registered keeps one id for the whole term; whoever dials in has none.
    fn registrant(&self, who: Who<'_>) -> Option<String> {
        let number = match who {
            Who::Member(_, index) => index as u64,
            Who::Guest(name, _) => name_digest(name),
            Who::Caller(_) => return None,
        };
        self.course.registration.then(|| format!("rg{number:08x}{:012x}", self.course.meeting_id))
    }

    fn row(&self, dice: &mut fastrand::Rng, number: u64, stay: &SessionDraft<'_>, end: Timestamp) -> Session {
        let (name, whose) = match stay.who {
            Who::Member(person, index) => (person.name.as_str(), index),
            Who::Guest(name, index) => (name, index),
            Who::Caller(index) => ("", index),
        };
        let session = Session::new(FIRST_USER_ID + number * USER_ID_STEP, name, stay.join, stay.leave);
        let mut session = match stay.who {
            Who::Member(person, _) => person.mark(session, stay.device, self.week),
            Who::Guest(..) => mark_guest(dice, session),
            // Zoom's own example has a row without a status.
            Who::Caller(_) => mark_caller(dice, session, self.week * 7).without("status"),
        };
        let connection = self.week << 20 | (whose as u64) << 4 | stay.connection;
        session.set("participant_uuid", format!("{connection:08X}-2ABB-2FCC-019B-39E41D8DADF7"));
        session.set("leave_reason", reason(name, stay, end));
        if let Some(registrant) = self.registrant(stay.who) {
            session.set("registrant_id", registrant);
        }
        if whose == self.course.members.start {
            session = session.host().with("is_original_host", true);
        }
        if whose == 950 {
            session.set("in_room_participants", json!(dice.u8(3..7)));
        }
        match &stay.place {
            MeetingRoom::Main => session,
            MeetingRoom::Waiting => session.waiting(),
            MeetingRoom::Breakout(room, forgotten) => {
                let session = session.breakout(room.as_str());
                if *forgotten { session.with("id", "").with("participant_user_id", "") } else { session }
            }
        }
    }
}

impl<'a> SessionDraft<'a> {
    fn main(who: Who<'a>, join: Timestamp, leave: Timestamp) -> Self {
        Self { who, join, leave, place: MeetingRoom::Main, connection: 0, device: 0 }
    }
}

fn reason(name: &str, stay: &SessionDraft<'_>, end: Timestamp) -> String {
    if stay.leave == end {
        format!("{name} left the meeting.<br>Reason: Host ended the meeting.")
    } else {
        format!("{name} left the meeting.")
    }
}

/// A number of a guest's own, above those of members.
fn name_digest(name: &str) -> u64 {
    // FNV-1a, whose results no toolchain changes.
    let digest = name
        .bytes()
        .fold(0x811c_9dc5_u32, |digest, byte| (digest ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    u64::from(digest | 0x8000_0000)
}

/// A UUID of one of the kinds that are hard to put into a path, in turn.
fn uuid(dice: &mut fastrand::Rng, kind: u64) -> InstanceUuid {
    let mut bytes = dice.u128(..).to_be_bytes();
    match kind % 6 {
        // Begins with a slash.
        1 => bytes[0] |= 0xfc,
        // Two slashes in a row.
        2 => (bytes[3], bytes[4]) = (0xff, bytes[4] | 0xf0),
        // One slash inside.
        3 => (bytes[0], bytes[3]) = (bytes[0] & 0x7f, bytes[3] | 0xfc),
        // A plus.
        4 => (bytes[0], bytes[6]) = (bytes[0] & 0x7f, 0xf8 | bytes[6] & 3),
        _ => {}
    }
    BASE64.encode(bytes).parse().expect("base64 is what a UUID is made of")
}

#[cfg(test)]
#[path = "term_tests.rs"]
mod tests;
