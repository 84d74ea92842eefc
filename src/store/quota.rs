//! The quota: requests a day and label, reserved before they are sent, shared by every process on the file.

use std::time::Duration;

use crate::model::{RateLabel, Timestamp};
use crate::store::{Store, StoreError};

/// What may be sent on one day under a set of labels that share a daily pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// The labels that share it.
    pub labels: Vec<RateLabel>,
    /// Requests a day; none: no limit.
    pub requests: Option<u64>,
}

/// What the ledger answers to a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Requests may be sent.
    Granted {
        /// So many; at least one.
        count: u32,
        /// The end of the day that they are booked for.
        valid_until: Timestamp,
    },
    /// The day's budget is used up.
    Exhausted {
        /// The reset.
        until: Timestamp,
    },
    /// Zoom asked to leave the label alone.
    Paused {
        /// For so long.
        until: Timestamp,
        /// Because a daily limit was hit.
        daily: bool,
    },
}

/// No pause ends later: it was noted by a clock that was wrong.
const LONGEST_PAUSE: Duration = Duration::from_hours(25);

impl Store {
    /// Claims up to `want` requests of a label for the UTC day of `now`.
    pub(crate) async fn claim(
        &self,
        label: RateLabel,
        want: u32,
        budget: &Budget,
        now: Timestamp,
    ) -> Result<Claim, StoreError> {
        let claim = self.write(async |tx| {
            let pause: Option<(i64, bool)> = sqlx::query_as("SELECT until_at, daily FROM rate_limit_pauses WHERE label = ? AND until_at > ? AND until_at <= ?")
                .bind(label.as_str())
                .bind(now.millis())
                .bind(now.plus(LONGEST_PAUSE).millis())
                .fetch_optional(&mut *tx)
                .await?;
            if let Some((until, daily)) = pause {
                return Ok(Claim::Paused { until: Timestamp::from_millis(until), daily });
            }
            let day = day(now);
            let labels: Vec<&str> = budget.labels.iter().map(|label| label.as_str()).collect();
            let used: i64 = sqlx::query_scalar(
                "SELECT coalesce(sum(requests), 0) FROM quota_ledger WHERE day = ? AND label IN (SELECT value FROM json_each(?))",
            )
            .bind(&day)
            .bind(serde_json::Value::from(labels).to_string())
            .fetch_one(&mut *tx)
            .await?;
            let left = budget.requests.map_or(u64::MAX, |requests| requests.saturating_sub(u64::try_from(used).unwrap_or(0)));
            let granted = u32::try_from(left.min(u64::from(want))).unwrap_or(want);
            let limit = budget.requests.map(|requests| i64::try_from(requests).unwrap_or(i64::MAX));
            book(tx, &day, label, i64::from(granted), 0, limit).await?;
            let until = now.next_utc_day();
            Ok(if granted == 0 {
                Claim::Exhausted { until }
            } else {
                Claim::Granted { count: granted, valid_until: until }
            })
        }).await?;
        Ok(claim)
    }

    /// Requests of the UTC day of `now` from the pool that Heavy requests draw on, and what it holds.
    pub(crate) async fn heavy_pool(&self, now: Timestamp) -> Result<(u64, Option<u64>), StoreError> {
        let (used, budget): (i64, Option<i64>) = self
            .read(async |connection| {
                sqlx::query_as(
                    "SELECT coalesce(sum(requests), 0), max(budget) FROM quota_ledger \
              WHERE day = ?1 AND budget = (SELECT budget FROM quota_ledger WHERE day = ?1 AND label = ?2)",
                )
                .bind(day(now))
                .bind(RateLabel::Heavy.as_str())
                .fetch_one(connection)
                .await
            })
            .await?;
        let count = |number: i64| u64::try_from(number).unwrap_or(0);
        Ok((count(used), budget.map(count)))
    }

    /// Gives back requests that were claimed and not sent.
    pub async fn release(&self, label: RateLabel, unused: u32, now: Timestamp) -> Result<(), StoreError> {
        self.execute(
            sqlx::query(
                "UPDATE quota_ledger SET requests = max(requests - ?, 0) WHERE day = ? AND label = ?",
            )
            .bind(i64::from(unused))
            .bind(day(now))
            .bind(label.as_str()),
        )
        .await?;
        Ok(())
    }

    /// Notes that Zoom throttled a label; where it asked to wait, every process on the file does, over restarts.
    pub async fn throttled(
        &self,
        label: RateLabel,
        until: Option<Timestamp>,
        daily: bool,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(async |tx| {
            book(tx, &day(now), label, 0, 1, None).await?;
            if let Some(until) = until {
                sqlx::query(
                    "INSERT INTO rate_limit_pauses (label, until_at, daily) VALUES (?1, ?2, ?3) \
                     ON CONFLICT (label) DO UPDATE SET daily = excluded.daily, \
                         until_at = iif(until_at > ?4, excluded.until_at, max(until_at, excluded.until_at))",
                )
                .bind(label.as_str())
                .bind(until.millis())
                .bind(daily)
                .bind(now.plus(LONGEST_PAUSE).millis())
                .execute(&mut *tx)
                .await?;
            }
            Ok(())
        })
        .await
    }
}

async fn book(
    connection: &mut sqlx::SqliteConnection,
    day: &str,
    label: RateLabel,
    requests: i64,
    throttled: i64,
    budget: Option<i64>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO quota_ledger (day, label, requests, throttled, budget) VALUES (?, ?, ?, ?, ?) \
         ON CONFLICT (day, label) DO UPDATE SET requests = requests + excluded.requests, \
             throttled = throttled + excluded.throttled, budget = coalesce(excluded.budget, budget)",
    )
    .bind(day)
    .bind(label.as_str())
    .bind(requests)
    .bind(throttled)
    .bind(budget)
    .execute(connection)
    .await?;
    Ok(())
}

/// The UTC day, by which Zoom counts.
fn day(now: Timestamp) -> String {
    now.utc().format("%Y-%m-%d").to_string()
}
