//! Taking old instances out of the database.

use std::collections::BTreeSet;
use std::time::Duration;

use sqlx::SqliteConnection;

use crate::model::{InstanceId, Timestamp};
use crate::store::attendance::refresh::refresh_after_change;
use crate::store::calendar;
use crate::store::lists::json_list;
use crate::store::session::shared::remove_unused_facts;
use crate::store::{Store, StoreError};

/// What was pruned, or would be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Instances that leave a tombstone.
    pub instances: u64,
    /// Sessions of theirs.
    pub sessions: u64,
    /// People who were in no other instance.
    pub people: u64,
    /// Runs without a fetch that left the log.
    pub runs: u64,
}

/// The daemon takes out no more than this the first time after `retention.keep` was set or shortened.
const MOST_UNASKED: u64 = 10;

/// What pruning notes: by which `keep` it was made last, in milliseconds, and since when it waits for a person.
const PRUNED_KEEP: &str = "pruned_keep_ms";
const PRUNING_WAITS: &str = "pruning_waits_since";

/// So many instances go at once, or fewer where they are large: other programs wait for no longer than that takes.
const INSTANCES_AT_ONCE: i64 = 50;
const SESSIONS_AT_ONCE: i64 = 5_000;

/// Runs without a fetch stay in the log for so long.
const EMPTY_RUNS_MS: i64 = 90 * 24 * 60 * 60 * 1000;

impl Store {
    /// Takes out the instances that began before `before` (none: no instance), with all that only they need, and
    /// runs without a fetch that are older than 90 days. Each instance leaves a tombstone, so that it is not
    /// discovered again.
    ///
    /// It goes by batches, each a transaction: what stops it half-way leaves the database whole, and the next call
    /// goes on. The caller holds the run lock.
    pub async fn prune(&self, before: Option<Timestamp>, now: Timestamp) -> Result<Pruned, StoreError> {
        let mut pruned = Pruned::default();
        let people_before = self.count("SELECT count(*) FROM people").await?;
        while let Some(before) = before {
            let batch = self.write(async |tx| prune_batch(tx, before, now).await).await?;
            if batch.instances == 0 {
                break;
            }
            pruned.instances += batch.instances;
            pruned.sessions += batch.sessions;
        }
        if pruned.instances > 0 {
            self.write(async |tx| remove_unused_facts(tx).await).await?;
        }
        let people_after = self.count("SELECT count(*) FROM people").await?;
        pruned.people = people_before.saturating_sub(people_after);
        pruned.runs = self.write(async |tx| prune_runs(tx, now).await).await?;
        Ok(pruned)
    }

    /// Prunes for the daemon, which asks nobody: instances that began longer ago than `keep`. The first time after `keep`
    /// was set or shortened, more than ten of them are left to a person; that it waits is noted, and answered with their
    /// number.
    pub(crate) async fn prune_unasked(
        &self,
        keep: Option<Duration>,
        now: Timestamp,
    ) -> Result<Result<Pruned, u64>, StoreError> {
        let before = keep.map(|keep| now.minus(keep));
        let keep_ms = keep.map(|keep| i64::try_from(keep.as_millis()).unwrap_or(i64::MAX));
        let is_usual = match (keep_ms, self.noted(PRUNED_KEEP).await?) {
            (None, _) => true,
            (Some(keep), before) => before.is_some_and(|before| keep >= before),
        };
        if !is_usual {
            let instances = self.preview_prune(before, now).await?.instances;
            if instances > MOST_UNASKED {
                let since = self.noted(PRUNING_WAITS).await?.filter(|since| *since <= now.millis());
                self.note(PRUNING_WAITS, Some(since.unwrap_or(now.millis()))).await?;
                return Ok(Err(instances));
            }
        }
        self.note_pruning(keep).await?;
        Ok(Ok(self.prune(before, now).await?))
    }

    /// Notes that a person, or the daemon after one, prunes what is older than this; none: nothing is, and whatever is
    /// set next is new.
    pub(crate) async fn note_pruning(&self, keep: Option<Duration>) -> Result<(), StoreError> {
        self.note(PRUNING_WAITS, None::<i64>).await?;
        self.note(PRUNED_KEEP, keep.map(|keep| i64::try_from(keep.as_millis()).unwrap_or(i64::MAX))).await
    }

