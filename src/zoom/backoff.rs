//! Repeats of requests that failed: one loop, and one way to wait longer each time.

use std::time::Duration;

use super::disposition::Disposition;
use super::error::ZoomError;
use crate::clock::Clock;
use crate::model::Timestamp;

/// So many 429 in a row are waited out for one request; the pace falls with each.
const MAX_THROTTLES: u32 = 10;
/// No answer makes a request wait longer than this before it is repeated.
const LONGEST_DELAY: Duration = Duration::from_mins(1);

/// How often and how soon a failed request is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Tries in all, the first among them; at least 1.
    pub attempts: u32,
    /// The wait before the second try; each further one doubles.
    pub first_delay: Duration,
    /// No wait is longer.
    pub longest_delay: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts: 4, first_delay: Duration::from_millis(500), longest_delay: Duration::from_secs(20) }
    }
}

impl RetryPolicy {
    /// The wait after so many failed tries; an answer that named a later instant is obeyed, within a minute.
    pub(super) fn delay(&self, failures: u32, retry_at: Option<Timestamp>, now: Timestamp) -> Duration {
        let asked_for = retry_at.map_or(Duration::ZERO, |at| at.since(now)).min(LONGEST_DELAY);
        backoff(self.first_delay, self.longest_delay, failures).max(asked_for)
    }
}

/// Exponential backoff with equal jitter: from `first`, doubled with each failure after the first one, up to `longest`.
pub(super) fn backoff(first: Duration, longest: Duration, failures: u32) -> Duration {
    let doubled = first.saturating_mul(1 << failures.saturating_sub(1).min(16));
    doubled.min(longest).mul_f64(0.5 + fastrand::f64() / 2.0)
}

/// What one attempt at a request came to.
pub(super) enum Attempt<T> {
    Done(T),
    /// It failed in a way that may pass: repeated after a wait, as often as the policy says.
    Retry(ZoomError),
    /// It met a rate limit, and its label pauses: repeated at the label's pace.
    Pace(ZoomError),
    /// The token was refused, and replaced: repeated once.
    Renew(ZoomError),
    Fail(ZoomError),
}

/// What came of the attempts before.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Attempts {
    failures: u32,
    throttles: u32,
    /// Whether the token was replaced since the request was made.
    pub(super) renewed: bool,
}

impl Attempts {
    pub(super) fn is_first(self) -> bool {
        self.failures + self.throttles == 0 && !self.renewed
    }
}

/// Attempts a request until it is done, refused or given up.
pub(super) async fn retry<T, F>(
    policy: RetryPolicy,
    clock: &Clock,
    attempt: impl Fn(Attempts) -> F,
) -> Result<T, ZoomError>
where
    F: Future<Output = Attempt<T>>,
{
    let mut made = Attempts::default();
    loop {
        match attempt(made).await {
            Attempt::Done(answer) => return Ok(answer),
            Attempt::Fail(error) => return Err(error),
            Attempt::Retry(error) => {
                made.failures += 1;
                if made.failures >= policy.attempts {
                    return Err(error);
                }
                tracing::debug!(%error, failures = made.failures, "a request to Zoom failed and is repeated");
                tokio::time::sleep(policy.delay(made.failures, error.retry_at(), clock.now())).await;
            }
            Attempt::Pace(error) => {
                made.throttles += 1;
                if made.throttles >= MAX_THROTTLES {
                    return Err(error);
                }
            }
            Attempt::Renew(error) if made.renewed => {
                return Err(error.with_disposition(Disposition::Credentials));
            }
            Attempt::Renew(_) => made.renewed = true,
        }
    }
}
