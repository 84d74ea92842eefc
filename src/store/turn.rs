//! The transaction that several listings share, and whose turn it is to write into it.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use sqlx::{Sqlite, Transaction};

use crate::store::session::shared::KnownFacts;

/// Whose turn it is to write listings, and the transaction that is open for them, as long as one of those waits whose
/// listings are in it.
pub(super) type Turn = Arc<tokio::sync::Mutex<Weak<Shared>>>;

/// A transaction of several listings. It is rolled back when nobody waits for it any more.
#[derive(Debug)]
pub(super) struct Shared {
    pub open: Mutex<Option<Open>>,
    pub is_committed: AtomicBool,
}

#[derive(Debug)]
pub(super) struct Open {
    pub transaction: Transaction<'static, Sqlite>,
    /// Taken until the transaction has ended well: what is rolled back is not known any more.
    pub facts: KnownFacts,
    pub rows: usize,
}

impl Shared {
    pub(super) fn take(&self) -> Option<Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) fn put(&self, open: Open) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = Some(open);
    }
}
