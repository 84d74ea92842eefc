//! All that is held on one person, for eyes and for programs.

use std::fmt::Write as _;

use chrono_tz::Tz;

use super::human::{count, instant};
use super::json::{array, json_string};
use super::{Column, ColumnPriority, Line, Table, TextTable, Value};

/// A part of what is held: its name in JSON, what stands above it for eyes, and the columns shown there; JSON has all.
struct Part {
    name: &'static str,
    title: &'static str,
    columns: &'static [(&'static str, &'static str)],
}

const PARTS: [Part; 10] = [
    Part { name: "person", title: "Person", columns: &[("What", "what"), ("Value", "value")] },
    Part {
        name: "names",
        title: "Names",
        columns: &[
            ("Name", "user_name"),
            ("Sessions", "sessions"),
            ("First", "first_join"),
            ("Last", "last_join"),
        ],
    },
    Part {
        name: "identifiers",
        title: "Identifiers",
        columns: &[("Kind", "kind"), ("Value", "value"), ("Sessions", "sessions")],
    },
    Part {
        name: "sessions",
        title: "Sessions",
        columns: &[
            ("Id", "session_id"),
            ("Joined", "join_time"),
            ("Left", "leave_time"),
            ("Meeting", "meeting_id"),
            ("Topic", "topic"),
            ("Name", "user_name"),
            ("Status", "status"),
            ("Withdrawn", "withdrawn_at"),
            ("Why left", "leave_reason"),
        ],
    },
    Part {
        name: "machines",
        title: "Devices and computers",
        columns: &[
            ("Device", "device"),
            ("Client", "client"),
            ("Version", "version"),
            ("System", "os"),
            ("Device name", "device_name"),
            ("Computer", "pc_name"),
            ("Hardware address", "mac_addr"),
            ("Disk", "harddisk_id"),
            ("Sessions", "sessions"),
        ],
    },
    Part {
        name: "networks",
        title: "Networks and places",
        columns: &[
            ("Address", "ip_address"),
            ("Inner addresses", "internal_ip_addresses"),
            ("Place", "location"),
            ("Network", "network_type"),
            ("Telephone", "sip_uri"),
            ("Sessions", "sessions"),
        ],
    },
    Part {
        name: "rosters",
        title: "Lines of rosters",
        columns: &[
            ("Line", "roster_member_id"),
            ("Meeting", "meeting_id"),
            ("Name", "name"),
            ("Email", "email"),
            ("Group", "roster_group"),
        ],
    },
    Part {
        name: "hosted",
        title: "Hosted",
        columns: &[
            ("Started", "start_time"),
            ("Meeting", "meeting_id"),
            ("Topic", "topic"),
            ("Host", "host_name"),
            ("Email", "host_email"),
        ],
    },
    Part {
        name: "decisions",
        title: "Decisions made by hand",
        columns: &[
            ("No.", "decision_id"),
            ("Decision", "kind"),
            ("One", "left"),
            ("Other", "right"),
            ("Made", "made_at"),
            ("Undone", "undone_at"),
        ],
    },
    Part {
        name: "rejects",
        title: "What could not be read, and mentions the person",
        columns: &[("Instance", "instance_uuid"), ("Reason", "reason"), ("Content", "content")],
    },
];

/// What is held, part by part, as text no wider than this; times are in the zone. `elsewhere` are lines for the end.
pub fn held(tables: &[(&str, &Table)], elsewhere: &[String], timezone: Tz, width: u16) -> String {
    let mut text = String::new();
    for part in &PARTS {
        let table = tables.iter().find(|(name, _)| *name == part.name).map(|(_, table)| *table);
        let Some(table) = table.filter(|table| !table.rows.is_empty()) else { continue };
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&sheet(part, table, timezone).render(width));
    }
    let footer = if elsewhere.is_empty() {
        vec!["The same name, email or identifier stands nowhere else.".to_owned()]
    } else {
        let head =
            "The same name, email or identifier stands, for somebody who may be another, in:".to_owned();
        std::iter::once(head).chain(elsewhere.iter().map(|line| format!("  {line}"))).collect()
    };
    text + "\n" + &TextTable { footer, ..TextTable::default() }.render(width)
}

fn sheet(part: &Part, table: &Table, timezone: Tz) -> TextTable {
    // A column in which nothing stands says nothing.
    let is_told = |column: &str| table.lines().any(|line| *line.value(column) != Value::Null);
    let shown: Vec<(&'static str, &str)> =
        part.columns.iter().filter(|(_, column)| is_told(column)).copied().collect();
    let is_number =
        |column: &str| matches!(table.lines().next().map(|line| line.value(column)), Some(Value::Integer(_)));
    let columns = shown
        .iter()
        .enumerate()
        .map(|(at, (title, column))| {
            let heading = if is_number(column) { Column::number(title) } else { Column::text(title) };
            if at < 2 { heading } else { heading.with_priority(ColumnPriority::WhereOthersWrap) }
        })
        .collect();
    let rows = table
        .lines()
        .map(|line| shown.iter().map(|(_, column)| cell(line, column, timezone)).collect())
        .collect();
    let title = format!("{} ({})", part.title, count(table.rows.len(), "line", "lines"));
    TextTable { title: vec![title], columns, rows, footer: Vec::new() }
}

fn cell(line: Line<'_>, column: &str, timezone: Tz) -> String {
    let is_instant = ["_time", "_join", "_at"].iter().any(|ending| column.ends_with(ending));
    match line.value(column) {
        Value::Null => String::new(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => {
            let at = if is_instant { instant(text) } else { None };
            at.map_or_else(
                || text.clone(),
                |at| at.with_timezone(&timezone).format("%Y-%m-%d %H:%M:%S").to_string(),
            )
        }
    }
}

/// What is held as one JSON object: each part a list of objects, under its name.
pub fn held_json(tables: &[(&str, &Table)]) -> String {
    let mut text = String::from("{");
    for (at, (name, table)) in tables.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        // Writing to a text cannot fail.
        let _ = write!(text, "{comma}\n{}:{}", json_string(name), array(table));
    }
    text + "\n}\n"
}
