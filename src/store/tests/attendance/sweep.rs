//! Attendance by the contract's words, swept over the moments at which anything begins or ends.

use std::collections::{BTreeMap, BTreeSet};

use super::{NOW, ORIGIN, PLANNED_MS, Scenario, Stay, Totals};
use crate::store::sample::at;

/// What is expected of a line.
#[derive(Clone, Debug, Default)]
pub(super) struct Expected {
    pub first_join: Option<i64>,
    pub last_leave: Option<i64>,
    pub joins: i64,
    pub present_ms: i64,
    pub waiting_ms: i64,
    pub still_in: bool,
    pub heads: i64,
    pub is_planned: bool,
    /// What it is measured against: from, to, and how long that is; none where the length is unknown or nothing.
    pub measured: Option<(i64, i64, i64)>,
}

impl Expected {
    pub(super) fn late_ms(&self) -> Option<i64> {
        self.measured.zip(self.first_join).map(|((from, _, _), join)| (join - from).max(0))
    }

    pub(super) fn early_ms(&self) -> Option<i64> {
        self.measured.zip(self.last_leave).map(|((_, to, _), leave)| (to - leave).max(0))
    }

    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    pub(super) fn percent(&self) -> Option<f64> {
        self.measured.map(|(_, _, length)| 100.0 * self.present_ms as f64 / length as f64)
    }

    pub(super) fn seconds_late(&self) -> Option<i64> {
        self.late_ms().map(seconds)
    }
}

/// Milliseconds are rounded half up.
pub(super) fn seconds(ms: i64) -> i64 {
    (ms + 500) / 1000
}

type Span = (i64, i64);

/// Where an instance ends: as Zoom says, where that is after its start, else with the latest counted leave; one that is
/// still on has no end yet.
fn end_of(scenario: &Scenario, instance: usize) -> Option<i64> {
    let holding = &scenario.holdings[instance];
    if holding.is_live {
        return None;
    }
    holding.end_ms.filter(|end| *end > holding.start_ms).or_else(|| {
        let counted = scenario.stays.iter().filter(|stay| stay.instance == instance && !stay.is_waiting);
        counted
            .filter_map(|stay| {
                let (join, leave) = scenario.instants(stay);
                leave.map(|leave| leave.max(join))
            })
            .max()
    })
}

/// Each stay with where it begins and ends: a missing leave is the end, or the last reading of what is still on.
pub(super) fn stays(scenario: &Scenario) -> Vec<(&Stay, Span)> {
    scenario
        .stays
        .iter()
        .map(|stay| {
            let (join, leave) = scenario.instants(stay);
            let open_end = if scenario.holdings[stay.instance].is_live {
                Some(at(NOW).millis() - at(ORIGIN).millis())
            } else {
                end_of(scenario, stay.instance)
            };
            (stay, (join, leave.or(open_end).unwrap_or(join).max(join)))
        })
        .collect()
}

/// The planned time that an instance overlaps, else its own; none without a length.
fn window(scenario: &Scenario, instance: usize) -> (bool, Option<Span>) {
    let start = scenario.holdings[instance].start_ms;
    let end = end_of(scenario, instance);
    let (from, to) = PLANNED_MS;
    let known_end = end.unwrap_or(start);
    let overlaps = known_end.min(to) > start.max(from) || (known_end == start && (from..to).contains(&start));
    if scenario.is_planned && overlaps {
        return (true, Some(PLANNED_MS));
    }
    (false, end.filter(|end| *end > start).map(|end| (start, end)))
}

/// How long any of these spans lasts, less what `without` covers.
fn covered(spans: &[Span], without: &[Span]) -> i64 {
    let moments: BTreeSet<i64> =
        spans.iter().chain(without).flat_map(|(begin, end)| [*begin, *end]).collect();
    let moments: Vec<i64> = moments.into_iter().collect();
    let holds =
        |spans: &[Span], from: i64, to: i64| spans.iter().any(|(begin, end)| *begin <= from && to <= *end);
    moments
        .windows(2)
        .filter(|pair| holds(spans, pair[0], pair[1]) && !holds(without, pair[0], pair[1]))
        .map(|pair| pair[1] - pair[0])
        .sum()
}

/// How many stays these are, when a gap of ten seconds or less joins two.
fn separate(spans: &[Span]) -> i64 {
    let is_later = |span: &&Span| {
        // A stay begins a new one where none that began before it reaches up to ten seconds before it.
        !spans.iter().any(|other| {
            (other.0 < span.0 || (other.0 == span.0 && other < *span)) && other.1 + 10_000 >= span.0
        })
    };
    let firsts: BTreeSet<Span> = spans.iter().filter(is_later).copied().collect();
    i64::try_from(firsts.len()).unwrap()
}

/// The most people at once; each is there from where a stay begins to where it ends.
fn peak(people: &BTreeMap<usize, Vec<Span>>) -> i64 {
    let moments: BTreeSet<i64> = people.values().flatten().flat_map(|(begin, end)| [*begin, *end]).collect();
    let moments: Vec<i64> = moments.into_iter().collect();
    let at_once = |pair: &[i64]| {
        people
            .values()
            .filter(|spans| spans.iter().any(|(begin, end)| *begin <= pair[0] && pair[1] <= *end))
            .count()
    };
    i64::try_from(moments.windows(2).map(at_once).max().unwrap_or(0)).unwrap()
}

