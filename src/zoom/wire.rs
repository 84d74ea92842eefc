//! What Zoom sends, read with tolerance: every field may be absent, null, blank, or of another type.

use std::fmt;

use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::model::{InstanceUuid, MeetingId, Timestamp, parse_instant};

/// One ended instance, as `GET /past_meetings/{id}/instances` lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastInstance {
    pub uuid: InstanceUuid,
    /// Its start, where it is given and can be read.
    pub start_time: Option<Timestamp>,
}

/// One instance, as `GET /past_meetings/{id or uuid}` or the Dashboard (`GET /metrics/meetings`,
/// `GET /metrics/meetings/{id}`) describes it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub struct MeetingDetails {
    /// The instance's UUID; where a past meeting was asked for by numeric ID, that of the latest instance.
    #[serde(deserialize_with = "uuid")]
    pub uuid: Option<InstanceUuid>,
    #[serde(deserialize_with = "meeting_id")]
    pub id: Option<MeetingId>,
    #[serde(deserialize_with = "text")]
    pub topic: Option<String>,
    #[serde(deserialize_with = "text")]
    user_name: Option<String>,
    #[serde(deserialize_with = "text")]
    host: Option<String>,
    #[serde(deserialize_with = "text")]
    user_email: Option<String>,
    #[serde(deserialize_with = "text")]
    email: Option<String>,
    #[serde(deserialize_with = "instant")]
    pub start_time: Option<Timestamp>,
    /// When it ended; absent while it is on, and for a while after.
    #[serde(deserialize_with = "instant")]
    pub end_time: Option<Timestamp>,
    #[serde(deserialize_with = "integer")]
    participants_count: Option<i64>,
    #[serde(deserialize_with = "integer")]
    participants: Option<i64>,
}

impl MeetingDetails {
    /// The host's name, which a past meeting and the Dashboard spell apart.
    pub fn host_name(&self) -> Option<&str> {
        self.user_name.as_deref().or(self.host.as_deref())
    }

    /// The host's email, likewise.
    pub fn host_email(&self) -> Option<&str> {
        self.user_email.as_deref().or(self.email.as_deref())
    }

    /// Joins, not people.
    pub fn joins(&self) -> Option<i64> {
        self.participants_count.or(self.participants)
    }
}

/// One page of the account's meetings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DashboardPage {
    /// Those whose UUID and ID can be read; the others are counted in `skipped`.
    pub meetings: Vec<MeetingDetails>,
    /// Elements without a readable UUID or ID.
    pub skipped: usize,
    /// The next page's token; `None` on the last page.
    pub next_page_token: Option<String>,
    /// How many meetings all pages hold, as Zoom says.
    pub total_records: Option<i64>,
    pub tracking_id: Option<String>,
}

/// What every page of a listing says about itself; its rows are left to `decode`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Envelope {
    #[serde(deserialize_with = "text")]
    pub(super) next_page_token: Option<String>,
    #[serde(deserialize_with = "integer")]
    pub(super) total_records: Option<i64>,
    /// Skipped over, but checked to be whole: a cut body must not pass for a page.
    #[serde(deserialize_with = "is_list")]
    participants: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Instances {
    #[serde(deserialize_with = "values")]
    meetings: Option<Vec<Value>>,
}

