//! What `rollcall status` asks.

use crate::model::{RunOutcome, Table, Timestamp};
use crate::store::runs::IS_GOOD;
use crate::store::{Store, StoreError};

/// How the last runs ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LastRunOutcomes {
    /// When the last run began that did what it was to do, whatever became of single instances.
    pub good_at: Option<Timestamp>,
    /// How the last run ended, of those that have.
    pub outcome: Option<RunOutcome>,
}

impl Store {
    /// The last runs, latest first: rows of the view `runs`.
    pub(crate) async fn last_runs(&self, limit: u32) -> Result<Table, StoreError> {
        self.table(
            sqlx::query("SELECT * FROM runs ORDER BY started_at DESC, run_id DESC LIMIT ?").bind(limit),
        )
        .await
    }

    /// When the last run began that did what it was to do, and how the last run ended that has ended.
    ///
    /// A run that is still to begin was noted by a clock that was wrong, and proves nothing.
    pub async fn last_run_outcomes(&self, now: Timestamp) -> Result<LastRunOutcomes, StoreError> {
        let text = format!(
            "SELECT (SELECT started_at FROM run_log WHERE started_at <= ?1 AND {IS_GOOD} ORDER BY started_at DESC LIMIT 1), \
                    (SELECT outcome FROM run_log WHERE started_at <= ?1 AND outcome NOT IN ('running', 'skipped') \
                      ORDER BY started_at DESC, run_id DESC LIMIT 1)"
        );
        let (good, outcome): (Option<i64>, Option<String>) = self
            .read(async |connection| {
                sqlx::query_as(sqlx::AssertSqlSafe(text)).bind(now.millis()).fetch_one(connection).await
            })
            .await?;
        Ok(LastRunOutcomes {
            good_at: good.map(Timestamp::from_millis),
            outcome: outcome.and_then(|text| RunOutcome::from_text(&text)),
        })
    }

    /// Meetings that tell no instances, longest first: rows of the view `meetings_listed`.
    pub async fn refused_meetings(&self, limit: u32) -> Result<Table, StoreError> {
        let query = "SELECT * FROM meetings_listed WHERE refusal IS NOT NULL ORDER BY refused_since LIMIT ?";
        self.table(sqlx::query(query).bind(limit)).await
    }

