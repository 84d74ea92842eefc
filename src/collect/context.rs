//! What a run carries along: its summary, whom it tells, and what stops it.

use std::future::Future;

use tokio_util::sync::CancellationToken;

use super::summary::{AbortReason, Event, Summary};
use crate::zoom::{Disposition, ZoomError};

/// The context of one run.
pub(super) struct RunContext<'a> {
    pub(super) summary: Summary,
    observe: &'a (dyn Fn(Event) + Send + Sync),
    stop: &'a CancellationToken,
}

impl<'a> RunContext<'a> {
    pub(super) fn new(
        summary: Summary,
        observe: &'a (dyn Fn(Event) + Send + Sync),
        stop: &'a CancellationToken,
    ) -> Self {
        Self { summary, observe, stop }
    }

    pub(super) fn tell(&self, event: Event) {
        (self.observe)(event);
    }

    /// Says what its reader should know, and what fails nothing.
    pub(super) fn warn(&self, words: impl Into<String>) {
        self.tell(Event::Warning(words.into()));
    }

    /// Says what went wrong; the first such thing stands in the log of runs.
    pub(super) fn fail(&mut self, words: impl Into<String>) {
        let words = words.into();
        self.summary.error.get_or_insert_with(|| words.clone());
        self.warn(words);
    }

    /// As [`RunContext::fail`], for what may pass by itself.
    pub(super) fn fail_with(&mut self, error: &ZoomError, words: impl Into<String>) {
        self.summary.unreachable |=
            matches!(error.disposition(), Disposition::Unreachable | Disposition::Retry);
        self.fail(words);
    }

    /// Notes why nothing more can be read, and says so the first time.
    pub(super) fn abort(&mut self, reason: AbortReason) {
        if self.summary.stop.is_some() {
            return;
        }
        let (AbortReason::Quota(_, words) | AbortReason::Refused(words)) = &reason;
        self.summary.error = Some(words.clone());
        self.warn(words.clone());
        self.summary.stop = Some(reason);
    }

    /// Whether the run is over, for whatever reason.
    pub(super) fn is_over(&self) -> bool {
        self.summary.stop.is_some() || self.stop.is_cancelled()
    }

    pub(super) fn stop(&self) -> &'a CancellationToken {
        self.stop
    }

    /// Waits for what is asked of Zoom; none where the run is told to stop, which drops it.
    pub(super) async fn until_stopped<T>(&self, asked: impl Future<Output = T>) -> Option<T> {
        until_cancelled(self.stop, asked).await
    }
}

/// The only place where a request is dropped because a run is to stop.
pub(super) async fn until_cancelled<T>(
    stop: &CancellationToken,
    asked: impl Future<Output = T>,
) -> Option<T> {
    tokio::select! {
        biased;
        () = stop.cancelled() => None,
        answer = asked => Some(answer),
    }
}
