//! The quota ledger of Zoom's client, kept in the database: the one place where the two meet.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::clock::Clock;
use crate::model::{RateLabel, Timestamp};
use crate::store::{Budget, Claim, Store, StoreError};
use crate::zoom::{DailyPool, Ledger, LedgerError, Reservation, Throttle, ThrottleKind};

/// A ledger that survives restarts and is shared by every process on the database.
#[derive(Clone, Debug)]
pub struct StoreLedger {
    store: Store,
    clock: Clock,
    budgets: Arc<Vec<Budget>>,
}

impl StoreLedger {
    /// A ledger with these daily pools, of which `share` (0 to 1) may be used.
    pub fn new(store: Store, clock: Clock, pools: &[DailyPool], share: f64) -> Self {
        let budgets = pools
            .iter()
            .map(|pool| Budget { labels: pool.labels.to_vec(), requests: Some(part(pool.requests, share)) })
            .collect();
        Self { store, clock, budgets: Arc::new(budgets) }
    }

    fn budget(&self, label: RateLabel) -> Budget {
        let pool = self.budgets.iter().find(|budget| budget.labels.contains(&label));
        pool.cloned().unwrap_or_else(|| Budget { labels: vec![label], requests: None })
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a u32 is one")]
fn part(requests: u32, share: f64) -> u64 {
    (f64::from(requests) * share.clamp(0.0, 1.0)).floor() as u64
}

impl Ledger for StoreLedger {
    fn reserve(&self, label: RateLabel, want: u32) -> BoxFuture<'_, Result<Reservation, LedgerError>> {
        Box::pin(async move {
            let now = self.clock.now();
            let claim = self.store.claim(label, want, &self.budget(label), now).await.map_err(lost)?;
            Ok(match claim {
                Claim::Granted { count, valid_until } => Reservation::Granted { count, valid_until },
                Claim::Exhausted { until } => Reservation::Exhausted { until },
                Claim::Paused { until, daily } => {
                    let kind = if daily { ThrottleKind::Daily } else { ThrottleKind::PerMinute };
                    Reservation::Paused { until, kind }
                }
            })
        })
    }

    fn give_back(&self, label: RateLabel, unused: u32) -> BoxFuture<'_, Result<(), LedgerError>> {
        Box::pin(async move { self.store.release(label, unused, self.clock.now()).await.map_err(lost) })
    }

    fn throttled(&self, label: RateLabel, throttle: Throttle) -> BoxFuture<'_, Result<(), LedgerError>> {
        Box::pin(async move {
            let now: Timestamp = self.clock.now();
            let daily = throttle.kind == ThrottleKind::Daily;
            self.store.throttled(label, throttle.until, daily, now).await.map_err(lost)
        })
    }
}

fn lost(error: StoreError) -> LedgerError {
    LedgerError::new(error)
}
