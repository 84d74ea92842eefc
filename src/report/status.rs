//! How the collection stands: the last runs, what is still to be read, what went wrong, the quota.

use chrono_tz::Tz;
use serde::Deserialize;

use super::human::{day_and_time, duration, short_name};
use super::json::{array, json_string};
use super::{Column, ColumnPriority, Table, TextTable};
use crate::model::{RowError, Timestamp};

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
    pub fn render(&self, timezone: Tz, now: Timestamp, width: u16) -> Result<String, RowError> {
        let mut sections = vec![runs(&self.runs, timezone)?.render(width), self.summary(timezone, now)?];
        if !self.meetings.rows.is_empty() {
            sections.push(refused_meetings(&self.meetings, timezone)?.render(width));
        }
        if !self.refused.rows.is_empty() {
            let why = self.refused.typed::<Refused<'_>>()?.into_iter();
            let why = why.map(|row| row.reason.unwrap_or_default().to_owned()).collect();
            sections.push(troubles("Refused by Zoom:", &self.refused, why, timezone)?.render(width));
        }
        if !self.short.rows.is_empty() {
            let why = self.short.typed()?.iter().map(Short::reason).collect();
            sections
                .push(troubles("Fewer rows than Zoom reports:", &self.short, why, timezone)?.render(width));
        }
        Ok(sections.join("\n"))
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

    fn summary(&self, timezone: Tz, now: Timestamp) -> Result<String, RowError> {
        let states: Vec<String> = self
            .states
            .typed::<State<'_>>()?
            .iter()
            .map(|row| format!("{} {}", row.instances, row.state))
            .collect();
        let states = if states.is_empty() { "none known yet".to_owned() } else { states.join(", ") };
        let mut lines = vec![format!("Instances: {states}")];
        lines.extend(self.oldest.typed::<Instance<'_>>()?.iter().map(|oldest| {
            let start = day_and_time(oldest.start_time, timezone);
            format!("Oldest still to be read: {start}, {} ({})", oldest.meeting(), oldest.state)
        }));
        let quota: Vec<Quota<'_>> = self.quota.typed()?;
        lines.extend(quota.iter().map(|label| label.line(&quota)));
        lines.extend(self.clock.clone());
        lines.extend(self.next_slot.map(|slot| {
            let wait = i64::try_from(slot.since(now).as_secs()).unwrap_or(i64::MAX);
            let local = slot.utc().with_timezone(&timezone);
            format!("Next slot: {} (in {}), {timezone}", local.format("%Y-%m-%d %H:%M"), duration(wait))
        }));
        Ok(TextTable { title: lines, ..TextTable::default() }.render(u16::MAX))
    }
}

#[derive(Deserialize)]
struct State<'t> {
    state: &'t str,
    instances: i64,
}

#[derive(Deserialize)]
struct Quota<'t> {
    label: &'t str,
    requests: i64,
    throttled: i64,
    budget: Option<i64>,
}

impl Quota<'_> {
    /// Labels with the same budget draw from one pool.
    fn line(&self, all: &[Self]) -> String {
        let left = self.budget.map(|budget| {
            let pool = all.iter().filter(|other| other.budget == Some(budget));
            (budget - pool.map(|other| other.requests).sum::<i64>()).max(0)
        });
        let left = left.map_or_else(String::new, |left| format!(", {left} left today"));
        let throttled =
            if self.throttled > 0 { format!(", {} throttled", self.throttled) } else { String::new() };
        format!("{} requests: {} sent{left}{throttled}", self.label, self.requests)
    }
}

#[derive(Deserialize)]
struct Run<'t> {
    started_at: Option<&'t str>,
    trigger: &'t str,
    outcome: &'t str,
    seconds: Option<i64>,
    instances_fetched: i64,
    instances_failed: i64,
    rows_inserted: i64,
    requests: i64,
    error: Option<&'t str>,
}

