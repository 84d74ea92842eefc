//! A ledger in memory, for the tests of this module.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, ready};

use super::ledger::{Ledger, LedgerError};
use crate::clock::Clock;
use crate::model::{DailyQuota, RateLabel, Reservation, Throttle, ThrottleKind, Timestamp};

/// A ledger with daily quotas.
#[derive(Debug)]
pub(super) struct InMemoryLedger {
    quotas: Vec<DailyQuota>,
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
    /// A ledger with these quotas; a label in none of them has none to exceed.
    pub(super) fn new(quotas: &[DailyQuota], clock: Clock) -> Self {
        Self { quotas: quotas.to_vec(), clock, day: Mutex::default() }
    }

    /// Requests reserved, less those given back, and 429 answers, of the present UTC day.
    pub(super) fn used(&self, label: RateLabel) -> (u32, u32) {
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
                return match kind {
                    ThrottleKind::Daily => Reservation::Exhausted { until },
                    _ => Reservation::Paused { until },
                };
            }
            let left =
                self.quotas.iter().find(|quota| quota.labels.contains(&label)).map_or(u32::MAX, |quota| {
                    let used: u32 = quota.labels.iter().map(|label| day.used[*label as usize]).sum();
                    quota.requests.saturating_sub(used)
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