impl Instances {
    /// The instances whose UUID can be read, and the number of the others.
    pub(super) fn into_parts(self) -> (Vec<PastInstance>, usize) {
        let meetings = self.meetings.unwrap_or_default();
        let all = meetings.len();
        let instances: Vec<PastInstance> = meetings
            .into_iter()
            .filter_map(|value| serde_json::from_value::<MeetingDetails>(value).ok())
            .filter_map(|meeting| Some(PastInstance { uuid: meeting.uuid?, start_time: meeting.start_time }))
            .collect();
        let skipped = all - instances.len();
        (instances, skipped)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct DashboardMeetings {
    #[serde(deserialize_with = "values")]
    meetings: Option<Vec<Value>>,
    #[serde(deserialize_with = "text")]
    next_page_token: Option<String>,
    #[serde(deserialize_with = "integer")]
    total_records: Option<i64>,
}

impl DashboardMeetings {
    pub(super) fn into_page(self, tracking_id: Option<String>) -> DashboardPage {
        let meetings = self.meetings.unwrap_or_default();
        let all = meetings.len();
        let meetings: Vec<MeetingDetails> = meetings
            .into_iter()
            .filter_map(|value| serde_json::from_value(value).ok())
            .filter(|meeting: &MeetingDetails| meeting.uuid.is_some() && meeting.id.is_some())
            .collect();
        DashboardPage {
            skipped: all - meetings.len(),
            meetings,
            next_page_token: self.next_page_token,
            total_records: self.total_records,
            tracking_id,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct TokenAnswer {
    #[serde(deserialize_with = "text")]
    pub(super) access_token: Option<String>,
    #[serde(deserialize_with = "integer")]
    pub(super) expires_in: Option<i64>,
    #[serde(deserialize_with = "text")]
    pub(super) scope: Option<String>,
    #[serde(deserialize_with = "text")]
    pub(super) api_url: Option<String>,
}

/// An answer of the API, with what makes it one.
///
/// Zoom is documented to put a refusal under status 200, and has been seen to leave lists out: an object that lacks
/// what was asked for is never an empty list.
pub(super) trait Expected: DeserializeOwned {
    /// What must be there.
    const WANTED: &'static str;

    /// Whether it is.
    fn is_there(&self) -> bool;
}

impl Expected for Envelope {
    const WANTED: &'static str = "its list of participants";

    fn is_there(&self) -> bool {
        self.participants
    }
}

impl Expected for Instances {
    const WANTED: &'static str = "its list of instances";

    fn is_there(&self) -> bool {
        self.meetings.is_some()
    }
}

impl Expected for DashboardMeetings {
    const WANTED: &'static str = "its list of meetings";

    fn is_there(&self) -> bool {
        self.meetings.is_some()
    }
}

impl Expected for MeetingDetails {
    const WANTED: &'static str = "any fact about the meeting";

    fn is_there(&self) -> bool {
        *self != Self::default()
    }
}

/// Why the body of a 200 is not the answer.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// It is no JSON object, or a cut one.
    Malformed(String),
    /// It lacks what was asked for.
    Lacking(&'static str),
}

/// The answer in a body.
pub(super) fn read_answer<T: Expected>(body: &str) -> Result<T, Unreadable> {
    let answer: T = parse_object(body).map_err(|error| {
        Unreadable::Malformed(format!("line {}, column {}", error.line(), error.column()))
    })?;
    if answer.is_there() { Ok(answer) } else { Err(Unreadable::Lacking(T::WANTED)) }
}

/// An answer that is a JSON object; anything else is an error, as is an object that is cut short.
pub(super) fn parse_object<T: DeserializeOwned>(body: &str) -> Result<T, serde_json::Error> {
    // Without this, serde would read an array as a struct, field by field.
    if !body.trim_start().starts_with('{') {
        return Err(serde::de::Error::custom("no JSON object"));
    }
    serde_json::from_str(body)
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) if text.trim().is_empty() => None,
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    })
}

fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        // A float is cut to its whole part; `as` saturates where it is out of range.
        #[allow(clippy::cast_possible_truncation)]
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().map(|float| float as i64)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    })
}

fn instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    Ok(text(deserializer)?.and_then(|text| parse_instant(&text)))
}

fn uuid<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<InstanceUuid>, D::Error> {
    Ok(text(deserializer)?.and_then(|text| text.parse().ok()))
}

fn meeting_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<MeetingId>, D::Error> {
    Ok(text(deserializer)?.and_then(|text| text.parse().ok()))
}

fn values<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Value>>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Array(values) => Some(values),
        _ => None,
    })
}