fn runs(table: &Table, timezone: Tz) -> Result<TextTable, RowError> {
    if table.rows.is_empty() {
        return Ok(TextTable {
            title: vec!["No run yet: `rollcall collect` makes one.".to_owned()],
            ..TextTable::default()
        });
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
    let row = |run: &Run<'_>| {
        vec![
            day_and_time(run.started_at, timezone),
            run.trigger.to_owned(),
            run.outcome.to_owned(),
            run.seconds.map_or_else(String::new, duration),
            run.instances_fetched.to_string(),
            run.instances_failed.to_string(),
            run.rows_inserted.to_string(),
            run.requests.to_string(),
            run.error.unwrap_or_default().to_owned(),
        ]
    };
    let rows = table.typed()?.iter().map(row).collect();
    Ok(TextTable { title: vec![format!("Last runs, {timezone}:")], columns, rows, footer: Vec::new() })
}

#[derive(Deserialize)]
struct RefusedMeeting<'t> {
    meeting_id: Option<i64>,
    label: Option<&'t str>,
    topic: Option<&'t str>,
    refused_since: Option<&'t str>,
    last_told_at: Option<&'t str>,
    next_asked_at: Option<&'t str>,
    refusal: &'t str,
}

fn refused_meetings(table: &Table, timezone: Tz) -> Result<TextTable, RowError> {
    let columns = vec![
        Column::text("Since"),
        Column::text("Meeting"),
        Column::text("Last told").with_priority(ColumnPriority::WhereOthersWrap),
        Column::text("Asked again").with_priority(ColumnPriority::WhereOthersWrap),
        Column::text("Why"),
    ];
    let row = |meeting: &RefusedMeeting<'_>| {
        vec![
            day_and_time(meeting.refused_since, timezone),
            short_name(meeting.label, meeting.topic, meeting.meeting_id),
            day_and_time(meeting.last_told_at, timezone),
            day_and_time(meeting.next_asked_at, timezone),
            meeting.refusal.to_owned(),
        ]
    };
    let rows = table.typed()?.iter().map(row).collect();
    let title = vec!["Meetings that tell no instances:".to_owned()];
    Ok(TextTable { title, columns, rows, footer: Vec::new() })
}

#[derive(Deserialize)]
struct Instance<'t> {
    meeting_id: i64,
    label: Option<&'t str>,
    topic: Option<&'t str>,
    instance_uuid: &'t str,
    start_time: Option<&'t str>,
    state: &'t str,
}

impl Instance<'_> {
    fn meeting(&self) -> String {
        short_name(self.label, self.topic, Some(self.meeting_id))
    }
}

#[derive(Deserialize)]
struct Refused<'t> {
    reason: Option<&'t str>,
}

#[derive(Deserialize)]
struct Short<'t> {
    shortfall: i64,
    reason: Option<&'t str>,
}

impl Short<'_> {
    fn reason(&self) -> String {
        let reason = self.reason.map_or_else(String::new, |reason| format!("; {reason}"));
        format!("{} rows missing{reason}", self.shortfall)
    }
}

/// Instances, each with what is the matter with it.
fn troubles(title: &str, table: &Table, why: Vec<String>, timezone: Tz) -> Result<TextTable, RowError> {
    let columns = vec![
        Column::text("Start"),
        Column::text("Meeting"),
        Column::text("Instance"),
        Column::text("State"),
        Column::text("Reason"),
    ];
    let row = |(instance, why): (&Instance<'_>, String)| {
        vec![
            day_and_time(instance.start_time, timezone),
            instance.meeting(),
            instance.instance_uuid.to_owned(),
            instance.state.to_owned(),
            why,
        ]
    };
    let rows = table.typed()?.iter().zip(why).map(row).collect();
    Ok(TextTable { title: vec![title.to_owned()], columns, rows, footer: Vec::new() })
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
        let instance = [
            Value::Integer(85_746_065_432),
            Value::Null,
            text("Logic"),
            text("Uuid=="),
            text("2026-03-09T08:00:00.000Z"),
        ];
        let columns = ["meeting_id", "label", "topic", "instance_uuid", "start_time"];
        let status = Status {
            refused: table(
                &[&columns[..], &["state", "reason"]].concat(),
                &[&[&instance[..], &[text("parked"), text("12702: too \u{1b}[2J old")]].concat()],
            ),
            short: table(
                &[&columns[..], &["state", "shortfall", "reason"]].concat(),
                &[&[&instance[..], &[text("settled"), Value::Integer(3), Value::Null]].concat()],
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
        insta::assert_snapshot!(status.render(Tz::Europe__Berlin, now, 90).unwrap(), @r"
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
