//! Who is known, and what was decided about who is who, for eyes.

use chrono_tz::Tz;
use serde::Deserialize;

use super::human::{count, instant};
use super::{Column, ColumnPriority, Table, TextTable};
use crate::model::RowError;

#[derive(Deserialize)]
struct Person<'t> {
    person_id: i64,
    guest: bool,
    names: JsonList<'t>,
    identifiers: JsonList<'t>,
    instances: i64,
    last_seen: Option<&'t str>,
    may_be: JsonList<'t>,
}

impl Person<'_> {
    fn suggestions(&self, all: &[Self]) -> Vec<String> {
        let number = self.person_id;
        let names = self.names.texts().join(", ");
        let suggest = |other: String| {
            let known = all.iter().find(|person| person.person_id.to_string() == other);
            let known_by = known.and_then(|person| person.identifiers.texts().into_iter().next());
            format!(
                "  guest {number} ({names}) may be person {other}{}: rollcall people merge {number} {other}",
                known_by.map(|known_by| format!(" ({known_by})")).unwrap_or_default(),
            )
        };
        self.may_be.texts().into_iter().map(suggest).collect()
    }
}

/// A JSON list in a column.
#[derive(Deserialize)]
#[serde(transparent)]
struct JsonList<'t>(#[serde(borrow)] Option<&'t str>);

impl JsonList<'_> {
    /// What it holds; numbers are written out.
    fn texts(&self) -> Vec<String> {
        let values: Vec<serde_json::Value> =
            self.0.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        values
            .into_iter()
            .map(|value| match value {
                serde_json::Value::String(text) => text,
                other => other.to_string(),
            })
            .collect()
    }
}

/// The sheet of people, with days in the zone; below it whom guests may be, and how to say so.
pub fn people(table: &Table, timezone: Tz) -> Result<TextTable, RowError> {
    let people: Vec<Person<'_>> = table.typed()?;
    if people.is_empty() {
        return Ok(TextTable::default());
    }
    let columns = vec![
        Column::number("Id"),
        Column::text("Names"),
        Column::text("Known by"),
        Column::number("Instances").with_priority(ColumnPriority::WhereOthersWrap),
        Column::text("Last seen").with_priority(ColumnPriority::WhereOthersWrap),
        Column::text("").with_priority(ColumnPriority::WhereAllFit),
    ];
    let row = |person: &Person<'_>| {
        vec![
            person.person_id.to_string(),
            person.names.texts().join(", "),
            person.identifiers.texts().join(", "),
            person.instances.to_string(),
            day(person.last_seen, timezone),
            if person.guest { "guest".to_owned() } else { String::new() },
        ]
    };
    let rows = people.iter().map(row).collect();
    let guests = people.iter().filter(|person| person.guest).count();
    let mut footer = vec![
        String::new(),
        format!("{}, {} known by name only.", count(people.len(), "person", "people"), guests),
    ];
    let suggestions: Vec<String> = people.iter().flat_map(|person| person.suggestions(&people)).collect();
    if !suggestions.is_empty() {
        footer.extend([String::new(), "The same name in the same meeting:".to_owned()]);
        footer.extend(suggestions);
    }
    Ok(TextTable { title: Vec::new(), columns, rows, footer })
}

#[derive(Deserialize)]
struct Decision<'t> {
    decision_id: i64,
    kind: &'t str,
    left: &'t str,
    right: &'t str,
    made_at: Option<&'t str>,
    overruled_by: Option<i64>,
    undone_at: Option<&'t str>,
}

/// The sheet of decisions, with times in the zone.
pub fn decisions(table: &Table, timezone: Tz) -> Result<TextTable, RowError> {
    let columns = vec![
        Column::number("No."),
        Column::text("Decision"),
        Column::text("One"),
        Column::text("Other"),
        Column::text("Made"),
        Column::text("State"),
    ];
    let row = |decision: &Decision<'_>| {
        let state = match (decision.undone_at, decision.overruled_by) {
            (Some(undone_at), _) => format!("undone {}", day(Some(undone_at), timezone)),
            (None, Some(other)) => format!("overruled by {other}"),
            (None, None) => "in force".to_owned(),
        };
        vec![
            decision.decision_id.to_string(),
            decision.kind.to_owned(),
            decision.left.to_owned(),
            decision.right.to_owned(),
            day(decision.made_at, timezone),
            state,
        ]
    };
    let rows = table.typed()?.iter().map(row).collect();
    Ok(TextTable { title: Vec::new(), columns, rows, footer: Vec::new() })
}

fn day(text: Option<&str>, timezone: Tz) -> String {
    let at = text.and_then(instant);
    at.map_or_else(String::new, |at| at.with_timezone(&timezone).format("%Y-%m-%d").to_string())
}

/// A place where a name stands that may be another's: how many, and of which people or meetings.
pub fn mention(place: &str, times: u64, numbers: &[i64]) -> String {
    const SHOWN: usize = 10;
    let list: Vec<String> = numbers.iter().take(SHOWN).map(i64::to_string).collect();
    let more = if numbers.len() > SHOWN { ", ..." } else { "" };
    let of = match (list.is_empty(), place.contains("of others")) {
        (true, _) => String::new(),
        (false, true) => format!(" (people {}{more})", list.join(", ")),
        (false, false) => format!(" (meetings {}{more})", list.join(", ")),
    };
    format!("{place}: {times}{of}")
}
