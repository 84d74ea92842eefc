//! Many instances or sittings of a meeting: people by dates, shaded by how much of each they were there.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::page::{bounded, escaped};
use crate::model::{Line, Table};
use crate::report::attendance::{holding, start};
use crate::report::human::{duration, instant};

/// What the letters beside the numbers mean.
pub(super) const LEGEND: &str = "<ul class=\"legend\">\n\
     <li>Numbers are percent of the time; the fuller the shade, the more.</li>\n\
     <li><b>L</b>late</li>\n<li><b>A</b>absent, or there too briefly to count</li>\n\
     <li><b>N</b>matched by name only</li>\n<li>· not there</li>\n</ul>\n";

/// One date: an instance or a sitting.
struct DateColumn<'a> {
    id: &'a str,
    start: Option<DateTime<Utc>>,
}

/// One person, known by number, or a member of the roster who never came.
struct Row<'a> {
    name: &'a str,
    email: Option<&'a str>,
    cells: BTreeMap<&'a str, Line<'a>>,
    missed: BTreeSet<&'a str>,
}

/// The grid of one meeting's lines of attendance; `absences` are those of the meeting.
pub(super) fn grid(lines: &[Line<'_>], absences: &[Line<'_>], caption: &str, timezone: Tz) -> String {
    let columns = columns(lines, absences);
    let rows = rows(lines, absences);
    let headings: Vec<String> = columns.iter().map(|column| heading(column, &columns, timezone)).collect();
    let body: Vec<String> = rows.iter().map(|row| person(row, &columns)).collect();
    format!(
        "<div class=\"scroll grid\" tabindex=\"0\" role=\"region\" aria-label=\"{0}\">\n<table class=\"sortable\">\n\
         <caption class=\"unseen\">{0}</caption>\n<thead>\n<tr><th scope=\"col\">Name</th>{1}\
         <th scope=\"col\" class=\"number\" data-sort=\"number\">Present</th>\
         <th scope=\"col\" class=\"number\" data-sort=\"number\">Late</th>\
         <th scope=\"col\" class=\"number\" data-sort=\"number\">Time</th></tr>\n</thead>\n<tbody>\n{2}</tbody>\n\
         <tfoot>\n{3}</tfoot>\n</table>\n</div>\n",
        escaped(caption),
        headings.concat(),
        body.concat(),
        totals(&rows, &columns)
    )
}

fn columns<'a>(lines: &[Line<'a>], absences: &[Line<'a>]) -> Vec<DateColumn<'a>> {
    let mut starts: BTreeMap<&str, Option<DateTime<Utc>>> = BTreeMap::new();
    for line in lines.iter().chain(absences) {
        if let Some(id) = holding(*line) {
            starts.entry(id).or_insert_with(|| start(*line));
        }
    }
    let mut columns: Vec<DateColumn<'_>> =
        starts.into_iter().map(|(id, start)| DateColumn { id, start }).collect();
    columns.sort_by_key(|column| (column.start, column.id));
    columns
}

fn rows<'a>(lines: &[Line<'a>], absences: &[Line<'a>]) -> Vec<Row<'a>> {
    let mut people: BTreeMap<Option<i64>, Row<'a>> = BTreeMap::new();
    for line in lines {
        let row = people.entry(line.integer("person_id")).or_insert_with(|| Row {
            name: "(no name)",
            email: None,
            cells: BTreeMap::new(),
            missed: BTreeSet::new(),
        });
        // Lines come by start, so the last name stays.
        row.name = line.text("name").unwrap_or(row.name);
        row.email = line.text("email").or(row.email);
        if let Some(id) = holding(*line) {
            row.cells.insert(id, *line);
        }
    }
    let mut rows: Vec<Row<'a>> = people.into_values().collect();
    for absence in absences {
        let Some(id) = holding(*absence) else { continue };
        let (name, email) = (absence.text("name"), absence.text("email"));
        let name = name.or(email).unwrap_or("(no name)");
        let same = |left: &str, right: &str| left.to_lowercase() == right.to_lowercase();
        let found = rows.iter().position(|row| match (row.email, email) {
            (Some(left), Some(right)) => same(left, right),
            _ => same(row.name, name),
        });
        let at = found.unwrap_or_else(|| {
            rows.push(Row { name, email, cells: BTreeMap::new(), missed: BTreeSet::new() });
            rows.len() - 1
        });
        rows[at].missed.insert(id);
    }
    rows.sort_by_key(|row| (row.name.to_lowercase(), row.email.map(str::to_lowercase)));
    rows
}

/// Day, month, and the time where two are on one day.
fn heading(column: &DateColumn<'_>, columns: &[DateColumn<'_>], timezone: Tz) -> String {
    let Some(start) = column.start else {
        return "<th scope=\"col\" class=\"date\" data-sort=\"number\"><span>?</span></th>".to_owned();
    };
    let local = start.with_timezone(&timezone);
    let day_of =
        |column: &DateColumn<'_>| column.start.map(|start| start.with_timezone(&timezone).date_naive());
    let is_one_of_many = columns.iter().filter(|other| day_of(other) == day_of(column)).count() > 1;
    let years: BTreeSet<_> =
        columns.iter().filter_map(day_of).map(|day| day.format("%Y").to_string()).collect();
    let time =
        if is_one_of_many { format!("<small>{}</small>", local.format("%H:%M")) } else { String::new() };
    let year = if years.len() > 1 { format!("<small>{}</small>", local.format("%Y")) } else { String::new() };
    format!(
        "<th scope=\"col\" class=\"date\" data-sort=\"number\"><span>{}</span> <span>{}</span>{year}{time}</th>",
        local.format("%-d"),
        local.format("%b")
    )
}

