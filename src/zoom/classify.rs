//! What a refusal means and what to do about it: pure, from what Zoom answered.

use serde::Deserialize;
use serde_json::Value;

use super::presentable::presentable;
use super::throttle::{Throttle, read_retry_after, read_throttle};
use crate::model::{RateLabel, Timestamp};

/// What to do about an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// It may pass: repeated with backoff; where that did not help, a later run tries again.
    Retry,
    /// The token is renewed once and the request repeated.
    RenewToken,
    /// A rate limit was hit: the label pauses.
    Throttled(Throttle),
    /// The day's quota is used up, Zoom's or the ledger's: the run ends, its backlog is kept until then.
    Quota {
        /// The reset.
        until: Timestamp,
    },
    /// This source is not for this app or account; the next one may be.
    NextSource(SourceRefusal),
    /// The page token is no longer good: drop the pages so far, begin the listing again.
    RestartListing,
    /// The pages lead nowhere: keep what came as incomplete.
    StopListing,
    /// Ask for `pastOne` once, then treat what that answers.
    TryPastOne,
    /// Zoom does not have it, or does not have it yet: later, each time later.
    NotThere,
    /// This one instance is refused for a reason of its own; all others go on.
    Parked(String),
    /// Zoom refuses the app: nothing can be read until a person mends it.
    Credentials,
    /// No answer at all: repeated like [`Disposition::Retry`], then left to a later run.
    Unreachable,
    /// The ledger cannot be kept; the source of the error says why.
    Ledger,
}

/// Why a source is refused as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceRefusal {
    /// The app lacks one of these scopes; empty where Zoom does not name them.
    MissingScopes(Vec<String>),
    /// The account's plan lacks it, or a feature of it is off; in Zoom's words.
    Plan(String),
}

/// What was being asked when the refusal came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// A token.
    Token,
    /// A meeting, or a list of them.
    Lookup,
    /// The first page of participants.
    FirstPage {
        /// Whether from the Dashboard's `past`, beside which there is `pastOne`.
        past: bool,
    },
    /// A page of participants, or of meetings, by the token of the one before.
    FollowUpPage,
}

/// A refusal as it came.
pub(super) struct Answer<'a> {
    pub(super) stage: Stage,
    pub(super) label: RateLabel,
    pub(super) status: u16,
    pub(super) limit_type: Option<&'a str>,
    pub(super) retry_after: Option<&'a str>,
    pub(super) is_html: bool,
    pub(super) body: &'a str,
    pub(super) now: Timestamp,
}

/// What a refusal means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Meaning {
    pub(super) disposition: Disposition,
    pub(super) code: Option<i64>,
    /// Zoom's words, fit to be shown.
    pub(super) message: String,
    /// When a repeat makes sense, where the answer says.
    pub(super) retry_at: Option<Timestamp>,
}

/// Says what a refusal means.
pub(super) fn classify(answer: &Answer<'_>) -> Meaning {
    let (code, message) = if is_html(answer) {
        (None, "an HTML page, as a gateway or a block sends".to_owned())
    } else {
        read_body(answer.body)
    };
    // A refusal under status 200 means what its code means.
    let status = if answer.status == 200 {
        code.map_or(200, |code| if code == 429 { 429 } else { 400 })
    } else {
        answer.status
    };
    let disposition = match answer.stage {
        _ if status == 429 => Disposition::Throttled(read_throttle(
            answer.label,
            answer.limit_type,
            answer.retry_after,
            answer.body,
            answer.now,
        )),
        // Old documents print code 300 as an HTTP status.
        _ if may_pass(status) && code != Some(300) => Disposition::Retry,
        Stage::Token => Disposition::Credentials,
        _ => of_the_api(answer, status, code, &message),
    };
    let retry_at = answer.retry_after.and_then(|text| read_retry_after(text, answer.now));
    Meaning { disposition, code, message, retry_at }
}

/// Whether another try may be answered better, whatever was asked. A redirect is not followed, since the
/// token would go with it: it comes from a gateway in between, or the config names another host than Zoom's.
/// It is not repeated at once, but a later run may have better luck.
fn may_pass(status: u16) -> bool {
    matches!(status, 100..=399 | 407 | 408 | 425 | 500..)
}

