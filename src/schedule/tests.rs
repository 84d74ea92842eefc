//! Slots over the changes of the clocks, in zones that change by an hour, by half of one, and not at all.

use chrono_tz::Tz;
use proptest::prelude::*;

use super::*;

fn at(text: &str) -> Timestamp {
    Timestamp::from(DateTime::parse_from_rfc3339(text).unwrap().to_utc())
}

/// The slots in `(from, to]`, on the wall clock of the zone with its offset.
fn slots(cron: &str, zone: Tz, from: &str, to: &str) -> Vec<String> {
    let schedule = Schedule::parse(cron, zone).unwrap();
    std::iter::successors(schedule.next(at(from)), |slot| schedule.next(*slot))
        .take_while(|slot| *slot <= at(to))
        .map(|slot| slot.utc().with_timezone(&zone).format("%m-%d %H:%M%:z").to_string())
        .collect()
}

#[test]
fn a_fixed_hour_in_the_gap_runs_after_it() {
    assert_eq!(
        slots("0 30 2 * * *", Tz::Europe__Berlin, "2026-03-27T12:00:00Z", "2026-03-30T12:00:00Z"),
        ["03-28 02:30+01:00", "03-29 03:00+02:00", "03-30 02:30+02:00"]
    );
    assert_eq!(
        slots("0 0,20,40 2 * * *", Tz::America__New_York, "2026-03-08T00:00:00Z", "2026-03-08T12:00:00Z"),
        ["03-08 03:00-04:00"]
    );
    // Half an hour is skipped, from 02:00 to 02:30.
    assert_eq!(
        slots("0 15 2 * * *", Tz::Australia__Lord_Howe, "2026-10-02T15:00:00Z", "2026-10-04T18:00:00Z"),
        ["10-03 02:15+10:30", "10-04 02:30+11:00", "10-05 02:15+11:00"]
    );
}

#[test]
fn a_fixed_hour_that_comes_twice_runs_once() {
    assert_eq!(
        slots("0 30 2 * * *", Tz::Europe__Berlin, "2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z"),
        ["10-25 02:30+02:00", "10-26 02:30+01:00"]
    );
    assert_eq!(
        slots("0 0,30 1 * * *", Tz::America__New_York, "2026-11-01T00:00:00Z", "2026-11-01T12:00:00Z"),
        ["11-01 01:00-04:00", "11-01 01:30-04:00"]
    );
    assert_eq!(
        slots("0 45 1 * * *", Tz::Australia__Lord_Howe, "2026-04-04T00:00:00Z", "2026-04-05T00:00:00Z"),
        ["04-05 01:45+11:00"]
    );
}

#[test]
fn every_hour_runs_in_both_passes() {
    assert_eq!(
        slots("0 0,30 * * * *", Tz::Europe__Berlin, "2026-10-24T23:45:00Z", "2026-10-25T02:15:00Z"),
        [
            "10-25 02:00+02:00",
            "10-25 02:30+02:00",
            "10-25 02:00+01:00",
            "10-25 02:30+01:00",
            "10-25 03:00+01:00"
        ]
    );
    assert_eq!(
        slots("0 50 * * * *", Tz::Australia__Lord_Howe, "2026-04-04T14:00:00Z", "2026-04-04T16:00:00Z"),
        ["04-05 01:50+11:00", "04-05 01:50+10:30"]
    );
}

#[test]
fn a_slot_of_every_hour_in_the_gap_runs_after_it_too() {
    assert_eq!(
        slots("0 30 * * * *", Tz::Europe__Berlin, "2026-03-29T00:00:00Z", "2026-03-29T02:00:00Z"),
        ["03-29 01:30+01:00", "03-29 03:00+02:00", "03-29 03:30+02:00"]
    );
}

#[test]
fn every_quarter_of_an_hour_is_even_over_the_changes() {
    for (zone, from, to) in [
        (Tz::Europe__Berlin, "2026-03-28T00:00:00Z", "2026-03-30T00:00:00Z"),
        (Tz::Europe__Berlin, "2026-10-24T00:00:00Z", "2026-10-26T00:00:00Z"),
        (Tz::America__New_York, "2026-03-07T00:00:00Z", "2026-03-09T00:00:00Z"),
        (Tz::America__New_York, "2026-10-31T00:00:00Z", "2026-11-02T00:00:00Z"),
        (Tz::Australia__Lord_Howe, "2026-04-04T00:00:00Z", "2026-04-06T00:00:00Z"),
        (Tz::Australia__Lord_Howe, "2026-10-03T00:00:00Z", "2026-10-05T00:00:00Z"),
        (Tz::Asia__Kolkata, "2026-03-28T00:00:00Z", "2026-03-30T00:00:00Z"),
    ] {
        let schedule = Schedule::parse("0 */15 * * * *", zone).unwrap();
        let mut expected = at(from);
        while expected < at(to) {
            expected = expected.plus(Duration::from_mins(15));
            let before = expected.minus(Duration::from_millis(1));
            assert_eq!(schedule.next(before), Some(expected), "{zone}");
        }
    }
}

