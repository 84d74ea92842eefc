//! The access token: cached, renewed early, by one task at a time.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;

use super::backoff::{Attempt, RetryPolicy, retry};
use super::disposition::RequestPhase;
use super::endpoint::Endpoint;
use super::error::ZoomError;
use super::settings::ZoomSettings;
use super::transport::{Http, is_of_this_machine};
use super::wire::{TokenAnswer, parse_object};
use crate::clock::Clock;
use crate::model::Timestamp;

/// Zoom's tokens live an hour; one is renewed so long before its end.
const RENEWED_EARLY: Duration = Duration::from_mins(5);
/// The life of a token whose answer does not say.
const USUAL_LIFE: Duration = Duration::from_hours(1);

/// A token and what its answer said.
pub(super) struct Token {
    secret: SecretString,
    renew_at: Timestamp,
    scopes: Vec<String>,
    /// The API with its version, without a slash at its end.
    api_base: String,
}

impl Token {
    pub(super) fn secret(&self) -> &str {
        self.secret.expose_secret()
    }

    pub(super) fn scopes(&self) -> &[String] {
        &self.scopes
    }

    /// The URL of a path of the API. The path is taken as it is: what is encoded stays encoded.
    pub(super) fn url(&self, path: &str, query: &[(&'static str, String)]) -> Result<Url, ZoomError> {
        let mut url = Url::parse(&format!("{}{path}", self.api_base))
            .map_err(|error| ZoomError::Setup(format!("no URL can be made for {path}: {error}")))?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Token").field("renew_at", &self.renew_at).finish_non_exhaustive()
    }
}

/// The token at hand, and what a new one is asked for with.
pub(super) struct TokenCache {
    account_id: String,
    client_id: String,
    client_secret: SecretString,
    token_url: Url,
    api_url: Option<Url>,
    http: Http,
    retry: RetryPolicy,
    clock: Clock,
    /// Held while a token is asked for, so that one task asks and the others wait for its answer.
    state: Mutex<State>,
    /// Failures so far, readable without the lock.
    failures: AtomicU64,
}

#[derive(Default)]
struct State {
    token: Option<Arc<Token>>,
    last_failure: Option<ZoomError>,
}

impl TokenCache {
    pub(super) fn new(settings: ZoomSettings, http: Http, clock: Clock) -> Self {
        Self {
            account_id: settings.account_id,
            client_id: settings.client_id,
            client_secret: settings.client_secret,
            token_url: settings.token_url,
            api_url: settings.api_url,
            http,
            retry: settings.retry,
            clock,
            state: Mutex::default(),
            failures: AtomicU64::new(0),
        }
    }

    /// The token at hand, or a new one where there is none or it is about to end.
    pub(super) async fn current(&self) -> Result<Arc<Token>, ZoomError> {
        self.get_or_refresh(|token| self.clock.now() < token.renew_at).await
    }

    /// Replaces a rejected token. Concurrent callers share one refresh.
    pub(super) async fn renew(&self, refused: &Arc<Token>) -> Result<Arc<Token>, ZoomError> {
        self.get_or_refresh(|token| !Arc::ptr_eq(token, refused)).await
    }

    /// The token at hand where it is good, else a new one; concurrent callers share one refresh, and its failure.
    async fn get_or_refresh(&self, is_good: impl Fn(&Arc<Token>) -> bool) -> Result<Arc<Token>, ZoomError> {
        let failures_before = self.failures.load(Ordering::Acquire);
        let mut state = self.state.lock().await;
        if let Some(token) = state.token.as_ref().filter(|token| is_good(token)) {
            return Ok(Arc::clone(token));
        }
        // Somebody asked while this task waited, and failed: asking again at once would not help.
        if self.failures.load(Ordering::Acquire) > failures_before
            && let Some(failure) = &state.last_failure
        {
            return Err(failure.clone());
        }
        match self.request().await {
            Ok(token) => {
                let token = Arc::new(token);
                state.token = Some(Arc::clone(&token));
                Ok(token)
            }
            Err(error) => {
                state.token = None;
                state.last_failure = Some(error.clone());
                self.failures.fetch_add(1, Ordering::Release);
                Err(error)
            }
        }
    }

    async fn request(&self) -> Result<Token, ZoomError> {
        retry(self.retry, &self.clock, |_| async move {
            match self.request_once().await {
                Ok(token) => Attempt::Done(token),
                // No limiter paces these requests.
                Err(error) if error.may_pass() || error.status() == Some(429) => Attempt::Retry(error),
                Err(error) => Attempt::Fail(error),
            }
        })
        .await
    }

    async fn request_once(&self) -> Result<Token, ZoomError> {
        let form = [("grant_type", "account_credentials"), ("account_id", &self.account_id)];
        let request = self
            .http
            .post(self.token_url.clone())
            .basic_auth(&self.client_id, Some(self.client_secret.expose_secret()))
            .form(&form);
        let asked_at = self.clock.now();
        let received = self.http.exchange(request, Endpoint::Token, RequestPhase::Token, &self.clock).await?;
        let malformed = |detail: String| ZoomError::Malformed {
            endpoint: Endpoint::Token,
            detail,
            tracking_id: received.tracking_id.clone(),
        };
        // The parser's own words may quote the body, which holds the token.
        let answer: TokenAnswer =
            parse_object(&received.body).map_err(|_| malformed("no JSON object".to_owned()))?;
        let secret = answer.access_token.ok_or_else(|| malformed("no access_token in it".to_owned()))?;
        let life = answer
            .expires_in
            .and_then(|seconds| u64::try_from(seconds).ok())
            .map_or(USUAL_LIFE, Duration::from_secs);
        Ok(Token {
            secret: secret.into(),
            renew_at: asked_at.plus(life.saturating_sub(RENEWED_EARLY.min(life / 12))),
            scopes: answer.scope.unwrap_or_default().split_whitespace().map(str::to_owned).collect(),
            api_base: self.api_base(answer.api_url.as_deref())?,
        })
    }

    /// Where the API is: as configured, else at the host that the token answer names.
    fn api_base(&self, named: Option<&str>) -> Result<String, ZoomError> {
        if let Some(configured) = &self.api_url {
            return Ok(configured.as_str().trim_end_matches('/').to_owned());
        }
        let Some(named) = named else {
            // Government accounts live in a cloud of their own.
            let government = self.token_url.host_str().is_some_and(|host| host.ends_with("zoomgov.com"));
            return Ok(
                if government { "https://api.zoomgov.com/v2" } else { "https://api.zoom.us/v2" }.to_owned()
            );
        };
        let refused = || {
            ZoomError::Setup(
                "the token answer names an api_url that is no https URL; set zoom.api_url".to_owned(),
            )
        };
        let url = Url::parse(named.trim()).map_err(|_| refused())?;
        if url.scheme() != "https" && !(url.scheme() == "http" && is_of_this_machine(&url)) {
            return Err(refused());
        }
        let base = url.as_str().trim_end_matches('/');
        Ok(if base.ends_with("/v2") { base.to_owned() } else { format!("{base}/v2") })
    }
}
