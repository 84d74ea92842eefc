//! The client: what all of its handles share, and the way of one request.

use std::fmt;
use std::sync::Arc;

use super::backoff::{Attempt, Attempts, RetryPolicy, retry};
use super::counters::Counters;
use super::disposition::Disposition;
use super::error::ZoomError;
use super::ledger::Ledger;
use super::limiter::{RateLimiters, RetryScope};
use super::request::Call;
use super::reservation::QuotaGates;
use super::settings::ZoomSettings;
use super::token::{Token, TokenCache};
use super::transport::{Http, Received, refusal_under_200};
use super::wire::{Expected, Unreadable, read_answer};
use crate::clock::Clock;

/// The client. Clones share token, connections, pace and counters.
#[derive(Clone)]
pub struct ZoomClient {
    shared: Arc<Shared>,
    /// Counters of whoever asked for this handle, beside the shared ones.
    also_count: Option<Counters>,
}

struct Shared {
    http: Http,
    tokens: TokenCache,
    gates: QuotaGates,
    limiters: RateLimiters,
    counters: Counters,
    retry: RetryPolicy,
    page_size: u32,
    clock: Clock,
}

/// An answer that was read.
pub(super) struct Answered<T> {
    pub(super) value: T,
    /// The text that it was read from.
    pub(super) body: String,
    pub(super) tracking_id: Option<String>,
}

impl ZoomClient {
    /// A client that has asked for nothing yet.
    ///
    /// # Errors
    /// Where the HTTP client cannot be built, as without usable TLS roots.
    pub fn new(settings: ZoomSettings, clock: Clock, ledger: Arc<dyn Ledger>) -> Result<Self, ZoomError> {
        let http = Http::new(&settings)?;
        let shared = Shared {
            gates: QuotaGates::new(ledger, clock.clone()),
            limiters: RateLimiters::new(settings.limits, clock.clone()),
            counters: Counters::default(),
            retry: settings.retry,
            page_size: settings.page_size.clamp(1, 300),
            tokens: TokenCache::new(settings, http.clone(), clock.clone()),
            http,
            clock,
        };
        Ok(Self { shared: Arc::new(shared), also_count: None })
    }

    /// A handle whose requests are counted by `counters` as well, so that a fetch can report its own.
    pub(crate) fn counted_by(&self, counters: Counters) -> Self {
        Self { shared: Arc::clone(&self.shared), also_count: Some(counters) }
    }

    /// The requests of all handles since the client was made; token requests are not among them.
    pub fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// The scopes that the token grants, for the preflight; asks for a token where none is at hand.
    pub async fn scopes(&self) -> Result<Vec<String>, ZoomError> {
        Ok(self.shared.tokens.current().await?.scopes().to_vec())
    }

    /// Gives back to the ledger what was reserved and not used. To be called at the end of a run; without it
    /// the ledger only counts a few requests more than were sent.
    pub(crate) async fn return_unused(&self) -> Result<(), ZoomError> {
        self.shared.gates.return_unused().await
    }

    pub(super) fn page_size(&self) -> u32 {
        self.shared.page_size
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// Sends a call, at its pace and within the quota, until it is answered, refused or given up.
    pub(super) async fn get<T: Expected>(&self, call: &Call) -> Result<Answered<T>, ZoomError> {
        retry(self.shared.retry, &self.shared.clock, |made| async move {
            self.attempt(call, made).await.unwrap_or_else(Attempt::Fail)
        })
        .await
    }

    async fn attempt<T: Expected>(
        &self,
        call: &Call,
        made: Attempts,
    ) -> Result<Attempt<Answered<T>>, ZoomError> {
        let shared = &*self.shared;
        let label = call.endpoint.label();
        let token = shared.tokens.current().await?;
        let permit = shared.gates.admit(label).await?;
        let sent_at = shared.limiters.slot(label).await?;
        call.check_page_token(shared.clock.now())?;
        permit.used();
        self.count(|counters| counters.count_request(label, !made.is_first()));
        let answer = self.send(call, &token).await;
        let status = answer.as_ref().map_or_else(ZoomError::answered_with, |_| Some(200));
        self.count(|counters| counters.count_answer(label, status));
        let error = match answer {
            Ok(answered) => {
                shared.limiters.answered(label);
                return Ok(Attempt::Done(answered));
            }
            Err(error) => error,
        };
        Ok(match error.disposition() {
            Disposition::Throttled(throttle) => {
                self.count(|counters| counters.count_throttled(label));
                let (told, scope) = shared.limiters.throttled(label, throttle, sent_at);
                let until = told.until.map_or_else(String::new, |until| until.to_string());
                tracing::warn!(%label, kind = ?told.kind, %until, "rate limited by Zoom (429), pausing");
                shared.gates.throttled(label, told).await?;
                match scope {
                    RetryScope::Run { until } => {
                        Attempt::Fail(error.with_disposition(Disposition::Quota { until }))
                    }
                    RetryScope::Request => Attempt::Pace(error),
                }
            }
            Disposition::RenewToken => {
                if !made.renewed {
                    shared.tokens.renew(&token).await?;
                }
                Attempt::Renew(error)
            }
            _ if error.may_pass() => Attempt::Retry(error),
            _ => Attempt::Fail(error),
        })
    }

    async fn send<T: Expected>(&self, call: &Call, token: &Token) -> Result<Answered<T>, ZoomError> {
        let url = token.url(&call.path, &call.query)?;
        let request = self.shared.http.get(url).bearer_auth(token.secret());
        let Received { body, tracking_id, hidden } =
            self.shared.http.exchange(request, call.endpoint, call.phase, &self.shared.clock).await?;
        let endpoint = call.endpoint;
        match read_answer(&body) {
            Ok(value) => Ok(Answered { value, body, tracking_id }),
            Err(Unreadable::Malformed(detail)) => Err(ZoomError::Malformed { endpoint, detail, tracking_id }),
            Err(Unreadable::Lacking(wanted)) => {
                let received = Received { body, tracking_id, hidden };
                Err(refusal_under_200(&received, endpoint, call.phase, &self.shared.clock).unwrap_or_else(
                    || ZoomError::Lacking { endpoint, wanted, tracking_id: received.tracking_id },
                ))
            }
        }
    }

    fn count(&self, act: impl Fn(&Counters)) {
        act(&self.shared.counters);
        if let Some(counters) = &self.also_count {
            act(counters);
        }
    }
}

impl fmt::Debug for ZoomClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ZoomClient").field("counters", &self.shared.counters).finish_non_exhaustive()
    }
}
