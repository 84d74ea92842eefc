//! Admission: a request is sent only when the ledger has it reserved.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;

use super::error::ZoomError;
use super::ledger::Ledger;
use super::limiter::LONGEST_PAUSE_WAITED;
use crate::clock::Clock;
use crate::model::{RateLabel, Reservation, Throttle, Timestamp};

/// Reserved at a time, so that the ledger is asked seldom; what is left is given back at the end.
const BATCH: u32 = 25;
/// A pause that the ledger still tells of after so many waits is left to a later run.
const WAITS: u32 = 3;

/// The gates of all labels.
pub(super) struct QuotaGates {
    ledger: Arc<dyn Ledger>,
    clock: Clock,
    by_label: [QuotaGate; RateLabel::ALL.len()],
}

#[derive(Default)]
struct QuotaGate {
    /// The end of the day that `left` was reserved for; held while the ledger is asked.
    valid_until: Mutex<Option<Timestamp>>,
    left: AtomicU32,
}

/// Leave to send one request; given back when it is dropped unused.
#[must_use]
pub(super) struct Permit<'a> {
    gate: &'a QuotaGate,
    used: bool,
}

impl Permit<'_> {
    /// The request is about to be sent.
    pub(super) fn used(mut self) {
        self.used = true;
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if !self.used {
            self.gate.left.fetch_add(1, Ordering::AcqRel);
        }
    }
}

impl QuotaGates {
    pub(super) fn new(ledger: Arc<dyn Ledger>, clock: Clock) -> Self {
        Self { ledger, clock, by_label: Default::default() }
    }

    /// Waits for leave to send a request; an error where that would take longer than a run should wait.
    pub(super) async fn admit(&self, label: RateLabel) -> Result<Permit<'_>, ZoomError> {
        let gate = &self.by_label[label as usize];
        let mut valid_until = gate.valid_until.lock().await;
        let mut waits = 0;
        loop {
            let now = self.clock.now();
            if valid_until.is_none_or(|end| now >= end) {
                gate.left.store(0, Ordering::Release);
            }
            if gate.take() {
                return Ok(Permit { gate, used: false });
            }
            match self.ledger.reserve(label, BATCH).await.map_err(ZoomError::Ledger)? {
                Reservation::Granted { count, valid_until: end } => {
                    gate.left.fetch_add(count.max(1), Ordering::AcqRel);
                    *valid_until = Some(end);
                }
                Reservation::Exhausted { until } => return Err(ZoomError::Quota { label, until }),
                Reservation::Paused { until } => {
                    let wait = until.since(now);
                    waits += 1;
                    if wait > LONGEST_PAUSE_WAITED || waits > WAITS {
                        return Err(ZoomError::Quota { label, until });
                    }
                    tokio::time::sleep(wait.max(Duration::from_millis(1))).await;
                }
            }
        }
    }

    pub(super) async fn throttled(&self, label: RateLabel, throttle: Throttle) -> Result<(), ZoomError> {
        self.ledger.throttled(label, throttle).await.map_err(ZoomError::Ledger)
    }

    /// Gives back what is reserved and not used.
    pub(super) async fn return_unused(&self) -> Result<(), ZoomError> {
        for (label, gate) in RateLabel::ALL.iter().zip(&self.by_label) {
            let valid_until = gate.valid_until.lock().await;
            let unused = gate.left.swap(0, Ordering::AcqRel);
            if unused > 0 && valid_until.is_some_and(|end| self.clock.now() < end) {
                self.ledger.give_back(*label, unused).await.map_err(ZoomError::Ledger)?;
            }
        }
        Ok(())
    }
}

impl QuotaGate {
    fn take(&self) -> bool {
        self.left.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1)).is_ok()
    }
}
