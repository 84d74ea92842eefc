//! The words in which Zoom's client and the ledger of its quota speak with one another.

use super::{RateLabel, Timestamp};

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

/// What may be sent on one day under a set of labels that share a daily pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DailyQuota {
    /// The labels that share it.
    pub labels: Vec<RateLabel>,
    /// Requests a day; none: no limit.
    pub requests: Option<u64>,
}

/// What the ledger answers to whoever would send requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reservation {
    /// So many requests, at least one, may be sent.
    Granted {
        /// How many.
        count: u32,
        /// The end of the day for which they are reserved.
        valid_until: Timestamp,
    },
    /// The day's quota is used up until then.
    Exhausted {
        /// The reset.
        until: Timestamp,
    },
    /// Zoom asked for a pause, to this process or to another.
    Paused {
        /// Its end.
        until: Timestamp,
        /// What it was told for: a daily pause ends the run, a short one is waited for.
        kind: ThrottleKind,
    },
}
