//! The one place that asks for the time of day, so that tests and the demo can say what it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::model::Timestamp;

/// What time it is.
#[derive(Clone, Debug, Default)]
pub struct Clock(Kind);

#[derive(Clone, Debug, Default)]
enum Kind {
    #[default]
    System,
    /// Runs as the system's does, so many milliseconds ahead of it.
    Shifted(i64),
    Fixed(Arc<AtomicI64>),
}

impl Clock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Kind::System)
    }

    /// A clock that says this instant now, and goes on from there.
    #[must_use]
    pub fn starting_at(instant: Timestamp) -> Self {
        Self(Kind::Shifted(instant.millis() - system_now().millis()))
    }

    /// A clock that stands at this instant until [`Clock::set`] moves it; its clones move with it.
    #[must_use]
    pub fn fixed(at: Timestamp) -> Self {
        Self(Kind::Fixed(Arc::new(AtomicI64::new(at.millis()))))
    }

    /// The present instant.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Kind::System => system_now(),
            Kind::Shifted(ahead) => Timestamp::from_millis(system_now().millis() + ahead),
            Kind::Fixed(millis) => Timestamp::from_millis(millis.load(Ordering::SeqCst)),
        }
    }

    /// Moves a fixed clock; one that runs is not ours to set.
    pub fn set(&self, to: Timestamp) {
        if let Kind::Fixed(millis) = &self.0 {
            millis.store(to.millis(), Ordering::SeqCst);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the place that may ask")]
fn system_now() -> Timestamp {
    Timestamp::from(chrono::Utc::now())
}
