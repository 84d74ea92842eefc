//! How long and how often something is waited for: an end to every kind of waiting.

use std::time::Duration;

use super::progress::Progress;
use crate::model::{DAY, HOUR, MINUTE, Timestamp, WEEK};

/// How long any kind of waiting lasts at most, with what is empty aside.
pub(super) const SETTLE_AFTER: Duration = WEEK;

/// How long empty listings are read again: a week as any other, then weekly.
pub(super) const EMPTY_LISTING_LIMIT: Duration = SETTLE_AFTER.saturating_add(WEEK.saturating_mul(8));

/// No instance is due later than this, counted from its last reading, re-reads by age aside.
pub const LONGEST_WAIT: Duration = SETTLE_AFTER.saturating_mul(2);

/// Whether what has lasted since then has lasted long enough to be given up.
pub(super) fn is_worn_out(since: Timestamp, now: Timestamp) -> bool {
    now >= since.plus(SETTLE_AFTER)
}

/// The distance to the next reading after so many in a row that stopped short.
pub(super) fn short_distance(reads: u32) -> Duration {
    match reads {
        1 => 15 * MINUTE,
        2 => HOUR,
        3 => 6 * HOUR,
        _ => DAY,
    }
}

/// As before, but that time in which nobody asked uses up no patience: after a downtime of months the first answer
/// would be taken for the last of a long row.
pub(super) fn without_downtime(before: &Progress, now: Timestamp) -> Progress {
    let overdue = before.due_at.map_or(Duration::ZERO, |due_at| now.since(due_at));
    if overdue <= DAY {
        return before.clone();
    }
    let later = |since: Option<Timestamp>| since.map(|since| since.plus(overdue).min(now));
    Progress {
        failing_since: later(before.failing_since),
        incomplete_since: later(before.incomplete_since),
        changing_since: later(before.changing_since),
        richer_lacking_since: later(before.richer_lacking_since),
        ..before.clone()
    }
}

/// Since when something lasts: from now on, unless that was noted before. An instant that is still to come was noted by
/// a clock that was wrong.
pub(super) fn begun(since: &mut Option<Timestamp>, now: Timestamp) -> Timestamp {
    *since.insert(since.filter(|since| *since <= now).unwrap_or(now))
}

/// The distance to the next try, so many times longer after each one that failed.
pub(super) fn grown(first: Duration, factor: u32, tries: u32) -> Duration {
    first.saturating_mul(factor.saturating_pow(tries.saturating_sub(1).min(16)))
}
