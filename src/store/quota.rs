//! The quota: requests a day and label, reserved before they are sent, shared by every process on the file.

use std::time::Duration;

use crate::model::{DailyQuota, RateLabel, Reservation, Throttle, ThrottleKind, Timestamp};
use crate::store::{Store, StoreError};

/// No pause ends later: it was noted by a clock that was wrong.
const LONGEST_PAUSE: Duration = Duration::from_hours(25);

impl Store {
    /// Reserves up to `want` requests of a label for the UTC day of `now`; without a quota there is no limit.
    pub(crate) async fn reserve(
        &self,
        label: RateLabel,
        want: u32,
        quota: Option<&DailyQuota>,
        now: Timestamp,
    ) -> Result<Reservation, StoreError> {
        self.write(async |tx| {
            let pause: Option<(i64, bool)> = sqlx::query_as(
                "SELECT until_at, daily FROM rate_limit_pauses WHERE label = ? AND until_at > ? AND until_at <= ?",
            )
            .bind(label.as_str())
            .bind(now.millis())
            .bind(now.plus(LONGEST_PAUSE).millis())
            .fetch_optional(&mut *tx)
            .await?;
            if let Some((until, daily)) = pause {
                let until = Timestamp::from_millis(until);
                return Ok(if daily { Reservation::Exhausted { until } } else { Reservation::Paused { until } });
            }
            let day = day(now);
            let count = match quota {
                Some(quota) => want.min(left(tx, quota, &day).await?),
                None => want,
            };
            book(tx, &day, label, count, 0, quota.map(|quota| quota.requests)).await?;
            let until = now.next_utc_day();
            Ok(if count == 0 {
                Reservation::Exhausted { until }
            } else {
                Reservation::Granted { count, valid_until: until }
            })
        })
        .await
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

    /// Gives back requests that were reserved and not sent.
    pub async fn give_back(&self, label: RateLabel, unused: u32, now: Timestamp) -> Result<(), StoreError> {
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
        throttle: Throttle,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(async |tx| {
            book(tx, &day(now), label, 0, 1, None).await?;
            if let Some(until) = throttle.until {
                sqlx::query(
                    "INSERT INTO rate_limit_pauses (label, until_at, daily) VALUES (?1, ?2, ?3) \
                     ON CONFLICT (label) DO UPDATE SET daily = excluded.daily, \
                         until_at = iif(until_at > ?4, excluded.until_at, max(until_at, excluded.until_at))",
                )
                .bind(label.as_str())
                .bind(until.millis())
                .bind(throttle.kind == ThrottleKind::Daily)
                .bind(now.plus(LONGEST_PAUSE).millis())
                .execute(&mut *tx)
                .await?;
            }
            Ok(())
        })
        .await
    }
}

/// What a quota has left on a day.
async fn left(
    connection: &mut sqlx::SqliteConnection,
    quota: &DailyQuota,
    day: &str,
) -> Result<u32, sqlx::Error> {
    let labels: Vec<&str> = quota.labels.iter().map(|label| label.as_str()).collect();
    let used: i64 = sqlx::query_scalar(
        "SELECT coalesce(sum(requests), 0) FROM quota_ledger WHERE day = ? AND label IN (SELECT value FROM json_each(?))",
    )
    .bind(day)
    .bind(serde_json::Value::from(labels).to_string())
    .fetch_one(connection)
    .await?;
    Ok(quota.requests.saturating_sub(u32::try_from(used).unwrap_or(u32::MAX)))
}

async fn book(
    connection: &mut sqlx::SqliteConnection,
    day: &str,
    label: RateLabel,
    requests: u32,
    throttled: u32,
    budget: Option<u32>,
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
