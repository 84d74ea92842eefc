//! The pace of each label: close to the limit, never over it.
//!
//! Requests of a label leave evenly spaced, a hundredth slower than permitted, and none before a whole period
//! has passed since the one that stands a period's number of requests before it. So a server that counts over
//! any second, sliding or fixed, finds no more than it permits, even where a timer wakes late and the spacing
//! catches up. A 429 pauses the label and lowers its pace by a step, which it regains slowly: other apps share
//! the account's limits.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::backoff::backoff;
use super::error::ZoomError;
use super::limits::{Rate, RateLimits};
use crate::clock::Clock;
use crate::model::{RateLabel, Throttle, ThrottleKind, Timestamp};

/// The longest pause that a run waits for; a longer one ends it, and a later run goes on.
pub(super) const LONGEST_PAUSE_WAITED: Duration = Duration::from_mins(15);
/// The part of the permitted rate that is used.
const SHARE: f64 = 0.99;
/// What is added to the period, as a part of it, for requests that overtake each other on the way: 7 ms a second.
const MARGIN: f64 = 0.007;
/// Requests of a per-minute limit need not be spread over the minute: a run has few of them.
const MINUTE_SPACING: Duration = Duration::from_secs(1);
/// What is left of the pace after a 429, at the least, and what comes back how often.
const STEP_DOWN: f64 = 0.9;
const LOWEST_PACE: f64 = 0.25;
const STEP_UP: f64 = 0.02;
const STEP_UP_EVERY: Duration = Duration::from_secs(10);
/// The first pause after a 429 that does not say how long; it doubles with each in a row.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_GUESSED_PAUSE: Duration = Duration::from_secs(30);

/// What may go on after a 429.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RetryScope {
    /// The request, after its label's pause.
    Request,
    /// Only a later run.
    Run { until: Timestamp },
}

/// The pacers of all labels.
pub(super) struct RateLimiters {
    clock: Clock,
    by_label: [RateLimiter; RateLabel::ALL.len()],
}

impl RateLimiters {
    pub(super) fn new(limits: RateLimits, clock: Clock) -> Self {
        let pacer = |index: usize| RateLimiter::new(limits.rate(RateLabel::ALL[index]));
        Self { clock, by_label: std::array::from_fn(pacer) }
    }

    /// Waits for the label's next slot, in the order of asking. Dropped while waiting, it takes none.
    pub(super) async fn slot(&self, label: RateLabel) -> Result<Instant, ZoomError> {
        let pacer = &self.by_label[label as usize];
        let _turn = pacer.turn.lock().await;
        loop {
            let now = Instant::now();
            let due = {
                let mut state = pacer.state();
                if let Some(until) = state.closed_until.filter(|until| *until > self.clock.now()) {
                    return Err(ZoomError::Quota { label, until });
                }
                let due = state.due(now);
                if due <= now {
                    state.take(now);
                    return Ok(now);
                }
                due
            };
            sleep_until(due).await;
        }
    }

    /// A request was answered: the next unexplained 429 is the first in a row again.
    pub(super) fn answered(&self, label: RateLabel) {
        self.by_label[label as usize].state().throttles_in_a_row = 0;
    }

    /// Takes a 429 of a request sent at `sent_at`; says what the ledger should be told, and what may go on.
    pub(super) fn throttled(
        &self,
        label: RateLabel,
        throttle: Throttle,
        sent_at: Instant,
    ) -> (Throttle, RetryScope) {
        let (now, instant) = (self.clock.now(), Instant::now());
        let mut state = self.by_label[label as usize].state();
        state.slow_down(instant, sent_at);
        let pause = throttle.until.map_or_else(|| state.guessed_pause(), |until| until.since(now));
        let until = now.plus(pause);
        let told = Throttle { until: Some(until), ..throttle };
        if throttle.kind == ThrottleKind::Daily || pause > LONGEST_PAUSE_WAITED {
            state.closed_until = state.closed_until.max(Some(until));
            return (told, RetryScope::Run { until });
        }
        state.paused_until = state.paused_until.max(Some(instant + pause));
        (told, RetryScope::Request)
    }
}

struct RateLimiter {
    /// Held by whoever waits for the next slot; those behind it wait for this, in order.
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

struct State {
    rate: Rate,
    /// The part of the usual pace, 1 but after a 429.
    pace: f64,
    pace_changed_at: Option<Instant>,
    lowered_at: Option<Instant>,
    next: Option<Instant>,
    /// When the last `rate.requests` requests left.
    sent: VecDeque<Instant>,
    paused_until: Option<Instant>,
    /// Closed for the rest of the run: by the clock, since it may be the next day's midnight.
    closed_until: Option<Timestamp>,
    throttles_in_a_row: u32,
}

impl RateLimiter {
    fn new(rate: Rate) -> Self {
        Self {
            turn: tokio::sync::Mutex::default(),
            state: Mutex::new(State {
                rate: Rate { requests: rate.requests.max(1), ..rate },
                pace: 1.0,
                pace_changed_at: None,
                lowered_at: None,
                next: None,
                sent: VecDeque::new(),
                paused_until: None,
                closed_until: None,
                throttles_in_a_row: 0,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The earliest instant at which a request may leave.
    fn due(&mut self, now: Instant) -> Instant {
        self.speed_up(now);
        let capacity = self.rate.requests as usize;
        let period = self.rate.per.mul_f64((1.0 + MARGIN) / self.pace);
        let by_count = self.sent.len().checked_sub(capacity).map(|index| self.sent[index] + period);
        [self.next, self.paused_until, by_count].into_iter().flatten().fold(now, Instant::max)
    }

    /// A request leaves now.
    fn take(&mut self, now: Instant) {
        let spacing = self.spacing();
        // A late waker may catch up by one slot, not by all that nobody asked for.
        let slot = self.next.map_or(now, |next| next.max(now.checked_sub(spacing).unwrap_or(next)));
        self.next = Some(slot + spacing);
        self.sent.push_back(now);
        if self.sent.len() > self.rate.requests as usize {
            self.sent.pop_front();
        }
    }

    fn spacing(&self) -> Duration {
        let even = self.rate.per.div_f64(f64::from(self.rate.requests) * SHARE);
        let spacing = if self.rate.per > Duration::from_secs(1) { even.min(MINUTE_SPACING) } else { even };
        spacing.div_f64(self.pace)
    }

    /// One step for all 429 of requests that were under way together.
    fn slow_down(&mut self, now: Instant, sent_at: Instant) {
        if self.lowered_at.is_none_or(|lowered_at| sent_at > lowered_at) {
            self.pace = (self.pace * STEP_DOWN).max(LOWEST_PACE);
            self.lowered_at = Some(now);
            self.pace_changed_at = Some(now);
            self.throttles_in_a_row += 1;
        }
    }

    fn speed_up(&mut self, now: Instant) {
        while let Some(changed_at) = self.pace_changed_at
            && self.pace < 1.0
            && now.duration_since(changed_at) >= STEP_UP_EVERY
        {
            self.pace = (self.pace + STEP_UP).min(1.0);
            self.pace_changed_at = Some(changed_at + STEP_UP_EVERY);
        }
    }

    /// A second or two, doubled with each 429 in a row, with some jitter.
    fn guessed_pause(&self) -> Duration {
        backoff(2 * FIRST_PAUSE, 2 * LONGEST_GUESSED_PAUSE, self.throttles_in_a_row)
    }
}
