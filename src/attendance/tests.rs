use proptest::prelude::*;

use super::*;

fn stay(person_id: i64, from: i64, to: i64) -> Stay {
    Stay {
        person_id,
        session_id: 0,
        join_at: Some(from),
        leave_at: Some(to),
        is_waiting: false,
        is_open: false,
        is_host: false,
        head_count: None,
        match_rank: 1,
        profile_id: None,
        tells_name: false,
        tells_email: false,
    }
}

#[test]
fn stays_that_overlap_count_once_and_a_short_gap_is_no_join() {
    let stays = vec![
        stay(1, 0, 60_000),
        stay(1, 30_000, 90_000),
        stay(1, 100_000, 110_000),
        stay(1, 121_000, 130_000),
    ];
    let found = lines(stays, Some((50_000, 105_000)));
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].present_ms, found[0].joins), (45_000, 2));
    assert_eq!((found[0].first_join_at, found[0].last_leave_at), (Some(0), Some(130_000)));
}

#[test]
fn waiting_counts_where_nobody_was_in_the_meeting() {
    let waiting = Stay { is_waiting: true, ..stay(1, 0, 60_000) };
    let found = lines(vec![waiting, stay(1, 40_000, 90_000)], None);
    assert_eq!((found[0].waiting_ms, found[0].present_ms, found[0].joins), (40_000, 50_000, 1));
    let found = lines(vec![waiting], None);
    assert_eq!((found[0].waiting_ms, found[0].joins, found[0].first_join_at), (60_000, 0, None));
}

#[test]
fn a_stay_is_closed_no_earlier_than_it_began() {
    let open = Stay { leave_at: None, ..stay(1, 50, 0) };
    assert_eq!(open.closed_at(Some(90)).leave_at, Some(90));
    assert_eq!(open.closed_at(Some(40)).leave_at, Some(50));
    assert_eq!(open.closed_at(None).leave_at, Some(50));
    assert_eq!(stay(1, 50, 20).closed_at(Some(90)).leave_at, Some(50));
    let unknown = Stay { join_at: None, ..open };
    assert_eq!(unknown.closed_at(Some(90)).leave_at, None);
    assert_eq!(lines(vec![unknown], None)[0].joins, 1, "there for an unknown time");
}

#[test]
fn the_name_and_the_email_are_those_told_last() {
    let named = Stay { profile_id: Some(1), tells_name: true, session_id: 1, ..stay(1, 500, 600) };
    let known =
        Stay { profile_id: Some(2), tells_name: true, tells_email: true, session_id: 2, ..stay(1, 0, 100) };
    let line = lines(vec![named, known], None)[0];
    assert_eq!((line.profile_id, line.name_profile_id), (Some(2), Some(1)));
    let line = lines(vec![known], None)[0];
    assert_eq!((line.profile_id, line.name_profile_id), (Some(2), None));
}

fn any_stay() -> impl Strategy<Value = Stay> {
    (0..3_i64, 0..40_i64, 0..30_i64, any::<bool>()).prop_map(|(person_id, from, length, is_waiting)| Stay {
        is_waiting,
        ..stay(person_id, from * 4_000, (from + length) * 4_000)
    })
}

proptest! {
    #[test]
    fn it_agrees_with_a_count_of_the_seconds(stays in prop::collection::vec(any_stay(), 1..12), from in 0..20_i64, length in 1..40_i64) {
        let within = (from * 4_000, (from + length) * 4_000);
        // Whether somebody was there in each step of four seconds, in the meeting and in the waiting room.
        let is_in = |person_id: i64, at: i64, is_waiting: bool| stays.iter().any(|stay| {
            stay.person_id == person_id && stay.is_waiting == is_waiting
                && stay.span().is_some_and(|(from, to)| from <= at && at < to)
        });
        let steps = || (0..80_i64).map(|step| step * 4_000);
        for line in lines(stays.clone(), Some(within)) {
            let person_id = line.person_id;
            let inside = |at: &i64| is_in(person_id, *at, false);
            let present = steps().filter(inside).filter(|at| (within.0..within.1).contains(at)).count();
            let waiting = steps().filter(|at| is_in(person_id, *at, true) && !inside(at)).count();
            prop_assert_eq!(line.present_ms, i64::try_from(present).unwrap() * 4_000);
            prop_assert_eq!(line.waiting_ms, i64::try_from(waiting).unwrap() * 4_000);
        }
    }

    #[test]
    fn the_order_of_the_stays_is_without_effect(stays in prop::collection::vec(any_stay(), 0..12)) {
        let backwards: Vec<Stay> = stays.iter().rev().copied().collect();
        prop_assert_eq!(lines(stays, None), lines(backwards, None));
    }
}
