//! What the client is set up with.

use std::time::Duration;

use reqwest::Url;
use secrecy::SecretString;

use super::backoff::RetryPolicy;
use super::limits::RateLimits;

/// What the client needs to know; all of it is checked by whoever reads the config.
#[derive(Clone, Debug)]
pub struct ZoomSettings {
    /// The account of the Server-to-Server OAuth app.
    pub account_id: String,
    pub client_id: String,
    /// The app's client secret; never printed.
    pub client_secret: SecretString,
    /// Where tokens come from, `https://zoom.us/oauth/token`.
    pub token_url: Url,
    /// The API with its version, as in `https://api.zoom.us/v2`; where absent, the host that the token answer
    /// names.
    pub api_url: Option<Url>,
    /// Rows asked for per page, at most 300. What Zoom really serves may be less.
    pub page_size: u32,
    /// The longest that one request may take, body included.
    pub request_timeout: Duration,
    /// The pace and the daily pools.
    pub limits: RateLimits,
    /// How often and how soon a failed request is repeated.
    pub retry: RetryPolicy,
}
