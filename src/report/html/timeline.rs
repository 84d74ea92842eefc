//! The course of one instance or sitting: a bar a stay, and how many were in.

use std::collections::BTreeMap;

use chrono::{DateTime, Timelike, Utc};
use chrono_tz::Tz;

use super::page::{escaped, text};
use crate::model::{Line, Table};
use crate::report::human::{clock_time, count, instant};

/// As many labels as fit on a telephone.
const LABELS: i64 = 7;
const STEPS_MINUTES: [i64; 12] = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440];
/// The narrowest bar that can be seen, in percent of the width.
const NARROWEST: f64 = 0.25;

/// Patterns tell what colour alone must not.
const PATTERNS: &str = "<svg class=\"defs\" aria-hidden=\"true\" focusable=\"false\"><defs>\n\
     <pattern id=\"breakout\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
     <rect class=\"stripe-ground\" width=\"6\" height=\"6\"/><path class=\"stripe\" d=\"M1.5 0V6\"/></pattern>\n\
     <pattern id=\"waiting\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\">\
     <rect class=\"stripe-ground\" width=\"5\" height=\"5\"/><circle class=\"dot\" cx=\"2.5\" cy=\"2.5\" r=\"1.1\"/></pattern>\n\
     </defs></svg>\n";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum SegmentKind {
    Meeting,
    Breakout,
    Waiting,
}

impl SegmentKind {
    fn class(self) -> &'static str {
        match self {
            Self::Meeting => "bar",
            Self::Breakout => "bar breakout",
            Self::Waiting => "bar waiting",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Meeting => "in the meeting",
            Self::Breakout => "in a breakout room",
            Self::Waiting => "in the waiting room",
        }
    }
}

#[derive(Clone, Debug)]
struct Segment {
    kind: SegmentKind,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    device: Option<String>,
}

/// The span that the graphic shows, and how instants lie in it.
struct Span {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    timezone: Tz,
}

impl Span {
    fn percent(&self, at: DateTime<Utc>) -> f64 {
        let length = (self.to - self.from).num_milliseconds().max(1);
        let ratio = |part: i64| {
            let thousandths = part.saturating_mul(100_000) / length;
            f64::from(i32::try_from(thousandths).unwrap_or(i32::MAX)) / 1000.0
        };
        ratio((at - self.from).num_milliseconds()).clamp(0.0, 100.0)
    }

    fn time(&self, at: DateTime<Utc>) -> String {
        clock_time(at, self.timezone, Some(self.from.with_timezone(&self.timezone).date_naive()))
    }

    /// Round times of the day, not too many.
    fn ticks(&self) -> Vec<DateTime<Utc>> {
        let minutes = (self.to - self.from).num_minutes();
        let step = STEPS_MINUTES.into_iter().find(|step| minutes / step < LABELS);
        let step = step.unwrap_or_else(|| (minutes / LABELS / 1440 + 1) * 1440);
        let local = self.from.with_timezone(&self.timezone);
        let passed = i64::from(local.num_seconds_from_midnight()) % (step * 60);
        let first = self.from
            - chrono::Duration::seconds(passed)
            - chrono::Duration::nanoseconds(i64::from(local.nanosecond() % 1_000_000_000));
        (0..)
            .map(|number| first + chrono::Duration::minutes(step * number))
            .skip_while(|at| *at < self.from)
            .take_while(|at| *at <= self.to)
            .collect()
    }
}

/// The section: nothing where no stay is known.
///
/// `attendance` has the lines of the one instance or sitting, `stays` rows of the view `participants` in it.
pub(super) fn timeline(attendance: &Table, stays: &Table, timezone: Tz) -> String {
    let Some(first) = attendance.lines().next() else { return String::new() };
    let of_line =
        |columns: [&str; 2]| columns.into_iter().find_map(|name| first.text(name)).and_then(instant);
    let (start, end) = (of_line(["start_time", "sitting_start"]), of_line(["end_time", "sitting_end"]));
    let people = people(stays, end);
    let all = || people.values().flatten();
    let from = all().map(|stay| stay.from).chain(start).min();
    let to = all().map(|stay| stay.to).chain(end).max();
    let (Some(from), Some(to)) = (from, to) else { return String::new() };
    if all().next().is_none() || to <= from {
        return String::new();
    }
    let span = Span { from, to, timezone };
    let rows: Vec<String> = attendance.lines().map(|line| track(line, &people, &span)).collect();
    format!(
        "<section aria-labelledby=\"timeline\">\n<h2 id=\"timeline\">Timeline</h2>\n{PATTERNS}{}\
         {}{}<ul class=\"tracks\">\n{}</ul>\n</section>\n",
        legend(all().map(|stay| stay.kind).collect()),
        curve(&people, &span),
        axis(&span),
        rows.concat()
    )
}

