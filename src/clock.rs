//! The one place that asks for the time of day, so that tests can say what it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::model::Timestamp;

/// What time it is: the system's clock, or one that a test or the demo sets.
#[derive(Clone, Debug, Default)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(None)
    }

    /// A clock that stands at this instant until [`Clock::set`] moves it; its clones move with it.
    #[must_use]
    pub fn fixed(at: Timestamp) -> Self {
        Self(Some(Arc::new(AtomicI64::new(at.millis()))))
    }

    /// The present instant.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place")]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            None => Timestamp::from(chrono::Utc::now()),
            Some(millis) => Timestamp::from_millis(millis.load(Ordering::SeqCst)),
        }
    }

    /// Moves a fixed clock; the system's clock is not ours to set.
    pub fn set(&self, to: Timestamp) {
        if let Some(millis) = &self.0 {
            millis.store(to.millis(), Ordering::SeqCst);
        }
    }
}
