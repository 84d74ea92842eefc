//! Pages to send: one file each, that loads nothing, prints, and reads on a telephone and aloud.

mod grid;
mod page;
mod table;
mod timeline;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use chrono_tz::Tz;

use self::page::{Page, SEARCH, figures};
use super::attendance::{holding, meeting_name, sheet_with_all_cells, short_meeting_name, when};
use super::human::{count, duration};
use super::{TextTable, absences, meetings};
use crate::model::{Line, Table};

/// What a page of attendance is made of: rows of the views, all under one filter.
#[derive(Clone, Debug, Default)]
pub struct AttendancePageData {
    /// Of `attendance` or `sitting_attendance`, by start, then by name.
    pub attendance: Table,
    /// Of `participants`, not withdrawn, where the lines are of one instance or sitting; else empty.
    pub stays: Table,
    /// Of `meetings_held` (or `sittings`, for the one sitting): they tell the peak, and when all was read. Empty where
    /// a filter on people makes them say more than the lines do.
    pub held: Table,
    /// Of `absences`.
    pub absences: Table,
}

/// Who was there: a timeline and a table of one instance or sitting, a grid for each meeting of many.
pub fn attendance_page(roll: &AttendancePageData, timezone: Tz) -> String {
    let lines: Vec<Line<'_>> = roll.attendance.lines().collect();
    let holdings: BTreeSet<_> = lines.iter().map(|line| holding(*line)).collect();
    match lines.first() {
        None => nothing("Attendance"),
        Some(first) if holdings.len() == 1 => page_of_one(roll, *first, &lines, timezone),
        Some(_) => page_of_many(roll, &lines, timezone),
    }
}

fn page_of_one(roll: &AttendancePageData, first: Line<'_>, lines: &[Line<'_>], timezone: Tz) -> String {
    let sheet = sheet_with_all_cells(&roll.attendance, timezone);
    let mut head = head_of(lines, &roll.absences);
    if let Some(peak) = roll.held.lines().next().and_then(|held| held.integer("peak")) {
        head.push(("Peak at once", peak.to_string()));
    }
    head.push(("Total time", together(lines)));
    let absent = absent(&roll.absences);
    let body = [
        figures(&head),
        SEARCH.to_owned(),
        timeline::timeline(&roll.attendance, &roll.stays, timezone),
        "<section aria-labelledby=\"people\">\n<h2 id=\"people\">People</h2>\n".to_owned(),
        table::table(&sheet, &roll.attendance, "Who was there, and for how long"),
        table::footer(&sheet),
        "</section>\n".to_owned(),
        absent,
    ];
    Page {
        kind: "Attendance",
        title: meeting_name(first),
        about: about(when(first, timezone), lines),
        body: body.concat(),
        footer: footer(roll, timezone),
    }
    .render()
}

