//! What monitoring asks of the database.

use std::collections::BTreeMap;

use sqlx::SqliteConnection;

use crate::model::{FetchOutcome, InstanceState, RateLabel, RunOutcome, Timestamp};
use crate::store::runs::IS_GOOD;
use crate::store::{Store, StoreError};

/// The state of the collection at one instant. Counters count from the beginning of the database and never fall.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetricsSnapshot {
    /// Runs that have ended, by outcome.
    pub runs: BTreeMap<String, u64>,
    /// How long they took, in seconds; skipped slots took no time and are left out.
    pub run_seconds: Histogram,
    /// Fetches of instances, by outcome.
    pub fetches: BTreeMap<String, u64>,
    /// Rows of listings, by what became of them.
    pub rows: BTreeMap<String, u64>,
    /// Requests sent or reserved, by rate-limit label.
    pub requests: BTreeMap<String, u64>,
    /// Responses by rate-limit label and HTTP status; none where none came.
    pub responses: BTreeMap<(RateLabel, Option<u16>), u64>,
    /// Answers that asked to slow down, by rate-limit label.
    pub throttled: BTreeMap<String, u64>,
    /// Requests that repeated another.
    pub retries: u64,
    /// What is left of today's budget, by the labels that have one; labels of one pool share it.
    pub quota_left: BTreeMap<String, u64>,
    pub instances: BTreeMap<String, u64>,
    /// Listed meetings, and the account's list where that is asked, by whether they tell their instances: `told`, `refused`, `not_found`, `unasked`.
    pub meetings: BTreeMap<String, u64>,
    /// Instances that are to be read now.
    pub due: u64,
    /// Since when the oldest instance waits that is to be read now; one that a backfill found does not count, since
    /// its backlog may well take days.
    pub waiting_since: Option<Timestamp>,
    /// When the last run began that read what was due, or had nothing due.
    pub last_good_at: Option<Timestamp>,
    /// When a row was stored last that had not been there.
    pub last_row_at: Option<Timestamp>,
    /// The size of the file.
    pub database_bytes: u64,
}

/// A distribution in buckets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// Upper bounds in seconds, ascending, and how many values are at most that: each holds those before it.
    pub buckets: Vec<(u32, u64)>,
    pub count: u64,
    /// Their sum in seconds.
    pub sum: f64,
}

/// The upper bounds of the buckets for the length of runs, in seconds: from a look that finds nothing to a
/// backfill of half a day.
const BUCKETS: [u32; 9] = [1, 5, 15, 60, 300, 900, 3_600, 14_400, 43_200];

/// The length of these runs as rows of `name`, `label`, `total`: how many are in each bucket alone, and their sum.
pub(super) fn bucket_rows(runs: &str) -> String {
    let which = BUCKETS.iter().fold(String::from("CASE"), |text, bound| {
        format!("{text} WHEN finished_at - started_at <= {bound}000 THEN '{bound}'")
    });
    format!(
        "SELECT 'run_seconds', {which} ELSE 'more' END, count(*) FROM {runs} \
          WHERE finished_at IS NOT NULL AND outcome <> 'skipped' GROUP BY 2 \
         UNION ALL SELECT 'run_milliseconds', '', sum(max(finished_at - started_at, 0)) FROM {runs} \
          WHERE finished_at IS NOT NULL AND outcome <> 'skipped'"
    )
}

impl Store {
    /// What monitoring wants to know of the collection. It reads, and waits for nobody who writes.
    pub async fn metrics_snapshot(&self, now: Timestamp) -> Result<MetricsSnapshot, StoreError> {
        self.read(async |connection| snapshot(connection, now).await).await
    }
}