fn person(row: &Row<'_>, columns: &[DateColumn<'_>]) -> String {
    let cells: Vec<String> = columns.iter().map(|column| cell(row, column.id)).collect();
    let (present, late) = (with(row, "present"), with(row, "late"));
    let seconds: i64 = row.cells.values().filter_map(|line| line.integer("seconds_present")).sum();
    format!(
        "<tr data-line><th scope=\"row\">{}</th>{}<td class=\"number\" data-key=\"{present}\">{present} of {}</td>\
         <td class=\"number\" data-key=\"{late}\">{}</td><td class=\"number\" data-key=\"{seconds}\">{}</td></tr>\n",
        bounded(row.name),
        cells.concat(),
        columns.len(),
        if late > 0 { late.to_string() } else { String::new() },
        duration(seconds)
    )
}

fn with(row: &Row<'_>, flag: &str) -> usize {
    row.cells.values().filter(|line| line.flag(flag)).count()
}

fn cell(row: &Row<'_>, id: &str) -> String {
    let Some(line) = row.cells.get(id) else {
        return if row.missed.contains(id) {
            format!("<td class=\"cell away\" data-key=\"0\">{}</td>", mark('A', "absent"))
        } else {
            "<td class=\"cell away\" data-key=\"0\"><span aria-hidden=\"true\">·</span>\
             <span class=\"unseen\">not there</span></td>"
                .to_owned()
        };
    };
    let mut marks = String::new();
    if line.flag("late") {
        marks += &mark('L', "late");
    }
    if line.integer("present") == Some(0) || row.missed.contains(id) {
        marks += &mark('A', "absent");
    }
    if matches!(line.text("matched_by"), Some("name" | "none")) {
        marks += &mark('N', "matched by name only");
    }
    let Some(percent) = line.real("percent_present") else {
        let seconds = line.integer("seconds_present").unwrap_or(0);
        return format!("<td class=\"cell\" data-key=\"\">{}{marks}</td>", duration(seconds));
    };
    // Cut, not rounded: 100 is the whole time.
    let (shade, shown) = ((percent / 10.0).floor(), percent.floor());
    format!("<td class=\"cell p{shade}\" data-key=\"{percent}\" title=\"{percent:.1} %\">{shown}{marks}</td>")
}

fn mark(letter: char, meaning: &str) -> String {
    format!(
        "<span class=\"mark\" title=\"{meaning}\"><span aria-hidden=\"true\">{letter}</span><span class=\"unseen\"> {meaning}</span></span>"
    )
}

fn totals(rows: &[Row<'_>], columns: &[DateColumn<'_>]) -> String {
    let line = |title: &str, of: &dyn Fn(Line<'_>) -> bool| {
        let cells: Vec<String> = columns
            .iter()
            .map(|column| {
                rows.iter().filter_map(|row| row.cells.get(column.id)).filter(|line| of(**line)).count()
            })
            .map(|number| format!("<td>{number}</td>"))
            .collect();
        format!("<tr><th scope=\"row\">{title}</th>{}<td colspan=\"3\"></td></tr>\n", cells.concat())
    };
    [
        line("People", &|line| line.integer("joins") != Some(0)),
        line("Present", &|line| line.flag("present")),
        line("Late", &|line| line.flag("late")),
    ]
    .concat()
}

/// The last instant at which one of these was read.
pub(super) fn last_read(held: &Table) -> Option<DateTime<Utc>> {
    held.lines().filter_map(|line| line.text("last_fetched_at").and_then(instant)).max()
}