#[test]
fn zero_and_seven_are_sunday() {
    for cron in ["0 0 12 * * 0", "0 0 12 * * 7", "0 0 12 * * sun", "0 0 12 * * SUN"] {
        assert_eq!(
            slots(cron, Tz::UTC, "2026-03-01T13:00:00Z", "2026-03-16T00:00:00Z"),
            ["03-08 12:00+00:00", "03-15 12:00+00:00"],
            "{cron}"
        );
    }
    assert_eq!(slots("0 0 12 * * 5-7", Tz::UTC, "2026-03-02T00:00:00Z", "2026-03-09T00:00:00Z").len(), 3);
}

#[test]
fn what_is_due_is_the_latest_of_the_slots_that_passed() {
    let schedule = Schedule::parse("0 0 6 * * *", Tz::Europe__Berlin).unwrap();
    let due = |after: &str, now: &str| schedule.latest_due(at(after), at(now)).map(|slot| slot.to_string());
    let slot = Some("2026-03-05T05:00:00.000Z".to_owned());
    assert_eq!(due("2026-01-01T05:00:00Z", "2026-03-05T09:00:00Z"), slot, "after downtime: one slot");
    assert_eq!(due("2026-03-04T05:00:00Z", "2026-03-05T05:00:00Z"), slot, "at the instant itself");
    assert_eq!(due("2026-03-05T05:00:00Z", "2026-03-05T09:00:00Z"), None, "served already");
    assert_eq!(due("2026-03-04T05:00:00Z", "2026-03-05T04:59:59.999Z"), None, "not yet");
    assert_eq!(due("2026-03-09T05:00:00Z", "2026-03-05T09:00:00Z"), None, "the clock was set back");
    let leap_day = Schedule::parse("0 0 0 29 2 *", Tz::UTC).unwrap();
    assert_eq!(
        leap_day.latest_due(at("2024-01-01T00:00:00Z"), at("2027-06-01T00:00:00Z")),
        Some(at("2024-02-29T00:00:00Z"))
    );
}

#[test]
fn what_is_no_schedule_says_why() {
    let error = |cron: &str| Schedule::parse(cron, Tz::UTC).unwrap_err();
    assert_eq!(error("*/5 * * * *"), ScheduleError::FiveFields("*/5 * * * *".to_owned()));
    assert!(matches!(error(""), ScheduleError::FieldCount { found: 0, .. }));
    assert!(matches!(error("0 0 0 * * * 2027"), ScheduleError::FieldCount { found: 7, .. }));
    assert_eq!(error("0 0 0 31 4 *"), ScheduleError::Never("0 0 0 31 4 *".to_owned()));
    for cron in [
        "60 * * * * *",
        "* * 24 * * *",
        "0 0 0 0 * *",
        "0 0 0 * 13 *",
        "0 0 0 * * 8",
        "a b c d e f",
        "0 0 */0 * * *",
    ] {
        assert!(matches!(error(cron), ScheduleError::Invalid { .. }), "{cron}");
    }
}

const ZONES: [Tz; 7] = [
    Tz::Europe__Berlin,
    Tz::America__New_York,
    Tz::Australia__Lord_Howe,
    Tz::America__Santiago,
    Tz::Africa__Casablanca,
    Tz::Asia__Kolkata,
    Tz::UTC,
];

fn zone() -> impl Strategy<Value = Tz> {
    proptest::sample::select(ZONES.as_slice())
}

/// Expressions around the hours at which clocks change, and coarse ones.
fn cron() -> impl Strategy<Value = String> {
    let minute = prop_oneof![
        Just("0".to_owned()),
        Just("*/15".to_owned()),
        Just("*/20".to_owned()),
        (0..60).prop_map(|minute: i32| minute.to_string())
    ];
    let hour = prop_oneof![
        Just("*".to_owned()),
        Just("*/2".to_owned()),
        Just("0-3".to_owned()),
        (0..4).prop_map(|hour: i32| hour.to_string())
    ];
    let day = prop_oneof![Just("*"), Just("sun"), Just("mon-fri")];
    (minute, hour, day).prop_map(|(minute, hour, day)| format!("0 {minute} {hour} * * {day}"))
}