    /// What [`Store::prune`] would take out; people are those of the instances who are in no other.
    pub(crate) async fn preview_prune(
        &self,
        before: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Pruned, StoreError> {
        let (instances, sessions, people): (i64, i64, i64) = self.read(async |connection| sqlx::query_as(
            "SELECT (SELECT count(*) FROM instances WHERE start_at < ?1), \
                    (SELECT count(*) FROM sessions s JOIN instances i ON i.instance_id = s.instance_id WHERE i.start_at < ?1), \
                    (SELECT count(*) FROM people p \
                      WHERE EXISTS (SELECT 1 FROM attendance_facts WHERE person_id = p.person_id) \
                        AND NOT EXISTS (SELECT 1 FROM attendance_facts r JOIN instances i ON i.instance_id = r.instance_id \
                                         WHERE r.person_id = p.person_id AND (i.start_at IS NULL OR i.start_at >= ?1)))",
        )
        .bind(before.map_or(i64::MIN, Timestamp::millis)).fetch_one(connection).await).await?;
        // Runs that lose their last fetch go with a later call only if they are old enough by themselves.
        let runs: i64 = self
            .read(async |connection| {
                sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
                    "SELECT count(*) FROM run_log r WHERE {EMPTY_AND_OLD}"
                )))
                .bind(now.millis() - EMPTY_RUNS_MS)
                .bind(before.map_or(i64::MIN, Timestamp::millis))
                .fetch_one(connection)
                .await
            })
            .await?;
        let count = |number: i64| u64::try_from(number).unwrap_or(0);
        Ok(Pruned {
            instances: count(instances),
            sessions: count(sessions),
            people: count(people),
            runs: count(runs),
        })
    }

    async fn count(&self, query: &'static str) -> Result<u64, StoreError> {
        let count: i64 =
            self.read(async |connection| sqlx::query_scalar(query).fetch_one(connection).await).await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }
}

/// Runs that may leave the log: they read no instance that stays, and the schedule does not go on from them.
const EMPTY_AND_OLD: &str = "r.started_at < ?1 AND r.outcome <> 'running' \
     AND NOT EXISTS (SELECT 1 FROM pruned_fetches p WHERE p.run_id = r.run_id) \
     AND NOT EXISTS (SELECT 1 FROM fetch_log f WHERE f.run_id = r.run_id) \
     AND NOT EXISTS (SELECT 1 FROM reject_log j JOIN instances i ON i.instance_id = j.instance_id \
                      WHERE j.run_id = r.run_id AND (i.start_at IS NULL OR i.start_at >= ?2)) \
     AND r.run_id NOT IN (SELECT run_id FROM run_log WHERE slot_at IS NOT NULL ORDER BY slot_at DESC LIMIT 1) \
     AND r.run_id NOT IN (SELECT run_id FROM run_log WHERE outcome IN ('ok', 'partial') ORDER BY started_at DESC, run_id DESC LIMIT 1)";

async fn prune_batch(
    connection: &mut SqliteConnection,
    before: Timestamp,
    now: Timestamp,
) -> Result<Pruned, sqlx::Error> {
    // The first of the batch goes however large it is.
    let batch: Vec<(InstanceId, i64)> = sqlx::query_as(
        "SELECT instance_id, sessions FROM ( \
             SELECT instance_id, sessions, start_at, sum(sessions) OVER (ORDER BY start_at, instance_id) - sessions AS others \
               FROM (SELECT instance_id, start_at, (SELECT count(*) FROM sessions s WHERE s.instance_id = i.instance_id) AS sessions \
                       FROM instances i WHERE start_at < ? ORDER BY start_at, instance_id LIMIT ?)) \
          WHERE others < ? ORDER BY start_at, instance_id",
    )
    .bind(before.millis())
    .bind(INSTANCES_AT_ONCE)
    .bind(SESSIONS_AT_ONCE)
    .fetch_all(&mut *connection)
    .await?;
    if batch.is_empty() {
        return Ok(Pruned::default());
    }
    let ids: Vec<InstanceId> = batch.iter().map(|(instance_id, _)| *instance_id).collect();
    remove_instances(connection, &json_list(&ids), now).await?;
    Ok(Pruned {
        instances: ids.len() as u64,
        sessions: batch.iter().map(|(_, sessions)| u64::try_from(*sessions).unwrap_or(0)).sum(),
        ..Pruned::default()
    })
}