async fn snapshot(connection: &mut SqliteConnection, now: Timestamp) -> Result<MetricsSnapshot, sqlx::Error> {
    let mut snapshot = MetricsSnapshot::default();
    // A counter that begins at one has not risen, as far as Prometheus can see: it begins at zero.
    let none = |text: &str| (text.to_owned(), 0);
    snapshot.instances.extend(InstanceState::ALL.iter().map(|state| none(state.as_str())));
    snapshot.meetings.extend(["told", "refused", "not_found", "unasked"].map(none));
    let outcomes = RunOutcome::ALL.iter().filter(|outcome| **outcome != RunOutcome::Running);
    snapshot.runs.extend(outcomes.map(|outcome| none(outcome.as_str())));
    snapshot.fetches.extend(FetchOutcome::ALL.iter().map(|outcome| none(outcome.as_str())));
    let mut lengths: BTreeMap<String, u64> = BTreeMap::new();
    for (name, label, value) in totals(connection, now).await? {
        let value = u64::try_from(value).unwrap_or(0);
        let counters = match name.as_str() {
            "runs" => &mut snapshot.runs,
            "fetches" => &mut snapshot.fetches,
            "rows" => &mut snapshot.rows,
            "requests" => &mut snapshot.requests,
            "throttled" => &mut snapshot.throttled,
            "instances" => &mut snapshot.instances,
            "meetings" => &mut snapshot.meetings,
            "run_seconds" => &mut lengths,
            "run_milliseconds" => {
                snapshot.run_seconds.sum = std::time::Duration::from_millis(value).as_secs_f64();
                continue;
            }
            "retries" => {
                snapshot.retries = value;
                continue;
            }
            "last_row" => {
                snapshot.last_row_at =
                    i64::try_from(value).ok().filter(|at| *at > 0).map(Timestamp::from_millis);
                continue;
            }
            _ => continue,
        };
        counters.insert(label, value);
    }
    for bound in BUCKETS {
        snapshot.run_seconds.count += lengths.get(&bound.to_string()).copied().unwrap_or(0);
        snapshot.run_seconds.buckets.push((bound, snapshot.run_seconds.count));
    }
    snapshot.run_seconds.count += lengths.get("more").copied().unwrap_or(0);
    snapshot.responses = responses(connection).await?;
    snapshot.quota_left = quota_left(connection, now).await?;
    let text = format!(
        "SELECT (SELECT count(*) FROM instances WHERE due_at <= ?1), \
                (SELECT due_at FROM instances WHERE due_at <= ?1 AND NOT for_backfill ORDER BY due_at LIMIT 1), \
                (SELECT started_at FROM run_log WHERE started_at <= ?1 AND {IS_GOOD} ORDER BY started_at DESC LIMIT 1), \
                (SELECT page_count * page_size FROM pragma_page_count, pragma_page_size)"
    );
    let (due, waiting_since, good_at, bytes): (i64, Option<i64>, Option<i64>, i64) =
        sqlx::query_as(sqlx::AssertSqlSafe(text)).bind(now.millis()).fetch_one(connection).await?;
    snapshot.due = u64::try_from(due).unwrap_or(0);
    snapshot.waiting_since = waiting_since.map(Timestamp::from_millis);
    snapshot.last_good_at = good_at.map(Timestamp::from_millis);
    snapshot.database_bytes = u64::try_from(bytes).unwrap_or(0);
    Ok(snapshot)
}