/// The stays of each person, by start.
fn people(stays: &Table, end: Option<DateTime<Utc>>) -> BTreeMap<i64, Vec<Segment>> {
    let mut people: BTreeMap<i64, Vec<Segment>> = BTreeMap::new();
    for line in stays.lines() {
        let Some(person) = line.integer("person_id") else { continue };
        let Some(from) = line.text("join_time").and_then(instant) else { continue };
        let to = line.text("leave_time").and_then(instant).or(end).unwrap_or(from).max(from);
        let kind = match line.text("status") {
            Some("in_waiting_room") => SegmentKind::Waiting,
            _ if line.text("bo_mtg_id").is_some() => SegmentKind::Breakout,
            _ => SegmentKind::Meeting,
        };
        let device = line.text("device").map(str::to_owned);
        people.entry(person).or_default().push(Segment { kind, from, to, device });
    }
    for stays in people.values_mut() {
        stays.sort_by_key(|stay| (stay.from, stay.to));
    }
    people
}

fn legend(mut kinds: Vec<SegmentKind>) -> String {
    kinds.sort_unstable();
    kinds.dedup();
    let entries: Vec<String> = kinds
        .into_iter()
        .map(|kind| {
            format!(
                "<li><svg aria-hidden=\"true\" focusable=\"false\"><rect class=\"{}\" width=\"100%\" height=\"100%\" \
                 rx=\"2\"/></svg>{}</li>\n",
                kind.class(),
                kind.words()
            )
        })
        .collect();
    format!("<ul class=\"legend\">\n{}</ul>\n", entries.concat())
}

fn axis(span: &Span) -> String {
    let labels: Vec<String> = span
        .ticks()
        .into_iter()
        .enumerate()
        .map(|(number, at)| {
            let minor = if number % 2 == 1 { " minor" } else { "" };
            let (x, time) = (span.percent(at), at.with_timezone(&span.timezone).format("%H:%M"));
            format!("<text class=\"tick-text{minor}\" x=\"{x:.2}%\" y=\"13\">{time}</text>")
        })
        .collect();
    format!(
        "<div class=\"track\" aria-hidden=\"true\"><span></span><svg height=\"18\" focusable=\"false\">{}</svg></div>\n",
        labels.concat()
    )
}

fn grid_lines(span: &Span) -> String {
    let lines: Vec<String> = span
        .ticks()
        .into_iter()
        .map(|at| span.percent(at))
        .map(|x| format!("<line class=\"tick\" x1=\"{x:.2}%\" x2=\"{x:.2}%\" y1=\"0\" y2=\"100%\"/>"))
        .collect();
    lines.concat()
}

fn track(line: Line<'_>, people: &BTreeMap<i64, Vec<Segment>>, span: &Span) -> String {
    let stays = line.integer("person_id").and_then(|person| people.get(&person));
    let stays = stays.map_or(&[][..], Vec::as_slice);
    let name = line.text("name").unwrap_or("(no name)");
    // Two devices at once lie side by side.
    let mut lanes: Vec<DateTime<Utc>> = Vec::new();
    let mut placed = Vec::new();
    for stay in stays {
        let free = lanes.iter().position(|end| *end <= stay.from).unwrap_or(lanes.len());
        if free == lanes.len() {
            lanes.push(stay.to);
        }
        lanes[free] = stay.to;
        placed.push((free, stay));
    }
    let bars: Vec<String> = placed.into_iter().map(|(lane, stay)| bar(lane, stay, span)).collect();
    let words: Vec<String> = stays.iter().map(|stay| words(stay, span)).collect();
    format!(
        "<li class=\"track\" data-line><span class=\"who\" title=\"{}\">{}</span>\
         <svg height=\"{}\" role=\"img\" aria-label=\"{}\">{}{}</svg></li>\n",
        escaped(name),
        text(name),
        lanes.len().max(1) * 12 + 6,
        if words.is_empty() { "no stay".to_owned() } else { words.join("; ") },
        grid_lines(span),
        bars.concat()
    )
}

fn bar(lane: usize, stay: &Segment, span: &Span) -> String {
    let (from, to) = (span.percent(stay.from), span.percent(stay.to));
    let device = stay.device.as_deref().map_or_else(String::new, |device| format!(", {}", escaped(device)));
    format!(
        "<rect class=\"{}\" x=\"{from:.2}%\" y=\"{}\" width=\"{:.2}%\" height=\"10\" rx=\"2\"><title>{}{device}</title></rect>",
        stay.kind.class(),
        lane * 12 + 4,
        (to - from).max(NARROWEST),
        words(stay, span)
    )
}

fn words(stay: &Segment, span: &Span) -> String {
    format!("{} {} to {}", stay.kind.words(), span.time(stay.from), span.time(stay.to))
}

