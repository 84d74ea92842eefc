//! The loop around a request: what passes is repeated, what is refused is told.

use std::time::Duration;

use super::Zoom;
use super::classify::{Disposition, Stage};
use super::endpoints::Endpoint;
use super::error::{ZoomError, is_redirect};
use super::http::{Received, exchange, refusal_under_200};
use super::pace::Resumption;
use super::token::Token;
use super::wire::{Expected, Unreadable, read_answer};
use crate::model::Timestamp;

/// So many 429 in a row are waited out for one request; the pace falls with each.
const THROTTLES: u32 = 10;
/// No answer makes a request wait longer than this before it is repeated.
const LONGEST_DELAY: Duration = Duration::from_mins(1);
/// Zoom keeps a page token for 15 minutes; a minute of these is left for the way.
const TOKEN_LIFE: Duration = Duration::from_mins(14);

/// How often and how soon a failed request is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Tries in all, the first among them; at least 1.
    pub attempts: u32,
    /// The wait before the second try; each further one doubles.
    pub first_delay: Duration,
    /// No wait is longer, jitter aside.
    pub longest_delay: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts: 4, first_delay: Duration::from_millis(500), longest_delay: Duration::from_secs(20) }
    }
}

impl RetryPolicy {
    /// The wait after so many failed tries: half of it certain, half by lot, so that requests that failed
    /// together do not come back together. An answer that named a later instant is obeyed, within a minute.
    pub(super) fn delay(&self, failures: u32, retry_at: Option<Timestamp>, now: Timestamp) -> Duration {
        let doubled = self.first_delay.saturating_mul(1 << failures.saturating_sub(1).min(16));
        let backoff = doubled.min(self.longest_delay).mul_f64(0.5 + fastrand::f64() / 2.0);
        let asked_for = retry_at.map_or(Duration::ZERO, |at| at.since(now)).min(LONGEST_DELAY);
        backoff.max(asked_for)
    }
}

/// One GET, apart from host and token.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) endpoint: Endpoint,
    pub(super) stage: Stage,
    path: String,
    query: Vec<(&'static str, String)>,
    /// When the page token in the query came, if there is one.
    pub(super) token_received_at: Option<Timestamp>,
}

impl Call {
    pub(super) fn new(endpoint: Endpoint, stage: Stage, path: String) -> Self {
        Self { endpoint, stage, path, query: Vec::new(), token_received_at: None }
    }

    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.query.push((name, value.to_owned()));
        self
    }
}

/// An answer that was read.
pub(super) struct Answered<T> {
    pub(super) value: T,
    /// The text that it was read from.
    pub(super) body: String,
    pub(super) tracking_id: Option<String>,
}

impl Zoom {
    /// Sends a call, at its pace and within the quota, until it is answered, refused or given up.
    pub(super) async fn get<T: Expected>(&self, call: &Call) -> Result<Answered<T>, ZoomError> {
        let shared = &*self.shared;
        let label = call.endpoint.label();
        let (mut failures, mut throttles, mut renewed) = (0, 0, false);
        let mut token = shared.tokens.current().await?;
        loop {
            let permit = shared.gates.admit(label).await?;
            let sent_at = shared.pacers.slot(label).await?;
            self.check_page_token(call)?;
            permit.used();
            let is_retry = failures + throttles > 0 || renewed;
            self.count(|counters| counters.count_request(label, is_retry));
            let answer = self.send(call, &token).await;
            let status = answer.as_ref().map_or_else(ZoomError::answered_with, |_| Some(200));
            self.count(|counters| counters.count_answer(label, status));
            let error = match answer {
                Ok(answered) => {
                    shared.pacers.answered(label);
                    return Ok(answered);
                }
                Err(error) => error,
            };
            match error.disposition() {
                Disposition::Throttled(throttle) => {
                    self.count(|counters| counters.count_throttled(label));
                    let (told, resumption) = shared.pacers.throttled(label, throttle, sent_at);
                    tracing::warn!(%label, kind = ?told.kind, until = %until_text(told.until), "Zoom asked for a pause");
                    shared.gates.throttled(label, told).await?;
                    throttles += 1;
                    match resumption {
                        Resumption::Run { until } => {
                            return Err(error.now_means(Disposition::Quota { until }));
                        }
                        Resumption::Request if throttles >= THROTTLES => return Err(error),
                        Resumption::Request => {}
                    }
                }
                Disposition::RenewToken if renewed => return Err(error.now_means(Disposition::Credentials)),
                Disposition::RenewToken => {
                    renewed = true;
                    token = shared.tokens.renew(&token).await?;
                    continue;
                }
                // The same address would redirect again, for as long as the config names it.
                disposition if disposition.may_repeat() && !error.status().is_some_and(is_redirect) => {
                    failures += 1;
                    if failures >= shared.retry.attempts {
                        return Err(error);
                    }
                    tracing::debug!(%error, failures, "a request to Zoom failed and is repeated");
                    tokio::time::sleep(shared.retry.delay(failures, error.retry_at(), shared.clock.now()))
                        .await;
                }
                _ => return Err(error),
            }
            token = shared.tokens.current().await?;
        }
    }

    async fn send<T: Expected>(&self, call: &Call, token: &Token) -> Result<Answered<T>, ZoomError> {
        let url = token.url(&call.path, &call.query)?;
        let request = self.shared.http.get(url).bearer_auth(token.secret());
        let Received { body, tracking_id } =
            exchange(request, call.endpoint, call.stage, None, &self.shared.clock).await?;
        let endpoint = call.endpoint;
        match read_answer(&body) {
            Ok(value) => Ok(Answered { value, body, tracking_id }),
            Err(Unreadable::Malformed(detail)) => Err(ZoomError::Malformed { endpoint, detail, tracking_id }),
            Err(Unreadable::Lacking(wanted)) => {
                let received = Received { body, tracking_id };
                Err(refusal_under_200(&received, endpoint, call.stage, &self.shared.clock).unwrap_or_else(
                    || ZoomError::Lacking { endpoint, wanted, tracking_id: received.tracking_id },
                ))
            }
        }
    }

    /// A page token may have grown old between the pages, or while its request waited.
    fn check_page_token(&self, call: &Call) -> Result<(), ZoomError> {
        let age = call.token_received_at.map(|at| self.shared.clock.now().since(at));
        if age.is_some_and(|age| age > TOKEN_LIFE) {
            return Err(ZoomError::PageTokenExpired { endpoint: call.endpoint });
        }
        Ok(())
    }

    fn count(&self, act: impl Fn(&super::Counters)) {
        act(&self.shared.counters);
        if let Some(counters) = &self.also_count {
            act(counters);
        }
    }
}

fn until_text(until: Option<Timestamp>) -> String {
    until.map_or_else(String::new, |until| until.to_string())
}
