//! Which sources of participants are closed, and what waits for them.
//!
//! A refusal by scopes, plan or licence is said of one instance, and may be true of its host alone. So a source is
//! closed only when three instances were refused, of different meetings where there are such, and none was served for
//! days: otherwise those whose hosts lack a licence would close it for all others again and again, and each time that it
//! opened have everything read anew.

use std::time::Duration;

use crate::model::{InstanceId, Source, Timestamp};
use crate::store::{Store, StoreError};

/// A source that is not asked for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosedSource {
    pub source: Source,
    pub until: Timestamp,
    /// Why, in Zoom's words.
    pub reason: String,
}

/// What is known of the sources when a run begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceStanding {
    /// Those that are not asked.
    pub closed: Vec<ClosedSource>,
    /// Those of which a refusal is noted, or for which an instance waits: that they serve again is worth noting.
    pub troubled: Vec<Source>,
}

/// How long a source stays closed.
const CLOSED_FOR: Duration = Duration::from_hours(24);

/// So many instances must be refused before their source is closed.
const REFUSALS: i64 = 3;

/// A source that served an instance no longer ago than this is open, whatever it refuses; a weekend is shorter.
const SERVED_LATELY: Duration = Duration::from_hours(3 * 24);

/// A fetch this long after its run began is not looked for.
const LONGEST_RUN: Duration = Duration::from_hours(24);

impl Store {
    /// How the sources stand; what was closed for a day long ago, or by a clock that was wrong, is open again.
    pub(crate) async fn source_standing(&self, now: Timestamp) -> Result<SourceStanding, StoreError> {
        let (ended, too_late) = (now.millis(), now.plus(CLOSED_FOR).millis());
        let standing = self.write(async |tx| {
            sqlx::query(
                "DELETE FROM source_refusals WHERE source IN (SELECT source FROM source_closures WHERE until_at <= ?1 OR until_at > ?2); \
                 DELETE FROM source_closures WHERE until_at <= ?1 OR until_at > ?2",
            )
            .bind(ended)
            .bind(too_late)
            .execute(&mut *tx)
            .await?;
            let closed: Vec<(String, i64, String)> =
                sqlx::query_as("SELECT source, until_at, reason FROM source_closures ORDER BY source")
                    .fetch_all(&mut *tx)
                    .await?;
            let troubled: Vec<String> = sqlx::query_scalar(
                "SELECT source FROM source_refusals UNION SELECT awaits_source FROM instances WHERE awaits_source IS NOT NULL",
            )
            .fetch_all(&mut *tx)
            .await?;
            Ok(SourceStanding {
                closed: closed
                    .into_iter()
                    .filter_map(|(source, until, reason)| {
                        Some(ClosedSource {
                            source: Source::from_text(&source)?,
                            until: Timestamp::from_millis(until),
                            reason,
                        })
                    })
                    .collect(),
                troubled: troubled.iter().filter_map(|source| Source::from_text(source)).collect(),
            })
        }).await?;
        Ok(standing)
    }

    /// Notes that a source refused an instance; answers with the closure where that was one refusal too many.
    pub(crate) async fn source_refused(
        &self,
        source: Source,
        instance_id: InstanceId,
        reason: &str,
        now: Timestamp,
    ) -> Result<Option<ClosedSource>, StoreError> {
        let until = now.plus(CLOSED_FOR);
        let closed = self.write(async |tx| {
            sqlx::query(
                "INSERT INTO source_refusals (source, instance_id, refused_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            )
            .bind(source.as_str())
            .bind(instance_id)
            .bind(now.millis())
            .execute(&mut *tx)
            .await?;
            let is_closed: bool = sqlx::query_scalar(
                "SELECT count(*) >= ?2 \
                    AND count(DISTINCT i.meeting_id) >= min(?2, (SELECT count(DISTINCT meeting_id) FROM instances WHERE state <> 'known')) \
                    AND NOT EXISTS (SELECT 1 FROM run_log l JOIN fetch_log f ON f.run_id = l.run_id \
                                     WHERE l.started_at >= ?4 AND f.source = ?1 AND f.rows_received > 0 AND f.finished_at BETWEEN ?3 AND ?5) \
                   FROM source_refusals r JOIN instances i ON i.instance_id = r.instance_id WHERE r.source = ?1",
            )
            .bind(source.as_str())
            .bind(REFUSALS)
            .bind(now.minus(SERVED_LATELY).millis())
            .bind(now.minus(SERVED_LATELY + LONGEST_RUN).millis())
            .bind(now.millis())
            .fetch_one(&mut *tx)
            .await?;
            if is_closed {
                // Those that refused it are not to blame by themselves any more: they wait like all others.
                sqlx::query(
                    "INSERT INTO source_closures (source, until_at, reason) VALUES (?1, ?2, ?3) \
                         ON CONFLICT (source) DO UPDATE SET until_at = excluded.until_at, reason = excluded.reason; \
                     UPDATE instances SET awaits_source = ?1 \
                      WHERE instance_id IN (SELECT instance_id FROM source_refusals WHERE source = ?1)",
                )
                .bind(source.as_str())
                .bind(until.millis())
                .bind(reason)
                .execute(&mut *tx)
                .await?;
            }
            Ok(is_closed)
        }).await?;
        Ok(closed.then(|| ClosedSource { source, until, reason: reason.to_owned() }))
    }

    /// Notes that a source serves: what was read from a poorer one, or not at all, while it was closed is due.
    pub(crate) async fn source_serves(&self, source: Source, now: Timestamp) -> Result<(), StoreError> {
        self.write(async |tx| sqlx::query(
            "DELETE FROM source_refusals WHERE source = ?1; \
             DELETE FROM source_closures WHERE source = ?1; \
             UPDATE instances SET awaits_source = NULL, due_at = ?2, \
                    state = CASE state WHEN 'settled' THEN 'collected' WHEN 'unavailable' THEN 'pending' ELSE state END \
              WHERE awaits_source = ?1",
        )
        .bind(source.as_str())
        .bind(now.millis()).execute(tx).await.map(drop)).await
    }

    /// Opens every source: something has changed, or a person asks. What every source had refused is tried again: with
    /// `each` what was refused for a reason of its own, too, otherwise only what waits for a source that was closed, so
    /// that runs by hand, which may be many, do not ask the same in vain each time.
    pub(crate) async fn open_sources(&self, each: bool, now: Timestamp) -> Result<(), StoreError> {
        self.write(async |tx| {
            sqlx::query(
                "DELETE FROM source_refusals; \
             DELETE FROM source_closures; \
             UPDATE instances SET due_at = ?1 \
              WHERE state = 'parked' AND failing_kind = 'denied' AND (?2 OR awaits_source IS NOT NULL)",
            )
            .bind(now.millis())
            .bind(each)
            .execute(tx)
            .await
            .map(drop)
        })
        .await
    }

    /// Opens every source where what the client is set up with is not what it was.
    pub(crate) async fn open_sources_if_changed(
        &self,
        access: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let changed = self
            .execute(
                sqlx::query(
                    "INSERT INTO settings (name, value) VALUES ('zoom_access', ?) \
             ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE value IS NOT excluded.value",
                )
                .bind(access),
            )
            .await?;
        if changed > 0 { self.open_sources(true, now).await } else { Ok(()) }
    }
}
