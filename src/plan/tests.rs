use std::time::Duration;

use super::patience::{EMPTY_LISTING_LIMIT, SETTLE_AFTER};
use super::*;
use crate::model::{DAY, HOUR, InstanceState, MINUTE, Timestamp};

const END: Timestamp = Timestamp::from_millis(1_800_000_000_000);

impl Progress {
    /// An instance that was just discovered inside a window: due at once.
    fn pending(now: Timestamp) -> Self {
        Self {
            state: InstanceState::Pending,
            due_at: Some(now),
            reason: None,
            complete: false,
            failures: 0,
            failing: None,
            failing_since: None,
            richer_lacking_since: None,
            incomplete_reads: 0,
            incomplete_since: None,
            identical_reads: 0,
            content_hash: None,
            changing_since: None,
            pending_withdrawal: None,
        }
    }
}

fn policy() -> Policy {
    Policy { rereads: vec![30 * MINUTE, DAY] }
}

fn reading(age: Duration) -> ListingFacts {
    ListingFacts {
        at: END.plus(age),
        ended_at: Some(END),
        live: false,
        ended: true,
        complete: true,
        empty: false,
        leaves_out_one: false,
        richer: Richer::None,
        first_rows: false,
        changed: false,
        digest: 1,
        suspect: None,
        shifted: false,
    }
}

fn read(progress: &Progress, reading: ListingFacts) -> Progress {
    after_reading(progress, &reading, &policy())
}

#[test]
fn an_instance_is_read_again_at_each_age_and_then_settles() {
    let first = read(&Progress::pending(END), ListingFacts { changed: true, ..reading(5 * MINUTE) });
    assert_eq!((first.state, first.due_at), (InstanceState::Collected, Some(END.plus(30 * MINUTE))));
    let second = read(&first, ListingFacts { changed: true, ..reading(31 * MINUTE) });
    assert_eq!(second.due_at, Some(END.plus(DAY)));
    let third = read(&second, reading(DAY));
    assert_eq!((third.state, third.due_at), (InstanceState::Settled, None));
}

#[test]
fn an_old_instance_is_settled_by_its_first_read() {
    let after = read(&Progress::pending(END), ListingFacts { changed: true, ..reading(40 * DAY) });
    assert_eq!((after.state, after.reason), (InstanceState::Settled, None));
}

#[test]
fn one_that_still_changes_is_read_daily_for_a_week() {
    let mut progress = read(&Progress::pending(END), ListingFacts { changed: true, ..reading(MINUTE) });
    let mut age = DAY;
    let mut reads = 0;
    while progress.state != InstanceState::Settled {
        progress = read(&progress, ListingFacts { changed: true, digest: reads, ..reading(age) });
        if let Some(due) = progress.due_at {
            assert_eq!(due, END.plus(age + DAY));
        }
        age += DAY;
        reads += 1;
    }
    assert_eq!(reads, 8);
}

#[test]
fn a_short_listing_is_read_again_at_growing_distances_until_three_are_equal() {
    let short = |age, digest| ListingFacts { complete: false, changed: true, digest, ..reading(age) };
    let old = 3 * DAY;
    let one = read(&Progress::pending(END), short(old, 1));
    let two = read(&one, short(old + HOUR, 2));
    let three = read(&two, short(old + 2 * HOUR, 3));
    let four = read(&three, short(old + 10 * HOUR, 3));
    assert_eq!(
        [&one, &two, &three, &four].map(|progress| progress.due_at.unwrap().since(END)),
        [old + 15 * MINUTE, old + 2 * HOUR, old + 8 * HOUR, old + 10 * HOUR + DAY]
    );
    let five = read(&four, short(old + 40 * HOUR, 3));
    assert_eq!((five.state, five.due_at), (InstanceState::Settled, None));
    assert!(five.reason.is_some());
}

#[test]
fn a_short_listing_has_an_end_even_if_it_never_repeats() {
    let mut progress = Progress::pending(END);
    let mut at = 2 * DAY;
    let mut reads = 0;
    while progress.state != InstanceState::Settled {
        progress = read(&progress, ListingFacts { complete: false, digest: reads, ..reading(at) });
        at = progress.due_at.map_or(at, |due| due.since(END));
        reads += 1;
    }
    assert!((8..=12).contains(&reads), "{reads}");
}