/// The lines and the totals of some instances taken as one.
fn expected_of(
    scenario: &Scenario,
    instances: &[usize],
    is_one: bool,
) -> (BTreeMap<usize, Expected>, Totals) {
    let windows: Vec<(bool, Option<Span>)> = instances.iter().map(|at| window(scenario, *at)).collect();
    let is_planned = windows.iter().any(|(is_planned, _)| *is_planned);
    let mut length: i64 = windows
        .iter()
        .filter(|(is_planned, _)| !is_planned)
        .filter_map(|(_, span)| *span)
        .map(|(from, to)| to - from)
        .sum();
    if is_planned {
        length += PLANNED_MS.1 - PLANNED_MS.0;
    }
    let from = instances
        .iter()
        .zip(&windows)
        .map(|(at, (is_planned, _))| if *is_planned { PLANNED_MS.0 } else { scenario.holdings[*at].start_ms })
        .min();
    let to = instances
        .iter()
        .zip(&windows)
        .filter_map(
            |(at, (is_planned, _))| if *is_planned { Some(PLANNED_MS.1) } else { end_of(scenario, *at) },
        )
        .max();
    let measured = from.zip(to).filter(|_| length > 0).map(|(from, to)| (from, to, length));

    let mut people: BTreeMap<usize, Expected> = BTreeMap::new();
    let mut counted_spans: BTreeMap<usize, Vec<Span>> = BTreeMap::new();
    let here: Vec<(&Stay, Span)> =
        stays(scenario).into_iter().filter(|(stay, _)| instances.contains(&stay.instance)).collect();
    for person in here.iter().map(|(stay, _)| stay.person).collect::<BTreeSet<_>>() {
        let theirs = || here.iter().filter(move |(stay, _)| stay.person == person);
        let counted: Vec<Span> =
            theirs().filter(|(stay, _)| !stay.is_waiting).map(|(_, span)| *span).collect();
        let waiting: Vec<Span> =
            theirs().filter(|(stay, _)| stay.is_waiting).map(|(_, span)| *span).collect();
        let clipped: Vec<Span> = theirs()
            .filter(|(stay, _)| !stay.is_waiting)
            .filter_map(|(stay, (begin, end))| {
                let at = instances.iter().position(|at| *at == stay.instance)?;
                let (from, to) = windows[at].1.unwrap_or((i64::MIN, i64::MAX));
                let span = (*begin.max(&from), *end.min(&to));
                (span.0 < span.1).then_some(span)
            })
            .collect();
        let still_in = theirs().any(|(stay, _)| {
            !stay.is_waiting && stay.leave_ms.is_none() && scenario.holdings[stay.instance].is_live
        });
        people.insert(
            person,
            Expected {
                first_join: counted.iter().map(|span| span.0).min(),
                last_leave: counted.iter().map(|span| span.1).max(),
                joins: separate(&counted),
                present_ms: covered(&clipped, &[]),
                waiting_ms: covered(&waiting, &counted),
                still_in,
                heads: theirs().filter_map(|(stay, _)| stay.heads).max().unwrap_or(1).clamp(1, 1_000),
                is_planned,
                measured,
            },
        );
        if !counted.is_empty() {
            counted_spans.insert(person, counted);
        }
    }
    let came = || people.values().filter(|line| line.joins > 0);
    let lengths: Vec<Option<i64>> = instances
        .iter()
        .map(|at| end_of(scenario, *at).map(|end| (end - scenario.holdings[*at].start_ms).max(0)))
        .collect();
    let known: Vec<i64> = lengths.iter().flatten().copied().collect();
    let totals = Totals {
        holding: Scenario::uuid(instances[0]),
        people: i64::try_from(came().count()).unwrap(),
        heads: came().map(|line| line.heads).sum(),
        joins: came().map(|line| line.joins).sum(),
        peak: peak(&counted_spans),
        person_seconds: people.values().map(|line| seconds(line.present_ms)).sum(),
        seconds: (!known.is_empty() && (!is_one || known.len() == 1)).then(|| seconds(known.iter().sum())),
    };
    (people, totals)
}

type Lines = BTreeMap<(String, String), Expected>;

fn lines_of(scenario: &Scenario, groups: &[Vec<usize>], is_one: bool) -> (Lines, Vec<Totals>) {
    let mut lines = Lines::new();
    let mut all = Vec::new();
    for group in groups {
        let (people, totals) = expected_of(scenario, group, is_one);
        for (person, expected) in people {
            lines.insert((totals.holding.clone(), Scenario::email(person)), expected);
        }
        all.push(totals);
    }
    all.sort_by(|left, right| left.holding.cmp(&right.holding));
    (lines, all)
}

pub(super) fn expected_of_instances(scenario: &Scenario) -> (Lines, Vec<Totals>) {
    let each: Vec<Vec<usize>> = (0..scenario.holdings.len()).map(|at| vec![at]).collect();
    lines_of(scenario, &each, true)
}

/// Instances are one sitting when the next starts less than five minutes after the last ended, as far as is known; an
/// unknown end never stitches, and neither do personal meetings.
pub(super) fn expected_of_sittings(scenario: &Scenario) -> (Lines, Vec<Totals>) {
    let mut order: Vec<usize> = (0..scenario.holdings.len()).collect();
    order.sort_by_key(|at| (scenario.holdings[*at].start_ms, Scenario::uuid(*at)));
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for at in order {
        let goes_on = groups.last().is_some_and(|group: &Vec<usize>| {
            let ends: Vec<Option<i64>> = group.iter().map(|at| end_of(scenario, *at)).collect();
            let last = ends.last().copied().flatten();
            let reached = ends.iter().flatten().max();
            !scenario.is_personal
                && last.is_some()
                && reached.is_some_and(|reached| scenario.holdings[at].start_ms - reached < 5 * 60_000)
        });
        if goes_on {
            groups.last_mut().unwrap().push(at);
        } else {
            groups.push(vec![at]);
        }
    }
    lines_of(scenario, &groups, false)
}
