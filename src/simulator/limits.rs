//! Zoom's rate limits, enforced: a sliding window per label, and a pool per UTC day.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::options::Limits;
use super::wire::SimulatedResponse;
use crate::model::{RateLabel, Timestamp};

/// What was asked for too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Excess {
    /// More than the label's second, or minute, allows.
    Window { limit: u32 },
    /// The day's pool is used up.
    Daily { limit: u32, resets_at: Timestamp },
}

/// What was admitted so far.
#[derive(Debug, Default)]
pub(super) struct Limiter {
    admitted: HashMap<RateLabel, VecDeque<Instant>>,
    /// The end of the day that `spent` is of.
    resets_at: Option<Timestamp>,
    spent: HashMap<RateLabel, u32>,
}

impl Limiter {
    /// Admits a request, or says which limit it would break; what is refused does not count.
    ///
    /// Any second (minute, for Resource-intensive) holds at most the limit, wherever it begins.
    pub(super) fn admit(
        &mut self,
        label: RateLabel,
        limits: &Limits,
        instant: Instant,
        now: Timestamp,
    ) -> Result<(), Excess> {
        let resets_at = now.next_utc_day();
        if Some(resets_at) != self.resets_at {
            self.resets_at = Some(resets_at);
            self.spent.clear();
        }
        let (pool, per_day) = match label {
            RateLabel::Light => (RateLabel::Light, limits.light_per_day),
            RateLabel::Medium => (RateLabel::Medium, limits.medium_per_day),
            RateLabel::Heavy | RateLabel::ResourceIntensive => (RateLabel::Heavy, limits.heavy_per_day),
        };
        let spent = self.spent.entry(pool).or_default();
        if let Some(limit) = per_day
            && *spent >= limit
        {
            return Err(Excess::Daily { limit, resets_at });
        }
        let (window, per_window) = window_of(label, limits);
        if let Some(limit) = per_window {
            let admitted = self.admitted.entry(label).or_default();
            while admitted.front().is_some_and(|earlier| instant.duration_since(*earlier) >= window) {
                admitted.pop_front();
            }
            if admitted.len() >= limit as usize {
                return Err(Excess::Window { limit });
            }
            admitted.push_back(instant);
        }
        *spent += 1;
        Ok(())
    }
}

fn window_of(label: RateLabel, limits: &Limits) -> (Duration, Option<u32>) {
    let second = Duration::from_secs(1);
    match label {
        RateLabel::Light => (second, limits.light_per_second),
        RateLabel::Medium => (second, limits.medium_per_second),
        RateLabel::Heavy => (second, limits.heavy_per_second),
        RateLabel::ResourceIntensive => (Duration::from_mins(1), limits.resource_intensive_per_minute),
    }
}

/// Zoom's answer to too many requests.
pub(super) fn too_many(label: Option<RateLabel>, excess: Excess, with_headers: bool) -> SimulatedResponse {
    let (message, kind, limit) = match excess {
        Excess::Window { limit } => (PER_SECOND, "QPS", limit),
        Excess::Daily { limit, .. } => (DAILY, "Daily-limit", limit),
    };
    let mut reply = SimulatedResponse::error(429, 429, message);
    if with_headers {
        if let Some(label) = label {
            reply = reply.with_header("x-ratelimit-category", label.as_str());
        }
        reply = reply
            .with_header("x-ratelimit-type", kind)
            .with_header("x-ratelimit-limit", limit.to_string())
            .with_header("x-ratelimit-remaining", "0");
        if let Excess::Daily { resets_at, .. } = excess {
            reply = reply.with_header("retry-after", super::session::instant(resets_at));
        }
    }
    reply
}

/// Zoom's text for the limit of a second; its limit of a minute says the same.
pub(super) const PER_SECOND: &str =
    "You have reached the maximum per-second rate limit for this API. Try again later.";

/// Zoom's text for the limit of a day.
pub(super) const DAILY: &str = "You have reached the maximum daily rate limit for this API. Refer to the \
     response header for details on when you can make another request.";

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits { heavy_per_second: Some(2), heavy_per_day: Some(4), ..Limits::NONE }
    }

    #[tokio::test(start_paused = true)]
    async fn any_second_holds_at_most_the_limit() {
        let mut limiter = Limiter::default();
        let begin = Instant::now();
        let mut admit = |millis: u64| {
            let instant = begin + Duration::from_millis(millis);
            limiter.admit(RateLabel::Heavy, &limits(), instant, Timestamp::from_millis(0))
        };
        assert_eq!(admit(0), Ok(()));
        assert_eq!(admit(900), Ok(()));
        assert_eq!(admit(950), Err(Excess::Window { limit: 2 }));
        assert_eq!(admit(1_000), Ok(()));
        assert_eq!(admit(1_899), Err(Excess::Window { limit: 2 }));
        assert_eq!(admit(1_900), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn heavy_and_resource_intensive_share_a_day() {
        let mut limiter = Limiter::default();
        let begin = Instant::now();
        let mut admit = |label, second: u64, now: i64| {
            limiter.admit(label, &limits(), begin + Duration::from_secs(second), Timestamp::from_millis(now))
        };
        for second in 0..4 {
            assert_eq!(admit(RateLabel::ResourceIntensive, second, 5), Ok(()));
        }
        let day = 24 * 60 * 60 * 1_000;
        let resets_at = Timestamp::from_millis(day);
        assert_eq!(admit(RateLabel::Heavy, 9, 5), Err(Excess::Daily { limit: 4, resets_at }));
        assert_eq!(admit(RateLabel::Medium, 9, 5), Ok(()));
        assert_eq!(admit(RateLabel::Heavy, 10, day), Ok(()));
    }
}
