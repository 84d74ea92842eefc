//! What comes over the wire, byte for byte: the raw path, the query, and the answer that goes back.

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::endpoint::SimulatedEndpoint;
use crate::model::{InstanceUuid, MeetingId};

/// A request that was understood as far as its path.
#[derive(Clone, Debug)]
pub(super) struct ParsedRequest {
    pub(super) endpoint: SimulatedEndpoint,
    /// The path's segment that names a meeting, exactly as it came; blank where the endpoint has none.
    pub(super) target: String,
    /// The parameters of the query, decoded.
    pub(super) query: Vec<(String, String)>,
}

impl ParsedRequest {
    /// The call behind a method, a raw path and a raw query; `None` where Zoom has no such endpoint.
    pub(super) fn parse(method: &str, raw_path: &str, raw_query: &str) -> Option<Self> {
        let segments: Vec<&str> = raw_path.split('/').skip(1).collect();
        let (endpoint, target) = match (method, segments.as_slice()) {
            ("POST", ["oauth", "token"]) => (SimulatedEndpoint::Token, ""),
            ("GET", ["v2", rest @ ..]) => match rest {
                ["past_meetings", target] => (SimulatedEndpoint::PastMeeting, *target),
                ["past_meetings", target, "instances"] => (SimulatedEndpoint::PastInstances, *target),
                ["past_meetings", target, "participants"] => (SimulatedEndpoint::PastParticipants, *target),
                ["report", "meetings", target, "participants"] => {
                    (SimulatedEndpoint::ReportParticipants, *target)
                }
                ["report", "history_meetings"] => (SimulatedEndpoint::HistoryMeetings, ""),
                ["metrics", "meetings"] => (SimulatedEndpoint::MetricsMeetings, ""),
                ["metrics", "meetings", target] => (SimulatedEndpoint::MetricsMeeting, *target),
                ["metrics", "meetings", target, "participants"] => {
                    (SimulatedEndpoint::MetricsParticipants, *target)
                }
                _ => return None,
            },
            _ => return None,
        };
        let wants_target = !matches!(
            endpoint,
            SimulatedEndpoint::Token
                | SimulatedEndpoint::MetricsMeetings
                | SimulatedEndpoint::HistoryMeetings
        );
        (wants_target != target.is_empty()).then(|| Self {
            endpoint,
            target: target.to_owned(),
            query: form_pairs(raw_query),
        })
    }

    /// A parameter of the query, where it was given and is not blank.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let (_, value) = self.query.iter().find(|(key, _)| key == name)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }

    /// The parameters that a page token is bound to: all but the token itself, in order.
    pub(super) fn binding(&self) -> String {
        let mut pairs: Vec<_> = self.query.iter().filter(|(key, _)| key != "next_page_token").collect();
        pairs.sort();
        format!("{:?} {} {pairs:?}", self.endpoint, self.target)
    }

    /// The meeting's number, where the target is one.
    pub(super) fn meeting_id(&self) -> Option<MeetingId> {
        let digits = !self.target.is_empty() && self.target.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| self.target.parse().ok()).flatten()
    }

    /// The UUIDs that the target can stand for, and how often it was encoded for each to be meant.
    pub(super) fn spellings(&self) -> Vec<(InstanceUuid, u8)> {
        let once = decode(&self.target);
        let twice = decode(&once);
        let mut spellings = Vec::new();
        if twice != once
            && let Ok(uuid) = twice.parse()
        {
            spellings.push((uuid, 2));
        }
        if let Ok(uuid) = once.parse() {
            spellings.push((uuid, 1));
        }
        spellings
    }
}

/// Whether Zoom finds this UUID only where it was encoded twice.
///
/// Zoom documents it for UUIDs that begin with `/` or contain `//`.
pub(super) fn needs_double_encoding(uuid: &InstanceUuid) -> bool {
    uuid.as_str().starts_with('/') || uuid.as_str().contains("//")
}

/// The name that Zoom puts into its "does not exist": decoded once, its leading slashes lost.
pub(super) fn name_in_error(target: &str) -> String {
    decode(target).trim_start_matches('/').to_owned()
}

pub(super) fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// The pairs of a query or of a form body.
pub(super) fn form_pairs(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(&key.replace('+', " ")), decode(&value.replace('+', " ")))
        })
        .collect()
}

/// An answer before it is sent.
#[derive(Clone, Debug)]
pub(super) struct SimulatedResponse {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
    pub(super) delivery: Delivery,
}

/// How much of an answer reaches the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    Whole,
    /// So many bytes of the body; then the connection is dropped.
    CutAfter(usize),
    /// So many bytes of the body; then nothing more comes.
    StalledAfter(usize),
    /// Nothing: the connection is dropped at once.
    Dropped,
}

impl SimulatedResponse {
    pub(super) fn json(body: &Value) -> Self {
        Self::text(200, "application/json;charset=UTF-8", body.to_string())
    }

    pub(super) fn text(status: u16, content_type: &str, body: String) -> Self {
        let headers = vec![("content-type", content_type.to_owned())];
        Self { status, headers, body, delivery: Delivery::Whole }
    }

    /// Zoom's envelope of an error.
    pub(super) fn error(status: u16, code: i64, message: &str) -> Self {
        let body = json!({ "code": code, "message": message });
        Self { status, ..Self::json(&body) }
    }

    /// Zoom's answer to a parameter that it cannot use.
    pub(super) fn invalid_parameter(field: &str, message: &str) -> Self {
        let body = json!({
            "code": 300,
            "message": "Validation Failed.",
            "errors": [{ "field": field, "message": message }],
        });
        Self { status: 400, ..Self::json(&body) }
    }

    pub(super) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The same answer with this header, where it has none of the name.
    pub(super) fn with_default(self, name: &'static str, value: String) -> Self {
        let is_there = self.headers.iter().any(|(other, _)| *other == name);
        if is_there { self } else { self.with_header(name, value) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(path: &str) -> Option<ParsedRequest> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        ParsedRequest::parse("GET", path, query)
    }

    #[test]
    fn the_target_is_kept_as_it_came() {
        let call =
            call("/v2/metrics/meetings/%252Fab%252F%252Fc%253D%253D/participants?type=past&page_size=300")
                .unwrap();
        assert_eq!(call.endpoint, SimulatedEndpoint::MetricsParticipants);
        assert_eq!(call.target, "%252Fab%252F%252Fc%253D%253D");
        assert_eq!(call.parameter("type"), Some("past"));
        assert_eq!(call.spellings(), [("/ab//c==".parse().unwrap(), 2)]);
        assert_eq!(call.meeting_id(), None);
    }

    #[test]
    fn a_slash_that_is_not_encoded_ends_the_segment() {
        assert!(call("/v2/past_meetings/ab/c==/participants").is_none());
        assert!(call("/v2/past_meetings//participants").is_none());
        assert!(call("/v2/past_meetings/").is_none());
    }

    #[test]
    fn a_page_token_is_bound_to_everything_else() {
        let binding = |query: &str| call(&format!("/v2/metrics/meetings?{query}")).unwrap().binding();
        assert_eq!(binding("type=past&page_size=30"), binding("page_size=30&next_page_token=x&type=past"));
        assert_ne!(binding("type=past&page_size=30"), binding("type=past&page_size=31"));
    }
}
