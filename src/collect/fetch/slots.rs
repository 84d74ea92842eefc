//! How many instances are read at the same time: the first page of each is in memory while it waits for room.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Semaphore, SemaphorePermit};

/// While listings wait for room: one is read and others are at hand.
const FEWEST: usize = 4;

/// Half of the most: enough to come close to the pace at once.
const AT_FIRST: usize = MOST / 2;

/// Enough to keep the widest pace busy over a slow line.
pub(in crate::collect) const MOST: usize = 24;

/// Slots for instances that are read; each that finds room makes one more, each that has to wait for it one fewer.
pub(in crate::collect) struct FetchSlots {
    free: Semaphore,
    count: AtomicUsize,
}

impl FetchSlots {
    pub(in crate::collect) fn new() -> Self {
        Self { free: Semaphore::new(AT_FIRST), count: AtomicUsize::new(AT_FIRST) }
    }

    /// Waits for a slot, which is free again when it is dropped.
    pub(super) async fn take(&self) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed.
        self.free.acquire().await.ok()
    }

    /// Gives back the slot of a listing that has been read, and says whether that had to wait for room.
    pub(super) fn give_back(&self, slot: Option<SemaphorePermit<'_>>, has_waited: bool) {
        let change = |count: usize| {
            if has_waited { (count > FEWEST).then(|| count - 1) } else { (count < MOST).then_some(count + 1) }
        };
        let is_changed = self.count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, change).is_ok();
        match (is_changed, has_waited) {
            (true, true) => slot.into_iter().for_each(SemaphorePermit::forget),
            (true, false) => self.free.add_permits(1),
            (false, _) => drop(slot),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn there_are_more_while_there_is_room_and_fewer_while_listings_wait_for_it() {
        let slots = FetchSlots::new();
        for _ in 0..100 {
            let slot = slots.take().await;
            slots.give_back(slot, false);
        }
        assert_eq!(slots.free.available_permits(), MOST);
        for _ in 0..100 {
            let slot = slots.take().await;
            slots.give_back(slot, true);
        }
        assert_eq!(slots.free.available_permits(), FEWEST);
        drop(slots.take().await);
        assert_eq!(slots.free.available_permits(), FEWEST, "what was not read changes nothing");
    }
}
