//! What exists in the simulated account: instances of meetings, and who was in them.

use std::collections::{BTreeMap, BTreeSet};

use super::session::Session;
use crate::model::{InstanceUuid, MeetingId, Timestamp};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    pub id: String,
    pub name: String,
    pub email: String,
    /// The department that the Dashboard shows.
    pub department: String,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            id: "x1yCzABCDEfg23HiJKl4mN".to_owned(),
            name: "Imani Okafor".to_owned(),
            email: "imani.okafor@example.com".to_owned(),
            department: "Teaching".to_owned(),
        }
    }
}

/// One holding of a meeting.
#[derive(Clone, Debug)]
pub struct Instance {
    /// The meeting it is a holding of.
    pub meeting_id: MeetingId,
    /// Its own name.
    pub uuid: InstanceUuid,
    /// The topic of the meeting at that time.
    pub topic: String,
    pub host: Host,
    /// When it began; before that it is unknown to Zoom.
    pub start: Timestamp,
    /// When it ended or will end; `None`: still on, however late it is.
    pub end: Option<Timestamp>,
    /// The rows of its listing, in order.
    pub sessions: Vec<Session>,
    /// Whether it is a webinar, which the meeting endpoints refuse.
    pub webinar: bool,
    /// How many joins its descriptions tell; `None`: as many as its rows.
    pub(crate) joins_told: Option<usize>,
    /// Whether lists of instances leave its start blank; what describes it alone tells it.
    pub listed_without_start: bool,
    /// From when on Zoom no longer has it.
    pub gone_at: Option<Timestamp>,
}

impl Instance {
    pub fn new(
        meeting_id: MeetingId,
        uuid: InstanceUuid,
        topic: &str,
        start: Timestamp,
        end: Option<Timestamp>,
    ) -> Self {
        Self {
            meeting_id,
            uuid,
            topic: topic.to_owned(),
            host: Host::default(),
            start,
            end,
            sessions: Vec::new(),
            webinar: false,
            joins_told: None,
            listed_without_start: false,
            gone_at: None,
        }
    }

    #[must_use]
    pub fn with_session(mut self, session: Session) -> Self {
        self.sessions.push(session);
        self
    }

    #[must_use]
    pub fn with_sessions(mut self, sessions: impl IntoIterator<Item = Session>) -> Self {
        self.sessions.extend(sessions);
        self
    }

    #[must_use]
    pub fn with_host(mut self, host: Host) -> Self {
        self.host = host;
        self
    }

    /// The same instance, of which descriptions tell so many joins, whatever rows there are.
    #[must_use]
    pub fn telling_joins(mut self, joins: usize) -> Self {
        self.joins_told = Some(joins);
        self
    }

    /// The same instance, listed with a blank start.
    #[must_use]
    pub fn listed_without_start(mut self) -> Self {
        self.listed_without_start = true;
        self
    }

    /// The same instance, of which Zoom knows nothing from then on.
    #[must_use]
    pub fn gone_at(mut self, at: Timestamp) -> Self {
        self.gone_at = Some(at);
        self
    }

    /// The first row of a person of this display name.
    pub fn session_of(&mut self, user_name: &str) -> Option<&mut Session> {
        self.sessions.iter_mut().find(|session| session.text("user_name") == user_name)
    }

    /// Whether Zoom has it still.
    pub(super) fn is_kept(&self, now: Timestamp) -> bool {
        self.gone_at.is_none_or(|gone_at| now < gone_at)
    }

    pub(super) fn is_live(&self, now: Timestamp) -> bool {
        self.start <= now && !self.has_ended(now)
    }

    pub(super) fn has_ended(&self, now: Timestamp) -> bool {
        self.end.is_some_and(|end| end <= now)
    }

    /// Whether one person at most was in it: such instances are in the `pastOne` list alone.
    pub(super) fn is_of_one(&self) -> bool {
        if let Some(joins) = self.joins_told {
            return joins <= 1;
        }
        let facts = self.sessions.iter().map(Session::facts);
        let mut people = facts.filter(|facts| !facts.waiting).map(|facts| &facts.person);
        match people.next() {
            None => true,
            Some(first) => people.all(|person| person == first),
        }
    }

