//! One exchange over HTTP: bounded in time and size, without redirects.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap};
use reqwest::{Client, RequestBuilder, Response, Url, redirect};
use secrecy::ExposeSecret as _;

use super::classify::{ResponseParts, classify};
use super::disposition::RequestPhase;
use super::endpoint::Endpoint;
use super::error::{ConnectionFault, Refusal, ZoomError};
use super::sanitize::{Hidden, sanitize_message};
use super::settings::ZoomSettings;
use super::throttle::read_http_date;
use crate::clock::Clock;
use crate::model::is_loopback;

/// A page of 300 rows has 400 KiB; this is far beyond what any page has.
const PAGE_BYTES: usize = 64 * 1024 * 1024;
/// Enough for any token or refusal.
const SMALL_BYTES: usize = 1024 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub(super) struct Http {
    client: Client,
    hidden: Arc<Hidden>,
}

/// A 200 as it came, without what must not be shown; and that, for where the 200 turns out to be a refusal.
pub(super) struct Received {
    pub(super) body: String,
    pub(super) tracking_id: Option<String>,
    pub(super) hidden: Hidden,
}

impl Http {
    #[expect(clippy::disallowed_methods, reason = "the one client")]
    pub(super) fn new(settings: &ZoomSettings) -> Result<Self, ZoomError> {
        let builder = || {
            let builder = Client::builder()
                .user_agent(concat!("rollcall/", env!("CARGO_PKG_VERSION")))
                .redirect(redirect::Policy::none())
                .retry(reqwest::retry::never())
                .connect_timeout(CONNECT_TIMEOUT)
                .timeout(settings.request_timeout);
            // A proxy is for the world outside; a simulated Zoom is not there.
            if is_of_this_machine(&settings.token_url)
                || settings.api_url.as_ref().is_some_and(is_of_this_machine)
            {
                builder.no_proxy()
            } else {
                builder
            }
        };
        let mut urls = std::iter::once(&settings.token_url).chain(&settings.api_url);
        let client = match builder().build() {
            // Nothing is encrypted on the way to this machine itself, so nobody has to vouch for it.
            Err(_) if urls.all(|url| url.scheme() == "http") => builder().tls_certs_only([]).build(),
            built => built,
        }
        // What is missing is no surprise, whatever the library calls it.
        .map_err(|error| ZoomError::NoCertificates(causes(&error).replace("unexpected error: ", "")))?;
        let secret = settings.client_secret.expose_secret();
        let asks = client.post(settings.token_url.clone()).basic_auth(&settings.client_id, Some(secret));
        let asks = asks.build().map_err(|error| ZoomError::Setup(causes(&error)))?;
        let hidden = Arc::new(Hidden::new(secret, credentials_in(asks.headers())));
        Ok(Self { client, hidden })
    }

    pub(super) fn get(&self, url: Url) -> RequestBuilder {
        self.client.get(url)
    }

    pub(super) fn post(&self, url: Url) -> RequestBuilder {
        self.client.post(url)
    }

    /// Sends a request and reads its answer to the end: a 2xx as it came, anything else as a refusal.
    ///
    /// An answer may repeat what it was asked with: the client secret and the token that was sent are taken out of it
    /// before anybody reads it.
    pub(super) async fn exchange(
        &self,
        request: RequestBuilder,
        endpoint: Endpoint,
        phase: RequestPhase,
        clock: &Clock,
    ) -> Result<Received, ZoomError> {
        let (client, request) = request.build_split();
        let request = request.map_err(|error| connection_error(&error, endpoint))?;
        let hidden = self.hidden.and(credentials_in(request.headers()));
        let response = client.execute(request).await.map_err(|error| connection_error(&error, endpoint))?;
        answer_of(response, endpoint, phase, hidden, clock).await
    }
}

