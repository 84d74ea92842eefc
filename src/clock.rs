//! The one place that asks for the time of day, so that tests and the demo can say what it is.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::model::Timestamp;

/// What time it is, and what another clock said of that. Clones share both.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    kind: Kind,
    witness: Arc<Mutex<Option<Comparison>>>,
}

/// What this clock and another one showed at the same moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comparison {
    pub own: Timestamp,
    pub other: Timestamp,
}

/// Two clocks further apart than this do not agree.
const TOLERANCE: Duration = Duration::from_mins(10);

impl Comparison {
    /// Whether the two show the same time, but for what clocks and ways differ by.
    pub fn agrees(&self) -> bool {
        self.own.since(self.other).max(self.other.since(self.own)) < TOLERANCE
    }

    /// So many milliseconds is this clock ahead of the other; behind it where negative.
    pub fn ahead_ms(&self) -> i64 {
        self.own.millis().saturating_sub(self.other.millis())
    }
}

#[derive(Clone, Debug, Default)]
enum Kind {
    #[default]
    System,
    /// Runs as the system's does, so many milliseconds ahead of it.
    Shifted(i64),
    Fixed(Arc<AtomicI64>),
}

impl Clock {
    pub fn system() -> Self {
        Self::of(Kind::System)
    }

    /// A clock that says this instant now, and goes on from there.
    pub(crate) fn starting_at(instant: Timestamp) -> Self {
        Self::of(Kind::Shifted(instant.millis() - system_now().millis()))
    }

    /// A clock that stands at this instant until [`Clock::set`] moves it; its clones move with it.
    pub fn fixed(at: Timestamp) -> Self {
        Self::of(Kind::Fixed(Arc::new(AtomicI64::new(at.millis()))))
    }

    fn of(kind: Kind) -> Self {
        Self { kind, witness: Arc::default() }
    }

    pub fn now(&self) -> Timestamp {
        match &self.kind {
            Kind::System => system_now(),
            Kind::Shifted(ahead) => Timestamp::from_millis(system_now().millis() + ahead),
            Kind::Fixed(millis) => Timestamp::from_millis(millis.load(Ordering::SeqCst)),
        }
    }

    /// Moves a fixed clock; one that runs is not ours to set.
    pub fn set(&self, to: Timestamp) {
        if let Kind::Fixed(millis) = &self.kind {
            millis.store(to.millis(), Ordering::SeqCst);
        }
    }

    /// Notes what another clock shows at this moment.
    pub fn compare(&self, other: Timestamp) {
        let comparison = Comparison { own: self.now(), other };
        *self.witness.lock().unwrap_or_else(PoisonError::into_inner) = Some(comparison);
    }

    /// The last comparison since this was asked before.
    pub(crate) fn take_comparison(&self) -> Option<Comparison> {
        self.witness.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the place that may ask")]
fn system_now() -> Timestamp {
    Timestamp::from(chrono::Utc::now())
}
