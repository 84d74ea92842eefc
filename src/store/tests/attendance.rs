//! The attendance that the views tell, held against a sweep over the stays that knows nothing of the database.

mod sweep;

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value as Json, json};
use sqlx::FromRow;

use self::sweep::{Expected, expected_of_instances, expected_of_sittings, seconds};
use crate::model::{Source, Timestamp};
use crate::store::PlannedTime;
use crate::store::sample::at;
use crate::store::testing::{MEETING, TestStore, settings};

/// The origin of all times of a scenario, a Monday at nine in Berlin: seconds and milliseconds count from here.
const ORIGIN: &str = "2026-03-02T08:00:00Z";
/// When everything is read; an instance that is still on is on until then.
const NOW: &str = "2026-03-02T20:00:00Z";
/// The planned time, where there is one: an hour and a half from the origin on.
const PLANNED_MS: (i64, i64) = (0, 90 * 60_000);

/// One row of a listing, in milliseconds from the start of its instance.
#[derive(Clone, Debug)]
struct Stay {
    person: usize,
    instance: usize,
    join_ms: i64,
    leave_ms: Option<i64>,
    is_waiting: bool,
    heads: Option<i64>,
}

/// One instance, in milliseconds from the origin.
#[derive(Clone, Debug)]
struct Holding {
    start_ms: i64,
    end_ms: Option<i64>,
    is_live: bool,
}

#[derive(Clone, Debug)]
struct Scenario {
    is_planned: bool,
    is_personal: bool,
    holdings: Vec<Holding>,
    stays: Vec<Stay>,
}

impl Scenario {
    fn uuid(instance: usize) -> String {
        format!("Instance{instance}OfTheScenario==")
    }

    fn email(person: usize) -> String {
        format!("person{person}@example.com")
    }

    /// A stay in instants: its begin and, where it is told, its end.
    fn instants(&self, stay: &Stay) -> (i64, Option<i64>) {
        let start = self.holdings[stay.instance].start_ms;
        (start + stay.join_ms, stay.leave_ms.map(|leave| start + leave))
    }

    fn rows(&self, instance: usize) -> Vec<Json> {
        let stays = self.stays.iter().enumerate().filter(|(_, stay)| stay.instance == instance);
        stays
            .map(|(number, stay)| {
                let (join, leave) = self.instants(stay);
                let mut row = json!({
                    "user_id": format!("{number}"),
                    "user_name": format!("Person {}", stay.person),
                    "email": Self::email(stay.person),
                    "join_time": instant(join).to_string(),
                    "status": if stay.is_waiting { "in_waiting_room" } else { "in_meeting" },
                });
                if let Some(leave) = leave {
                    row["leave_time"] = json!(instant(leave).to_string());
                }
                if let Some(heads) = stay.heads {
                    row["in_room_participants"] = json!(heads);
                }
                row
            })
            .collect()
    }
}

fn instant(offset_ms: i64) -> Timestamp {
    Timestamp::from_millis(at(ORIGIN).millis() + offset_ms)
}

/// A line of `attendance` or `sitting_attendance`, without its texts.
#[derive(Clone, Debug, FromRow)]
struct Line {
    holding: String,
    email: String,
    first_join: Option<String>,
    last_leave: Option<String>,
    joins: i64,
    seconds_present: i64,
    percent_present: Option<f64>,
    present: Option<i64>,
    seconds_waiting: i64,
    seconds_late: Option<i64>,
    late: Option<i64>,
    seconds_early: Option<i64>,
    still_in: i64,
    heads: i64,
    measured_against: String,
}

const COLUMNS: &str = "email, first_join, last_leave, joins, seconds_present, percent_present, present, seconds_waiting, \
                       seconds_late, late, seconds_early, still_in, heads, measured_against";

/// What the views tell of a whole.
#[derive(Clone, Debug, FromRow, PartialEq)]
struct Totals {
    holding: String,
    people: i64,
    heads: i64,
    joins: i64,
    peak: i64,
    person_seconds: i64,
    seconds: Option<i64>,
}

struct Told {
    by_instance: Vec<Line>,
    by_sitting: Vec<Line>,
    instances: Vec<Totals>,
    sittings: Vec<Totals>,
}

