//! What was asked, counted while it happens.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::model::RateLabel;

/// Requests, counted by label as they are sent. Clones count into the same numbers.
#[derive(Clone, Default)]
pub struct Counters(Arc<AllCounters>);

#[derive(Default)]
struct AllCounters {
    by_label: [LabelCounters; RateLabel::ALL.len()],
    /// By HTTP status; none where no answer came.
    answers: Mutex<BTreeMap<(RateLabel, Option<u16>), u64>>,
}

#[derive(Default)]
struct LabelCounters {
    requests: AtomicU64,
    retries: AtomicU64,
    throttled: AtomicU64,
}

/// The numbers at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestCounts {
    /// Requests sent, repeats included.
    pub requests: u64,
    /// Of these, repeats of one that failed.
    pub retries: u64,
    /// Of these, answered with 429.
    pub throttled: u64,
}

impl Counters {
    /// The numbers of all labels together.
    pub fn total(&self) -> RequestCounts {
        RateLabel::ALL.iter().map(|label| self.of(*label)).fold(RequestCounts::default(), |sum, one| {
            RequestCounts {
                requests: sum.requests + one.requests,
                retries: sum.retries + one.retries,
                throttled: sum.throttled + one.throttled,
            }
        })
    }

    pub fn of(&self, label: RateLabel) -> RequestCounts {
        let tally = self.tally(label);
        RequestCounts {
            requests: tally.requests.load(Ordering::Relaxed),
            retries: tally.retries.load(Ordering::Relaxed),
            throttled: tally.throttled.load(Ordering::Relaxed),
        }
    }

    pub(super) fn count_request(&self, label: RateLabel, is_retry: bool) {
        let tally = self.tally(label);
        tally.requests.fetch_add(1, Ordering::Relaxed);
        if is_retry {
            tally.retries.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How requests were answered since this was asked last: label, HTTP status (none where no answer came), count.
    pub fn take_answers(&self) -> Vec<(RateLabel, Option<u16>, u64)> {
        let mut answers = self.0.answers.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *answers)
            .into_iter()
            .map(|((label, status), count)| (label, status, count))
            .collect()
    }

    pub(super) fn count_answer(&self, label: RateLabel, status: Option<u16>) {
        let mut answers = self.0.answers.lock().unwrap_or_else(PoisonError::into_inner);
        *answers.entry((label, status)).or_default() += 1;
    }

    pub(super) fn count_throttled(&self, label: RateLabel) {
        self.tally(label).throttled.fetch_add(1, Ordering::Relaxed);
    }

    fn tally(&self, label: RateLabel) -> &LabelCounters {
        &self.0.by_label[label as usize]
    }
}

impl fmt::Debug for Counters {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.total().fmt(formatter)
    }
}
