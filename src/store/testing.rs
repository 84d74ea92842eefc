//! A database for tests that read listings of their own.

use std::time::Duration;

use chrono_tz::Tz;
use serde_json::{Value as Json, json};
use sqlx::FromRow;
use sqlx::sqlite::SqliteRow;
use tempfile::TempDir;

use crate::decode::{Decoded, page};
use crate::model::{InstanceId, MeetingId, RunId, Source, Timestamp, Trigger, Window};
use crate::plan::Policy;
use crate::store::ingest::listing::Stored;
use crate::store::instances::{Want, upsert_instances};
use crate::store::{
    DiscoveredInstance, FetchRecord, InstanceDetails, Listing, MeetingSettings, PlannedTime, Selection,
    Settings, Store,
};

/// The meeting that most tests are about.
pub(crate) const MEETING: i64 = 85_746_065_432;
/// Another one.
pub(crate) const OTHER: i64 = 93_812_345_678;

pub(crate) struct TestStore {
    pub store: Store,
    pub now: Timestamp,
    run_id: RunId,
    _directory: TempDir,
}

pub(crate) fn meeting(number: i64) -> MeetingId {
    MeetingId::new(number).unwrap()
}

pub(crate) fn settings(planned: Vec<PlannedTime>) -> Settings {
    let meeting = |number: i64, planned: Vec<PlannedTime>| MeetingSettings {
        meeting_id: meeting(number),
        label: None,
        personal: false,
        guests_per_instance: None,
        present_percent: None,
        late_after: None,
        planned,
    };
    Settings {
        timezone: Tz::Europe__Berlin,
        present_percent: 75.0,
        late_after: Duration::from_mins(10),
        stitch_gap: Duration::from_mins(5),
        counts_from: Duration::from_mins(5),
        guests_per_instance: false,
        shared: Vec::new(),
        meetings: vec![meeting(MEETING, planned), meeting(OTHER, Vec::new())],
    }
}

/// A row that is there for half an hour from this minute of 2026-03-02T08:00Z on.
pub(crate) fn row(user_id: &str, minute: u64, told: &Json) -> Json {
    let from = crate::store::sample::at("2026-03-02T08:00:00Z").plus(Duration::from_mins(minute));
    let mut row = json!({
        "user_id": user_id,
        "join_time": from.to_string(),
        "leave_time": from.plus(Duration::from_mins(30)).to_string(),
    });
    for (field, value) in told.as_object().unwrap() {
        row[field] = value.clone();
    }
    row
}

/// The log row of a reading that went well, with one request.
pub(crate) fn record(run_id: RunId, instance_id: InstanceId, source: Source, at: Timestamp) -> FetchRecord {
    FetchRecord {
        run_id,
        instance_id,
        started_at: at,
        finished_at: at,
        requests: 1,
        source: Some(source),
        is_past_one: false,
        alternate_encoding: false,
        richer: crate::plan::Richer::None,
        awaits_source: None,
        tracking_id: None,
        error_code: None,
        error: None,
        description: None,
    }
}

impl Store {
    /// Takes in what a listing of instances told; says how many are new.
    pub(crate) async fn learn(&self, found: &[DiscoveredInstance], window: &Window, now: Timestamp) -> u64 {
        let mut transaction = self.begin().await.unwrap();
        let want = |at| if window.contains(at) { Want::Run } else { Want::Not };
        let new = upsert_instances(&mut transaction, found, &want, now, &self.dropped).await.unwrap();
        transaction.commit().await.unwrap();
        new
    }
}

impl TestStore {
    pub(crate) async fn new(settings: &Settings, now: Timestamp) -> Self {
        let directory = TempDir::new().unwrap();
        let store = Store::open(&directory.path().join("rollcall.db")).await.unwrap();
        store.apply_settings(settings).await.unwrap();
        let run_id = store.begin_run(Trigger::Manual, None, now).await.unwrap();
        Self { store, now, run_id, _directory: directory }
    }

    pub(crate) async fn learn(&self, uuid: &str, meeting_id: i64, start: Timestamp, end: Option<Timestamp>) {
        let found = Self::found(uuid, meeting_id, start, end);
        let window = Window { from: Timestamp::from_millis(0), to: Timestamp::from_millis(i64::MAX) };
        self.store.learn(&[found], &window, self.now).await;
    }

    pub(crate) async fn upsert_live_instance(&self, uuid: &str, meeting_id: i64, start: Timestamp) {
        self.store.upsert_live_instance(&Self::found(uuid, meeting_id, start, None), self.now).await.unwrap();
    }

    fn found(uuid: &str, meeting_id: i64, start: Timestamp, end: Option<Timestamp>) -> DiscoveredInstance {
        let description =
            InstanceDetails { start_at: Some(start), ended_at: end, ..InstanceDetails::default() };
        DiscoveredInstance {
            uuid: uuid.parse().unwrap(),
            meeting_id: meeting(meeting_id),
            start_at: Some(start),
            description: Some(description),
        }
    }

    /// Reads a complete listing of one page.
    pub(crate) async fn read(&self, uuid: &str, rows: &[Json]) -> Stored {
        self.read_from(Source::Dashboard, uuid, rows).await
    }

    pub(crate) async fn read_from(&self, source: Source, uuid: &str, rows: &[Json]) -> Stored {
        let text = json!({ "participants": rows }).to_string();
        self.read_page(source, uuid, &text, Some(i64::try_from(rows.len()).unwrap())).await
    }

    /// Reads a complete listing of one page with this text, of which Zoom claims so many rows.
    pub(crate) async fn read_page(
        &self,
        source: Source,
        uuid: &str,
        text: &str,
        rows_reported: Option<i64>,
    ) -> Stored {
        let everything = Selection { force: true, ..Selection::default() };
        let due = self.store.due(&everything, self.now).await.unwrap();
        let instance = due.into_iter().find(|due| due.uuid.as_str() == uuid).unwrap();
        let mut decoded = Decoded::default();
        page(text, &mut decoded);
        assert_eq!(decoded.rejects, [], "the rows must decode");
        let listing =
            Listing { source, ended: true, rows_reported, pages: 1, rows: decoded.rows, rejects: Vec::new() };
        let record = record(self.run_id, instance.instance_id, source, self.now);
        self.store.store_listing(&listing, &record, &Policy { rereads: Vec::new() }).await.unwrap()
    }

    /// The answer to a query, a value a row.
    pub(crate) async fn ask<T>(&self, query: &str) -> Vec<T>
    where
        T: Send + Unpin + for<'r> FromRow<'r, SqliteRow>,
    {
        sqlx::query_as(sqlx::AssertSqlSafe(query)).fetch_all(&self.store.pool).await.unwrap()
    }
}

/// How many cases a property is tried with, each of which makes a database; `PROPTEST_CASES` asks for more.
pub(crate) fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(12)
}
