//! The list of meetings: numbers, texts as Zoom shows IDs, or tables.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{NaiveTime, Weekday};
use figment::value::{Dict, Value};

use super::reader::Reader;
use super::schema_check;
use super::types::{AttendanceConfig, Meeting, Planned};
use crate::model::{GuestScope, MeetingId};

const KEYS: [&str; 8] =
    ["id", "label", "roster", "planned", "guests", "present_percent", "late_after", "personal"];
const PLANNED_KEYS: [&str; 3] = ["days", "start", "minutes"];
const WANTED: &str = "a meeting ID, or a table with an `id`";
const EXAMPLE: &str = "write it as \"857 4606 5432\", or as { id = 85746065432, label = \"CS101\" }";

/// What a meeting takes from the settings of all meetings.
pub(super) struct MeetingDefaults<'a> {
    pub guests: GuestScope,
    pub attendance: &'a AttendanceConfig,
}

impl Reader<'_> {
    /// Reads the entries; an ID that stands there twice is a problem.
    pub(super) fn meetings(&mut self, entries: Vec<Value>, common: &MeetingDefaults<'_>) -> Vec<Meeting> {
        let mut first_places: BTreeMap<MeetingId, usize> = BTreeMap::new();
        let mut meetings = Vec::new();
        for (index, entry) in entries.into_iter().enumerate() {
            let key = format!("meetings[{index}]");
            let Some(meeting) = self.meeting(&key, entry, common) else { continue };
            if let Some(first) = first_places.insert(meeting.id, index) {
                self.problem(
                    &key,
                    format!("meeting {} is listed twice, first as meetings[{first}]", meeting.id),
                    "take one of them out",
                );
                continue;
            }
            meetings.push(meeting);
        }
        meetings
    }

    fn meeting(&mut self, key: &str, entry: Value, common: &MeetingDefaults<'_>) -> Option<Meeting> {
        let Value::Dict(_, table) = entry else {
            return self.meeting_id(key, &entry).map(|id| Meeting {
                id,
                label: None,
                roster: None,
                planned: Vec::new(),
                guests: common.guests,
                present_percent: common.attendance.present_percent,
                late_after: common.attendance.late_after,
                personal: false,
            });
        };
        self.unknown_keys(key, &table, &KEYS);
        let id = if let Some(id) = table.get("id") {
            self.meeting_id(&format!("{key}.id"), id)
        } else {
            self.problem(key, "the table has no `id`", EXAMPLE);
            None
        };
        let label = self.text_in(key, &table, "label", "\"CS101\"").filter(|text| !text.is_empty());
        let roster = self
            .text_in(key, &table, "roster", "\"rosters/cs101.csv\"")
            .filter(|path| !path.is_empty())
            .map(|path| self.path("meetings", &path));
        let guests = match self.text_in(key, &table, "guests", "\"instance\"") {
            Some(text) => self.choice(&format!("{key}.guests"), &text, GuestScope::ALL, GuestScope::as_str),
            None => common.guests,
        };
        let present_percent = match table.get("present_percent") {
            Some(value) => self.percent_in(&format!("{key}.present_percent"), value),
            None => common.attendance.present_percent,
        };
        let late_after = match self.text_in(key, &table, "late_after", "\"10m\"") {
            Some(text) => self.duration(&format!("{key}.late_after"), &text, Duration::ZERO),
            None => common.attendance.late_after,
        };
        let personal = match table.get("personal") {
            Some(Value::Bool(_, personal)) => *personal,
            Some(other) => {
                let message = format!("found {}, wanted true or false", schema_check::found(other));
                self.problem(&format!("{key}.personal"), message, "write it as personal = true");
                false
            }
            None => false,
        };
        let planned = self.planned(&format!("{key}.planned"), table.get("planned"));
        id.map(|id| Meeting { id, label, roster, planned, guests, present_percent, late_after, personal })
    }

    fn meeting_id(&mut self, key: &str, value: &Value) -> Option<MeetingId> {
        let id = match value {
            Value::String(_, text) => text.parse().map_err(|error| format!("{error}")),
            Value::Num(_, number) => {
                let whole = number.to_i128().and_then(|number| i64::try_from(number).ok());
                whole
                    .and_then(|number| MeetingId::new(number).ok())
                    .ok_or_else(|| "the number is no meeting ID: nine to eleven digits are usual".to_owned())
            }
            other => Err(format!("found {}, wanted {WANTED}", schema_check::found(other))),
        };
        id.map_err(|message| self.problem(key, message, EXAMPLE)).ok()
    }

    fn planned(&mut self, key: &str, value: Option<&Value>) -> Vec<Planned> {
        const EXAMPLE: &str =
            "write it as planned = [{ days = \"mon wed\", start = \"09:00\", minutes = 90 }]";
        let entries = match value {
            None => return Vec::new(),
            Some(Value::Array(_, entries)) => entries,
            Some(other) => {
                self.problem(
                    key,
                    format!("found {}, wanted a list of tables", schema_check::found(other)),
                    EXAMPLE,
                );
                return Vec::new();
            }
        };
        let mut planned = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            let key = format!("{key}[{index}]");
            let Value::Dict(_, table) = entry else {
                self.problem(&key, format!("found {}, wanted a table", schema_check::found(entry)), EXAMPLE);
                continue;
            };
            self.unknown_keys(&key, table, &PLANNED_KEYS);
            let missing: Vec<&str> =
                PLANNED_KEYS.into_iter().filter(|name| !table.contains_key(*name)).collect();
            if !missing.is_empty() {
                self.problem(&key, format!("it has no `{}`", missing.join("`, no `")), EXAMPLE);
                continue;
            }
            let days = self.days(&key, table);
            let start = self.start(&key, table);
            let minutes = self.minutes(&format!("{key}.minutes"), table.get("minutes"));
            if let (Some(days), Some(start), Some(minutes)) = (days, start, minutes) {
                planned.push(Planned { days, start, minutes });
            }
        }
        planned
    }

    fn days(&mut self, key: &str, table: &Dict) -> Option<Vec<Weekday>> {
        let text = self.text_in(key, table, "days", "\"mon wed\"")?;
        let words: Vec<&str> = text.split([' ', ',', ';']).filter(|word| !word.is_empty()).collect();
        let days: Result<Vec<Weekday>, &str> =
            words.iter().map(|word| word.parse::<Weekday>().map_err(|_| *word)).collect();
        match days {
            Ok(mut days) if !days.is_empty() => {
                days.sort_by_key(Weekday::num_days_from_monday);
                days.dedup();
                Some(days)
            }
            Ok(_) => {
                self.problem(&format!("{key}.days"), "it names no day", "write it as days = \"mon wed\"");
                None
            }
            Err(word) => {
                self.problem(
                    &format!("{key}.days"),
                    format!("`{word}` is no day of the week"),
                    "the days are mon, tue, wed, thu, fri, sat, sun",
                );
                None
            }
        }
    }

    fn start(&mut self, key: &str, table: &Dict) -> Option<NaiveTime> {
        let text = self.text_in(key, table, "start", "\"09:00\"")?;
        let time = ["%H:%M", "%H:%M:%S"]
            .into_iter()
            .find_map(|format| NaiveTime::parse_from_str(text.trim(), format).ok());
        if time.is_none() {
            self.problem(
                &format!("{key}.start"),
                format!("`{text}` is no time of day"),
                "write hours and minutes, such as start = \"09:00\"",
            );
        }
        time
    }

    fn minutes(&mut self, key: &str, value: Option<&Value>) -> Option<u32> {
        let minutes = match value {
            Some(Value::Num(_, number)) => number.to_i128().and_then(|number| u32::try_from(number).ok()),
            _ => None,
        };
        let minutes = minutes.filter(|minutes| (1..=1440).contains(minutes));
        if minutes.is_none() {
            self.problem(key, "wanted a whole number from 1 to 1440", "write it as minutes = 90");
        }
        minutes
    }

    fn percent_in(&mut self, key: &str, value: &Value) -> f64 {
        let number = match value {
            Value::Num(_, number) => number
                .to_f64()
                .or_else(|| number.to_i128().and_then(|whole| i32::try_from(whole).ok()).map(f64::from)),
            _ => None,
        };
        if let Some(number) = number {
            return self.percent(key, number);
        }
        let message = format!("found {}, wanted a number from 0 to 100", schema_check::found(value));
        self.problem(key, message, "write it as present_percent = 75");
        0.0
    }

    fn text_in(&mut self, key: &str, table: &Dict, name: &str, example: &str) -> Option<String> {
        match table.get(name)? {
            Value::String(_, text) => Some(text.trim().to_owned()),
            other => {
                self.problem(
                    &format!("{key}.{name}"),
                    format!("found {}, wanted text in quotes", schema_check::found(other)),
                    format!("write it as {name} = {example}"),
                );
                None
            }
        }
    }

    fn unknown_keys(&mut self, key: &str, table: &Dict, known: &[&str]) {
        for name in table.keys().filter(|name| !known.contains(&name.as_str())) {
            let hint = match schema_check::nearest_of(name, known.iter().map(|&known| known.to_owned())) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the keys here are {}", known.join(", ")),
            };
            self.problem(&format!("{key}.{name}"), "unknown key", hint);
        }
    }
}
