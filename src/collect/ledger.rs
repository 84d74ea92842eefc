//! The quota ledger of Zoom's client, kept in the database: the one place where the two meet.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::clock::Clock;
use crate::model::{DailyQuota, RateLabel, Reservation, Throttle};
use crate::store::Store;
use crate::zoom::{Ledger, LedgerError};

/// A ledger that survives restarts and is shared by every process on the database.
#[derive(Clone, Debug)]
pub struct StoreLedger {
    store: Store,
    clock: Clock,
    quotas: Arc<[DailyQuota]>,
}

impl StoreLedger {
    /// A ledger with these quotas, of which `share` (0 to 1) may be used.
    pub fn new(store: Store, clock: Clock, quotas: &[DailyQuota], share: f64) -> Self {
        Self { store, clock, quotas: quotas.iter().map(|quota| quota.part(share)).collect() }
    }
}

impl Ledger for StoreLedger {
    fn reserve(&self, label: RateLabel, want: u32) -> BoxFuture<'_, Result<Reservation, LedgerError>> {
        let quota = self.quotas.iter().find(|quota| quota.labels.contains(&label));
        Box::pin(async move {
            self.store.reserve(label, want, quota, self.clock.now()).await.map_err(LedgerError::new)
        })
    }

    fn give_back(&self, label: RateLabel, unused: u32) -> BoxFuture<'_, Result<(), LedgerError>> {
        Box::pin(async move {
            self.store.give_back(label, unused, self.clock.now()).await.map_err(LedgerError::new)
        })
    }

    fn throttled(&self, label: RateLabel, throttle: Throttle) -> BoxFuture<'_, Result<(), LedgerError>> {
        Box::pin(async move {
            self.store.throttled(label, throttle, self.clock.now()).await.map_err(LedgerError::new)
        })
    }
}