async fn remove_instances(
    connection: &mut SqliteConnection,
    ids: &str,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let people: Vec<i64> = sqlx::query_scalar(
        "SELECT DISTINCT person_id FROM sessions \
          WHERE person_id IS NOT NULL AND instance_id IN (SELECT value FROM json_each(?))",
    )
    .bind(ids)
    .fetch_all(&mut *connection)
    .await?;
    let meetings: Vec<i64> = sqlx::query_scalar(
        "SELECT DISTINCT meeting_id FROM instances WHERE instance_id IN (SELECT value FROM json_each(?))",
    )
    .bind(ids)
    .fetch_all(&mut *connection)
    .await?;
    sqlx::query(
        "INSERT OR IGNORE INTO tombstones (uuid, start_at, pruned_at) \
         SELECT uuid, start_at, ?2 FROM instances WHERE instance_id IN (SELECT value FROM json_each(?1))",
    )
    .bind(ids)
    .bind(now.millis())
    .execute(&mut *connection)
    .await?;
    count_on_fetches(connection, ids).await?;
    for statement in [
        // A number of a session may be given anew; a decision that held on to it must not meet a stranger.
        "UPDATE identity_decisions SET undone_at = coalesce(undone_at, made_at) \
          WHERE (left_kind = 'session' AND left_value IN (SELECT CAST(session_id AS TEXT) FROM sessions WHERE instance_id IN (SELECT value FROM json_each(?1)))) \
             OR (right_kind = 'session' AND right_value IN (SELECT CAST(session_id AS TEXT) FROM sessions WHERE instance_id IN (SELECT value FROM json_each(?1))))",
        "DELETE FROM attendance_facts WHERE instance_id IN (SELECT value FROM json_each(?))",
        "DELETE FROM sessions WHERE instance_id IN (SELECT value FROM json_each(?))",
        "DELETE FROM reject_log WHERE instance_id IN (SELECT value FROM json_each(?))",
        "DELETE FROM fetch_log WHERE instance_id IN (SELECT value FROM json_each(?))",
        "UPDATE instances SET sitting_id = NULL WHERE sitting_id IN (SELECT value FROM json_each(?))",
        "DELETE FROM instances WHERE instance_id IN (SELECT value FROM json_each(?))",
    ] {
        sqlx::query(statement).bind(ids).execute(&mut *connection).await?;
    }
    // Whoever is still there is who the remaining sessions say.
    refresh_after_change(connection, &people.into_iter().collect(), BTreeSet::new()).await?;
    for meeting_id in meetings {
        let left: Option<InstanceId> =
            sqlx::query_scalar("SELECT instance_id FROM instances WHERE meeting_id = ? LIMIT 1")
                .bind(meeting_id)
                .fetch_optional(&mut *connection)
                .await?;
        if let Some(instance_id) = left {
            calendar::assign_sittings(connection, instance_id).await?;
        }
    }
    Ok(())
}

/// Adds what is about to leave the log to the counters that must not fall.
const COUNT_ON: &str = "ON CONFLICT (name, label) DO UPDATE SET value = value + excluded.value";

/// Adds the fetches that are about to leave the log to their runs and to the counters, so that neither changes.
async fn count_on_fetches(connection: &mut SqliteConnection, ids: &str) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO pruned_fetches (run_id, fetched, failed, requests, rows_inserted, rows_updated, rows_unchanged, \
                rows_withdrawn, rows_rejected, rows_duplicate) \
         SELECT run_id, count(DISTINCT iif(outcome <> 'failed', instance_id, NULL)), \
                count(DISTINCT iif(outcome = 'failed' AND coalesce(error_code, 0) NOT IN (404, 3001), instance_id, NULL)), \
                sum(requests), sum(rows_inserted), sum(rows_updated), sum(rows_unchanged), sum(rows_withdrawn), \
                sum(rows_rejected), sum(rows_duplicate) \
           FROM fetch_log WHERE instance_id IN (SELECT value FROM json_each(?)) GROUP BY run_id \
         ON CONFLICT (run_id) DO UPDATE SET fetched = fetched + excluded.fetched, failed = failed + excluded.failed, \
             requests = requests + excluded.requests, rows_inserted = rows_inserted + excluded.rows_inserted, \
             rows_updated = rows_updated + excluded.rows_updated, \
             rows_unchanged = rows_unchanged + excluded.rows_unchanged, \
             rows_withdrawn = rows_withdrawn + excluded.rows_withdrawn, \
             rows_rejected = rows_rejected + excluded.rows_rejected, \
             rows_duplicate = rows_duplicate + excluded.rows_duplicate",
    )
    .bind(ids)
    .execute(&mut *connection)
    .await?;
    let text = format!(
        "WITH gone AS (SELECT * FROM fetch_log WHERE instance_id IN (SELECT value FROM json_each(?))) \
         INSERT INTO counter_baselines (name, label, value) \
         SELECT name, label, total FROM ( \
             SELECT 'rows' AS name, 'inserted' AS label, sum(rows_inserted) AS total FROM gone \
             UNION ALL SELECT 'rows', 'updated', sum(rows_updated) FROM gone \
             UNION ALL SELECT 'rows', 'unchanged', sum(rows_unchanged) FROM gone \
             UNION ALL SELECT 'rows', 'withdrawn', sum(rows_withdrawn) FROM gone \
             UNION ALL SELECT 'rows', 'rejected', sum(rows_rejected) FROM gone \
             UNION ALL SELECT 'rows', 'duplicate', sum(rows_duplicate) FROM gone \
             UNION ALL SELECT 'fetches', outcome, count(*) FROM gone GROUP BY outcome) \
          WHERE total > 0 {COUNT_ON}"
    );
    sqlx::query(sqlx::AssertSqlSafe(text)).bind(ids).execute(connection).await?;
    Ok(())
}

