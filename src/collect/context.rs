//! What a run carries along: what it was asked, its summary, whom it tells, and what stops it.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::RunRequest;
use super::summary::{AbortReason, Event, Summary};
use crate::store::StoreError;
use crate::zoom::{Disposition, ZoomError};

/// So much text is decoded at once, in KiB: rows take more room than the text that they are in.
const DECODING_ROOM: u32 = 1_024;

/// The context of one run, shared by all that is done in it.
pub(super) struct RunContext<'a> {
    pub(super) request: &'a RunRequest,
    summary: Mutex<Summary>,
    observe: &'a (dyn Fn(Event) + Send + Sync),
    /// A child of the caller's token, so that whatever stops the run stops all of it in the same way.
    stop: CancellationToken,
    /// The room for listings that are decoded and stored, in KiB of text.
    decoding_room: Semaphore,
    store_failed: CancellationToken,
}

impl<'a> RunContext<'a> {
    pub(super) fn new(
        request: &'a RunRequest,
        summary: Summary,
        observe: &'a (dyn Fn(Event) + Send + Sync),
        stop: &CancellationToken,
    ) -> Self {
        Self {
            request,
            summary: Mutex::new(summary),
            observe,
            stop: stop.child_token(),
            decoding_room: Semaphore::new(DECODING_ROOM as usize),
            store_failed: CancellationToken::new(),
        }
    }

    pub(super) fn summary(&self) -> MutexGuard<'_, Summary> {
        self.summary.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn into_summary(self) -> Summary {
        self.summary.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tell(&self, event: Event) {
        (self.observe)(event);
    }

    /// Says what its reader should know, and what fails nothing.
    pub(super) fn warn(&self, words: impl Into<String>) {
        self.tell(Event::Warning(words.into()));
    }

    /// Says what went wrong; the first such thing stands in the log of runs.
    pub(super) fn fail(&self, words: impl Into<String>) {
        let words = words.into();
        self.summary().error.get_or_insert_with(|| words.clone());
        self.warn(words);
    }

    /// As [`RunContext::fail`], for what may pass by itself.
    pub(super) fn fail_with(&self, error: &ZoomError, words: impl Into<String>) {
        if matches!(error.disposition(), Disposition::Unreachable | Disposition::Retry) {
            self.summary().unreachable = true;
        }
        self.fail(words);
    }

    /// Stops the run, since nothing more can be read; says why the first time.
    pub(super) fn abort(&self, reason: AbortReason) {
        let words = reason.message().to_owned();
        {
            let mut summary = self.summary();
            if summary.aborted.is_some() {
                return;
            }
            summary.error = Some(words.clone());
            summary.aborted = Some(reason);
        }
        self.stop.cancel();
        self.warn(words);
    }

    /// Whether nothing more is to be asked, for whatever reason.
    pub(super) fn is_over(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Waits for what is asked of Zoom; none where the run is stopped, which cancels the request in flight. The only
    /// place where a run waits for Zoom.
    pub(super) async fn until_stopped<T>(&self, asked: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => None,
            answer = asked => Some(answer),
        }
    }

    /// Decodes and stores a text of so many KiB: a large one alone, and small ones side by side, so that they are stored
    /// together. The first error ends the run: whoever still waits for room, for the database or for Zoom, gets none.
    pub(super) async fn with_room<T>(
        &self,
        kib: usize,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<Option<T>, StoreError> {
        let kib = u32::try_from(kib).unwrap_or(u32::MAX).clamp(1, DECODING_ROOM);
        let work = async {
            // The semaphore is never closed.
            let _room = self.decoding_room.acquire_many(kib).await;
            work.await
        };
        // A transaction that is under way when another one has failed would fail as well; it is rolled back.
        let result = tokio::select! {
            biased;
            () = self.store_failed.cancelled() => return Ok(None),
            result = work => result,
        };
        if result.is_err() {
            self.store_failed.cancel();
            self.stop.cancel();
        }
        result.map(Some)
    }
}
