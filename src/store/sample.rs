//! A small database for tests: two meetings, three instances that were read, one that was not.

use std::path::Path;
use std::time::Duration;

use crate::decode::{Decoded, page};
use crate::model::{MeetingId, RunId, RunOutcome, Source, Timestamp, Trigger, Window};
use crate::plan::Policy;
use crate::store::testing;
use crate::store::{DiscoveredInstance, Listing, RunEnd, RunTotals, Settings, Store};

/// Logic on two Mondays, the second in two parts that are one sitting.
pub(crate) const FIRST: &str = "LogicFirst/Monday1w==";
pub(crate) const SECOND: &str = "+LogicSecondMonday2w==";
pub(crate) const SECOND_CONTINUED: &str = "LogicSecondMonday2b==";
/// Known and not read.
pub(crate) const UNREAD: &str = "OfficeHourNotReadYet==";

pub(crate) fn at(text: &str) -> Timestamp {
    Timestamp::from(chrono::DateTime::parse_from_rfc3339(text).unwrap().to_utc())
}

/// Makes the database; the time is the evening of 2026-03-09 in Berlin.
pub(crate) async fn database(path: &Path) -> Store {
    let store = Store::open(path).await.unwrap();
    let now = at("2026-03-09T20:00:00Z");
    store.apply_settings(&settings()).await.unwrap();
    let logic: MeetingId = "857 4606 5432".parse().unwrap();
    let office: MeetingId = "93812345678".parse().unwrap();
    let run_id = store.begin_run(Trigger::Manual, None, now).await.unwrap();
    let found = [
        found(FIRST, logic, "Logic", "2026-03-02T08:00:00Z", "2026-03-02T09:30:00Z"),
        found(SECOND, logic, "Logic", "2026-03-09T08:00:00Z", "2026-03-09T08:40:00Z"),
        found(SECOND_CONTINUED, logic, "Logic", "2026-03-09T08:42:00Z", "2026-03-09T09:30:00Z"),
        found(UNREAD, office, "Office hour", "2026-03-09T15:00:00Z", "2026-03-09T16:00:00Z"),
    ];
    let window = Window { from: at("2026-03-01T00:00:00Z"), to: now };
    store.learn(&found, &window, now).await;
    for (uuid, rows) in [(FIRST, FIRST_ROWS), (SECOND, SECOND_ROWS), (SECOND_CONTINUED, CONTINUED_ROWS)] {
        read(&store, run_id, uuid, rows, now).await;
    }
    let totals = RunTotals { instances_found: 4, instances_due: 4, requests: 9, ..RunTotals::default() };
    let end = RunEnd { outcome: RunOutcome::Ok, error: None };
    store.end_run(run_id, &totals, &end, at("2026-03-09T20:00:07Z")).await.unwrap();
    store
}

fn settings() -> Settings {
    let mut settings = testing::settings(Vec::new());
    // One listed meeting; the office hour is discovered.
    settings.meetings.truncate(1);
    settings.meetings[0].label = Some("CS101".to_owned());
    settings
}

fn found(uuid: &str, meeting_id: MeetingId, topic: &str, start: &str, end: &str) -> DiscoveredInstance {
    let description = crate::store::InstanceDetails {
        topic: Some(topic.to_owned()),
        start_at: Some(at(start)),
        ended_at: Some(at(end)),
        ..crate::store::InstanceDetails::default()
    };
    DiscoveredInstance {
        uuid: uuid.parse().unwrap(),
        meeting_id,
        start_at: Some(at(start)),
        description: Some(description),
    }
}

async fn read(store: &Store, run_id: RunId, uuid: &str, rows: &str, now: Timestamp) {
    let due = store.due(&crate::store::Selection::default(), now).await.unwrap();
    let instance = due.into_iter().find(|due| due.uuid.as_str() == uuid).unwrap();
    let mut decoded = Decoded::default();
    page(rows, &mut decoded);
    assert!(!decoded.rows.is_empty() && decoded.rejects.is_empty(), "the sample must decode");
    let listing = Listing {
        source: Source::Dashboard,
        ended: true,
        rows_reported: Some(i64::try_from(decoded.rows.len()).unwrap()),
        pages: 1,
        rows: decoded.rows,
        rejects: Vec::new(),
    };
    let record = crate::store::testing::record(run_id, instance.instance_id, Source::Dashboard, now);
    let policy = Policy { rereads: vec![Duration::from_mins(30)] };
    store.store_listing(&listing, &record, &policy).await.unwrap();
}

/// Ada holds it; Émile comes late, from two devices; Eve only waits; someone has a name to be afraid of.
const FIRST_ROWS: &str = r#"{"participants": [
  {"user_id": "1", "user_name": "Ada Lovelace", "email": "ada@example.com", "role": "host",
   "join_time": "2026-03-02T08:00:00Z", "leave_time": "2026-03-02T09:30:00Z"},
  {"user_id": "2", "user_name": "Émile Borel", "email": "Emile@example.org",
   "join_time": "2026-03-02T08:15:00Z", "leave_time": "2026-03-02T09:00:00Z"},
  {"user_id": "3", "user_name": "Émile Borel (phone)", "email": "emile@example.org",
   "join_time": "2026-03-02T08:50:00Z", "leave_time": "2026-03-02T09:30:00Z"},
  {"user_id": "4", "user_name": "Eve", "status": "in_waiting_room",
   "join_time": "2026-03-02T08:01:00Z", "leave_time": "2026-03-02T08:21:00Z"},
  {"user_id": "5", "user_name": "=cmd() <script>\u001b[31m", "in_room_participants": 3,
   "join_time": "2026-03-02T08:00:30Z", "leave_time": "2026-03-02T09:29:00Z"},
  {"user_id": "6", "user_name": "王小明 👩‍💻", "email": "wang@example.com",
   "join_time": "2026-03-02T08:00:30Z", "leave_time": "2026-03-02T08:30:00Z"}
]}"#;

const SECOND_ROWS: &str = r#"{"participants": [
  {"user_id": "1", "user_name": "Ada Lovelace", "email": "ada@example.com", "role": "host",
   "join_time": "2026-03-09T08:00:00Z", "leave_time": "2026-03-09T08:40:00Z"},
  {"user_id": "2", "user_name": "Émile Borel", "email": "emile@example.org",
   "join_time": "2026-03-09T08:05:00Z", "leave_time": "2026-03-09T08:40:00Z"}
]}"#;

const CONTINUED_ROWS: &str = r#"{"participants": [
  {"user_id": "1", "user_name": "Ada Lovelace", "email": "ada@example.com", "role": "host",
   "join_time": "2026-03-09T08:42:00Z", "leave_time": "2026-03-09T09:30:00Z"},
  {"user_id": "2", "user_name": "Émile Borel", "email": "emile@example.org",
   "join_time": "2026-03-09T08:42:00Z", "leave_time": "2026-03-09T09:30:00Z"}
]}"#;