async fn prune_runs(connection: &mut SqliteConnection, now: Timestamp) -> Result<u64, sqlx::Error> {
    let gone: Vec<i64> = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
        "SELECT run_id FROM run_log r WHERE {EMPTY_AND_OLD}"
    )))
    .bind(now.millis() - EMPTY_RUNS_MS)
    .bind(i64::MIN)
    .fetch_all(&mut *connection)
    .await?;
    if gone.is_empty() {
        return Ok(0);
    }
    let list = json_list(&gone);
    let buckets = crate::store::metrics::bucket_rows("gone");
    let text = format!(
        "WITH gone AS (SELECT * FROM run_log WHERE run_id IN (SELECT value FROM json_each(?))) \
         INSERT INTO counter_baselines (name, label, value) \
         SELECT name, label, total FROM ( \
             SELECT 'runs' AS name, outcome AS label, count(*) AS total FROM gone GROUP BY outcome \
             UNION ALL SELECT 'retries', '', sum(retries) FROM gone \
             UNION ALL SELECT 'throttled', '', sum(throttled) FROM gone \
             UNION ALL {buckets}) \
          WHERE total > 0 {COUNT_ON}"
    );
    sqlx::query(sqlx::AssertSqlSafe(text)).bind(&list).execute(&mut *connection).await?;
    sqlx::query("DELETE FROM run_log WHERE run_id IN (SELECT value FROM json_each(?))")
        .bind(&list)
        .execute(connection)
        .await?;
    Ok(gone.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DAY, Trigger, Window};
    use crate::store::sample::{self, at};
    use crate::store::{DiscoveredInstance, RunEnd, RunTotals};

    async fn number(store: &Store, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&store.pool).await.unwrap()
    }

    #[tokio::test]
    async fn old_instances_go_with_all_that_only_they_need_and_do_not_come_back() {
        let directory = tempfile::tempdir().unwrap();
        let store = sample::database(&directory.path().join("rollcall.db")).await;
        let now = at("2026-03-10T00:00:00Z");
        let before = Some(at("2026-03-09T08:41:00Z"));
        let expected = store.preview_prune(before, now).await.unwrap();
        let runs = store.last_runs(10).await.unwrap();
        let counters = store.metrics_snapshot(now).await.unwrap();
        let pruned = store.prune(before, now).await.unwrap();
        assert_eq!(pruned, Pruned { instances: 2, sessions: 8, people: 3, runs: 0 });
        assert_eq!(pruned, expected);
        for (query, left) in [
            ("SELECT count(*) FROM instances", 2),
            ("SELECT count(*) FROM sessions", 2),
            ("SELECT count(*) FROM attendance_facts", 2),
            ("SELECT count(*) FROM people", 2),
            ("SELECT count(*) FROM identifiers", 2),
            ("SELECT count(*) FROM extra_fields", 0),
            ("SELECT count(*) FROM tombstones", 2),
            ("SELECT count(*) FROM fetch_log", 1),
            ("SELECT count(*) FROM instances WHERE source IS NOT NULL AND sitting_id = instance_id", 1),
        ] {
            assert_eq!(number(&store, query).await, left, "{query}");
        }
        let after = store.metrics_snapshot(now).await.unwrap();
        assert_eq!((counters.rows, counters.fetches), (after.rows, after.fetches), "counters do not fall");
        assert_eq!(store.last_runs(10).await.unwrap(), runs, "and no run has done less than it did");
        // Nor does such a run leave the log as one that read nothing.
        let later = now.plus(Duration::from_hours(365 * 24));
        assert_eq!(store.prune(None, later).await.unwrap().runs, 0);

        let found = DiscoveredInstance {
            uuid: sample::FIRST.parse().unwrap(),
            meeting_id: "85746065432".parse().unwrap(),
            start_at: Some(at("2026-03-02T08:00:00Z")),
            description: None,
        };
        let window = Window { from: at("2026-03-01T00:00:00Z"), to: now };
        let learnt = store.learn(&[found], &window, now).await;
        assert_eq!(learnt, 0);
        assert_eq!(store.prune(before, now).await.unwrap(), Pruned::default());
    }

    #[tokio::test]
    async fn a_first_large_pruning_is_left_to_a_person_and_so_is_one_by_a_shorter_span() {
        let directory = tempfile::tempdir().unwrap();
        let store = sample::database(&directory.path().join("rollcall.db")).await;
        let now = at("2026-06-09T00:00:00Z");
        let found = |number: u32| DiscoveredInstance {
            uuid: format!("old{number}==").parse().unwrap(),
            meeting_id: "85746065432".parse().unwrap(),
            start_at: Some(now.minus(number * DAY)),
            description: None,
        };
        let old: Vec<DiscoveredInstance> = (200..230).map(found).collect();
        store.learn(&old, &Window { from: at("2020-01-01T00:00:00Z"), to: now }, now).await;
        let troubled = async |at| {
            let troubles = store.data_troubles(at).await.unwrap();
            troubles.iter().any(|words| words.contains("db prune"))
        };

        // Nothing says by how much it was pruned before: what is a handful goes, more waits.
        assert_eq!(store.prune_unasked(Some(205 * DAY), now).await.unwrap(), Err(24));
        assert_eq!(store.prune_unasked(Some(205 * DAY), now.plus(DAY)).await.unwrap(), Err(25));
        assert!(!troubled(now.plus(6 * DAY)).await && troubled(now.plus(8 * DAY)).await);
        assert_eq!(store.prune_unasked(Some(222 * DAY), now).await.unwrap().unwrap().instances, 7);
        assert!(!troubled(now.plus(8 * DAY)).await);
        // From then on it goes by itself, however many they are.
        assert_eq!(
            store.prune_unasked(Some(222 * DAY), now.plus(12 * DAY)).await.unwrap().unwrap().instances,
            12
        );
        // Until `keep` is shortened.
        assert_eq!(store.prune_unasked(Some(199 * DAY), now.plus(13 * DAY)).await.unwrap(), Err(11));
        store.note_pruning(Some(199 * DAY)).await.unwrap();
        assert_eq!(
            store.prune_unasked(Some(199 * DAY), now.plus(13 * DAY)).await.unwrap().unwrap().instances,
            11
        );
        assert!(!troubled(now.plus(99 * DAY)).await);
        // Where `keep` was taken out in between, it is set anew.
        let again = [70, 80, 90, 100, 110, 120, 130, 140, 150, 160, 170, 180].map(found);
        store.learn(&again, &Window { from: at("2020-01-01T00:00:00Z"), to: now }, now).await;
        let later = now.plus(140 * DAY);
        assert_eq!(store.prune_unasked(None, later).await.unwrap().unwrap().instances, 0);
        assert_eq!(store.prune_unasked(Some(199 * DAY), later).await.unwrap(), Err(16));
    }

    #[tokio::test]
    async fn empty_runs_leave_the_log_after_ninety_days_but_for_the_last_of_its_kind() {
        let directory = tempfile::tempdir().unwrap();
        let store = sample::database(&directory.path().join("rollcall.db")).await;
        let old = at("2026-03-09T21:00:00Z");
        for slot_at in [Some(old), Some(old.plus(std::time::Duration::from_mins(15))), None] {
            let run_id = store.begin_run(Trigger::Scheduled, slot_at, old).await.unwrap();
            let end = RunEnd { outcome: crate::model::RunOutcome::Ok, error: None };
            store.end_run(run_id, &RunTotals::default(), &end, old).await.unwrap();
        }
        let now = at("2026-06-08T00:00:00Z");
        let counters = store.metrics_snapshot(now).await.unwrap();
        assert_eq!(store.preview_prune(None, now).await.unwrap().runs, 1);
        assert_eq!(store.prune(None, now).await.unwrap(), Pruned { runs: 1, ..Pruned::default() });
        let left: Vec<Option<i64>> = sqlx::query_scalar("SELECT slot_at FROM run_log ORDER BY run_id")
            .fetch_all(&store.pool)
            .await
            .unwrap();
        assert_eq!(left.len(), 3, "the run with fetches, the last slot, the last good run");
        let after = store.metrics_snapshot(now).await.unwrap();
        assert_eq!((counters.runs, counters.run_seconds), (after.runs, after.run_seconds));
    }
}
