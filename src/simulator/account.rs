//! The account behind the server: what happens to a request, from the log to the answer.

use std::time::Duration;

use axum::http::HeaderMap;
use tokio::time::Instant;

use super::answers;
use super::endpoint::SimulatedEndpoint;
use super::faults::{FaultKind, Faults};
use super::limits::{DAILY, Limiter, PER_SECOND, too_many};
use super::options::Options;
use super::tokens::{AccessTokens, PageTokens, TokenRequest, missing_scope};
use super::wire::{Delivery, ParsedRequest, SimulatedResponse};
use super::world::World;
use crate::model::{RateLabel, Timestamp};

/// A request that the simulated Zoom received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedRequest {
    pub(crate) method: String,
    /// Path and query, byte for byte as they were on the wire.
    pub target: String,
    /// The headers, as they came.
    pub headers: HeaderMap,
    /// The body, as text.
    pub body: String,
    /// The endpoint, where there is one of this path.
    pub endpoint: Option<SimulatedEndpoint>,
    /// The rate-limit label that it counts for.
    pub label: Option<RateLabel>,
    /// The status of the answer; `None` where the connection was dropped instead.
    pub status: Option<u16>,
    /// When it came, by the simulator's clock.
    pub at: Timestamp,
}

/// What a request brought.
#[derive(Debug)]
pub(super) struct Received<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a str,
}

impl Received<'_> {
    /// The header, blank where there is none.
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// Everything that the server knows.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) world: World,
    pub(super) options: Options,
    pub(super) faults: Faults,
    pub(super) log: Vec<LoggedRequest>,
    pub(super) base_url: String,
    access: AccessTokens,
    pages: PageTokens,
    limiter: Limiter,
    tracking: fastrand::Rng,
}

impl Account {
    pub(super) fn new(options: Options, world: World, base_url: String) -> Self {
        Self {
            world,
            faults: Faults::default(),
            log: Vec::new(),
            base_url,
            access: AccessTokens::new(options.seed),
            pages: PageTokens::new(options.seed),
            limiter: Limiter::default(),
            tracking: fastrand::Rng::with_seed(options.seed ^ 0x7472_6163),
            options,
        }
    }

    /// The answer to a request, and how long it is to be held back.
    pub(super) fn answer(&mut self, received: &Received<'_>) -> (SimulatedResponse, Duration) {
        let now = self.options.clock.now();
        let call = ParsedRequest::parse(received.method, received.path, received.query);
        let (reply, delay) = match &call {
            None => {
                (SimulatedResponse::error(404, 2_300, "This API endpoint is not recognized."), Duration::ZERO)
            }
            Some(call) => self.answer_call(call, received, now),
        };
        let query = if received.query.is_empty() { "" } else { "?" };
        let endpoint = call.map(|call| call.endpoint);
        self.log.push(LoggedRequest {
            method: received.method.to_owned(),
            target: format!("{}{query}{}", received.path, received.query),
            headers: received.headers.clone(),
            body: received.body.to_owned(),
            endpoint,
            label: endpoint.and_then(SimulatedEndpoint::label),
            status: (reply.delivery != Delivery::Dropped).then_some(reply.status),
            at: now,
        });
        let date = now.utc().format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let reply = reply.with_default("x-zm-trackingid", self.tracking_id()).with_default("date", date);
        (reply, self.options.latency + delay)
    }

    fn answer_call(
        &mut self,
        call: &ParsedRequest,
        received: &Received<'_>,
        now: Timestamp,
    ) -> (SimulatedResponse, Duration) {
        let label = call.endpoint.label();
        if let Some(label) = label
            && let Err(excess) = self.limiter.admit(label, &self.options.limits, Instant::now(), now)
        {
            return (too_many(Some(label), excess, self.options.rate_headers), Duration::ZERO);
        }
        let faults = self.faults.strike(call, &self.world, now);
        let delay = faults
            .iter()
            .map(|(kind, _)| if let FaultKind::Delay(span) = kind { *span } else { Duration::ZERO });
        let delay = delay.sum();
        if let Some(reply) = faults.iter().find_map(|(kind, _)| instead(kind, call)) {
            return (reply, delay);
        }
        let mut reply = match self.right_answer(call, received, &faults, now) {
            Ok(reply) => reply,
            Err(refusal) => refusal,
        };
        if self.options.rate_headers
            && let Some(label) = label
        {
            reply = reply.with_header("x-ratelimit-category", label.as_str());
        }
        for (kind, _) in &faults {
            damage(kind, &mut reply);
        }
        (reply, delay)
    }

    fn right_answer(
        &mut self,
        call: &ParsedRequest,
        received: &Received<'_>,
        faults: &[(FaultKind, u32)],
        now: Timestamp,
    ) -> Result<SimulatedResponse, SimulatedResponse> {
        if call.endpoint == SimulatedEndpoint::Token {
            let request = TokenRequest {
                authorization: received.header("authorization"),
                content_type: received.header("content-type"),
                body: received.body,
            };
            return Ok(self.access.grant(&self.options, &self.base_url, now, &request));
        }
        self.access.check(received.header("authorization"), call.endpoint, now)?;
        if !self.options.paid && call.endpoint != SimulatedEndpoint::PastInstances {
            return Err(answers::unpaid(&self.options.credentials.account_id));
        }
        if !self.options.dashboard && call.endpoint.is_dashboard() {
            return Err(SimulatedResponse::error(400, 200, NO_DASHBOARD));
        }
        let context =
            answers::RequestContext { world: &self.world, options: &self.options, call, faults, now };
        context.answer(&mut self.pages)
    }

