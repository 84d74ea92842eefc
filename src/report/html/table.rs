//! A sheet as a table that screen readers, printers and the page's script understand.

use super::page::{bounded, escaped, text};
use crate::model::{Line, Table, Value};
use crate::report::{Alignment, TextTable};

/// Columns whose texts do not sort as they read, and the column of the view that they do sort by.
const KEYS: &[(&str, &str)] = &[
    ("Present", "seconds_present"),
    ("Share", "percent_present"),
    ("Late", "seconds_late"),
    ("Length", "seconds"),
    ("People", "people"),
    ("Peak", "peak"),
    ("Joins", "joins"),
    ("Person time", "person_seconds"),
    ("Joined", "first_join"),
    ("Left", "last_leave"),
    ("End", "end_time"),
];

/// The markup of a sheet's table; `table` has the rows that the sheet was made of, in the same order.
pub(super) fn table(sheet: &TextTable, table: &Table, caption: &str) -> String {
    let headings: Vec<String> = sheet
        .columns
        .iter()
        .map(|column| match column.alignment {
            Alignment::Left => format!("<th scope=\"col\">{}</th>", column.title),
            Alignment::Right => {
                format!("<th scope=\"col\" class=\"number\" data-sort=\"number\">{}</th>", column.title)
            }
        })
        .collect();
    let rows: Vec<String> =
        sheet.rows.iter().zip(table.lines()).map(|(cells, line)| row(sheet, cells, line)).collect();
    format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{0}\">\n<table class=\"sortable\">\n\
         <caption class=\"unseen\">{0}</caption>\n<thead>\n<tr>{1}</tr>\n</thead>\n<tbody>\n{2}</tbody>\n\
         </table>\n</div>\n",
        escaped(caption),
        headings.concat(),
        rows.concat()
    )
}

fn row(sheet: &TextTable, cells: &[String], line: Line<'_>) -> String {
    let cells: Vec<String> = cells
        .iter()
        .zip(&sheet.columns)
        .enumerate()
        .map(|(at, (content, column))| {
            let key = key(column.title, content, line);
            let shown = match column.title {
                "Notes" => notes(content),
                _ => bounded(content),
            };
            match (at, column.alignment, column.title) {
                (0, ..) => format!("<th scope=\"row\"{key}>{shown}</th>"),
                (_, Alignment::Right, "Late") => format!("<td class=\"number is-late\"{key}>{shown}</td>"),
                (_, Alignment::Right, _) => format!("<td class=\"number\"{key}>{shown}</td>"),
                (_, _, "Joined" | "Left" | "Date" | "Start" | "End") => {
                    format!("<td class=\"time\"{key}>{shown}</td>")
                }
                (_, _, "Notes") => format!("<td class=\"notes\"{key}>{shown}</td>"),
                _ => format!("<td{key}>{shown}</td>"),
            }
        })
        .collect();
    format!("<tr data-line>{}</tr>\n", cells.concat())
}

/// What a cell sorts by; one that is left blank sorts as unknown.
fn key(title: &str, content: &str, line: Line<'_>) -> String {
    let column = KEYS.iter().find(|(shown, _)| *shown == title);
    match column.map(|(_, column)| line.value(column)) {
        _ if content.is_empty() => String::new(),
        Some(Value::Integer(number)) => format!(" data-key=\"{number}\""),
        Some(Value::Real(number)) => format!(" data-key=\"{number}\""),
        Some(Value::Text(text)) => format!(" data-key=\"{}\"", escaped(text)),
        Some(Value::Null) | None => String::new(),
    }
}

/// Notes are words already; those that matter stand out.
fn notes(content: &str) -> String {
    let tags: Vec<String> = content
        .split(", ")
        .filter(|note| !note.is_empty())
        .map(|note| match note {
            "absent" | "only waited" => format!("<span class=\"tag absent\">{note}</span>"),
            "unidentified" => format!("<span class=\"tag unidentified\">{note}</span>"),
            _ => text(note),
        })
        .collect();
    tags.join(", ")
}

/// The lines below a sheet's table.
pub(super) fn footer(sheet: &TextTable) -> String {
    let lines: Vec<String> = sheet
        .footer
        .iter()
        .filter(|line| !line.is_empty())
        .map(|line| format!("<p class=\"after\">{}</p>\n", escaped(line)))
        .collect();
    lines.concat()
}
