//! One stay of one participant, and the shape in which each endpoint lists it.

use std::sync::{Arc, OnceLock};

use chrono::SecondsFormat;
use serde_json::{Map, Value, json};

use crate::model::{Timestamp, parse_instant};

/// The number of the first participant of an instance; the next ones follow at [`USER_ID_STEP`].
pub const FIRST_USER_ID: u64 = 16_778_240;

/// How far apart Zoom's participant numbers are.
pub const USER_ID_STEP: u64 = 1_024;

/// Which endpoint's row shape is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Dashboard,
    Report,
    Past,
}

/// One session, under the Dashboard's field names; the poorer endpoints' rows are derived from it.
///
/// The JSON text of each shape is rendered once and kept, since a bench asks for it many times.
#[derive(Clone, Debug, Default)]
pub struct Session {
    content: Content,
    rendered: [OnceLock<Arc<str>>; 3],
    facts: OnceLock<Facts>,
}

/// What the answers about whole instances need of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    /// When it began, where its `join_time` can be read.
    pub(super) join: Option<Timestamp>,
    /// When it ended, where its `leave_time` can be read.
    pub(super) leave: Option<Timestamp>,
    /// Whether it was spent in the waiting room.
    pub(super) waiting: bool,
    /// Whom Zoom takes it to be of: the first of email, id and name that is not blank.
    pub(super) person: String,
}

#[derive(Clone, Debug)]
enum Content {
    Fields(Map<String, Value>),
    /// JSON text, parsed only when a field is asked for.
    Text(Arc<str>),
}

impl Default for Content {
    fn default() -> Self {
        Self::Fields(Map::new())
    }
}

impl Session {
    /// A stay of somebody unknown to the account (no id, no email), in the meeting, as an attendee.
    pub fn new(user_id: u64, user_name: &str, join: Timestamp, leave: Timestamp) -> Self {
        let fields = json!({
            "user_id": user_id.to_string(),
            "participant_uuid": format!("{user_id:08X}-2ABB-2FCC-019B-39E41D8DADF7"),
            "id": "",
            "participant_user_id": "",
            "email": "",
            "user_name": user_name,
            "join_time": instant(join),
            "leave_time": instant(leave),
            "status": "in_meeting",
            "role": "attendee",
        });
        Self::from_json(fields)
    }

    /// A row that is listed exactly so; it may be anything, even no object.
    pub fn from_json(row: Value) -> Self {
        let content = match row {
            Value::Object(fields) => Content::Fields(fields),
            other => Content::Text(other.to_string().into()),
        };
        Self { content, ..Self::default() }
    }