fn of_the_api(answer: &Answer<'_>, status: u16, code: Option<i64>, message: &str) -> Disposition {
    let lower = message.to_ascii_lowercase();
    match code {
        Some(4711 | 104) => return missing_scopes(answer.body),
        _ if lower.contains("does not contain scopes") => return missing_scopes(answer.body),
        Some(124 | 4700) => return Disposition::RenewToken,
        Some(200) => return Disposition::NextSource(SourceRefusal::Plan(message.to_owned())),
        Some(2001) => return Disposition::Credentials,
        Some(300) if answer.stage == Stage::FollowUpPage => return Disposition::RestartListing,
        Some(12702) => return Disposition::Parked("it is more than a year old".to_owned()),
        _ => {}
    }
    match status {
        401 => Disposition::RenewToken,
        404 | 400 if answer.stage == (Stage::FirstPage { past: true }) => Disposition::TryPastOne,
        404 if code != Some(1001) => Disposition::NotThere,
        _ if code == Some(3001) => Disposition::NotThere,
        _ => Disposition::Parked(reason_to_park(answer, code, message)),
    }
}

fn missing_scopes(body: &str) -> Disposition {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == ':';
    let mut scopes: Vec<String> = body
        .split(|c| !word(c))
        .filter(|text| text.split(':').count() > 1 && text.split(':').all(|part| !part.is_empty()))
        .filter(|text| text.starts_with(|c: char| c.is_ascii_lowercase()))
        .map(str::to_owned)
        .collect();
    scopes.truncate(20);
    Disposition::NextSource(SourceRefusal::MissingScopes(scopes))
}

fn reason_to_park(answer: &Answer<'_>, code: Option<i64>, message: &str) -> String {
    match (answer.status, code) {
        (_, Some(300)) if message.to_ascii_lowercase().contains("webinar") => {
            format!("it is a webinar, which rollcall cannot read: {message}")
        }
        (_, Some(300)) => format!("Zoom cannot read it, as where it is a webinar: {message}"),
        (_, Some(1010 | 1001)) => format!("its host is not in this account: {message}"),
        (403, _) if is_html(answer) => "a gateway before Zoom blocks it (403 with an HTML page)".to_owned(),
        (status, Some(code)) => format!("HTTP {status}, code {code}: {message}"),
        (status, None) => format!("HTTP {status}: {message}"),
    }
}

fn is_html(answer: &Answer<'_>) -> bool {
    answer.is_html || answer.body.trim_start().starts_with('<')
}

/// Zoom's code and message; the API and the token endpoint have a shape each, and neither is sure to come.
fn read_body(body: &str) -> (Option<i64>, String) {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Body {
        code: Value,
        #[serde(alias = "errorCode")]
        message: Value,
        #[serde(alias = "errorMessage")]
        reason: Value,
        error: Value,
        errors: Value,
    }
    let Ok(read) = super::wire::parse_object::<Body>(body) else { return read_broken_body(body) };
    let mut words: Vec<String> = [&read.message, &read.reason, &read.error]
        .iter()
        .filter_map(|value| value.as_str())
        .map(str::to_owned)
        .collect();
    words.extend(read.errors.as_array().into_iter().flatten().take(3).filter_map(|error| {
        Some(format!("{}: {}", error.get("field")?.as_str()?, error.get("message")?.as_str()?))
    }));
    let code = read.code.as_i64().or_else(|| read.code.as_str()?.trim().parse().ok());
    (code, presentable(&words.join("; ")))
}

/// As [`read_body`], for what is no valid JSON: code 104 comes with unescaped quotes in its message.
fn read_broken_body(body: &str) -> (Option<i64>, String) {
    let after = |key: &str| {
        let rest = &body[body.find(&format!("\"{key}\""))? + key.len() + 2..];
        rest.trim_start().strip_prefix(':').map(str::trim_start)
    };
    let code = after("code").and_then(|rest| {
        let digits = rest.trim_start_matches('"');
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        digits[..end].parse().ok()
    });
    let message = after("message").map_or(body, |rest| rest.trim_end_matches(['}', '"', ' ', '\n']));
    (code, presentable(message.trim_start_matches('"')))
}

impl Disposition {
    /// Whether the retry loop may send the request again.
    pub(super) fn may_repeat(&self) -> bool {
        matches!(self, Self::Retry | Self::Unreachable)
    }
}
