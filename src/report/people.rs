//! Who is known, and what was decided about who is who, for eyes.

use chrono_tz::Tz;

use super::human::{count, instant};
use super::{Column, ColumnPriority, Line, Table, TextTable};

/// The sheet of people, with days in the zone; below it whom guests may be, and how to say so.
pub fn people(table: &Table, timezone: Tz) -> TextTable {
    let lines: Vec<Line<'_>> = table.lines().collect();
    if lines.is_empty() {
        return TextTable::default();
    }
    let columns = vec![
        Column::number("Id"),
        Column::text("Names"),
        Column::text("Known by"),
        Column::number("Instances").with_priority(ColumnPriority::WhereOthersWrap),
        Column::text("Last seen").with_priority(ColumnPriority::WhereOthersWrap),
        Column::text("").with_priority(ColumnPriority::WhereAllFit),
    ];
    let rows = lines
        .iter()
        .map(|line| {
            vec![
                number(*line, "person_id"),
                list(*line, "names").join(", "),
                list(*line, "identifiers").join(", "),
                number(*line, "instances"),
                day(*line, "last_seen", timezone),
                if line.flag("guest") { "guest".to_owned() } else { String::new() },
            ]
        })
        .collect();
    let guests = lines.iter().filter(|line| line.flag("guest")).count();
    let mut footer = vec![
        String::new(),
        format!("{}, {} known by name only.", count(lines.len(), "person", "people"), guests),
    ];
    let suggestions = suggestions(&lines);
    if !suggestions.is_empty() {
        footer.extend([String::new(), "The same name in the same meeting:".to_owned()]);
        footer.extend(suggestions);
    }
    TextTable { title: Vec::new(), columns, rows, footer }
}

fn suggestions(lines: &[Line<'_>]) -> Vec<String> {
    let mut sentences = Vec::new();
    for guest in lines {
        let Some(number) = guest.integer("person_id") else { continue };
        for other in list(*guest, "may_be") {
            let known = lines
                .iter()
                .find(|line| line.integer("person_id").map(|id| id.to_string()).as_ref() == Some(&other));
            let known_by = known.and_then(|line| list(*line, "identifiers").into_iter().next());
            sentences.push(format!(
                "  guest {number} ({}) may be person {other}{}: rollcall people merge {number} {other}",
                list(*guest, "names").join(", "),
                known_by.map(|known_by| format!(" ({known_by})")).unwrap_or_default(),
            ));
        }
    }
    sentences
}

/// The sheet of decisions, with times in the zone.
pub fn decisions(table: &Table, timezone: Tz) -> TextTable {
    let columns = vec![
        Column::number("No."),
        Column::text("Decision"),
        Column::text("One"),
        Column::text("Other"),
        Column::text("Made"),
        Column::text("State"),
    ];
    let rows: Vec<Vec<String>> = table
        .lines()
        .map(|line| {
            let text = |column| line.text(column).unwrap_or_default().to_owned();
            let state = match (line.text("undone_at"), line.integer("overruled_by")) {
                (Some(_), _) => format!("undone {}", day(line, "undone_at", timezone)),
                (None, Some(other)) => format!("overruled by {other}"),
                (None, None) => "in force".to_owned(),
            };
            vec![
                number(line, "decision_id"),
                text("kind"),
                text("left"),
                text("right"),
                day(line, "made_at", timezone),
                state,
            ]
        })
        .collect();
    TextTable { title: Vec::new(), columns, rows, footer: Vec::new() }
}

fn number(line: Line<'_>, column: &str) -> String {
    line.integer(column).map_or_else(String::new, |number| number.to_string())
}

fn day(line: Line<'_>, column: &str, timezone: Tz) -> String {
    let at = line.text(column).and_then(instant);
    at.map_or_else(String::new, |at| at.with_timezone(&timezone).format("%Y-%m-%d").to_string())
}

/// The texts of a column that holds a JSON list; numbers are written out.
fn list(line: Line<'_>, column: &str) -> Vec<String> {
    let values: Vec<serde_json::Value> =
        line.text(column).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    values
        .into_iter()
        .map(|value| match value {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        })
        .collect()
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