    /// Its rows as they stand at `now`: whoever has not come is not there, and has not left who will.
    pub(super) fn sessions_at(&self, now: Timestamp) -> Vec<Session> {
        self.sessions
            .iter()
            .filter(|session| session.join().is_none_or(|join| join <= now))
            .map(|session| {
                let mut session = session.clone();
                if session.leave().is_some_and(|leave| leave > now) {
                    session.set_leave(None);
                    session.remove("leave_reason");
                }
                session
            })
            .collect()
    }
}

/// All instances of the simulated account.
#[derive(Clone, Debug, Default)]
pub struct World {
    instances: BTreeMap<InstanceUuid, Instance>,
    expired: BTreeSet<MeetingId>,
    unlicensed: BTreeSet<String>,
}

impl World {
    /// An account in which no meeting was ever held.
    pub fn new() -> Self {
        Self::default()
    }

    #[must_use]
    pub fn with(mut self, instance: Instance) -> Self {
        self.add_instance(instance);
        self
    }

    /// Adds an instance; one of the same UUID is replaced.
    pub fn add_instance(&mut self, instance: Instance) {
        self.instances.insert(instance.uuid.clone(), instance);
    }

    pub fn instances(&self) -> impl Iterator<Item = &Instance> {
        self.instances.values()
    }

    pub fn instance(&self, uuid: &InstanceUuid) -> Option<&Instance> {
        self.instances.get(uuid)
    }

    /// The instance of this UUID, to be changed.
    pub fn instance_mut(&mut self, uuid: &InstanceUuid) -> Option<&mut Instance> {
        self.instances.get_mut(uuid)
    }

    /// Every meeting that was ever held.
    pub fn meetings(&self) -> BTreeSet<MeetingId> {
        self.instances.values().map(|instance| instance.meeting_id).collect()
    }

    /// Lets a meeting's number expire, as Zoom does 30 days after its last use: its UUIDs stay usable.
    pub fn expire_meeting(&mut self, meeting_id: MeetingId) {
        self.expired.insert(meeting_id);
    }

    /// Takes the licence from the host of this id: whatever that host held is refused with code 200, as where the
    /// plan of an account is too small.
    pub fn unlicense(&mut self, host_id: &str) {
        self.unlicensed.insert(host_id.to_owned());
    }

    /// Gives the host of this id the licence back.
    pub fn license(&mut self, host_id: &str) {
        self.unlicensed.remove(host_id);
    }

    /// Whether the host of an instance has a licence.
    pub(super) fn is_licensed(&self, host: &Host) -> bool {
        !self.unlicensed.contains(&host.id)
    }

    /// Every instance that Zoom has still, by UUID.
    pub(super) fn kept(&self, now: Timestamp) -> impl Iterator<Item = &Instance> {
        self.instances.values().filter(move |instance| instance.is_kept(now))
    }

    /// Whether the meeting's number can be asked for.
    pub(super) fn knows_meeting(&self, meeting_id: MeetingId, now: Timestamp) -> bool {
        !self.expired.contains(&meeting_id)
            && self.kept(now).any(|instance| instance.meeting_id == meeting_id)
    }

    /// The instances of a meeting that Zoom has still, latest first.
    pub(super) fn instances_of(&self, meeting_id: MeetingId, now: Timestamp) -> Vec<&Instance> {
        let mut found: Vec<_> = self.kept(now).filter(|instance| instance.meeting_id == meeting_id).collect();
        found.sort_by_key(|instance| std::cmp::Reverse(instance.start));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::session::FIRST_USER_ID;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn instance() -> Instance {
        Instance::new(
            MeetingId::new(85_746_065_432).unwrap(),
            "abc==".parse().unwrap(),
            "T",
            at(0),
            Some(at(100)),
        )
        .with_session(Session::new(FIRST_USER_ID, "Ada", at(0), at(90)))
    }

    #[test]
    fn two_joins_of_one_person_are_one_person() {
        let twice = instance().with_session(Session::new(FIRST_USER_ID + 1, "Ada", at(91), at(100)));
        assert!(twice.is_of_one());
        assert!(!twice.with_session(Session::new(FIRST_USER_ID + 2, "Bo", at(91), at(100))).is_of_one());
    }

    #[test]
    fn a_live_instance_shows_only_the_present() {
        let later = instance().with_session(Session::new(FIRST_USER_ID + 1, "Bo", at(50), at(80)));
        let rows = later.sessions_at(at(40));
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].get("leave_time"), None);
        assert_eq!(later.sessions_at(at(95)).len(), 2);
    }
}
