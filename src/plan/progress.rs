//! Where an instance stands between two readings.

use std::time::Duration;

use crate::model::{FailureKind, HOUR, InstanceState, Timestamp};

/// The distance that two listings must keep before the second can confirm what the first would withdraw.
const CONFIRM_AFTER: Duration = HOUR;

/// How often and how long instances are read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Ages, counted from an instance's end, at which it is read again; ascending.
    pub rereads: Vec<Duration>,
}

/// Where an instance stands between two readings; the store keeps it with the instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    pub state: InstanceState,
    /// From when on it is to be read; none: not at all.
    pub due_at: Option<Timestamp>,
    /// Why it is parked, unavailable, or settled with less than Zoom claims.
    pub reason: Option<String>,
    /// Whether its listing was ever read to its end.
    pub complete: bool,
    /// Tries in a row that failed in the same way.
    pub failures: u32,
    /// In which.
    pub failing: Option<FailureKind>,
    /// The first of them.
    pub failing_since: Option<Timestamp>,
    /// The first reading from a poorer source because a richer one did not give this very instance.
    pub richer_lacking_since: Option<Timestamp>,
    /// Listings in a row that stopped short.
    pub incomplete_reads: u32,
    /// The first of them.
    pub incomplete_since: Option<Timestamp>,
    /// How many of the last of them were equal.
    pub identical_reads: u32,
    /// The digest of the last listing.
    pub content_hash: Option<i64>,
    /// The first read past the last age that still found changes.
    pub changing_since: Option<Timestamp>,
    /// What the last listing would have withdrawn, had it not been too much.
    pub pending_withdrawal: Option<PendingWithdrawal>,
}

/// Rows that a listing would have withdrawn, had they not been too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PendingWithdrawal {
    /// A digest of these rows.
    pub digest: i64,
    /// When a listing first lacked them.
    pub since: Timestamp,
}

impl PendingWithdrawal {
    /// From when on a second listing that lacks the same rows confirms the first.
    pub(super) fn confirmed_from(self) -> Timestamp {
        self.since.plus(CONFIRM_AFTER)
    }
}

impl Progress {
    /// Whether a listing that would withdraw this much is confirmed by an earlier one.
    pub fn confirms_withdrawal(&self, digest: i64, now: Timestamp) -> bool {
        self.pending_withdrawal
            .is_some_and(|pending| pending.digest == digest && now >= pending.confirmed_from())
    }

    /// Not to be read again; the reason says with what less than Zoom claims.
    pub(super) fn settled(self, reason: Option<&str>) -> Self {
        let reason = reason.map(str::to_owned);
        Self { state: InstanceState::Settled, due_at: None, reason, changing_since: None, ..self }
    }
}