/// How many people were in, drawn as steps, and in words for those who cannot see it.
fn curve(people: &BTreeMap<i64, Vec<Segment>>, span: &Span) -> String {
    let steps = steps(people);
    let Some(peak) = steps.iter().map(|(_, number)| *number).max() else { return String::new() };
    let peak_at = steps.iter().find(|(_, number)| *number == peak).map(|(at, _)| *at);
    let height = |number: usize| {
        let share = number.saturating_mul(960) / peak.max(1);
        f64::from(1000 - i32::try_from(share).unwrap_or(960)) / 10.0
    };
    let moves: Vec<String> = steps
        .iter()
        .map(|(at, number)| format!("H{:.1}V{:.1}", span.percent(*at) * 10.0, height(*number)))
        .collect();
    let said: Vec<String> = span
        .ticks()
        .into_iter()
        .map(|tick| {
            let number = steps.iter().rev().find(|(at, _)| *at <= tick).map_or(0, |(_, number)| *number);
            format!("{} {number}", span.time(tick))
        })
        .collect();
    let at = peak_at.map_or_else(String::new, |at| format!(" at {}", span.time(at)));
    format!(
        "<div class=\"track\"><span class=\"who\">In at once<small>up to {}{at}</small></span>\
         <svg height=\"72\" viewBox=\"0 0 1000 100\" preserveAspectRatio=\"none\" role=\"img\" \
         aria-label=\"How many were in at once: up to {peak}{at}; {}\"><path class=\"curve\" d=\"M0 100{}V100Z\"/></svg></div>\n",
        count(peak, "person", "people"),
        said.join(", "),
        moves.concat()
    )
}

/// The instants at which the number of people in changes, and the number from there on. Who waits is not in yet, and
/// who is in twice counts once.
fn steps(people: &BTreeMap<i64, Vec<Segment>>) -> Vec<(DateTime<Utc>, usize)> {
    let mut changes: BTreeMap<DateTime<Utc>, (usize, usize)> = BTreeMap::new();
    for stays in people.values() {
        let mut merged: Vec<(DateTime<Utc>, DateTime<Utc>)> = Vec::new();
        for stay in stays.iter().filter(|stay| stay.kind != SegmentKind::Waiting) {
            match merged.last_mut() {
                Some((_, end)) if stay.from <= *end => *end = stay.to.max(*end),
                _ => merged.push((stay.from, stay.to)),
            }
        }
        for (from, to) in merged {
            changes.entry(from).or_default().0 += 1;
            changes.entry(to).or_default().1 += 1;
        }
    }
    let mut number = 0;
    changes
        .into_iter()
        .map(|(at, (came, went))| {
            number = number + came - went;
            (at, number)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: u32) -> DateTime<Utc> {
        instant(&format!("2026-03-02T08:{minute:02}:30.000Z")).unwrap()
    }

    fn stay(kind: SegmentKind, from: u32, to: u32) -> Segment {
        Segment { kind, from: at(from), to: at(to), device: None }
    }

    #[test]
    fn people_count_once_and_only_while_they_are_in() {
        let people = BTreeMap::from([
            (
                1,
                vec![
                    stay(SegmentKind::Meeting, 0, 30),
                    stay(SegmentKind::Breakout, 10, 20),
                    stay(SegmentKind::Meeting, 40, 50),
                ],
            ),
            (2, vec![stay(SegmentKind::Waiting, 0, 5), stay(SegmentKind::Meeting, 5, 30)]),
        ]);
        let steps = steps(&people);
        assert_eq!(steps, [(at(0), 1), (at(5), 2), (at(30), 0), (at(40), 1), (at(50), 0)]);
    }

    #[test]
    fn ticks_are_round_local_times() {
        let span = |from: &str, to: &str, timezone| Span {
            from: instant(from).unwrap(),
            to: instant(to).unwrap(),
            timezone,
        };
        let times = |span: Span| span.ticks().into_iter().map(|at| span.time(at)).collect::<Vec<_>>();
        assert_eq!(
            times(span("2026-03-02T08:03:07.250Z", "2026-03-02T09:33:00Z", Tz::Europe__Berlin)),
            ["09:15", "09:30", "09:45", "10:00", "10:15", "10:30"]
        );
        // India is half an hour off; whole hours there are not whole hours in UTC.
        assert_eq!(
            times(span("2026-03-02T20:00:00Z", "2026-03-03T00:00:00Z", Tz::Asia__Kolkata)),
            ["02:00", "03:00", "04:00", "05:00"]
        );
        assert!(times(span("2026-03-02T20:00:00Z", "2026-04-03T00:00:00Z", Tz::UTC)).len() <= 8);
    }
}
