//! Zoom's rate limits, by plan and label.

use std::time::Duration;

use crate::model::{DailyQuota, MINUTE, Plan, RateLabel};

const SECOND: Duration = Duration::from_secs(1);

/// So many requests in so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many, at least 1.
    pub requests: u32,
    /// In what time.
    pub per: Duration,
}

impl Rate {
    pub const fn per_second(requests: u32) -> Self {
        Self { requests, per: SECOND }
    }

    pub(crate) const fn per_minute(requests: u32) -> Self {
        Self { requests, per: MINUTE }
    }
}

/// The rate of each label. The fields may be set to something else than the plan's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimits {
    /// The plan they come from, which decides the daily quotas.
    pub plan: Plan,
    pub light: Rate,
    pub medium: Rate,
    pub heavy: Rate,
    pub resource_intensive: Rate,
}

impl RateLimits {
    /// The limits of a plan, as Zoom documents them (2026). They are the account's: all of its apps share them.
    pub const fn of(plan: Plan) -> Self {
        let (light, medium, heavy, resource_intensive) = match plan {
            Plan::Free => (4, 2, 1, 10),
            Plan::Pro => (30, 20, 10, 10),
            Plan::Business => (80, 60, 40, 20),
        };
        Self {
            plan,
            light: Rate::per_second(light),
            medium: Rate::per_second(medium),
            heavy: Rate::per_second(heavy),
            resource_intensive: Rate::per_minute(resource_intensive),
        }
    }

    pub const fn rate(&self, label: RateLabel) -> Rate {
        match label {
            RateLabel::Light => self.light,
            RateLabel::Medium => self.medium,
            RateLabel::Heavy => self.heavy,
            RateLabel::ResourceIntensive => self.resource_intensive,
        }
    }

    /// The daily quotas of the plan; a label in none of them has no daily limit.
    pub const fn daily_quotas(&self) -> &'static [DailyQuota] {
        const SHARED: &[RateLabel] = &[RateLabel::Heavy, RateLabel::ResourceIntensive];
        match self.plan {
            Plan::Free => &[
                DailyQuota { labels: &[RateLabel::Light], requests: 6_000 },
                DailyQuota { labels: &[RateLabel::Medium], requests: 2_000 },
                DailyQuota { labels: &[RateLabel::Heavy], requests: 1_000 },
                DailyQuota { labels: &[RateLabel::ResourceIntensive], requests: 30_000 },
            ],
            Plan::Pro => &[DailyQuota { labels: SHARED, requests: 30_000 }],
            Plan::Business => &[DailyQuota { labels: SHARED, requests: 60_000 }],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_draws_from_one_daily_quota_at_most() {
        for &plan in Plan::ALL {
            for label in RateLabel::ALL {
                let quotas = RateLimits::of(plan).daily_quotas();
                let drawn = quotas.iter().filter(|quota| quota.labels.contains(label)).count();
                assert!(drawn <= 1, "{plan:?} {label}");
            }
            let rate = RateLimits::of(plan).rate(RateLabel::Heavy);
            assert!(rate.requests >= 1 && rate.per == SECOND);
        }
    }
}
