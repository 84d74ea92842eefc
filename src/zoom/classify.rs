//! What a refusal means and what to do about it: pure, from what Zoom answered.

use serde::Deserialize;
use serde_json::Value;

use super::disposition::{Disposition, RequestPhase, SourceRefusal};
use super::sanitize::Hidden;
use super::throttle::{read_retry_after, read_throttle};
use super::wire::parse_object;
use crate::model::{RateLabel, Timestamp};

/// A refusal as it came.
pub(super) struct ResponseParts<'a> {
    pub(super) phase: RequestPhase,
    pub(super) label: RateLabel,
    pub(super) status: u16,
    pub(super) limit_type: Option<&'a str>,
    pub(super) retry_after: Option<&'a str>,
    pub(super) is_html: bool,
    pub(super) body: &'a str,
    pub(super) hidden: &'a Hidden,
    pub(super) now: Timestamp,
}

/// What a refusal means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Classification {
    pub(super) disposition: Disposition,
    pub(super) code: Option<i64>,
    /// Zoom's words, fit to be shown.
    pub(super) message: String,
    /// When a repeat makes sense, where the answer says.
    pub(super) retry_at: Option<Timestamp>,
}

/// Says what a refusal means.
pub(super) fn classify(answer: &ResponseParts<'_>) -> Classification {
    let (code, message) = if is_html(answer) {
        (None, "an HTML page, as a gateway or a block sends".to_owned())
    } else {
        read_body(answer.body, answer.hidden)
    };
    // A refusal under status 200 means what its code means.
    let status = if answer.status == 200 {
        code.map_or(200, |code| if code == 429 { 429 } else { 400 })
    } else {
        answer.status
    };
    let disposition = match answer.phase {
        _ if status == 429 => Disposition::Throttled(read_throttle(
            answer.label,
            answer.limit_type,
            answer.retry_after,
            answer.body,
            answer.now,
        )),
        // Old documents print code 300 as an HTTP status.
        _ if is_transient_status(status) && code != Some(300) => Disposition::Retry,
        RequestPhase::Token => Disposition::Credentials,
        _ => classify_api_refusal(answer, status, code, &message),
    };
    let retry_at = answer.retry_after.and_then(|text| read_retry_after(text, answer.now));
    Classification { disposition, code, message, retry_at }
}

/// Whether another try may be answered better, whatever was asked. A redirect is not followed, since the
/// token would go with it: it comes from a gateway in between, or the config names another host than Zoom's.
/// It is not repeated at once, but a later run may have better luck.
fn is_transient_status(status: u16) -> bool {
    matches!(status, 100..=399 | 407 | 408 | 425 | 500..)
}

fn classify_api_refusal(
    answer: &ResponseParts<'_>,
    status: u16,
    code: Option<i64>,
    message: &str,
) -> Disposition {
    let lower = message.to_ascii_lowercase();
    match code {
        Some(4711 | 104) => return missing_scopes(answer.body),
        _ if lower.contains("does not contain scopes") => return missing_scopes(answer.body),
        Some(124 | 4700) => return Disposition::RenewToken,
        Some(200) => return Disposition::TryNextSource(SourceRefusal::Plan(message.to_owned())),
        Some(2001) => return Disposition::Credentials,
        Some(300) if answer.phase == RequestPhase::FollowUpPage => return Disposition::RestartListing,
        Some(12702) => return Disposition::Parked("it is more than a year old".to_owned()),
        _ => {}
    }
    match status {
        401 => Disposition::RenewToken,
        404 | 400 if answer.phase == (RequestPhase::FirstPage { past: true }) => Disposition::RetryAsPastOne,
        404 if code != Some(1001) => Disposition::NotFound,
        _ if code == Some(3001) => Disposition::NotFound,
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
    Disposition::TryNextSource(SourceRefusal::MissingScopes(scopes))
}

fn reason_to_park(answer: &ResponseParts<'_>, code: Option<i64>, message: &str) -> String {
    match (answer.status, code) {
        (_, Some(300)) if message.to_ascii_lowercase().contains("webinar") => {
            format!("it is a webinar, which rollcall cannot read: {message}")
        }
        (_, Some(300)) => format!("Zoom does not support this ID here (is it a webinar?): {message}"),
        (_, Some(1010 | 1001)) => format!("its host is not in this account: {message}"),
        (403, _) if is_html(answer) => {
            "blocked by a proxy or WAF in front of Zoom (403 with an HTML page)".to_owned()
        }
        (status, Some(code)) => format!("HTTP {status}, code {code}: {message}"),
        (status, None) => format!("HTTP {status}: {message}"),
    }
}

fn is_html(answer: &ResponseParts<'_>) -> bool {
    answer.is_html || answer.body.trim_start().starts_with('<')
}

/// Zoom's code and message; the API and the token endpoint have a shape each, and neither is sure to come.
fn read_body(body: &str, hidden: &Hidden) -> (Option<i64>, String) {
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
    let Ok(read) = parse_object::<Body>(body) else { return read_broken_body(body, hidden) };
    let mut words: Vec<String> = [&read.message, &read.reason, &read.error]
        .iter()
        .filter_map(|value| value.as_str())
        .map(str::to_owned)
        .collect();
    words.extend(read.errors.as_array().into_iter().flatten().take(3).filter_map(|error| {
        Some(format!("{}: {}", error.get("field")?.as_str()?, error.get("message")?.as_str()?))
    }));
    let code = read.code.as_i64().or_else(|| read.code.as_str()?.trim().parse().ok());
    (code, hidden.sanitize_message(&words.join("; ")))
}

/// As [`read_body`], for what is no valid JSON: code 104 comes with unescaped quotes in its message.
fn read_broken_body(body: &str, hidden: &Hidden) -> (Option<i64>, String) {
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
    (code, hidden.sanitize_message(message.trim_start_matches('"')))
}
