//! Zoom's quota: what an account may send on a day, and what becomes of the wish to send.

use super::{RateLabel, Timestamp};

/// Requests a UTC day, which some labels share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DailyQuota {
    /// The labels that draw from it.
    pub labels: &'static [RateLabel],
    /// How many, for the whole account and all of its apps.
    pub requests: u32,
}

impl DailyQuota {
    /// A share of it, between 0 and 1, rounded down.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a u32 is one")]
    pub fn part(self, share: f64) -> Self {
        let requests = (f64::from(self.requests) * share.clamp(0.0, 1.0)).floor() as u32;
        Self { requests, ..self }
    }
}

/// What the ledger answers to who would send requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reservation {
    /// So many requests, at least one, may be sent.
    Granted {
        count: u32,
        /// The end of the day for which they are reserved.
        valid_until: Timestamp,
    },
    /// The day's quota is used up, by the ledger's count or by Zoom's word: the run ends.
    Exhausted {
        /// The reset.
        until: Timestamp,
    },
    /// Zoom asked for a pause, this process or another: a short one is waited for.
    Paused { until: Timestamp },
}

/// Which of Zoom's limits was hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ThrottleKind {
    /// Requests a second.
    PerSecond,
    /// Requests a minute, as the Resource-intensive label has them.
    PerMinute,
    /// Requests a UTC day.
    Daily,
}

/// What a 429 asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Throttle {
    /// The limit that was hit.
    pub kind: ThrottleKind,
    /// The end of the pause, where it is known; a per-second limit is waited for a second or two without it.
    pub until: Option<Timestamp>,
}