/// Reads the instances of a scenario in this order into a new database.
async fn told(scenario: &Scenario, order: &[usize]) -> Told {
    let planned = PlannedTime { days: (0..7).collect(), hour: 9, minute: 0, minutes: 90 };
    let mut settings = settings(if scenario.is_planned { vec![planned] } else { Vec::new() });
    settings.meetings[0].personal = scenario.is_personal;
    let bench = TestStore::new(&settings, at(NOW)).await;
    for instance in order {
        let holding = &scenario.holdings[*instance];
        let uuid = Scenario::uuid(*instance);
        let source = if holding.is_live { Source::Live } else { Source::Dashboard };
        if holding.is_live {
            bench.upsert_live_instance(&uuid, MEETING, instant(holding.start_ms)).await;
        } else {
            let end = holding.end_ms.map(instant);
            bench.learn(&uuid, MEETING, instant(holding.start_ms), end).await;
        }
        bench.read_from(source, &uuid, &scenario.rows(*instance)).await;
    }
    let totals = "people, heads, joins, peak, person_seconds, seconds";
    Told {
        by_instance: bench
            .ask(&format!("SELECT instance_uuid AS holding, {COLUMNS} FROM attendance ORDER BY 1, 2"))
            .await,
        by_sitting: bench
            .ask(&format!("SELECT sitting_id AS holding, {COLUMNS} FROM sitting_attendance ORDER BY 1, 2"))
            .await,
        instances: bench
            .ask(&format!("SELECT instance_uuid AS holding, {totals} FROM meetings_held ORDER BY 1"))
            .await,
        sittings: bench
            .ask(&format!("SELECT sitting_id AS holding, {totals} FROM sittings ORDER BY 1"))
            .await,
    }
}

/// Compares lines with what the sweep expects of them.
fn compare(
    lines: &[Line],
    expected: &BTreeMap<(String, String), Expected>,
    what: &str,
) -> Result<(), TestCaseError> {
    let found: Vec<(String, String)> =
        lines.iter().map(|line| (line.holding.clone(), line.email.clone())).collect();
    prop_assert_eq!(found, expected.keys().cloned().collect::<Vec<_>>(), "{}: who was there", what);
    for (line, expected) in lines.iter().zip(expected.values()) {
        let text = |ms: Option<i64>| ms.map(|ms| instant(ms).to_string());
        let clear = |line: &Line| {
            (
                (line.first_join.clone(), line.last_leave.clone(), line.joins),
                (line.seconds_present, line.seconds_waiting, line.still_in, line.heads),
                (line.seconds_late, line.late, line.seconds_early, line.present),
                line.measured_against.clone(),
            )
        };
        let wanted = (
            (text(expected.first_join), text(expected.last_leave), expected.joins),
            (
                seconds(expected.present_ms),
                seconds(expected.waiting_ms),
                i64::from(expected.still_in),
                expected.heads,
            ),
            (
                expected.seconds_late(),
                // A verdict rests on what is shown.
                expected.seconds_late().map(|late| i64::from(late > 600)),
                expected.early_ms().map(seconds),
                line.percent_present.map(|percent| i64::from(percent >= 75.0)),
            ),
            if expected.is_planned { "planned" } else { "actual" }.to_owned(),
        );
        prop_assert_eq!(clear(line), wanted, "{}: {} in {}", what, line.email, line.holding);
        match (line.percent_present, expected.percent()) {
            (Some(told), Some(exact)) => {
                prop_assert!((told - exact.min(100.0)).abs() < 0.0501, "{}: {} is not {}", what, told, exact);
            }
            (told, exact) => prop_assert_eq!(told, exact, "{}: percent", what),
        }
    }
    Ok(())
}

fn any_stay(instances: usize) -> impl Strategy<Value = Stay> {
    (
        0..4_usize,
        0..instances,
        // Often on the same seconds, and up to the milliseconds sometimes.
        prop_oneof![(-5..30_i64).prop_map(|minutes| minutes * 60_000), -300_000..3_000_000_i64],
        prop::option::weighted(
            0.85,
            prop_oneof![
                (0..40_i64).prop_map(|minutes| minutes * 60_000),
                -60_000..3_000_000_i64,
                0..12_000_i64,
            ],
        ),
        prop::bool::weighted(0.25),
        prop::option::weighted(
            0.2,
            prop_oneof![4 => 0..5_i64, 1 => select(vec![999, 1_000, 1_001, i64::MAX])],
        ),
    )
        .prop_map(|(person, instance, join_ms, length_ms, is_waiting, heads)| Stay {
            person,
            instance,
            join_ms,
            leave_ms: length_ms.map(|length| join_ms + length),
            is_waiting,
            heads,
        })
}

fn any_holding(known_ends: bool) -> impl Strategy<Value = Holding> {
    let start = prop_oneof![(-6..12_i64).prop_map(|step| step * 600_000), -4_000_000..7_000_000_i64];
    let length = prop_oneof![(0..6_i64).prop_map(|step| step * 600_000), 0..4_000_000_i64];
    let kind = if known_ends { 0..1_u8 } else { 0..7_u8 };
    (start, length, kind).prop_map(|(start_ms, length, kind)| Holding {
        start_ms,
        end_ms: (kind < 5).then_some(start_ms + length),
        is_live: kind == 6,
    })
}