#[test]
fn a_suspect_listing_is_confirmed_by_an_equal_one_an_hour_later() {
    let first = read(&Progress::pending(END), ListingFacts { changed: true, ..reading(47 * HOUR) });
    let suspect = read(&first, ListingFacts { suspect: Some(9), ..reading(2 * DAY) });
    assert_eq!(suspect.due_at, Some(END.plus(2 * DAY + HOUR)));
    assert!(!suspect.confirms_withdrawal(9, END.plus(2 * DAY + 59 * MINUTE)));
    assert!(!suspect.confirms_withdrawal(8, END.plus(2 * DAY + HOUR)));
    assert!(suspect.confirms_withdrawal(9, END.plus(2 * DAY + HOUR)));
    // The first sight of it is what counts, however often it is seen within the hour.
    let again = read(&suspect, ListingFacts { suspect: Some(9), ..reading(2 * DAY + MINUTE) });
    assert_eq!(again.pending_withdrawal, suspect.pending_withdrawal);
}

#[test]
fn rows_that_came_twice_over_pages_cause_one_more_read() {
    let shifted = |age, digest| ListingFacts { shifted: true, changed: true, digest, ..reading(age) };
    let first = read(&Progress::pending(END), shifted(40 * DAY, 1));
    assert_eq!(first.due_at, Some(END.plus(40 * DAY + 15 * MINUTE)));
    let second = read(&first, ListingFacts { changed: false, ..shifted(40 * DAY + 15 * MINUTE, 1) });
    assert_eq!(second.state, InstanceState::Settled);
}

#[test]
fn without_data_it_waits_longer_each_time_and_a_week_at_most() {
    let mut progress = Progress::pending(END);
    let mut now = END;
    let mut tries = 0;
    while let Some(due) = progress.due_at {
        now = due;
        progress = after_failure(&progress, &Failure::NotFound, now);
        tries += 1;
    }
    assert_eq!(progress.state, InstanceState::Unavailable);
    assert!(now.since(END) <= SETTLE_AFTER + DAY);
    assert!((10..=16).contains(&tries), "{tries}");
}

#[test]
fn a_refused_instance_is_parked_and_tried_again_later_each_time() {
    let refused = Failure::Refused("blocked".to_owned());
    let one = after_failure(&Progress::pending(END), &refused, END);
    let two = after_failure(&one, &refused, END);
    assert_eq!((one.state, one.due_at), (InstanceState::Parked, Some(END.plus(HOUR))));
    assert_eq!(two.due_at, Some(END.plus(6 * HOUR)));
    assert_eq!(after_failure(&one, &Failure::Transient, END), one);
    let mended = read(&two, ListingFacts { changed: true, ..reading(9 * DAY) });
    assert_eq!((mended.state, mended.failures, mended.reason), (InstanceState::Settled, 0, None));
}

#[test]
fn what_a_richer_source_did_not_give_is_asked_for_at_growing_distances_and_has_an_end() {
    let poorer = |age| ListingFacts { richer: Richer::Lacking, ..reading(age) };
    let old = 40 * DAY;
    let mut progress = read(&Progress::pending(END), ListingFacts { changed: true, ..poorer(old) });
    let mut ages = Vec::new();
    while let Some(due) = progress.due_at {
        ages.push(due.since(END.plus(old)));
        progress = read(&progress, poorer(due.since(END)));
    }
    assert_eq!(ages, [DAY, 3 * DAY, 7 * DAY, 14 * DAY, 28 * DAY]);
    assert_eq!(progress.state, InstanceState::Settled);
    // Where the richer one gives it in between, that is the end of it.
    let first = read(&Progress::pending(END), poorer(old));
    let lifted = read(&first, reading(old + DAY));
    assert_eq!((lifted.state, lifted.richer_lacking_since), (InstanceState::Settled, None));
}

#[test]
fn empty_listings_are_followed_for_nine_weeks_whatever_they_repeat() {
    let empty = |age| ListingFacts { complete: false, empty: true, ..reading(age) };
    let mut progress = Progress::pending(END);
    let mut age = 3 * DAY;
    let mut reads = 0;
    while progress.state != InstanceState::Settled {
        progress = read(&progress, empty(age));
        age = progress.due_at.map_or(age, |due| due.since(END));
        reads += 1;
    }
    assert!(age >= 3 * DAY + EMPTY_LISTING_LIMIT && reads < 24, "{age:?}, {reads} reads");
    // One that was read completely before is not doubted for so long; nothing of it is.
    let before = read(&Progress::pending(END), ListingFacts { changed: true, ..reading(MINUTE) });
    let first = read(&before, empty(HOUR));
    assert!(first.complete && first.state == InstanceState::Collected);
    let (mut last, mut age) = (first, HOUR);
    while let Some(due) = last.due_at {
        age = due.since(END);
        last = read(&last, empty(age));
    }
    assert_eq!((last.state, last.complete), (InstanceState::Settled, true));
    assert!((HOUR + SETTLE_AFTER..=HOUR + SETTLE_AFTER + DAY).contains(&age), "{age:?}");
}