/// Every counter as (name, label, value), with what has been pruned; and when a row was stored last. What a clock that
/// was ahead has noted for later than `now` is no witness.
async fn totals(
    connection: &mut SqliteConnection,
    now: Timestamp,
) -> Result<Vec<(String, String, i64)>, sqlx::Error> {
    let lengths = bucket_rows("run_log");
    let text = format!(
        "WITH sums AS ( \
             SELECT sum(rows_inserted) AS inserted, sum(rows_updated) AS updated, sum(rows_unchanged) AS unchanged, \
                    sum(rows_withdrawn) AS withdrawn, sum(rows_rejected) AS rejected, sum(rows_duplicate) AS duplicate, \
                    max(iif(rows_inserted > 0 AND finished_at <= ?, finished_at, NULL)) AS last_row \
               FROM fetch_log) \
         SELECT name, label, sum(coalesce(value, 0)) FROM ( \
             SELECT name, label, value FROM counter_baselines \
             UNION ALL SELECT 'rows' AS name, 'inserted' AS label, inserted AS value FROM sums \
             UNION ALL SELECT 'rows', 'updated', updated FROM sums \
             UNION ALL SELECT 'rows', 'unchanged', unchanged FROM sums \
             UNION ALL SELECT 'rows', 'withdrawn', withdrawn FROM sums \
             UNION ALL SELECT 'rows', 'rejected', rejected FROM sums \
             UNION ALL SELECT 'rows', 'duplicate', duplicate FROM sums \
             UNION ALL SELECT 'last_row', '', last_row FROM sums \
             UNION ALL SELECT 'fetches', outcome, count(*) FROM fetch_log GROUP BY outcome \
             UNION ALL SELECT 'runs', outcome, count(*) FROM run_log WHERE outcome <> 'running' GROUP BY outcome \
             UNION ALL SELECT 'retries', '', sum(retries) FROM run_log \
             UNION ALL SELECT 'requests', label, sum(requests) FROM quota_ledger GROUP BY label \
             UNION ALL SELECT 'throttled', label, sum(throttled) FROM quota_ledger GROUP BY label \
             UNION ALL SELECT 'instances', state, count(*) FROM instances GROUP BY state \
             UNION ALL SELECT 'meetings', CASE WHEN d.refusal IS NULL THEN iif(d.told_at IS NULL, 'unasked', 'told') \
                              WHEN d.not_found THEN 'not_found' ELSE 'refused' END, count(*) \
                         FROM (SELECT meeting_id AS subject FROM meetings WHERE listed \
                               UNION ALL SELECT subject FROM discoveries WHERE subject = 0) m \
                         LEFT JOIN discoveries d ON d.subject = m.subject GROUP BY 2 \
             UNION ALL {lengths}) \
          GROUP BY name, label ORDER BY name, label"
    );
    sqlx::query_as(sqlx::AssertSqlSafe(text)).bind(now.millis()).fetch_all(connection).await
}

async fn responses(
    connection: &mut SqliteConnection,
) -> Result<BTreeMap<(RateLabel, Option<u16>), u64>, sqlx::Error> {
    let rows: Vec<(String, String, i64)> =
        sqlx::query_as("SELECT label, status, count FROM response_counts").fetch_all(connection).await?;
    let responses = rows.into_iter().filter_map(|(label, status, count)| {
        Some(((RateLabel::from_text(&label)?, status.parse().ok()), u64::try_from(count).unwrap_or(0)))
    });
    Ok(responses.collect())
}