    /// What is wrong with the data as it stands, one sentence each; nothing of it is for the program to mend.
    ///
    /// What a backfill alone has made due may take days, and what waits for the next day's quota is known.
    pub async fn data_troubles(&self, now: Timestamp) -> Result<Vec<String>, StoreError> {
        let rows: Vec<(String,)> = self.read(async |connection| sqlx::query_as(
            "WITH at(day_ago, days_ago, week_ago) AS (SELECT ?1 - 86400000, ?1 - 3 * 86400000, ?1 - 7 * 86400000), \
                  quota(used_up) AS (SELECT coalesce((SELECT outcome = 'quota' FROM run_log WHERE started_at <= ?1 AND outcome NOT IN ('running', 'skipped') \
                                                       ORDER BY started_at DESC, run_id DESC LIMIT 1), 0)) \
             SELECT coalesce('meeting ' || nullif(d.subject, 0) || coalesce(' (' || m.label || ')', ''), 'the list of the account''s meetings') \
                    || ' has been refused since ' || strftime('%Y-%m-%d %H:%M UTC', d.refused_since / 1000.0, 'unixepoch') || ': ' || d.refusal \
               FROM discoveries d LEFT JOIN meetings m ON m.meeting_id = d.subject, at \
              WHERE d.refusal IS NOT NULL AND NOT d.not_found AND d.refused_since <= at.day_ago AND (d.subject = 0 OR m.listed) \
             UNION ALL \
             SELECT 'Zoom has not known meeting ' || d.subject || coalesce(' (' || m.label || ')', '') || ' for a week: is its ID mistyped, or of another account?' \
               FROM discoveries d JOIN meetings m ON m.meeting_id = d.subject, at \
              WHERE d.not_found AND m.listed AND d.told_at IS NULL AND d.refused_since <= at.week_ago \
                AND NOT EXISTS (SELECT 1 FROM instances i WHERE i.meeting_id = d.subject) \
             UNION ALL \
             SELECT count(*) || ' instances have been due for a day and were not read, the oldest since ' \
                    || strftime('%Y-%m-%d %H:%M UTC', min(i.due_at) / 1000.0, 'unixepoch') \
               FROM instances i, at, quota WHERE i.due_at <= at.day_ago AND NOT i.for_backfill AND NOT quota.used_up HAVING count(*) > 0 \
             UNION ALL \
             SELECT 'nothing has been read for a day, though ' || count(*) || ' instances were tried; ' \
                    || coalesce(max(i.reason), 'Zoom has no data of them, or could not be reached') \
               FROM instances i, at \
              WHERE i.source IS NULL AND i.state IN ('pending', 'parked') AND i.failing_since <= at.day_ago \
                AND i.failing_since > coalesce((SELECT max(fetched_at) FROM instances WHERE fetched_at <= ?1), 0) HAVING count(*) > 0 \
             UNION ALL \
             SELECT count(*) || ' instances with two joins or more ended days ago, and Zoom lists nobody in them, as of meeting ' \
                    || max(i.meeting_id) \
               FROM instances i, at \
              WHERE i.source IS NULL AND i.rows_received = 0 AND i.state = 'collected' AND i.joins_told >= 2 \
                AND coalesce(i.ended_at, i.start_at) <= at.days_ago HAVING count(*) > 0 \
             UNION ALL \
             SELECT CAST(value AS TEXT) FROM settings WHERE name = 'roster_trouble' \
             UNION ALL \
             SELECT 'instances older than retention.keep have waited for a week to be pruned by a person: `rollcall db prune`' \
               FROM settings, at WHERE name = 'pruning_waits_since' AND value <= at.week_ago",
        )
        .bind(now.millis()).fetch_all(connection).await).await?;
        Ok(rows.into_iter().map(|(words,)| words).collect())
    }

    /// How many instances there are in each state: `state`, `instances`.
    pub(crate) async fn instances_by_state(&self) -> Result<Table, StoreError> {
        let query = "SELECT state, count(*) AS instances FROM meetings_held GROUP BY state ORDER BY state";
        self.table(sqlx::query(query)).await
    }

    /// Instances that Zoom refused or has no data for, latest first.
    pub(crate) async fn refused_instances(&self, limit: u32) -> Result<Table, StoreError> {
        let query = sqlx::query(
            "SELECT meeting_id, topic, label, instance_uuid, start_time, state, reason FROM meetings_held \
              WHERE state IN ('parked', 'unavailable') ORDER BY start_time DESC LIMIT ?",
        );
        self.table(query.bind(limit)).await
    }

    /// Instances with fewer rows than Zoom reports, latest first.
    pub(crate) async fn short_instances(&self, limit: u32) -> Result<Table, StoreError> {
        let query = sqlx::query(
            "SELECT meeting_id, topic, label, instance_uuid, start_time, state, reason, rows_reported, rows_stored, shortfall \
               FROM meetings_held WHERE rows_reported > 0 AND shortfall > 0 ORDER BY start_time DESC LIMIT ?",
        );
        self.table(query.bind(limit)).await
    }

    /// The oldest instance that is still to be read, for the first time or again; at most one row.
    pub(crate) async fn oldest_unsettled(&self) -> Result<Table, StoreError> {
        let query = "SELECT meeting_id, topic, label, instance_uuid, start_time, state FROM meetings_held \
                      WHERE state IN ('pending', 'collected', 'parked', 'live') ORDER BY start_time LIMIT 1";
        self.table(sqlx::query(query)).await
    }

    /// The requests of a UTC day: rows of the view `quota`.
    pub(crate) async fn quota_of(&self, now: Timestamp) -> Result<Table, StoreError> {
        let query = sqlx::query("SELECT * FROM quota WHERE day = ? ORDER BY label");
        self.table(query.bind(now.utc().format("%Y-%m-%d").to_string())).await
    }
}
