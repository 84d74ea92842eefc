//! The meetings held, for eyes.

use std::collections::BTreeSet;

use chrono_tz::Tz;

use super::attendance::{meeting_name, short_meeting_name};
use super::human::{clock_time, count, duration, instant};
use super::{Column, ColumnPriority, Line, Table, TextTable};

/// The sheet of rows of the view `meetings_held`, with times in the zone.
pub fn meetings(table: &Table, timezone: Tz) -> TextTable {
    let lines: Vec<Line<'_>> = table.lines().collect();
    let Some(first) = lines.first().copied() else { return TextTable::default() };
    let numbers: BTreeSet<_> = lines.iter().map(|line| line.integer("meeting_id")).collect();
    let is_one_meeting = numbers.len() == 1;

    let mut title = Vec::new();
    if is_one_meeting {
        title.push(meeting_name(first));
    }
    title.extend([format!("Times are those of {timezone}."), String::new()]);
    let mut columns = vec![
        Column::text("Date"),
        Column::text("Start"),
        Column::text("End").with_priority(ColumnPriority::WhereOthersWrap),
    ];
    if !is_one_meeting {
        columns.push(Column::text("Meeting"));
    }
    columns.extend([
        Column::number("Length"),
        Column::number("People"),
        Column::number("Peak"),
        Column::number("Joins").with_priority(ColumnPriority::WhereOthersWrap),
        Column::number("Person time").with_priority(ColumnPriority::WhereOthersWrap),
        Column::text("Notes"),
    ]);
    let rows = lines.iter().map(|line| row(*line, timezone, is_one_meeting)).collect();
    TextTable { title, columns, rows, footer: totals(&lines) }
}

fn row(line: Line<'_>, timezone: Tz, is_one_meeting: bool) -> Vec<String> {
    let start = line.text("start_time").and_then(instant).map(|start| start.with_timezone(&timezone));
    let end = line.text("end_time").and_then(instant);
    let show = |format| start.map_or_else(String::new, |start| start.format(format).to_string());
    let day = start.map(|start| start.date_naive());
    let mut cells = vec![
        show("%Y-%m-%d"),
        show("%H:%M"),
        end.map_or_else(String::new, |end| clock_time(end, timezone, day)),
    ];
    if !is_one_meeting {
        cells.push(short_meeting_name(line));
    }
    let is_read = is_read(line);
    // Zeros would look like an empty meeting where nothing has been read.
    let number = |column| match line.integer(column) {
        Some(number) if is_read => number.to_string(),
        _ => String::new(),
    };
    cells.extend([
        line.integer("seconds").map_or_else(String::new, duration),
        number("people"),
        number("peak"),
        number("joins"),
        line.integer("person_seconds").filter(|_| is_read).map_or_else(String::new, duration),
        notes(line),
    ]);
    cells
}

fn is_read(line: Line<'_>) -> bool {
    line.text("last_fetched_at").is_some()
}

fn notes(line: Line<'_>) -> String {
    let mut notes = Vec::new();
    match line.text("state") {
        Some("collected" | "settled") | None => {}
        Some("known") => notes.push("not asked for".to_owned()),
        Some("pending") if is_read(line) => notes.push("to be read again".to_owned()),
        Some("pending") => notes.push("not read yet".to_owned()),
        Some("live") => notes.push("still on".to_owned()),
        Some(state) => notes.push(state.to_owned()),
    }
    notes.extend(line.text("reason").map(str::to_owned));
    if let Some(missing) = line.integer("shortfall").and_then(|rows| usize::try_from(rows).ok())
        && missing > 0
    {
        notes.push(format!("{} missing", count(missing, "row", "rows")));
    }
    if line.flag("end_estimated") {
        notes.push("end estimated".to_owned());
    }
    notes.join(", ")
}

fn totals(lines: &[Line<'_>]) -> Vec<String> {
    let unread = lines.iter().filter(|line| !is_read(**line)).count();
    let seconds: i64 = lines.iter().filter_map(|line| line.integer("person_seconds")).sum();
    let instances = count(lines.len(), "instance", "instances");
    let unread = if unread > 0 { format!(", {unread} not read") } else { String::new() };
    vec![String::new(), format!("{instances}{unread}. Person time {}.", duration(seconds))]
}
