//! The log of runs.

use std::time::Duration;

use crate::model::{DAY, RateLabel, RunId, RunOutcome, Timestamp, Trigger};
use crate::store::{Store, StoreError};

/// Of a row of `run_log`: a good run, one that read what was due, or had nothing due.
pub(super) const IS_GOOD: &str = "outcome IN ('ok', 'partial') AND (instances_due = 0 \
     OR EXISTS (SELECT 1 FROM fetch_log f WHERE f.run_id = run_log.run_id AND f.outcome <> 'failed'))";

/// How a run ended, for its row in the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunTotals {
    /// Instances not known before.
    pub instances_found: u64,
    /// Instances that were to be read.
    pub instances_due: u64,
    /// Requests sent, retries included.
    pub requests: u64,
    /// Of those, the ones that repeated another.
    pub retries: u64,
    /// Answers that asked to slow down.
    pub throttled: u64,
}

/// The last word about a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunEnd {
    pub outcome: RunOutcome,
    /// Why, where it did not end well.
    pub error: Option<String>,
}

/// How far the slots of the schedule have been served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LastSlot {
    /// The latest slot that a run stood for, or that was skipped; none where there was none.
    pub served: Option<Timestamp>,
    /// The latest slot that is still to come, where one is stored all the same: the clock was set back.
    pub in_the_future: Option<Timestamp>,
}

impl Store {
    /// Begins a run, and marks as interrupted any that a crash left without an end. The caller holds the run lock.
    pub(crate) async fn begin_run(
        &self,
        trigger: Trigger,
        slot_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<RunId, StoreError> {
        self.check_file().await?;
        // Between runs, others may have written.
        self.known().clear();
        let run_id = self.write(async |tx| {
            sqlx::query(
                "UPDATE run_log SET outcome = 'interrupted', error = 'the program was killed or crashed', \
                        finished_at = coalesce((SELECT max(finished_at) FROM fetch_log f WHERE f.run_id = run_log.run_id), started_at) \
                  WHERE outcome = 'running'",
            )
            .execute(&mut *tx)
            .await?;
            sqlx::query_scalar(
                "INSERT INTO run_log (trigger, slot_at, started_at, outcome) VALUES (?, ?, ?, 'running') RETURNING run_id",
            )
            .bind(trigger.as_str())
            .bind(slot_at.map(Timestamp::millis))
            .bind(now.millis())
            .fetch_one(&mut *tx)
            .await
        }).await?;
        Ok(run_id)
    }

    /// Takes back what a clock that was wrong has noted for an instant further ahead than its kind can be: due dates
    /// (`longest_wait` ahead at most), rests, pauses, and when a listing was told. Answers with their number.
    ///
    /// That a run began in the future is what such a clock leaves behind, beside them.
    pub(crate) async fn ignore_impossible_instants(
        &self,
        longest_wait: Duration,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let done = self.write(async |tx| {
            sqlx::query(
                "UPDATE instances SET due_at = ?1 WHERE due_at > ?2; \
                 UPDATE discoveries SET next_at = NULL WHERE next_at > ?3; \
                 UPDATE discoveries SET told_at = NULL WHERE told_at > ?3; \
                 UPDATE discoveries SET first_listed_at = ?1 WHERE first_listed_at > ?3; \
                 DELETE FROM rate_limit_pauses WHERE until_at > ?4",
            )
            .bind(now.millis())
            .bind(now.plus(longest_wait + DAY).millis())
            .bind(now.plus(DAY).millis())
            .bind(now.plus(2 * DAY).millis())
            .execute(tx)
            .await
        });
        Ok(done.await?.rows_affected())
    }

    /// Notes how far this machine's clock was ahead of Zoom's in the last run; none where the two agree.
    pub(crate) async fn note_clock(&self, ahead_ms: Option<i64>) -> Result<(), StoreError> {
        self.note("clock_ahead_ms", ahead_ms).await
    }

    /// So many milliseconds was this machine's clock ahead of Zoom's in the last run; none where the two agreed.
    pub async fn clock_ahead_ms(&self) -> Result<Option<i64>, StoreError> {
        self.noted("clock_ahead_ms").await
    }

    /// Notes which rosters cannot be used, in words; none where all can.
    pub(crate) async fn note_roster_trouble(&self, words: Option<&str>) -> Result<(), StoreError> {
        self.note("roster_trouble", words).await
    }

    /// Counts answers of Zoom, by label and HTTP status, on those of earlier runs.
    pub(crate) async fn count_answers(
        &self,
        answers: &[(RateLabel, Option<u16>, u64)],
    ) -> Result<(), StoreError> {
        self.write(async |tx| {
            for (label, status, count) in answers {
                sqlx::query(
                    "INSERT INTO response_counts (label, status, count) VALUES (?, ?, ?) \
                     ON CONFLICT (label, status) DO UPDATE SET count = count + excluded.count",
                )
                .bind(label.as_str())
                .bind(status.map_or_else(|| "none".to_owned(), |status| status.to_string()))
                .bind(i64::try_from(*count).unwrap_or(i64::MAX))
                .execute(&mut *tx)
                .await?;
            }
            Ok(())
        })
        .await
    }

    pub(crate) async fn end_run(
        &self,
        run_id: RunId,
        totals: &RunTotals,
        end: &RunEnd,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.execute(
            sqlx::query(
                "UPDATE run_log SET finished_at = ?, outcome = ?, error = ?, instances_found = ?, \
                    instances_due = ?, requests = ?, retries = ?, throttled = ? \
              WHERE run_id = ?",
            )
            .bind(now.millis())
            .bind(end.outcome.as_str())
            .bind(&end.error)
            .bind(signed(totals.instances_found))
            .bind(signed(totals.instances_due))
            .bind(signed(totals.requests))
            .bind(signed(totals.retries))
            .bind(signed(totals.throttled))
            .bind(run_id),
        )
        .await?;
        Ok(())
    }

    /// The last slot in the log, as seen from `now`.
    pub(crate) async fn last_slot(&self, now: Timestamp) -> Result<LastSlot, StoreError> {
        let (served, in_the_future): (Option<i64>, Option<i64>) = self
            .read(async |connection| {
                sqlx::query_as(
                    "SELECT (SELECT max(slot_at) FROM run_log WHERE slot_at <= ?1), \
                    (SELECT max(slot_at) FROM run_log WHERE slot_at > ?1)",
                )
                .bind(now.millis())
                .fetch_one(connection)
                .await
            })
            .await?;
        Ok(LastSlot {
            served: served.map(Timestamp::from_millis),
            in_the_future: in_the_future.map(Timestamp::from_millis),
        })
    }

    /// Notes a slot that came while a run was on, and for which none is made.
    pub(crate) async fn skip_run(&self, slot_at: Timestamp, now: Timestamp) -> Result<(), StoreError> {
        self.execute(
            sqlx::query(
                "INSERT INTO run_log (trigger, slot_at, started_at, finished_at, outcome) \
             VALUES ('scheduled', ?, ?, ?, 'skipped')",
            )
            .bind(slot_at.millis())
            .bind(now.millis())
            .bind(now.millis()),
        )
        .await?;
        Ok(())
    }
}