#[test]
fn what_was_settled_or_given_up_stays_so_when_a_person_asks_in_vain() {
    let settled = read(&Progress::pending(END), reading(40 * DAY));
    for failure in [
        Failure::NotFound,
        Failure::Refused("no".to_owned()),
        Failure::Denied("no".to_owned()),
        Failure::Transient,
    ] {
        assert_eq!(after_failure(&settled, &failure, END.plus(50 * DAY)), settled);
    }
    let empty = ListingFacts { complete: false, empty: true, ..reading(50 * DAY) };
    assert_eq!(read(&settled, empty), settled);
    // What is still to be read again stays complete, and is asked for a week at most.
    let collected = read(&Progress::pending(END), reading(MINUTE));
    let refused = after_failure(&collected, &Failure::Refused("no".to_owned()), END.plus(HOUR));
    assert_eq!((refused.state, refused.complete), (InstanceState::Collected, true));
    let mut last = refused;
    while let Some(due) = last.due_at {
        assert!(last.complete && last.state == InstanceState::Collected);
        last = after_failure(&last, &Failure::Refused("no".to_owned()), due);
    }
    assert_eq!(last.state, InstanceState::Settled);
}

#[test]
fn each_kind_of_failure_has_a_patience_of_its_own() {
    let refused = after_failure(&Progress::pending(END), &Failure::Refused("no".to_owned()), END);
    let absent = after_failure(&refused, &Failure::NotFound, END.plus(30 * DAY));
    assert_eq!((absent.state, absent.failures), (InstanceState::Parked, 1));
    let (mut given_up, mut now) = (absent, END);
    while let Some(due) = given_up.due_at {
        now = due;
        given_up = after_failure(&given_up, &Failure::NotFound, now);
    }
    assert_eq!(given_up.state, InstanceState::Unavailable);
    assert!(now >= END.plus(37 * DAY));
}

#[test]
fn a_window_begins_where_its_meeting_last_told_everything() {
    let (lookback, now) = (7 * DAY, END);
    let from = |told, listed| scheduled_window(told, listed, lookback, now).from;
    assert_eq!(from(None, None), now.minus(lookback));
    assert_eq!(from(Some(now.minus(HOUR)), None), now.minus(lookback));
    assert_eq!(from(Some(now.minus(30 * DAY)), Some(now.minus(90 * DAY))), now.minus(31 * DAY));
    assert_eq!(from(None, Some(now.minus(30 * DAY))), now.minus(37 * DAY));
    // A mark that is still to come proves nothing.
    assert_eq!(from(Some(now.plus(HOUR)), Some(now.minus(30 * DAY))), now.minus(37 * DAY));
}

#[test]
fn the_patience_with_empty_listings_is_not_spent_on_short_ones() {
    let empty = ListingFacts { complete: false, empty: true, ..reading(3 * DAY) };
    let was_empty = read(&Progress::pending(END), empty);
    let short = ListingFacts { complete: false, first_rows: true, ended: false, ..reading(20 * DAY) };
    let short = read(&was_empty, short);
    assert_eq!((short.state, short.incomplete_reads), (InstanceState::Collected, 1));
    assert_eq!(short.due_at, Some(END.plus(20 * DAY + 15 * MINUTE)));
}

#[test]
fn a_downtime_uses_up_no_patience() {
    let absent = after_failure(&Progress::pending(END), &Failure::NotFound, END);
    let later = after_failure(&absent, &Failure::NotFound, END.plus(90 * DAY));
    assert_eq!(later.state, InstanceState::Pending);
    let empty = |age| ListingFacts { complete: false, empty: true, ..reading(age) };
    let first = read(&Progress::pending(END), empty(3 * DAY));
    assert_eq!(read(&first, empty(93 * DAY)).state, InstanceState::Collected);
    let poorer = |age| ListingFacts { richer: Richer::Lacking, ..reading(age) };
    let first = read(&Progress::pending(END), poorer(40 * DAY));
    assert_eq!(read(&first, poorer(140 * DAY)).state, InstanceState::Collected);
}
