//! The quota ledger as the client sees it: requests are reserved in it before they are sent.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, ready};

use super::limits::DailyPool;
use super::throttle::{Throttle, ThrottleKind};
use crate::clock::Clock;
use crate::model::{RateLabel, Timestamp};

/// Keeps the account's daily quota and its pauses, for all processes that share them.
pub trait Ledger: Send + Sync {
    /// Reserves up to `want` requests of a label for the present UTC day; never more than the budget leaves.
    ///
    /// A future that is dropped may have reserved; those requests then count as used.
    fn reserve(&self, label: RateLabel, want: u32) -> BoxFuture<'_, Result<Reservation, LedgerError>>;

    /// Gives back what was reserved for the present UTC day and not used.
    fn give_back(&self, label: RateLabel, unused: u32) -> BoxFuture<'_, Result<(), LedgerError>>;

    /// Records a 429, and the pause that follows from it: until `throttle.until` nobody should be granted
    /// anything of this label.
    fn throttled(&self, label: RateLabel, throttle: Throttle) -> BoxFuture<'_, Result<(), LedgerError>>;
}

/// The ledger's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reservation {
    /// So many requests, at least one, may be sent.
    Granted {
        /// How many.
        count: u32,
        /// The end of the day for which they are reserved.
        valid_until: Timestamp,
    },
    /// The day's budget is used up until then.
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

/// Why the ledger could not be read or written.
#[derive(Clone, Debug)]
pub struct LedgerError(Arc<dyn Error + Send + Sync>);

impl LedgerError {
    /// An error of the ledger, from the error of whatever keeps it.
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(Arc::from(source.into()))
    }

    /// The error of what keeps the ledger, to be told apart by type.
    #[must_use]
    pub fn inner(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.0
    }
}

impl fmt::Display for LedgerError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "cannot update the quota ledger: {}", self.0)
    }
}

impl Error for LedgerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

/// A ledger that grants everything and remembers nothing: for a server without a quota.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unlimited;

impl Ledger for Unlimited {
    fn reserve(&self, _: RateLabel, want: u32) -> BoxFuture<'_, Result<Reservation, LedgerError>> {
        let valid_until = Timestamp::from_millis(i64::MAX);
        Box::pin(ready(Ok(Reservation::Granted { count: want.max(1), valid_until })))
    }

    fn give_back(&self, _: RateLabel, _: u32) -> BoxFuture<'_, Result<(), LedgerError>> {
        Box::pin(ready(Ok(())))
    }

    fn throttled(&self, _: RateLabel, _: Throttle) -> BoxFuture<'_, Result<(), LedgerError>> {
        Box::pin(ready(Ok(())))
    }
}

/// A ledger that lives as long as the process: for `check`, and for tests.
#[derive(Debug)]
pub struct InMemoryLedger {
    pools: Vec<DailyPool>,
    clock: Clock,
    day: Mutex<Day>,
}

#[derive(Debug, Default)]
struct Day {
    resets_at: Option<Timestamp>,
    used: [u32; RateLabel::ALL.len()],
    throttled: [u32; RateLabel::ALL.len()],
    pauses: [Option<(Timestamp, ThrottleKind)>; RateLabel::ALL.len()],
}

impl InMemoryLedger {
    /// A ledger with these budgets a day; a label in no pool has no budget to exceed.
    #[must_use]
    pub fn new(pools: &[DailyPool], clock: Clock) -> Self {
        Self { pools: pools.to_vec(), clock, day: Mutex::default() }
    }

    /// Requests reserved, less those given back, and 429 answers, of the present UTC day.
    #[must_use]
    pub fn used(&self, label: RateLabel) -> (u32, u32) {
        self.with_today(|day, _| (day.used[label as usize], day.throttled[label as usize]))
    }

    fn with_today<T>(&self, act: impl FnOnce(&mut Day, Timestamp) -> T) -> T {
        let now = self.clock.now();
        let mut day = self.day.lock().unwrap_or_else(PoisonError::into_inner);
        if day.resets_at.is_none_or(|resets_at| now >= resets_at) {
            let pauses = day.pauses;
            *day = Day { resets_at: Some(now.next_utc_day()), pauses, ..Day::default() };
        }
        act(&mut day, now)
    }

    fn grant(&self, label: RateLabel, want: u32) -> Reservation {
        self.with_today(|day, now| {
            if let Some((until, kind)) = day.pauses[label as usize].filter(|(until, _)| *until > now) {
                return Reservation::Paused { until, kind };
            }
            let left = self.pools.iter().find(|pool| pool.labels.contains(&label)).map_or(u32::MAX, |pool| {
                let used: u32 = pool.labels.iter().map(|label| day.used[*label as usize]).sum();
                pool.requests.saturating_sub(used)
            });
            let valid_until = now.next_utc_day();
            let count = want.max(1).min(left);
            if count == 0 {
                return Reservation::Exhausted { until: valid_until };
            }
            day.used[label as usize] += count;
            Reservation::Granted { count, valid_until }
        })
    }
}

impl Ledger for InMemoryLedger {
    fn reserve(&self, label: RateLabel, want: u32) -> BoxFuture<'_, Result<Reservation, LedgerError>> {
        Box::pin(ready(Ok(self.grant(label, want))))
    }

    fn give_back(&self, label: RateLabel, unused: u32) -> BoxFuture<'_, Result<(), LedgerError>> {
        self.with_today(|day, _| {
            let used = &mut day.used[label as usize];
            *used = used.saturating_sub(unused);
        });
        Box::pin(ready(Ok(())))
    }

    fn throttled(&self, label: RateLabel, throttle: Throttle) -> BoxFuture<'_, Result<(), LedgerError>> {
        self.with_today(|day, now| {
            day.throttled[label as usize] += 1;
            let until = throttle.until.unwrap_or_else(|| now.plus(Duration::from_secs(1)));
            day.pauses[label as usize] = Some((until, throttle.kind));
        });
        Box::pin(ready(Ok(())))
    }
}