/// Instants near the changes of the clocks of 2026 in these zones, and anywhere in the year.
fn instant() -> impl Strategy<Value = Timestamp> {
    let changes = [
        "2026-03-29T01:00:00Z",
        "2026-10-25T01:00:00Z",
        "2026-03-08T07:00:00Z",
        "2026-11-01T06:00:00Z",
        "2026-04-04T15:00:00Z",
        "2026-10-03T15:30:00Z",
        "2026-04-05T03:00:00Z",
        "2026-09-06T04:00:00Z",
        "2026-02-15T02:00:00Z",
        "2026-03-22T02:00:00Z",
    ];
    let near = (proptest::sample::select(changes.to_vec()), -10_800_000_i64..10_800_000)
        .prop_map(|(change, offset)| Timestamp::from_millis(at(change).millis() + offset));
    let anywhere = (0..31_536_000_000_i64)
        .prop_map(|offset| Timestamp::from_millis(at("2026-01-01T00:00:00Z").millis() + offset));
    prop_oneof![3 => near, 1 => anywhere]
}

/// The slots in `(from, to]` by asking every minute of that time what its wall clock shows: slow, and plain.
fn slots_by_looking(schedule: &Schedule, from: Timestamp, to: Timestamp) -> Vec<Timestamp> {
    let local = |instant: Timestamp| instant.utc().with_timezone(&schedule.timezone).naive_local();
    let matches = |wall_clock: NaiveDateTime| schedule.cron.is_time_matching(&wall_clock.and_utc()).unwrap();
    let minute = |number: i64| Timestamp::from_millis(number * 60_000);
    let first = from.millis().div_euclid(60_000) + 1;
    let is_slot = |instant: &Timestamp| {
        let (now, before) = (local(*instant), local(instant.minus(Duration::from_mins(1))));
        // What the clock skipped since the last minute counts here.
        let mut skipped = before + TimeDelta::minutes(1);
        while skipped < now {
            if matches(skipped) {
                return true;
            }
            skipped += TimeDelta::minutes(1);
        }
        let is_second_pass = matches!(
            schedule.timezone.from_local_datetime(&now),
            LocalResult::Ambiguous(earlier, _) if earlier.to_utc() < instant.utc()
        );
        matches(now) && !(is_second_pass && schedule.hour_is_fixed)
    };
    (first..=to.millis().div_euclid(60_000)).map(minute).filter(is_slot).collect()
}

proptest! {
    #[test]
    fn the_next_slot_is_later_and_nothing_lies_between(cron in cron(), zone in zone(), from in instant()) {
        let schedule = Schedule::parse(&cron, zone).unwrap();
        let next = schedule.next(from).unwrap();
        prop_assert!(next > from);
        let before = next.minus(Duration::from_millis(1));
        prop_assert_eq!(schedule.next(before.max(from)), Some(next));
    }

    #[test]
    fn no_slot_is_lost_or_doubled(cron in cron(), zone in zone(), from in instant()) {
        let schedule = Schedule::parse(&cron, zone).unwrap();
        let to = from.plus(Duration::from_hours(30));
        let walked: Vec<Timestamp> = std::iter::successors(schedule.next(from), |slot| schedule.next(*slot))
            .take_while(|slot| *slot <= to)
            .collect();
        prop_assert_eq!(walked, slots_by_looking(&schedule, from, to));
    }

    #[test]
    fn what_is_due_is_not_later_than_now_and_the_last(
        cron in cron(), zone in zone(), now in instant(), hours in 0_u64..400,
    ) {
        let schedule = Schedule::parse(&cron, zone).unwrap();
        let after = now.minus(Duration::from_secs(hours * 60 * 60));
        match schedule.latest_due(after, now) {
            Some(due) => {
                prop_assert!(after < due && due <= now);
                prop_assert!(schedule.next(due).unwrap() > now);
                prop_assert_eq!(schedule.latest_due(due, now), None);
            }
            None => prop_assert!(schedule.next(after).unwrap() > now),
        }
    }

    #[test]
    fn no_text_makes_parsing_panic(text in "[0-9*/,#LW?a-z -]{0,30}") {
        let _ = Schedule::parse(&text, Tz::Europe__Berlin);
    }
}