/// Labels with the same budget share one pool: what one of them used is gone for the others, too.
async fn quota_left(
    connection: &mut SqliteConnection,
    now: Timestamp,
) -> Result<BTreeMap<String, u64>, sqlx::Error> {
    let today: Vec<(String, i64, Option<i64>)> =
        sqlx::query_as("SELECT label, requests, budget FROM quota_ledger WHERE day = ? ORDER BY label")
            .bind(now.utc().format("%Y-%m-%d").to_string())
            .fetch_all(connection)
            .await?;
    let left = today.iter().filter_map(|(label, _, budget)| {
        let used: i64 =
            today.iter().filter(|(_, _, other)| other == budget).map(|(_, requests, _)| requests).sum();
        Some((label.clone(), u64::try_from((*budget)? - used).unwrap_or(0)))
    });
    Ok(left.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DailyQuota, Throttle, ThrottleKind, Trigger};
    use crate::store::sample::{self, at};
    use crate::store::{RunEnd, RunTotals};

    #[tokio::test]
    async fn the_database_tells_its_figures() {
        let directory = tempfile::tempdir().unwrap();
        let store = sample::database(&directory.path().join("rollcall.db")).await;
        let now = at("2026-03-09T20:10:00Z");
        let labels = &[RateLabel::Heavy, RateLabel::ResourceIntensive];
        let quota = Some(&DailyQuota { labels, requests: 100 });
        store.reserve(RateLabel::Heavy, 10, quota, now).await.unwrap();
        store.reserve(RateLabel::ResourceIntensive, 5, quota, now).await.unwrap();
        let throttle = Throttle { kind: ThrottleKind::PerSecond, until: None };
        store.throttled(RateLabel::Heavy, throttle, now).await.unwrap();
        let snapshot = store.metrics_snapshot(now).await.unwrap();
        assert_eq!((snapshot.runs["ok"], snapshot.runs["quota"], snapshot.runs.len()), (1, 0, 6));
        assert_eq!((snapshot.fetches["ok"], snapshot.fetches["failed"]), (3, 0));
        assert_eq!(snapshot.last_row_at, Some(at("2026-03-09T20:00:00Z")));
        assert_eq!(snapshot.waiting_since, Some(at("2026-03-09T20:00:00Z")));
        assert_eq!((snapshot.rows["inserted"], snapshot.rows["withdrawn"]), (10, 0));
        assert_eq!((snapshot.meetings["unasked"], snapshot.meetings["refused"]), (1, 0));
        assert_eq!((snapshot.instances["settled"], snapshot.instances["parked"]), (3, 0));
        assert_eq!(snapshot.due, 1);
        assert_eq!(snapshot.last_good_at, Some(at("2026-03-09T20:00:00Z")));
        assert_eq!((snapshot.run_seconds.count, snapshot.run_seconds.sum), (1, 7.0));
        let expected: Vec<(u32, u64)> =
            BUCKETS.into_iter().map(|bound| (bound, u64::from(bound >= 15))).collect();
        assert_eq!(snapshot.run_seconds.buckets, expected);
        assert_eq!(snapshot.requests[RateLabel::Heavy.as_str()], 10);
        assert_eq!(snapshot.throttled[RateLabel::Heavy.as_str()], 1);
        assert_eq!(snapshot.quota_left[RateLabel::Heavy.as_str()], 85);
        assert_eq!(snapshot.quota_left[RateLabel::ResourceIntensive.as_str()], 85);
        assert!(snapshot.database_bytes > 4096);
    }

    /// The sample database, in which one instance is due, and another run with so many instances due.
    async fn run_later(store: &Store, trigger: Trigger, due: u64, outcome: RunOutcome) {
        let began = at("2026-03-09T21:00:00Z");
        let run_id = store.begin_run(trigger, None, began).await.unwrap();
        let totals = RunTotals { instances_due: due, ..RunTotals::default() };
        let end = RunEnd { outcome, error: None };
        store.end_run(run_id, &totals, &end, began).await.unwrap();
    }

    #[tokio::test]
    async fn a_run_that_read_nothing_of_what_was_due_is_no_good_one() {
        for (due, outcome, is_good) in [
            (0, RunOutcome::Ok, true),
            (0, RunOutcome::Partial, true),
            (1, RunOutcome::Ok, false),
            (1, RunOutcome::Partial, false),
            (0, RunOutcome::Failed, false),
            (0, RunOutcome::Quota, false),
        ] {
            let directory = tempfile::tempdir().unwrap();
            let store = sample::database(&directory.path().join("rollcall.db")).await;
            run_later(&store, Trigger::Scheduled, due, outcome).await;
            let good_at = store.metrics_snapshot(at("2026-03-10T00:00:00Z")).await.unwrap().last_good_at;
            let last = if is_good { "2026-03-09T21:00:00Z" } else { "2026-03-09T20:00:00Z" };
            assert_eq!(good_at, Some(at(last)), "{due} due, {outcome}");
        }
    }

    #[tokio::test]
    async fn what_a_clock_that_was_ahead_has_noted_is_no_witness() {
        let directory = tempfile::tempdir().unwrap();
        let store = sample::database(&directory.path().join("rollcall.db")).await;
        let before = store.metrics_snapshot(at("2026-03-09T19:00:00Z")).await.unwrap();
        assert_eq!((before.last_good_at, before.last_row_at), (None, None));
        assert_eq!(before.rows["inserted"], 10, "what was counted was counted");
    }

    #[tokio::test]
    async fn the_backlog_of_a_backfill_may_wait() {
        let directory = tempfile::tempdir().unwrap();
        let store = sample::database(&directory.path().join("rollcall.db")).await;
        let now = at("2026-03-12T00:00:00Z");
        assert_eq!(
            store.metrics_snapshot(now).await.unwrap().waiting_since,
            Some(at("2026-03-09T20:00:00Z"))
        );
        sqlx::query("UPDATE instances SET for_backfill = 1").execute(&store.pool).await.unwrap();
        let snapshot = store.metrics_snapshot(now).await.unwrap();
        assert_eq!((snapshot.due, snapshot.waiting_since), (1, None));
    }
}
