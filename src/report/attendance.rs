//! Who was there, for eyes: of one instance or sitting, or of many.

use std::collections::BTreeSet;

use chrono_tz::Tz;

use super::human::{clock_time, count, duration, instant, meeting_id, percent, short_name};
use super::{Column, ColumnPriority, Line, Table, TextTable};

/// The sheet of rows of the view `attendance` or `sitting_attendance`, with times in the zone.
///
/// What all rows have in common, a meeting or one holding of it, stands in the heading once.
pub fn attendance(table: &Table, timezone: Tz) -> TextTable {
    let mut sheet = sheet_with_all_cells(table, timezone);
    let lines: Vec<Line<'_>> = table.lines().collect();
    // When and what stand before the first of each holding's lines only, and so divide the table.
    let repeated = sheet.columns.iter().position(|column| column.title == "Name").unwrap_or(0);
    for at in (1..lines.len()).filter(|at| holding(lines[*at]) == holding(lines[at - 1])) {
        sheet.rows[at][..repeated].iter_mut().for_each(String::clear);
    }
    sheet
}

/// The same with what is repeated in every row, which can then be sorted.
pub(super) fn sheet_with_all_cells(table: &Table, timezone: Tz) -> TextTable {
    let lines: Vec<Line<'_>> = table.lines().collect();
    let Some(first) = lines.first().copied() else { return TextTable::default() };
    let meetings: BTreeSet<_> = lines.iter().map(|line| line.integer("meeting_id")).collect();
    let holdings: BTreeSet<_> = lines.iter().map(|line| holding(*line)).collect();
    let (is_one_meeting, is_one_holding) = (meetings.len() == 1, holdings.len() == 1);

    let mut title = Vec::new();
    if is_one_meeting {
        title.push(meeting_name(first));
    }
    if is_one_holding {
        title.push(when(first, timezone));
    } else {
        title.push(format!("Times are those of {timezone}."));
    }
    if lines.iter().any(|line| line.text("measured_against") == Some("planned")) {
        title.push("Measured against the planned times.".to_owned());
    }
    title.push(String::new());

    let mut columns = Vec::new();
    if !is_one_holding {
        columns.extend([Column::text("Date"), Column::text("Start")]);
    }
    if !is_one_meeting {
        columns.push(Column::text("Meeting"));
    }
    columns.extend([
        Column::text("Name"),
        Column::text("Email").with_priority(ColumnPriority::WhereAllFit),
        Column::text("Joined").with_priority(ColumnPriority::WhereOthersWrap),
        Column::text("Left").with_priority(ColumnPriority::WhereOthersWrap),
        Column::number("Present"),
        Column::number("Share"),
        Column::number("Late"),
        Column::text("Notes"),
    ]);
    let rows = lines.iter().map(|line| row(*line, timezone, is_one_meeting, is_one_holding)).collect();
    TextTable { title, columns, rows, footer: totals(&lines, holdings.len()) }
}

/// What tells one instance, or one sitting, from another.
pub(super) fn holding(line: Line<'_>) -> Option<&str> {
    line.text("instance_uuid").or_else(|| line.text("sitting_id"))
}

pub(super) fn start(line: Line<'_>) -> Option<chrono::DateTime<chrono::Utc>> {
    line.text("start_time").or_else(|| line.text("sitting_start")).and_then(instant)
}

/// `CS101: Logic (857 4606 5432)`, as far as it is known.
pub(super) fn meeting_name(line: Line<'_>) -> String {
    let number = line.integer("meeting_id").map(meeting_id).unwrap_or_default();
    let names: Vec<&str> = ["label", "topic"].into_iter().filter_map(|column| line.text(column)).collect();
    if names.is_empty() { format!("Meeting {number}") } else { format!("{} ({number})", names.join(": ")) }
}

/// The label, else the topic, else the number.
pub(super) fn short_meeting_name(line: Line<'_>) -> String {
    short_name(line.text("label"), line.text("topic"), line.integer("meeting_id"))
}

