//! What a run carries along: what it was asked, its summary, whom it tells, and what stops it.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::RunRequest;
use super::summary::{AbortReason, Event, Summary};
use crate::store::StoreError;
use crate::zoom::{Disposition, ZoomError};

/// The context of one run, shared by all that is done in it.
pub(super) struct RunContext<'a> {
    pub(super) request: &'a RunRequest,
    summary: Mutex<Summary>,
    observe: &'a (dyn Fn(Event) + Send + Sync),
    /// A child of the caller's token, so that whatever stops the run stops all of it in the same way.
    stop: CancellationToken,
    /// The right to decode and store, one instance at a time. It is closed once the database has failed.
    turn: Semaphore,
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
            turn: Semaphore::new(1),
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

    /// Decodes and stores, one instance at a time: rows take more room than the text that they are in. The first error
    /// ends the run: whoever still waits for a turn, or for Zoom, gets none.
    pub(super) async fn in_turn<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<Option<T>, StoreError> {
        let Ok(_turn) = self.turn.acquire().await else { return Ok(None) };
        let result = work.await;
        if result.is_err() {
            self.turn.close();
            self.stop.cancel();
        }
        result.map(Some)
    }
}
