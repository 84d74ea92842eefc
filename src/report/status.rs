//! How the collection stands: the last runs, what is still to be read, what went wrong, the quota.

use chrono_tz::Tz;

use super::attendance::short_meeting_name;
use super::human::{clock_time, duration, instant};
use super::json::{array, json_string};
use super::{Column, ColumnPriority, Line, Table, TextTable};
use crate::model::Timestamp;

/// Everything that `rollcall status` shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// The last rows of the view `runs`, latest first.
    pub runs: Table,
    /// Rows of the view `meetings_listed`, of meetings that tell no instances.
    pub meetings: Table,
    /// How many instances (`instances`) there are in each `state`.
    pub states: Table,
    /// Instances that were refused: `state`, `reason`, and what they are.
    pub refused: Table,
    /// Instances with fewer rows stored than Zoom reports: `shortfall`, and what they are.
    pub short: Table,
    /// The oldest instance that is still to be read; at most one row.
    pub oldest: Table,
    /// The rows of the view `quota` for the day.
    pub quota: Table,
    pub next_slot: Option<Timestamp>,
    /// What is wrong with this machine's clock, in words.
    pub clock: Option<String>,
}

impl Status {
    /// Sections for eyes, with times in the zone; what there is none of is left out.
    pub fn render(&self, timezone: Tz, now: Timestamp, width: u16) -> String {
        let mut sections = vec![runs(&self.runs, timezone).render(width), self.summary(timezone, now)];
        if !self.meetings.rows.is_empty() {
            sections.push(refused_meetings(&self.meetings, timezone).render(width));
        }
        for (title, table) in
            [("Refused by Zoom:", &self.refused), ("Fewer rows than Zoom reports:", &self.short)]
        {
            if !table.rows.is_empty() {
                sections.push(troubles(title, table, timezone).render(width));
            }
        }
        sections.join("\n")
    }

    /// One JSON object: `runs`, `meetings`, `states`, `refused`, `short`, `oldest` and `quota` as arrays of objects with the
    /// columns' names, `next_slot` as an instant or null, `clock` as words or null.
    pub fn to_json(&self) -> String {
        let tables = [
            ("runs", &self.runs),
            ("meetings", &self.meetings),
            ("states", &self.states),
            ("refused", &self.refused),
            ("short", &self.short),
            ("oldest", &self.oldest),
            ("quota", &self.quota),
        ];
        let mut members: Vec<String> =
            tables.into_iter().map(|(name, table)| format!("\"{name}\":{}", array(table))).collect();
        let slot = self.next_slot.map_or_else(|| "null".to_owned(), |slot| json_string(&slot.to_string()));
        members.push(format!("\"next_slot\":{slot}"));
        let clock = self.clock.as_deref().map_or_else(|| "null".to_owned(), json_string);
        members.push(format!("\"clock\":{clock}"));
        format!("{{{}}}\n", members.join(","))
    }

    fn summary(&self, timezone: Tz, now: Timestamp) -> String {
        let states: Vec<String> = self
            .states
            .lines()
            .map(|line| {
                format!(
                    "{} {}",
                    line.integer("instances").unwrap_or(0),
                    line.text("state").unwrap_or_default()
                )
            })
            .collect();
        let states = if states.is_empty() { "none known yet".to_owned() } else { states.join(", ") };
        let mut lines = vec![format!("Instances: {states}")];
        lines.extend(self.oldest.lines().map(|line| {
            format!("Oldest still to be read: {}, {}", day_and_time(line, "start_time", timezone), what(line))
        }));
        lines.extend(self.quota.lines().map(|line| self.quota_line(line)));
        lines.extend(self.clock.clone());
        lines.extend(self.next_slot.map(|slot| {
            let wait = i64::try_from(slot.since(now).as_secs()).unwrap_or(i64::MAX);
            let local = slot.utc().with_timezone(&timezone);
            format!("Next slot: {} (in {}), {timezone}", local.format("%Y-%m-%d %H:%M"), duration(wait))
        }));
        TextTable { title: lines, ..TextTable::default() }.render(u16::MAX)
    }

    /// Labels with the same budget draw from one pool.
    fn quota_line(&self, line: Line<'_>) -> String {
        let used = line.integer("requests").unwrap_or(0);
        let budget = line.integer("budget");
        let left = budget.map(|budget| {
            let pool = self.quota.lines().filter(|other| other.integer("budget") == Some(budget));
            (budget - pool.filter_map(|other| other.integer("requests")).sum::<i64>()).max(0)
        });
        let left = left.map_or_else(String::new, |left| format!(", {left} left today"));
        let throttled = line.integer("throttled").filter(|throttled| *throttled > 0);
        let throttled = throttled.map_or_else(String::new, |throttled| format!(", {throttled} throttled"));
        format!("{} requests: {used} sent{left}{throttled}", line.text("label").unwrap_or_default())
    }
}