fn any_scenario(known_ends: bool) -> impl Strategy<Value = Scenario> {
    (1..4_usize)
        .prop_flat_map(move |instances| {
            (
                any::<bool>(),
                prop::bool::weighted(0.15),
                prop::collection::vec(any_holding(known_ends), instances),
                prop::collection::vec(any_stay(instances), 1..12),
            )
        })
        .prop_map(|(is_planned, is_personal, holdings, stays)| Scenario {
            is_planned,
            is_personal,
            holdings,
            stays,
        })
        // An instance of which nothing was read has no lines; that is tested elsewhere.
        .prop_filter("every instance has a row", |scenario| {
            (0..scenario.holdings.len()).all(|at| scenario.stays.iter().any(|stay| stay.instance == at))
        })
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn in_order(scenario: &Scenario) -> Vec<usize> {
    (0..scenario.holdings.len()).collect()
}

proptest! {
    // Each case makes a database; `PROPTEST_CASES` asks for more of them.
    #![proptest_config(ProptestConfig { cases: crate::store::testing::cases(), max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_views_agree_with_a_sweep_over_the_stays(scenario in any_scenario(false)) {
        let told = run(told(&scenario, &in_order(&scenario)));
        let (by_instance, instances) = expected_of_instances(&scenario);
        compare(&told.by_instance, &by_instance, "attendance")?;
        prop_assert_eq!(&told.instances, &instances, "meetings_held");
        let (by_sitting, sittings) = expected_of_sittings(&scenario);
        compare(&told.by_sitting, &by_sitting, "sitting_attendance")?;
        prop_assert_eq!(&told.sittings, &sittings, "sittings");
    }

    #[test]
    fn presence_exceeds_neither_the_span_of_the_stays_nor_their_sum(scenario in any_scenario(false)) {
        let told = run(told(&scenario, &in_order(&scenario)));
        for line in &told.by_instance {
            let stays: Vec<(i64, i64)> = sweep::stays(&scenario)
                .into_iter()
                .filter(|(stay, _)| !stay.is_waiting && Scenario::email(stay.person) == line.email && Scenario::uuid(stay.instance) == line.holding)
                .map(|(_, span)| span)
                .collect();
            let sum: i64 = stays.iter().map(|(begin, end)| end - begin).sum();
            let span = stays.iter().map(|stay| stay.1).max().unwrap_or(0) - stays.iter().map(|stay| stay.0).min().unwrap_or(0);
            prop_assert!(line.seconds_present <= (sum.min(span) + 500) / 1000, "{line:?}");
            prop_assert!(line.percent_present.is_none_or(|percent| (0.0..=100.0).contains(&percent)), "{line:?}");
        }
    }

    // Where an end is estimated, another stay may move it, and with it what everyone is measured against.
    #[test]
    fn another_stay_never_lessens_presence(scenario in any_scenario(true)) {
        // An end that is not after the start is none, so that it is estimated, too.
        prop_assume!(scenario.holdings.iter().all(|holding| holding.end_ms.is_none_or(|end| end > holding.start_ms)));
        let mut fewer = scenario.clone();
        let gone = fewer.stays.pop().expect("every instance has a row");
        let all = run(told(&scenario, &in_order(&scenario)));
        let instances: Vec<usize> = in_order(&fewer);
        let less = run(told(&fewer, &instances));
        // An instance that has lost its only row may have been what stitched two others: their sittings are others then.
        let has_sittings = fewer.stays.iter().any(|stay| stay.instance == gone.instance);
        let of_sittings = has_sittings.then_some((&all.by_sitting, &less.by_sitting));
        for (all, less) in [(&all.by_instance, &less.by_instance)].into_iter().chain(of_sittings) {
            for line in less {
                let same = all.iter().find(|other| (&other.holding, &other.email) == (&line.holding, &line.email));
                prop_assert!(same.is_some_and(|other| other.seconds_present >= line.seconds_present), "{line:?} {same:?}");
            }
        }
    }

    #[test]
    fn the_order_of_instances_and_readings_is_without_effect(scenario in any_scenario(false)) {
        let forth = in_order(&scenario);
        let back: Vec<usize> = forth.iter().rev().chain(&forth).copied().collect();
        let (one, other) = (run(told(&scenario, &forth)), run(told(&scenario, &back)));
        let shown = |told: &Told| format!("{:#?}", (&told.by_instance, &told.by_sitting, &told.instances, &told.sittings));
        prop_assert_eq!(shown(&one), shown(&other));
    }
}

#[test]
fn an_estimated_end_is_placed_in_the_plan() {
    // Someone opens the room ten minutes early, and Zoom does not tell when it closed.
    let stay = |person, join_ms, leave_ms| Stay {
        person,
        instance: 0,
        join_ms,
        leave_ms: Some(leave_ms),
        is_waiting: false,
        heads: None,
    };
    let scenario = Scenario {
        is_planned: true,
        is_personal: false,
        holdings: vec![Holding { start_ms: -600_000, end_ms: None, is_live: false }],
        stays: vec![stay(0, 0, 6_000_000), stay(1, 1_200_000, 6_000_000)],
    };
    let told = run(told(&scenario, &[0]));
    let late: Vec<_> =
        told.by_instance.iter().map(|line| (line.measured_against.as_str(), line.seconds_late)).collect();
    assert_eq!(late, [("planned", Some(0)), ("planned", Some(600))]);
    assert_eq!(Duration::from_millis(u64::try_from(PLANNED_MS.1).unwrap()), Duration::from_mins(90));
}