/// Whether the value is a list; its elements are read over, and not kept.
fn is_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    struct IsList;
    impl<'de> Visitor<'de> for IsList {
        type Value = bool;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("any value")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<bool, A::Error> {
            while elements.next_element::<IgnoredAny>()?.is_some() {}
            Ok(true)
        }

        fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<bool, A::Error> {
            while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok(false)
        }

        fn visit_unit<E>(self) -> Result<bool, E> {
            Ok(false)
        }

        fn visit_bool<E>(self, _: bool) -> Result<bool, E> {
            Ok(false)
        }

        fn visit_i64<E>(self, _: i64) -> Result<bool, E> {
            Ok(false)
        }

        fn visit_u64<E>(self, _: u64) -> Result<bool, E> {
            Ok(false)
        }

        fn visit_f64<E>(self, _: f64) -> Result<bool, E> {
            Ok(false)
        }

        fn visit_str<E>(self, _: &str) -> Result<bool, E> {
            Ok(false)
        }
    }
    deserializer.deserialize_any(IsList)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_is_read_whatever_its_types() {
        for (body, token, total) in [
            (r#"{"next_page_token":"","total_records":2,"participants":[{"a":[1]}]}"#, None, Some(2)),
            (r#"{"next_page_token":"  ","total_records":"17"}"#, None, Some(17)),
            (r#"{"next_page_token":null,"total_records":null,"participants":null}"#, None, None),
            (r#"{"next_page_token":123,"total_records":3.0}"#, Some("123"), Some(3)),
            (r#"{"next_page_token":"abc","total_records":"","participants":{}}"#, Some("abc"), None),
            (r#" {"next_page_token":["x"],"total_records":{}}"#, None, None),
        ] {
            let envelope: Envelope = parse_object(body).unwrap();
            assert_eq!(envelope.next_page_token.as_deref(), token, "{body}");
            assert_eq!(envelope.total_records, total, "{body}");
        }
    }

    #[test]
    fn what_is_no_whole_object_is_no_page() {
        for body in ["", "[]", "null", "<html>", r#"{"participants":[{"id":"#, r#"{"a":1} x"#, "\"{}\""] {
            assert!(parse_object::<Envelope>(body).is_err(), "{body}");
        }
    }

    #[test]
    fn an_instance_without_a_uuid_is_skipped_and_counted() {
        let body = r#"{"meetings":[{"uuid":"a/b==","start_time":"2026-01-02T03:04:05Z"},{"uuid":""},7,
            {"uuid":"c==","start_time":""}]}"#;
        let (instances, skipped) = parse_object::<Instances>(body).unwrap().into_parts();
        assert_eq!(skipped, 2);
        assert_eq!(instances[0].start_time, parse_instant("2026-01-02 03:04:05"));
        assert_eq!((instances[1].uuid.as_str(), instances[1].start_time), ("c==", None));
    }

    #[test]
    fn a_meeting_of_the_dashboard_is_read() {
        let body = r#"{"meetings":[{"uuid":"a==","id":"857 4606 5432","topic":"T","host":"H","email":" ",
            "start_time":"2026-01-02T03:04:05.123Z","end_time":null,"duration":"01:02","participants":"3"}],
            "next_page_token":"t","total_records":1}"#;
        let page = parse_object::<DashboardMeetings>(body).unwrap().into_page(None);
        let meeting = &page.meetings[0];
        assert_eq!(meeting.id.unwrap().get(), 85_746_065_432);
        assert_eq!((meeting.host_name(), meeting.host_email()), (Some("H"), None));
        assert_eq!((meeting.end_time, meeting.joins()), (None, Some(3)));
        assert_eq!(page.next_page_token.as_deref(), Some("t"));
    }

    #[test]
    fn instants_are_read_as_zoom_writes_them() {
        let wanted = Some(Timestamp::from_millis(1_767_323_045_000));
        for text in [
            "2026-01-02T03:04:05Z",
            "2026-01-02T03:04:05.000Z",
            "2026-01-02 03:04:05",
            "2026-01-02 03:04:05Z",
            "2026-01-02T04:04:05+01:00",
            "2026-01-02T04:04:05+0100",
            " 2026-01-02T03:04:05 ",
        ] {
            assert_eq!(parse_instant(text), wanted, "{text}");
        }
        for text in ["", "yesterday", "2026-13-01T00:00:00Z", "1767323045"] {
            assert_eq!(parse_instant(text), None, "{text}");
        }
    }
}