    /// An id as Zoom puts it into `x-zm-trackingid`.
    fn tracking_id(&mut self) -> String {
        format!("v=2.0;clid=us04;rid=WEB_{:032x}", self.tracking.u128(..))
    }
}

/// Zoom's text for an account without the Dashboard.
const NO_DASHBOARD: &str = "This API is only available for ZMP and Business or higher accounts that have enabled the Dashboard feature.";

/// The answer that a fault gives in place of the right one.
fn instead(kind: &FaultKind, call: &ParsedRequest) -> Option<SimulatedResponse> {
    let throttled = |message, retry_after: &Option<String>, headers: bool, limit_type: &str| {
        let mut reply = SimulatedResponse::error(429, 429, message);
        if let Some(text) = retry_after {
            reply = reply.with_header("retry-after", text.as_str());
        }
        if headers {
            reply = reply
                .with_header("x-ratelimit-category", call.endpoint.label().map_or("Light", RateLabel::as_str))
                .with_header("x-ratelimit-type", limit_type)
                .with_header("x-ratelimit-remaining", "0");
        }
        reply
    };
    let reply = match kind {
        FaultKind::Answer { status, headers, body } => {
            let answer = SimulatedResponse::text(*status, "application/json", body.clone());
            headers.iter().fold(answer, |answer, (name, value)| answer.with_header(name, value.as_str()))
        }
        FaultKind::Refused { status, code } => {
            SimulatedResponse::error(*status, *code, &words_of(*code, call))
        }
        FaultKind::Html { status } => html(*status, "The server is temporarily unable to answer"),
        FaultKind::Blocked => html(403, "Sorry, you have been blocked"),
        FaultKind::TooManyPerSecond { retry_after, headers } => {
            throttled(PER_SECOND, retry_after, *headers, "QPS")
        }
        FaultKind::TooManyPerDay { retry_after, headers } => {
            throttled(DAILY, retry_after, *headers, "Daily-limit")
        }
        FaultKind::BadToken => SimulatedResponse::error(401, 124, "Invalid access token."),
        FaultKind::MissingScope => missing_scope(call.endpoint.scope().unwrap_or("")),
        FaultKind::BrokenScopeError => {
            let scope = call.endpoint.scope().unwrap_or("");
            let body = format!(
                r#"{{"code":104,"message":"Invalid access token, does not contain scopes:["{scope}"]."}}"#
            );
            SimulatedResponse::text(400, "application/json", body)
        }
        FaultKind::Plan => SimulatedResponse::error(400, 200, NO_DASHBOARD),
        FaultKind::NotFound => answers::not_ended(call.endpoint, &call.target),
        FaultKind::TooOld => answers::too_old(),
        FaultKind::Webinar => answers::webinar(),
        FaultKind::EmptyBody => SimulatedResponse::text(200, "application/json", String::new()),
        FaultKind::NotJson => {
            SimulatedResponse::text(200, "application/json", "upstream connect error".to_owned())
        }
        FaultKind::Huge(bytes) => {
            let begin = r#"{"participants":["#;
            let blanks = " ".repeat(bytes.saturating_sub(begin.len() + 2));
            SimulatedResponse::text(200, "application/json", format!("{begin}{blanks}]}}"))
        }
        FaultKind::Redirect(url) => SimulatedResponse::text(302, "text/without_value", String::new())
            .with_header("location", url.as_str()),
        FaultKind::Dropped => SimulatedResponse {
            delivery: Delivery::Dropped,
            ..SimulatedResponse::text(200, "text/without_value", String::new())
        },
        _ => return None,
    };
    Some(reply)
}

/// What Zoom says beside a code.
fn words_of(code: i64, call: &ParsedRequest) -> String {
    let words = match code {
        124 => "Invalid access token.",
        200 => NO_DASHBOARD,
        300 => "The request could not be completed because you have provided invalid parameters.",
        1001 => "User does not exist.",
        1010 => "User does not belong to this account.",
        3001 => "Meeting ID is invalid or has not ended.",
        4711 => {
            let scope = call.endpoint.scope().unwrap_or("");
            return format!("Invalid access token, does not contain scopes:[{scope}].");
        }
        12_702 => "Can not access a meeting a year ago.",
        _ => "The request is refused.",
    };
    words.to_owned()
}

/// A page as a gateway writes it.
fn html(status: u16, title: &str) -> SimulatedResponse {
    let body = format!(
        "<!DOCTYPE html>\n<html lang=\"en-US\"><head><title>{title}</title></head>\n<body><h1>{title}</h1></body></html>\n"
    );
    SimulatedResponse::text(status, "text/html; charset=UTF-8", body)
}

/// Damages the right answer on its way.
fn damage(kind: &FaultKind, reply: &mut SimulatedResponse) {
    match kind {
        FaultKind::TruncatedJson => {
            let mut middle = reply.body.len() / 2;
            while !reply.body.is_char_boundary(middle) {
                middle -= 1;
            }
            reply.body.truncate(middle);
        }
        FaultKind::Cut(bytes) => reply.delivery = Delivery::CutAfter(*bytes),
        FaultKind::Stalled(bytes) => reply.delivery = Delivery::StalledAfter(*bytes),
        _ => {}
    }
}
