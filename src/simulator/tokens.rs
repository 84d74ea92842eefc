//! Access tokens and page tokens: opaque, short-lived, deterministic from the seed.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use serde_json::json;

use super::endpoint::SimulatedEndpoint;
use super::options::Options;
use super::wire::{SimulatedResponse, form_pairs};
use crate::model::Timestamp;

/// The access tokens that were given out.
#[derive(Debug)]
pub(super) struct AccessTokens {
    dice: fastrand::Rng,
    granted: HashMap<String, Grant>,
}

#[derive(Debug)]
struct Grant {
    scopes: Vec<String>,
    expires_at: Timestamp,
}

impl AccessTokens {
    pub(super) fn new(seed: u64) -> Self {
        Self { dice: fastrand::Rng::with_seed(seed), granted: HashMap::new() }
    }

    /// Answers `POST /oauth/token`.
    pub(super) fn grant(
        &mut self,
        options: &Options,
        base_url: &str,
        now: Timestamp,
        request: &TokenRequest<'_>,
    ) -> SimulatedResponse {
        let refusal = |status, reason: &str, error: &str| {
            let body = json!({ "reason": reason, "error": error });
            SimulatedResponse { status, ..SimulatedResponse::json(&body) }
        };
        let credentials = &options.credentials;
        let form = form_pairs(request.body);
        let parameter = |name| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        if !request.content_type.starts_with("application/x-www-form-urlencoded")
            || parameter("grant_type") != Some("account_credentials")
        {
            return refusal(400, "unsupported grant type", "unsupported_grant_type");
        }
        let pair = format!("{}:{}", credentials.client_id, credentials.client_secret);
        if request.authorization != format!("Basic {}", BASE64.encode(pair)) {
            return refusal(401, "Invalid client_id or client_secret", "invalid_client");
        }
        if parameter("account_id") != Some(&credentials.account_id) {
            return refusal(400, "Bad Request", "invalid_request");
        }
        let token: String = (0..64).map(|_| self.dice.alphanumeric()).collect();
        let expires_at = now.plus(Duration::from_secs(options.token_seconds));
        self.granted.retain(|_, grant| grant.expires_at > now);
        self.granted.insert(token.clone(), Grant { scopes: options.scopes.clone(), expires_at });
        SimulatedResponse::json(&json!({
            "access_token": token,
            "token_type": "bearer",
            "expires_in": options.token_seconds,
            "scope": options.scopes.join(" "),
            "api_url": base_url,
        }))
    }

    /// Whether the bearer may use the endpoint; if not, Zoom's refusal.
    pub(super) fn check(
        &self,
        authorization: &str,
        endpoint: SimulatedEndpoint,
        now: Timestamp,
    ) -> Result<(), SimulatedResponse> {
        let token = authorization.strip_prefix("Bearer ").unwrap_or_default();
        let Some(grant) = self.granted.get(token) else {
            return Err(SimulatedResponse::error(401, 124, "Invalid access token."));
        };
        if grant.expires_at <= now {
            return Err(SimulatedResponse::error(401, 124, "Access token is expired."));
        }
        let Some(wanted) = endpoint.scope() else { return Ok(()) };
        let serves = |scope: &String| scope == wanted || endpoint.classic_scopes().contains(&scope.as_str());
        if grant.scopes.iter().any(serves) {
            return Ok(());
        }
        Err(missing_scope(wanted))
    }
}

/// Zoom's answer to a token without a scope.
pub(super) fn missing_scope(scope: &str) -> SimulatedResponse {
    SimulatedResponse::error(400, 4711, &format!("Invalid access token, does not contain scopes:[{scope}]."))
}

/// What a client sent to the token endpoint.
#[derive(Debug)]
pub(super) struct TokenRequest<'a> {
    pub(super) authorization: &'a str,
    pub(super) content_type: &'a str,
    pub(super) body: &'a str,
}

/// The page tokens that were given out.
#[derive(Debug)]
pub(super) struct PageTokens {
    dice: fastrand::Rng,
    issued: HashMap<String, IssuedPage>,
}

#[derive(Debug)]
struct IssuedPage {
    binding: String,
    offset: usize,
    expires_at: Timestamp,
}

/// How many page tokens may pile up before the expired ones are thrown away.
const SWEEP_AT: usize = 4_096;

impl PageTokens {
    pub(super) fn new(seed: u64) -> Self {
        Self { dice: fastrand::Rng::with_seed(seed ^ 0x7061_6765), issued: HashMap::new() }
    }

    /// A token for the rows from `offset` on, of the request that `binding` stands for.
    pub(super) fn issue(
        &mut self,
        binding: String,
        offset: usize,
        now: Timestamp,
        lifetime: Duration,
    ) -> String {
        if self.issued.len() >= SWEEP_AT {
            self.issued.retain(|_, place| place.expires_at > now);
        }
        let token: String = (0..35).map(|_| self.dice.alphanumeric()).collect();
        self.issued.insert(token.clone(), IssuedPage { binding, offset, expires_at: now.plus(lifetime) });
        token
    }

    /// The offset behind a token; `None` where it is unknown, expired, or of another request.
    pub(super) fn redeem(&self, token: &str, binding: &str, now: Timestamp) -> Option<usize> {
        let place = self.issued.get(token)?;
        (place.binding == binding && place.expires_at > now).then_some(place.offset)
    }
}

/// Zoom's answer to a page token that it cannot use.
pub(super) fn bad_page_token() -> SimulatedResponse {
    SimulatedResponse::error(400, 300, "The next page token is either invalid or expired.")
}