fn page_of_many(roll: &AttendancePageData, lines: &[Line<'_>], timezone: Tz) -> String {
    let mut by_meeting: BTreeMap<Option<i64>, Vec<Line<'_>>> = BTreeMap::new();
    for line in lines {
        by_meeting.entry(line.integer("meeting_id")).or_default().push(*line);
    }
    let is_one_meeting = by_meeting.len() == 1;
    let holdings: BTreeSet<_> = lines.iter().filter_map(|line| holding(*line)).collect();
    let what = if lines[0].text("sitting_id").is_some() { "Sittings" } else { "Instances" };
    let mut head = vec![(what, holdings.len().to_string())];
    head.extend(head_of(lines, &roll.absences));
    head.push(("Total time", together(lines)));
    let mut body = vec![figures(&head), SEARCH.to_owned()];
    for (number, (meeting, lines)) in by_meeting.iter().enumerate() {
        let absences: Vec<Line<'_>> =
            roll.absences.lines().filter(|line| line.integer("meeting_id") == *meeting).collect();
        let name = meeting_name(lines[0]);
        let title = if is_one_meeting { "People by date".to_owned() } else { short_meeting_name(lines[0]) };
        body.push(format!(
            "<section aria-labelledby=\"grid-{number}\">\n<h2 id=\"grid-{number}\">{}</h2>\n",
            page::text(&title)
        ));
        body.push(if number == 0 { grid::LEGEND.to_owned() } else { String::new() });
        body.push(grid::grid(
            lines,
            &absences,
            &format!("{name}: people by date, in percent of the time"),
            timezone,
        ));
        body.push("</section>\n".to_owned());
    }
    Page {
        kind: "Attendance",
        title: if is_one_meeting {
            meeting_name(lines[0])
        } else {
            format!("Attendance of {}", count(by_meeting.len(), "meeting", "meetings"))
        },
        about: about(days(lines, timezone), lines),
        body: body.concat(),
        footer: footer(roll, timezone),
    }
    .render()
}

/// One person over all meetings, from rows of `attendance` or `sitting_attendance`.
pub fn person_page(attendance: &Table, timezone: Tz) -> String {
    let lines: Vec<Line<'_>> = attendance.lines().collect();
    if lines.is_empty() {
        return nothing("Person");
    }
    let sheet = sheet_with_all_cells(attendance, timezone);
    let people: BTreeSet<_> = lines.iter().map(|line| line.integer("person_id")).collect();
    let name = lines.iter().rev().find_map(|line| line.text("name")).unwrap_or("(no name)");
    let title = if people.len() == 1 { name.to_owned() } else { count(people.len(), "person", "people") };
    let number = |flag: &str| lines.iter().filter(|line| line.flag(flag)).count().to_string();
    let numbers = [
        (
            "Meetings attended",
            lines.iter().filter(|line| line.integer("joins") != Some(0)).count().to_string(),
        ),
        ("Present", number("present")),
        ("Late", number("late")),
        ("Time", together(&lines)),
    ];
    let body = [
        figures(&numbers),
        SEARCH.to_owned(),
        "<h2>Meetings</h2>\n".to_owned(),
        table::table(&sheet, attendance, "Meetings attended, by date"),
        table::footer(&sheet),
    ];
    Page {
        kind: "Person",
        title,
        about: about(days(&lines, timezone), &lines),
        body: body.concat(),
        footer: Vec::new(),
    }
    .render()
}

/// The meetings held, from rows of `meetings_held`.
pub fn meetings_page(table: &Table, timezone: Tz) -> String {
    let lines: Vec<Line<'_>> = table.lines().collect();
    let sum = |column: &str| lines.iter().filter_map(|line| line.integer(column)).sum::<i64>();
    let peak = lines.iter().filter_map(|line| line.integer("peak")).max();
    let numbers: BTreeSet<_> = lines.iter().map(|line| line.integer("meeting_id")).collect();
    let head = [
        ("Held", lines.len().to_string()),
        ("Meetings", numbers.len().to_string()),
        ("Total length", duration(sum("seconds"))),
        ("Highest peak", peak.unwrap_or(0).to_string()),
        ("Person time", duration(sum("person_seconds"))),
    ];
    let roll = AttendancePageData { held: table.clone(), ..AttendancePageData::default() };
    listing("Meetings held", &meetings(table, timezone), table, &head, footer(&roll, timezone))
}

/// Who was missing, from rows of `absences`.
pub fn absences_page(table: &Table, timezone: Tz) -> String {
    let distinct = |columns: &[&str]| {
        let texts =
            |line: Line<'_>| columns.iter().find_map(|column| line.text(column)).map(str::to_lowercase);
        table.lines().filter_map(texts).collect::<BTreeSet<_>>().len().to_string()
    };
    let head = [
        ("Absences", table.rows.len().to_string()),
        ("People", distinct(&["email", "name"])),
        ("Sittings", distinct(&["sitting_id"])),
    ];
    listing("Absences", &absences(table, timezone), table, &head, Vec::new())
}

fn listing(
    kind: &'static str,
    sheet: &TextTable,
    rows: &Table,
    head: &[(&str, String)],
    footer: Vec<String>,
) -> String {
    if rows.rows.is_empty() {
        return nothing(kind);
    }
    let mut about: Vec<String> = sheet.title.iter().filter(|line| !line.is_empty()).cloned().collect();
    // The name of the one meeting, where there is one, is the heading.
    let title = if about.len() > 1 { about.remove(0) } else { kind.to_owned() };
    let body = [
        figures(head),
        SEARCH.to_owned(),
        format!("<h2 class=\"unseen\">{kind}</h2>\n"),
        table::table(sheet, rows, kind),
        table::footer(sheet),
    ];
    Page { kind, title, about, body: body.concat(), footer }.render()
}

fn nothing(kind: &'static str) -> String {
    let body = "<p>Nothing in the database matches.</p>\n".to_owned();
    Page { kind, title: kind.to_owned(), about: Vec::new(), body, footer: Vec::new() }.render()
}

/// How many people, and how many times they were present, late, absent.
fn head_of(lines: &[Line<'_>], absences: &Table) -> Vec<(&'static str, String)> {
    let came = lines.iter().filter(|line| line.integer("joins") != Some(0));
    let people: BTreeSet<_> = came.map(|line| line.integer("person_id")).collect();
    let number = |flag: &str| lines.iter().filter(|line| line.flag(flag)).count().to_string();
    let mut head =
        vec![("People", people.len().to_string()), ("Present", number("present")), ("Late", number("late"))];
    if lines.iter().any(|line| line.integer("on_roster").is_some()) {
        head.push(("Absent", absences.rows.len().to_string()));
    }
    head
}

fn together(lines: &[Line<'_>]) -> String {
    duration(lines.iter().filter_map(|line| line.integer("seconds_present")).sum())
}

/// Members of the roster who did not come to this sitting.
fn absent(absences: &Table) -> String {
    if absences.rows.is_empty() {
        return String::new();
    }
    let rows: Vec<String> = absences
        .lines()
        .map(|line| {
            let text = |column| page::bounded(line.text(column).unwrap_or_default());
            let name = line.text("name").or_else(|| line.text("email")).unwrap_or("(no name)");
            format!(
                "<tr data-line><th scope=\"row\">{}</th><td>{}</td><td>{}</td></tr>\n",
                page::bounded(name),
                text("email"),
                text("roster_group")
            )
        })
        .collect();
    format!(
        "<section aria-labelledby=\"absent\">\n<h2 id=\"absent\">Absent</h2>\n<div class=\"scroll\" tabindex=\"0\" \
         role=\"region\" aria-labelledby=\"absent\">\n<table class=\"sortable\">\n<caption class=\"unseen\">Members of \
         the roster who did not come</caption>\n<thead>\n<tr><th scope=\"col\">Name</th><th scope=\"col\">Email</th>\
         <th scope=\"col\">Group</th></tr>\n</thead>\n<tbody>\n{}</tbody>\n</table>\n</div>\n</section>\n",
        rows.concat()
    )
}

/// From the first day to the last.
fn days(lines: &[Line<'_>], timezone: Tz) -> String {
    let starts = || lines.iter().filter_map(|line| super::attendance::start(*line));
    let day = |at: chrono::DateTime<chrono::Utc>| at.with_timezone(&timezone).format("%-d %B %Y").to_string();
    match (starts().min().map(day), starts().max().map(day)) {
        (Some(first), Some(last)) if first == last => format!("{first}, {timezone}"),
        (Some(first), Some(last)) => format!("{first} to {last}, {timezone}"),
        _ => format!("Times are those of {timezone}."),
    }
}

fn about(when: String, lines: &[Line<'_>]) -> Vec<String> {
    let is_planned = lines.iter().any(|line| line.text("measured_against") == Some("planned"));
    let planned = is_planned.then(|| "Measured against the planned times.".to_owned());
    [when].into_iter().chain(planned).collect()
}

fn footer(roll: &AttendancePageData, timezone: Tz) -> Vec<String> {
    let read = grid::last_read(&roll.held).map(|at| at.with_timezone(&timezone));
    let read =
        read.map(|at| format!("As read from Zoom on {} ({timezone}).", at.format("%-d %B %Y at %H:%M")));
    read.into_iter().collect()
}