    /// A row as JSON text, listed byte for byte; it has no `registrant_id`, and these facts are in it.
    pub(super) fn from_text(text: String, facts: Facts) -> Self {
        Self { content: Content::Text(text.into()), facts: facts.into(), ..Self::default() }
    }

    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.set(field, value);
        self
    }

    /// The same session with all fields of this object.
    #[must_use]
    pub fn with_all(mut self, fields: Value) -> Self {
        if let Value::Object(more) = fields {
            self.edit(|fields| fields.extend(more));
        }
        self
    }

    #[must_use]
    pub fn without(mut self, field: &str) -> Self {
        self.remove(field);
        self
    }

    /// The same session of somebody who is signed in to the account.
    #[must_use]
    pub fn signed_in(self, id: &str, email: &str) -> Self {
        self.with("id", id).with("participant_user_id", id).with("email", email)
    }

    /// The same session as the host's.
    #[must_use]
    pub fn host(self) -> Self {
        self.with("role", "host")
    }

    /// The same session spent in the waiting room.
    #[must_use]
    pub fn waiting(self) -> Self {
        self.with("status", "in_waiting_room").with("leave_reason", "Leave waiting room.")
    }

    /// The same session spent in a breakout room.
    #[must_use]
    pub fn breakout(self, room: &str) -> Self {
        self.with("bo_mtg_id", room)
    }

    pub fn set(&mut self, field: &str, value: impl Into<Value>) {
        let value = value.into();
        self.edit(|fields| {
            fields.insert(field.to_owned(), value);
        });
    }

    pub fn remove(&mut self, field: &str) {
        self.edit(|fields| {
            fields.remove(field);
        });
    }

    /// Sets when the participant left; `None`: has not left yet, so that the row has no `leave_time`.
    pub fn set_leave(&mut self, leave: Option<Timestamp>) {
        match leave {
            Some(leave) => self.set("leave_time", instant(leave)),
            None => self.remove("leave_time"),
        }
    }

    /// A field as the Dashboard lists it.
    pub fn get(&self, field: &str) -> Option<Value> {
        match &self.content {
            Content::Fields(fields) => fields.get(field).cloned(),
            Content::Text(_) => self.fields()?.remove(field),
        }
    }

    /// The text of a field, blank where it is absent or no text.
    pub(super) fn text(&self, field: &str) -> String {
        match self.get(field) {
            Some(Value::String(text)) => text,
            _ => String::new(),
        }
    }

    /// When it began, where its `join_time` can be read.
    pub(super) fn join(&self) -> Option<Timestamp> {
        self.facts().join
    }

    /// When it ended, where its `leave_time` can be read.
    pub(super) fn leave(&self) -> Option<Timestamp> {
        self.facts().leave
    }

    /// Whether it was spent in the waiting room.
    pub(super) fn is_waiting(&self) -> bool {
        self.facts().waiting
    }

    /// What is asked of every session of an instance, read once.
    pub(super) fn facts(&self) -> &Facts {
        self.facts.get_or_init(|| Facts {
            join: parse_instant(&self.text("join_time")),
            leave: parse_instant(&self.text("leave_time")),
            waiting: self.text("status") == "in_waiting_room",
            person: ["email", "id", "user_name"]
                .into_iter()
                .map(|field| self.text(field))
                .find(|text| !text.is_empty())
                .unwrap_or_default(),
        })
    }

    /// Writes the row in the shape of an endpoint, with `registrant_id` only where it was asked for.
    pub(super) fn write(&self, shape: Shape, with_registrant: bool, page: &mut String) {
        page.push_str(self.render(shape));
        if with_registrant
            && shape != Shape::Past
            && let Content::Fields(fields) = &self.content
            && let Some(registrant) = fields.get("registrant_id")
            && page.ends_with('}')
        {
            page.pop();
            page.push_str(if page.ends_with('{') { "" } else { "," });
            page.push_str("\"registrant_id\":");
            page.push_str(&registrant.to_string());
            page.push('}');
        }
    }

    /// The row without `registrant_id`.
    fn render(&self, shape: Shape) -> &Arc<str> {
        if let (Content::Text(text), Shape::Dashboard) = (&self.content, shape) {
            return text;
        }
        self.rendered[shape as usize].get_or_init(|| {
            let Some(mut fields) = self.fields() else {
                let Content::Text(text) = &self.content else { unreachable!("fields are an object") };
                return Arc::clone(text);
            };
            let row = match shape {
                Shape::Dashboard => {
                    fields.remove("registrant_id");
                    fields
                }
                Shape::Report => self.poorer_row(&fields, REPORT_FIELDS),
                Shape::Past => self.poorer_row(&fields, PAST_FIELDS),
            };
            Value::Object(row).to_string().into()
        })
    }

    /// The row of an endpoint that knows fewer fields, and some by another name.
    fn poorer_row(&self, fields: &Map<String, Value>, wanted: &[(&str, &str)]) -> Map<String, Value> {
        let mut row: Map<String, Value> = wanted
            .iter()
            .filter_map(|(from, to)| Some(((*to).to_owned(), fields.get(*from)?.clone())))
            .collect();
        if let (Some(join), Some(leave)) = (self.join(), self.leave()) {
            row.insert("duration".to_owned(), leave.since(join).as_secs().into());
        }
        row.insert("failover".to_owned(), false.into());
        if wanted == PAST_FIELDS {
            row.insert("internal_user".to_owned(), (!self.text("id").is_empty()).into());
        }
        row
    }

    fn fields(&self) -> Option<Map<String, Value>> {
        match &self.content {
            Content::Fields(fields) => Some(fields.clone()),
            Content::Text(text) => serde_json::from_str(text).ok(),
        }
    }

    /// Changes the fields and forgets what was rendered; a row that is no object stays as it is.
    fn edit(&mut self, change: impl FnOnce(&mut Map<String, Value>)) {
        if let Content::Text(_) = self.content
            && let Some(fields) = self.fields()
        {
            self.content = Content::Fields(fields);
        }
        if let Content::Fields(fields) = &mut self.content {
            change(fields);
            self.rendered = Default::default();
            self.facts = OnceLock::new();
        }
    }
}

