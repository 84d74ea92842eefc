//! The quota ledger as the client sees it: requests are reserved in it before they are sent.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use futures_util::future::{BoxFuture, ready};

use crate::model::{RateLabel, Reservation, Throttle, Timestamp};

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

/// Why the ledger could not be read or written.
#[derive(Clone, Debug)]
pub struct LedgerError(Arc<dyn Error + Send + Sync>);

impl LedgerError {
    /// An error of the ledger, from the error of whatever keeps it.
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(Arc::from(source.into()))
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
