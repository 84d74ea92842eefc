//! One transaction for the listings that come while another one is being stored: fewer commits, and a page that several
//! of them change is written once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::intake::Ingest;
use super::listing::{FetchRecord, Listing, Stored};
use super::prepared::PreparedListing;
use crate::plan::Policy;
use crate::store::turn::{Open, Shared};
use crate::store::{Store, StoreError};

/// So many rows are changed in one transaction, and those of one listing more.
const MOST_ROWS: usize = 2_000;

impl Store {
    /// Stores a listing, and the log row of its fetch, in one transaction: all of it or nothing.
    ///
    /// Listings that wait are stored in the same transaction, each of them whole. Where one fails, or the commit does,
    /// each is stored once more by itself, so that no failure is another's.
    pub(crate) async fn store_listing(
        &self,
        listing: &Listing<'_>,
        record: &FetchRecord,
        policy: &Policy,
    ) -> Result<Stored, StoreError> {
        let ingest = Ingest { listing, record, policy, dropped: &self.dropped };
        let prepared = ingest.prepare();
        if let Some(stored) = self.store_together(&ingest, &prepared).await? {
            return Ok(stored);
        }
        let turn = self.turn.lock().await;
        if let Some(shared) = turn.upgrade() {
            // It holds the one connection.
            self.commit_shared(&shared).await;
        }
        let mut open = self.open_transaction().await?;
        let stored = self.ingest(&ingest, &prepared, &mut open).await?;
        self.commit(open).await?;
        Ok(stored)
    }

    /// None where the transaction was rolled back.
    async fn store_together<'a>(
        &self,
        ingest: &Ingest<'_, 'a>,
        prepared: &PreparedListing<'_, 'a>,
    ) -> Result<Option<Stored>, StoreError> {
        let mut turn = self.turn.lock().await;
        let (shared, open) = match turn.upgrade().and_then(|shared| Some((shared.take()?, shared))) {
            Some((open, shared)) => (shared, Some(open)),
            None => (Arc::new(Shared { open: Mutex::new(None), is_committed: AtomicBool::new(false) }), None),
        };
        let is_alone = open.is_none();
        let mut open = match open {
            Some(open) => open,
            None => self.open_transaction().await?,
        };
        let stored = match self.ingest(ingest, prepared, &mut open).await {
            Ok(stored) => stored,
            Err(error) if is_alone => return Err(error),
            Err(_) => return Ok(None),
        };
        if open.rows >= MOST_ROWS {
            self.commit(open).await?;
            shared.is_committed.store(true, Ordering::Relaxed);
            return Ok(Some(stored));
        }
        shared.put(open);
        *turn = Arc::downgrade(&shared);
        drop(turn);
        // Those that wait already have their turn first. Whoever comes to it for the second time first, commits for all.
        let turn = self.turn.lock().await;
        self.commit_shared(&shared).await;
        drop(turn);
        Ok(shared.is_committed.load(Ordering::Relaxed).then_some(stored))
    }

    async fn open_transaction(&self) -> Result<Open, StoreError> {
        let transaction = self.begin().await?;
        Ok(Open { transaction, facts: std::mem::take(&mut *self.known()), rows: 0 })
    }

    async fn ingest<'a>(
        &self,
        ingest: &Ingest<'_, 'a>,
        prepared: &PreparedListing<'_, 'a>,
        open: &mut Open,
    ) -> Result<Stored, StoreError> {
        open.rows += ingest.listing.rows.len();
        let stored = ingest.run(&mut open.transaction, prepared, &mut open.facts).await;
        stored.map_err(|error| self.error(error))
    }

    /// Commits for all whose listings are in it, unless that was done, or it was rolled back.
    async fn commit_shared(&self, shared: &Shared) {
        if let Some(open) = shared.take()
            && self.commit(open).await.is_ok()
        {
            shared.is_committed.store(true, Ordering::Relaxed);
        }
    }

    async fn commit(&self, open: Open) -> Result<(), StoreError> {
        open.transaction.commit().await.map_err(|error| self.error(error))?;
        *self.known() = open.facts;
        Ok(())
    }
}