/// The fields of a report's row, by their Dashboard name and their own.
const REPORT_FIELDS: &[(&str, &str)] = &[
    ("id", "id"),
    ("participant_user_id", "participant_user_id"),
    ("user_id", "user_id"),
    ("user_name", "name"),
    ("email", "user_email"),
    ("customer_key", "customer_key"),
    ("bo_mtg_id", "bo_mtg_id"),
    ("join_time", "join_time"),
    ("leave_time", "leave_time"),
    ("duration", "duration"),
    ("status", "status"),
];

/// The fields of a past meeting's row; its `registrant_id` needs no asking.
const PAST_FIELDS: &[(&str, &str)] = &[
    ("id", "id"),
    ("user_id", "user_id"),
    ("user_name", "name"),
    ("email", "user_email"),
    ("registrant_id", "registrant_id"),
    ("join_time", "join_time"),
    ("leave_time", "leave_time"),
    ("duration", "duration"),
    ("status", "status"),
];

/// An instant as Zoom writes it: UTC, with seconds, and with milliseconds where it has some.
pub(super) fn instant(at: Timestamp) -> String {
    let format = if at.millis().rem_euclid(1_000) == 0 { SecondsFormat::Secs } else { SecondsFormat::Millis };
    at.utc().to_rfc3339_opts(format, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(session: &Session, shape: Shape, with_registrant: bool) -> Value {
        let mut page = String::new();
        session.write(shape, with_registrant, &mut page);
        serde_json::from_str(&page).unwrap()
    }

    fn ada() -> Session {
        Session::new(FIRST_USER_ID, "Ada", Timestamp::from_millis(60_000), Timestamp::from_millis(181_500))
            .signed_in("idOfAda", "ada@example.com")
            .with("registrant_id", "regOfAda")
            .with("device", "Windows")
    }

    #[test]
    fn each_endpoint_has_its_own_row() {
        let dashboard = written(&ada(), Shape::Dashboard, false);
        assert_eq!(dashboard["user_name"], "Ada");
        assert_eq!(dashboard["leave_time"], "1970-01-01T00:03:01.500Z");
        assert_eq!(dashboard.get("registrant_id"), None);
        assert_eq!(dashboard.get("duration"), None);

        let report = written(&ada(), Shape::Report, true);
        assert_eq!(report["name"], "Ada");
        assert_eq!(report["user_email"], "ada@example.com");
        assert_eq!(report["duration"], 121);
        assert_eq!(report["registrant_id"], "regOfAda");
        assert_eq!(report.get("device"), None);

        let past = written(&ada(), Shape::Past, false);
        assert_eq!(past["registrant_id"], "regOfAda");
        assert_eq!(past["internal_user"], true);
        assert_eq!(past.get("participant_user_id"), None);
    }

    #[test]
    fn a_change_is_seen_in_the_next_listing() {
        let mut session = ada();
        assert_eq!(written(&session, Shape::Dashboard, true)["registrant_id"], "regOfAda");
        session.set_leave(None);
        session.set("user_name", "Ada L.");
        let row = written(&session, Shape::Dashboard, false);
        assert_eq!(row.get("leave_time"), None);
        assert_eq!(row["user_name"], "Ada L.");
    }

    #[test]
    fn a_row_may_be_no_object() {
        let session = Session::from_json(json!(7)).with("user_name", "nobody");
        assert_eq!(written(&session, Shape::Dashboard, true), json!(7));
        assert_eq!(written(&session, Shape::Report, true), json!(7));
    }
}