fn runs(table: &Table, timezone: Tz) -> TextTable {
    if table.rows.is_empty() {
        return TextTable {
            title: vec!["No run yet: `rollcall collect` makes one.".to_owned()],
            ..TextTable::default()
        };
    }
    let columns = vec![
        Column::text("Started"),
        Column::text("Trigger"),
        Column::text("Outcome"),
        Column::number("Took").with_priority(ColumnPriority::WhereOthersWrap),
        Column::number("Read"),
        Column::number("Failed"),
        Column::number("New rows"),
        Column::number("Requests").with_priority(ColumnPriority::WhereOthersWrap),
        Column::text("Error").with_priority(ColumnPriority::WhereOthersWrap),
    ];
    let rows = table
        .lines()
        .map(|line| {
            let text = |column| line.text(column).unwrap_or_default().to_owned();
            let number = |column| line.integer(column).unwrap_or(0).to_string();
            vec![
                day_and_time(line, "started_at", timezone),
                text("trigger"),
                text("outcome"),
                line.integer("seconds").map_or_else(String::new, duration),
                number("instances_fetched"),
                number("instances_failed"),
                number("rows_inserted"),
                number("requests"),
                text("error"),
            ]
        })
        .collect();
    TextTable { title: vec![format!("Last runs, {timezone}:")], columns, rows, footer: Vec::new() }
}

fn refused_meetings(table: &Table, timezone: Tz) -> TextTable {
    let columns = vec![
        Column::text("Since"),
        Column::text("Meeting"),
        Column::text("Last told").with_priority(ColumnPriority::WhereOthersWrap),
        Column::text("Asked again").with_priority(ColumnPriority::WhereOthersWrap),
        Column::text("Why"),
    ];
    let rows = table
        .lines()
        .map(|line| {
            vec![
                day_and_time(line, "refused_since", timezone),
                short_meeting_name(line),
                day_and_time(line, "last_told_at", timezone),
                day_and_time(line, "next_asked_at", timezone),
                line.text("refusal").unwrap_or_default().to_owned(),
            ]
        })
        .collect();
    TextTable {
        title: vec!["Meetings that tell no instances:".to_owned()],
        columns,
        rows,
        footer: Vec::new(),
    }
}

fn troubles(title: &str, table: &Table, timezone: Tz) -> TextTable {
    let columns = vec![
        Column::text("Start"),
        Column::text("Meeting"),
        Column::text("Instance"),
        Column::text("State"),
        Column::text("Reason"),
    ];
    let rows = table
        .lines()
        .map(|line| {
            let missing = line.integer("shortfall").map(|rows| format!("{rows} rows missing"));
            let reason: Vec<String> =
                missing.into_iter().chain(line.text("reason").map(str::to_owned)).collect();
            vec![
                day_and_time(line, "start_time", timezone),
                short_meeting_name(line),
                line.text("instance_uuid").unwrap_or_default().to_owned(),
                line.text("state").unwrap_or_default().to_owned(),
                reason.join("; "),
            ]
        })
        .collect();
    TextTable { title: vec![title.to_owned()], columns, rows, footer: Vec::new() }
}

fn what(line: Line<'_>) -> String {
    format!("{} ({})", short_meeting_name(line), line.text("state").unwrap_or_default())
}

fn day_and_time(line: Line<'_>, column: &str, timezone: Tz) -> String {
    line.text(column).and_then(instant).map_or_else(String::new, |at| {
        let day = at.with_timezone(&timezone).date_naive();
        format!("{day} {}", clock_time(at, timezone, None))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Value;

    fn table(columns: &[&str], rows: &[&[Value]]) -> Table {
        Table {
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
            rows: rows.iter().map(|row| row.to_vec()).collect(),
        }
    }

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn troubles_and_quota_are_told() {
        let quota = |label: &str, requests, throttled, budget| {
            [text(label), Value::Integer(requests), Value::Integer(throttled), budget]
        };
        let instance =
            [Value::Integer(85_746_065_432), text("Logic"), text("Uuid=="), text("2026-03-09T08:00:00.000Z")];
        let columns = ["meeting_id", "topic", "instance_uuid", "start_time"];
        let status = Status {
            refused: table(
                &[&columns[..], &["state", "reason"]].concat(),
                &[&[&instance[..], &[text("parked"), text("12702: too \u{1b}[2J old")]].concat()],
            ),
            short: table(
                &[&columns[..], &["state", "shortfall"]].concat(),
                &[&[&instance[..], &[text("settled"), Value::Integer(3)]].concat()],
            ),
            quota: table(
                &["label", "requests", "throttled", "budget"],
                &[
                    &quota("Heavy", 40, 1, Value::Integer(48_000)),
                    &quota("Medium", 7, 0, Value::Null),
                    &quota("Resource-intensive", 2, 0, Value::Integer(48_000)),
                ],
            ),
            ..Status::default()
        };
        let now = Timestamp::from_millis(0);
        insta::assert_snapshot!(status.render(Tz::Europe__Berlin, now, 90), @r"
No run yet: `rollcall collect` makes one.

Instances: none known yet
Heavy requests: 40 sent, 47958 left today, 1 throttled
Medium requests: 7 sent
Resource-intensive requests: 2 sent, 47958 left today

Refused by Zoom:
Start             Meeting  Instance  State   Reason
─────────────────────────────────────────────────────────────────
2026-03-09 09:00  Logic    Uuid==    parked  12702: too �[2J old

Fewer rows than Zoom reports:
Start             Meeting  Instance  State    Reason
─────────────────────────────────────────────────────────────
2026-03-09 09:00  Logic    Uuid==    settled  3 rows missing
");
    }
}