/// `Monday 2 March 2026, 09:00 to 10:30 (1 h 30 min), Europe/Berlin`.
pub(super) fn when(line: Line<'_>, timezone: Tz) -> String {
    let Some(start) = start(line) else { return "At an unknown time".to_owned() };
    let local = start.with_timezone(&timezone);
    let end = line.text("end_time").or_else(|| line.text("sitting_end")).and_then(instant);
    let until = end.map_or_else(String::new, |end| {
        let length = duration((end - start).num_seconds());
        format!(" to {} ({length})", clock_time(end, timezone, Some(local.date_naive())))
    });
    let pieces = line.integer("instances").filter(|instances| *instances > 1);
    let pieces = pieces.map_or_else(String::new, |instances| format!(", in {instances} parts"));
    format!("{}{until}{pieces}, {timezone}", local.format("%A %-d %B %Y, %H:%M"))
}

fn row(line: Line<'_>, timezone: Tz, is_one_meeting: bool, is_one_holding: bool) -> Vec<String> {
    let local = start(line).map(|start| start.with_timezone(&timezone));
    let day = local.map(|local| local.date_naive());
    let time = |column| {
        let at = line.text(column).and_then(instant);
        at.map_or_else(String::new, |at| clock_time(at, timezone, day))
    };
    let mut cells = Vec::new();
    if !is_one_holding {
        let show = |format| local.map_or_else(String::new, |local| local.format(format).to_string());
        cells.extend([show("%Y-%m-%d"), show("%H:%M")]);
    }
    if !is_one_meeting {
        cells.push(short_meeting_name(line));
    }
    let late = line.integer("seconds_late").filter(|_| line.flag("late"));
    cells.extend([
        line.text("name").unwrap_or("(no name)").to_owned(),
        line.text("email").unwrap_or_default().to_owned(),
        time("first_join"),
        time("last_leave"),
        duration(line.integer("seconds_present").unwrap_or(0)),
        line.real("percent_present").map_or_else(String::new, percent),
        late.map_or_else(String::new, duration),
        notes(line),
    ]);
    cells
}

/// What a reader should know of the line beside its numbers.
fn notes(line: Line<'_>) -> String {
    let mut notes = Vec::new();
    if line.text("role") == Some("host") {
        notes.push("host".to_owned());
    }
    if has_only_waited(line) {
        notes.push("only waited".to_owned());
    } else if line.integer("present") == Some(0) {
        notes.push("absent".to_owned());
    }
    if line.flag("still_in") {
        notes.push("still in".to_owned());
    }
    if let Some(heads) = line.integer("heads").filter(|heads| *heads > 1) {
        notes.push(format!("{heads} heads"));
    }
    match line.text("matched_by") {
        Some("name") => notes.push("by name".to_owned()),
        Some("none") => notes.push("unidentified".to_owned()),
        _ => {}
    }
    if line.integer("on_roster") == Some(0) {
        notes.push("not on roster".to_owned());
    }
    notes.join(", ")
}

fn has_only_waited(line: Line<'_>) -> bool {
    line.integer("joins") == Some(0)
}

fn totals(lines: &[Line<'_>], holdings: usize) -> Vec<String> {
    let came: Vec<Line<'_>> = lines.iter().copied().filter(|line| !has_only_waited(*line)).collect();
    let people: BTreeSet<_> = came.iter().map(|line| line.integer("person_id")).collect();
    let with = |flag: &str| lines.iter().filter(|line| line.flag(flag)).count();
    let by_name = lines.iter().filter(|line| line.text("matched_by") == Some("name")).count();
    let seconds: i64 = lines.iter().filter_map(|line| line.integer("seconds_present")).sum();
    let people = count(people.len(), "person", "people");
    let words = if holdings == 1 {
        format!("{people}: {} present, {} late", with("present"), with("late"))
    } else {
        let times = |number| count(number, "time", "times");
        let (present, late) = (times(with("present")), times(with("late")));
        let what = if lines[0].text("sitting_id").is_some() { "sittings" } else { "instances" };
        format!("{people} in {holdings} {what}: present {present}, late {late}")
    };
    let by_name = if by_name > 0 { format!(", {by_name} matched by name only") } else { String::new() };
    vec![String::new(), format!("{words}{by_name}. Together {}.", duration(seconds))]
}
