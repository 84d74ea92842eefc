//! Who was missing, for eyes.

use std::collections::BTreeSet;

use chrono_tz::Tz;

use super::attendance::{meeting_name, short_meeting_name};
use super::human::{count, instant};
use super::{Column, ColumnPriority, Line, Table, TextTable};

/// The sheet of rows of the view `absences`, with times in the zone.
pub fn absences(table: &Table, timezone: Tz) -> TextTable {
    let lines: Vec<Line<'_>> = table.lines().collect();
    let Some(first) = lines.first().copied() else { return TextTable::default() };
    let meetings: BTreeSet<_> = lines.iter().map(|line| line.integer("meeting_id")).collect();
    let sittings: BTreeSet<_> = lines.iter().map(|line| line.text("sitting_id")).collect();
    let is_one_meeting = meetings.len() == 1;

    let mut title = Vec::new();
    if is_one_meeting {
        title.push(meeting_name(first));
    }
    title.extend([format!("Times are those of {timezone}."), String::new()]);
    let mut columns = vec![Column::text("Date"), Column::text("Start")];
    if !is_one_meeting {
        columns.push(Column::text("Meeting"));
    }
    columns.extend([
        Column::text("Absent"),
        Column::text("Email").with_priority(ColumnPriority::WhereOthersWrap),
        Column::text("Group").with_priority(ColumnPriority::WhereOthersWrap),
    ]);
    let rows = lines.iter().map(|line| row(*line, timezone, is_one_meeting)).collect();
    let footer = format!(
        "{} in {}.",
        count(lines.len(), "absence", "absences"),
        count(sittings.len(), "sitting", "sittings")
    );
    TextTable { title, columns, rows, footer: vec![String::new(), footer] }
}

fn row(line: Line<'_>, timezone: Tz, is_one_meeting: bool) -> Vec<String> {
    let start = line.text("sitting_start").and_then(instant).map(|start| start.with_timezone(&timezone));
    let show = |format| start.map_or_else(String::new, |start| start.format(format).to_string());
    let text = |column| line.text(column).unwrap_or_default().to_owned();
    let mut cells = vec![show("%Y-%m-%d"), show("%H:%M")];
    if !is_one_meeting {
        cells.push(short_meeting_name(line));
    }
    // A roster may know an email only.
    let name = line.text("name").or_else(|| line.text("email")).unwrap_or_default();
    cells.extend([name.to_owned(), text("email"), text("roster_group")]);
    cells
}