async fn answer_of(
    response: Response,
    endpoint: Endpoint,
    phase: RequestPhase,
    hidden: Hidden,
    clock: &Clock,
) -> Result<Received, ZoomError> {
    let status = response.status();
    let headers = response.headers().clone();
    if let Some(date) = header(&headers, DATE.as_str()).and_then(read_http_date) {
        clock.compare(date);
    }
    let tracking_id = header(&headers, "x-zm-trackingid").map(|id| hidden.sanitize_message(id));
    let is_page = status.is_success() && phase != RequestPhase::Token;
    let limit_bytes = if is_page { PAGE_BYTES } else { SMALL_BYTES };
    let read = read_body(response, endpoint, limit_bytes).await;
    if status.is_success() {
        let mut body = read?;
        if let std::borrow::Cow::Owned(cleaned) = hidden.out_of_data(&body) {
            body = cleaned;
        }
        return Ok(Received { body, tracking_id, hidden });
    }
    // The status of a refusal counts even where its body is cut or too long.
    let body = read.unwrap_or_default();
    let body = hidden.out_of(&body);
    let answer = ResponseParts {
        phase,
        label: endpoint.label(),
        status: status.as_u16(),
        limit_type: header(&headers, "x-ratelimit-type"),
        retry_after: header(&headers, "retry-after"),
        is_html: header(&headers, CONTENT_TYPE.as_str()).is_some_and(|text| text.contains("text/html")),
        body: &body,
        hidden: &hidden,
        now: clock.now(),
    };
    Err(refused(endpoint, &answer, tracking_id))
}

/// The refusal that an answer with status 200 is, where it tells a code.
pub(super) fn refusal_under_200(
    received: &Received,
    endpoint: Endpoint,
    phase: RequestPhase,
    clock: &Clock,
) -> Option<ZoomError> {
    let answer = ResponseParts {
        phase,
        label: endpoint.label(),
        status: 200,
        limit_type: None,
        retry_after: None,
        is_html: false,
        body: &received.hidden.out_of(&received.body),
        hidden: &received.hidden,
        now: clock.now(),
    };
    let error = refused(endpoint, &answer, received.tracking_id.clone());
    error.code().is_some().then_some(error)
}

fn refused(endpoint: Endpoint, answer: &ResponseParts<'_>, tracking_id: Option<String>) -> ZoomError {
    let meaning = classify(answer);
    ZoomError::Refused(Box::new(Refusal {
        endpoint,
        status: answer.status,
        code: meaning.code,
        message: meaning.message,
        tracking_id,
        disposition: meaning.disposition,
        retry_at: meaning.retry_at,
    }))
}

/// What tells who asks, without the word that says how.
fn credentials_in(headers: &HeaderMap) -> Option<&str> {
    header(headers, AUTHORIZATION.as_str()).and_then(|value| value.split(' ').next_back())
}

/// Whether a URL points to this machine.
pub(super) fn is_of_this_machine(url: &Url) -> bool {
    url.host_str().is_some_and(is_loopback)
}

async fn read_body(
    mut response: Response,
    endpoint: Endpoint,
    limit_bytes: usize,
) -> Result<String, ZoomError> {
    let too_large = || ZoomError::TooLarge { endpoint, limit_bytes };
    let announced = usize::try_from(response.content_length().unwrap_or(0)).unwrap_or(usize::MAX);
    if announced > limit_bytes {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(announced);
    // What is counted is what comes out of the decompression.
    while let Some(chunk) = response.chunk().await.map_err(|error| cut_short(&error, endpoint))? {
        if bytes.len() + chunk.len() > limit_bytes {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    // Of a compressed body the size is not announced, and pages wait in memory for the rest of their listing.
    bytes.shrink_to_fit();
    Ok(String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The body ended before its end, or it cannot be unpacked.
fn cut_short(error: &reqwest::Error, endpoint: Endpoint) -> ZoomError {
    if error.is_timeout() {
        return connection_error(error, endpoint);
    }
    ZoomError::Malformed { endpoint, detail: "its body was cut short".to_owned(), tracking_id: None }
}

fn connection_error(error: &reqwest::Error, endpoint: Endpoint) -> ZoomError {
    let fault = if error.is_timeout() {
        ConnectionFault::TimeOut
    } else if error.is_connect() {
        ConnectionFault::Connect
    } else {
        ConnectionFault::Lost
    };
    let host = error.url().and_then(Url::host_str).unwrap_or("Zoom").to_owned();
    ZoomError::Connection { endpoint, host, fault, detail: causes(error) }
}

/// The causes of an error in one line. The error's own text is left out: it holds the URL.
fn causes(error: &reqwest::Error) -> String {
    let mut line = String::new();
    let mut source = error.source();
    while let Some(cause) = source {
        if !line.is_empty() {
            line.push_str(": ");
        }
        line.push_str(&cause.to_string());
        source = cause.source();
    }
    if line.is_empty() { "no cause is known".to_owned() } else { sanitize_message(&line) }
}
