//! What the pages say of lines that the demo does not have: rosters, guests, unread meetings, hostile names.

use chrono_tz::Tz;

use super::{AttendancePageData, absences_page, attendance_page, meetings_page, person_page};
use crate::model::{Table, Value};

/// A table of texts and numbers as they stand in the sample; `-` is unknown.
fn table(columns: &str, rows: &[&str]) -> Table {
    let value = |text: &str| match text.trim() {
        "-" => Value::Null,
        text => text
            .parse::<i64>()
            .map(Value::Integer)
            .or_else(|_| text.parse::<f64>().map(Value::Real))
            .unwrap_or_else(|_| Value::Text(text.to_owned())),
    };
    Table {
        columns: columns.split_whitespace().map(str::to_owned).collect(),
        rows: rows.iter().map(|row| row.split('|').map(value).collect()).collect(),
    }
}

const ATTENDANCE: &str = "meeting_id label instance_uuid start_time end_time person_id name email matched_by joins \
    seconds_present percent_present present late seconds_late on_roster";

const FIRST: &str = "857|CS101|first|2026-03-02T08:00:00.000Z|2026-03-02T09:00:00.000Z";
const SECOND: &str = "857|CS101|second|2026-03-09T08:00:00.000Z|2026-03-09T09:00:00.000Z";

fn roll(lines: &[(&str, &str)], absences: &[&str]) -> AttendancePageData {
    let lines: Vec<String> = lines.iter().map(|(holding, line)| format!("{holding}|{line}")).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    AttendancePageData {
        attendance: table(ATTENDANCE, &lines),
        absences: table("meeting_id sitting_id sitting_start name email roster_group", absences),
        ..AttendancePageData::default()
    }
}

/// The row of a page that begins with this name.
fn row<'a>(page: &'a str, name: &str) -> &'a str {
    let begin = format!("<tr data-line><th scope=\"row\"><bdi>{name}</bdi>");
    page.lines().find(|line| line.starts_with(&begin)).unwrap_or_else(|| panic!("{name} has no row"))
}

#[test]
fn a_grid_marks_in_letters_and_words_what_it_shades() {
    let roll = roll(
        &[
            (FIRST, "1|Ada|ada@example.com|email|1|3600|100.0|1|0|0|1"),
            (FIRST, "2|<b>Guest|-|name|1|900|25.0|0|1|2700|0"),
            (SECOND, "2|<b>Guest|-|name|1|3597|99.9|1|0|3|0"),
        ],
        &[
            "857|second|2026-03-09T08:00:00.000Z|Ada L.|ADA@example.com|1a",
            "857|first|2026-03-02T08:00:00.000Z|Nemo|nemo@example.com|1a",
            "857|second|2026-03-09T08:00:00.000Z|Nemo|nemo@example.com|1a",
        ],
    );
    let page = attendance_page(&roll, Tz::Europe__Berlin);
    let ada = row(&page, "Ada");
    assert!(ada.contains("cell p10\" data-key=\"100\"") && ada.contains(" absent</span>"), "{ada}");
    assert!(ada.contains(">1 of 2<"), "{ada}");
    let guest = row(&page, "&lt;b&gt;Guest");
    for said in [" late</span>", " absent</span>", " matched by name only</span>", ">25<", ">99<"] {
        assert!(guest.contains(said), "{said}: {guest}");
    }
    // A member of the roster who never came has a row, too.
    assert_eq!(row(&page, "Nemo").matches(" absent</span>").count(), 2);
    assert!(page.contains("<dt>Absent</dt><dd>3</dd>") && page.contains("<dt>People</dt><dd>2</dd>"));
    assert!(page.contains("2 March 2026 to 9 March 2026"));
}

#[test]
fn one_instance_names_those_who_are_missing() {
    let roll = roll(
        &[
            (FIRST, "1|Ada|ada@example.com|email|1|3600|100.0|1|0|0|1"),
            (FIRST, "3|Eve|-|name|0|0|0.0|0|-|-|0"),
        ],
        &["857|first|2026-03-02T08:00:00.000Z|-|nemo@example.com|1a"],
    );
    let page = attendance_page(&roll, Tz::Europe__Berlin);
    assert!(row(&page, "Eve").contains("<span class=\"tag absent\">only waited</span>, <bdi>by name</bdi>"));
    assert!(row(&page, "nemo@example.com").contains("<bdi>1a</bdi>"));
    assert!(
        page.contains("<dt>Absent</dt><dd>1</dd>") && page.contains("Monday 2 March 2026, 09:00 to 10:00")
    );
    // Without stays there is nothing to draw, and without the row of the instance no peak to tell.
    assert!(!page.contains("Timeline") && !page.contains("<dt>Peak"));
}

#[test]
fn a_page_without_rows_says_so() {
    let empty = Table::default();
    for page in [
        attendance_page(&AttendancePageData::default(), Tz::UTC),
        person_page(&empty, Tz::UTC),
        meetings_page(&empty, Tz::UTC),
        absences_page(&empty, Tz::UTC),
    ] {
        assert!(page.starts_with("<!doctype html>") && page.contains("Nothing in the database matches."));
    }
}

#[test]
fn the_policy_names_what_the_page_holds() {
    let page = meetings_page(&Table::default(), Tz::UTC);
    assert!(page.contains("default-src 'none'; style-src 'sha256-") && !page.contains("unsafe-inline"));
    assert_eq!((page.matches("<style>").count(), page.matches("<script>").count()), (1, 1));
}
