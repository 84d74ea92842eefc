//! What becomes of an instance after it was read, or could not be: pure, so that every path can be tried.
//!
//! The rules are the contract's: re-reads at the configured ages, an end to every kind of waiting, and no request
//! for what is settled.

use std::time::Duration;

use crate::model::{FailureKind, InstanceState, Timestamp, Window};

/// How often and how long instances are read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Ages, counted from an instance's end, at which it is read again; ascending.
    pub rereads: Vec<Duration>,
}

/// Where an instance stands between two readings; the store keeps it with the instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Its state.
    pub state: InstanceState,
    /// From when on it is to be read; none: not at all.
    pub due_at: Option<Timestamp>,
    /// Why it is parked, unavailable, or settled with less than Zoom claims.
    pub reason: Option<String>,
    /// Whether its listing was ever read to its end.
    pub complete: bool,
    /// Tries in a row that failed in the same way.
    pub failures: u32,
    /// In which.
    pub failing: Option<FailureKind>,
    /// The first of them.
    pub failing_since: Option<Timestamp>,
    /// The first reading from a poorer source because a richer one did not give this very instance.
    pub richer_lacking_since: Option<Timestamp>,
    /// Listings in a row that stopped short.
    pub incomplete_reads: u32,
    /// The first of them.
    pub incomplete_since: Option<Timestamp>,
    /// How many of the last of them were equal.
    pub identical_reads: u32,
    /// The digest of the last listing.
    pub content_hash: Option<i64>,
    /// The first read past the last age that still found changes.
    pub changing_since: Option<Timestamp>,
    /// A listing that would have withdrawn too much: when it came, and
    pub suspect_at: Option<Timestamp>,
    /// what it would have withdrawn.
    pub suspect_digest: Option<i64>,
}

/// What a listing was like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, and any of them go together")]
pub struct Reading {
    /// When it was read.
    pub at: Timestamp,
    /// The instance's end; its start where no end is known.
    pub ended_at: Option<Timestamp>,
    /// Whether the meeting was still on.
    pub live: bool,
    /// Whether the last page was reached.
    pub ended: bool,
    /// Whether it was read to its end and holds rows, at least as many as Zoom claims.
    pub complete: bool,
    /// Whether it holds no row at all: somebody was in every instance that ended, so it is not the truth.
    pub empty: bool,
    /// Whether a meeting of one is left out by the source: Zoom told of at most one participant, and the one source
    /// that lists such meetings did not answer.
    pub leaves_out_one: bool,
    /// What the sources did that are richer than the one that it was read from.
    pub richer: Richer,
    /// Whether it is the first that holds rows: what was noted of empty ones before says nothing of it.
    pub first_rows: bool,
    /// Whether a row was inserted, updated or withdrawn.
    pub changed: bool,
    /// A digest of its content.
    pub digest: i64,
    /// Where it would withdraw more than is credible: a digest of what it would.
    pub suspect: Option<i64>,
    /// Whether rows came twice over several pages, so that others may have been passed over.
    pub shifted: bool,
}

/// What the sources did that are richer than the one that an instance was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Richer {
    /// There is none, or none that reaches it.
    None,
    /// One refused this very instance, or had nothing of it.
    Lacking,
    /// All of them were closed for every instance, so that this one is due again by itself once they serve.
    Closed,
}

/// Why nothing could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Zoom has no data for it, or not yet.
    NotThere,
    /// Zoom refuses this instance for a reason of its own.
    Refused(String),
    /// Every source refuses it: scopes, plan, or the licence of its host.
    Denied(String),
    /// Only a poorer source answers than the one that its sessions come from.
    Outranked {
        /// The richer source reaches back no further than this, so there is nothing to wait for.
        out_of_reach: bool,
    },
    /// Zoom or the way to it is out of order; the next run tries again.
    Passing,
}

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// How long any kind of waiting lasts at most.
pub const PATIENCE: Duration = Duration::from_hours(7 * 24);

/// How long empty listings are read again, weekly, once the patience with them is over.
const EMPTY_PATIENCE: Duration = Duration::from_hours(8 * 7 * 24);

/// How far back the Dashboard reaches; what is older is read from the next source at once.
pub const DASHBOARD_REACH: Duration = Duration::from_hours(183 * 24);

/// No instance is due later than this, counted from its last reading, re-reads by age aside.
pub const LONGEST_WAIT: Duration = PATIENCE.saturating_mul(2);

/// The distance that two listings must keep before the second can confirm what the first would withdraw.
pub const SUSPICION: Duration = HOUR;

/// The window of a scheduled run over one meeting.
///
/// It begins `lookback` ago, or a day before the meeting last told all its instances, whichever is earlier; where it
/// never has, `lookback` before it was first listed. So no downtime and no refusal, however long, leaves a gap. An
/// instant that is still to come was noted by a clock that was wrong, and says nothing.
#[must_use]
pub fn scheduled_window(
    told_at: Option<Timestamp>,
    first_listed_at: Option<Timestamp>,
    lookback: Duration,
    now: Timestamp,
) -> Window {
    let past = |at: &Timestamp| *at <= now;
    let since = told_at
        .filter(past)
        .map(|told| told.minus(DAY))
        .or(first_listed_at.filter(past).map(|listed| listed.minus(lookback)));
    let from = since.map_or(now.minus(lookback), |since| since.min(now.minus(lookback)));
    // A meeting may begin while the run is on.
    Window { from, to: now.plus(DAY) }
}

impl Progress {
    /// An instance that was just discovered inside a window: due at once.
    #[must_use]
    pub fn pending(now: Timestamp) -> Self {
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
            suspect_at: None,
            suspect_digest: None,
        }
    }

    /// Whether a listing that would withdraw this much is confirmed by an earlier one.
    #[must_use]
    pub fn confirms(&self, suspect_digest: i64, now: Timestamp) -> bool {
        self.suspect_digest == Some(suspect_digest)
            && self.suspect_at.is_some_and(|at| now >= at.plus(SUSPICION))
    }
}

/// Where an instance stands after a listing of it was stored.
#[must_use]
pub fn after_reading(before: &Progress, reading: &Reading, policy: &Policy) -> Progress {
    let before = &without_downtime(before, reading.at);
    let mut after = Progress {
        state: InstanceState::Collected,
        reason: None,
        failures: 0,
        failing: None,
        failing_since: None,
        content_hash: Some(reading.digest),
        richer_lacking_since: before.richer_lacking_since.filter(|_| reading.richer != Richer::None),
        ..before.clone()
    };
    let is_done = matches!(before.state, InstanceState::Settled | InstanceState::Unavailable);
    if reading.empty && !reading.live && is_done {
        // A person asked for it; that Zoom lists nobody now opens no question anew.
        return before.clone();
    }
    if reading.live {
        // A listing of past instances will bring it up; should none do so, it is tried as a past one.
        after.state = InstanceState::Live;
        after.due_at = Some(reading.at.plus(HOUR));
        return after;
    }
    if !reading.complete {
        return after_incomplete(after, before, reading, policy);
    }
    (after.incomplete_reads, after.incomplete_since, after.identical_reads) = (0, None, 0);
    after.complete = true;
    if let Some(digest) = reading.suspect {
        let same = before.suspect_digest == Some(digest);
        let first_seen = before.suspect_at.filter(|at| same && *at <= reading.at).unwrap_or(reading.at);
        after.suspect_at = Some(first_seen);
        after.suspect_digest = Some(digest);
        let since = begun(&mut after.changing_since, reading.at);
        if reading.at >= since.plus(PATIENCE) {
            return settled(
                after,
                Some("listings of a week disagreed about rows to withdraw; none was".to_owned()),
            );
        }
        // A reading in between, asked for by a person, does not put the confirmation off.
        after.due_at = Some(first_seen.plus(SUSPICION));
        return after;
    }
    (after.suspect_at, after.suspect_digest) = (None, None);
    if reading.shifted && before.content_hash != Some(reading.digest) && before.changing_since.is_none() {
        after.due_at = Some(reading.at.plus(15 * MINUTE));
        // The one more read settles it only where it finds nothing new.
        after.changing_since = past_all_ages(reading, policy).then_some(reading.at);
        return after;
    }
    if let Some(due) = next_age(reading, policy) {
        after.due_at = Some(due);
        return after;
    }
    let is_first = before.content_hash.is_none();
    if !reading.changed || is_first {
        return settled_or_lifted(after, reading);
    }
    let since = begun(&mut after.changing_since, reading.at);
    if reading.at >= since.plus(PATIENCE) {
        return settled(after, Some("still changing after seven days of daily reads".to_owned()));
    }
    after.due_at = Some(reading.at.plus(DAY));
    after
}

/// Settled, unless a richer source may yet give what it did not: it is asked again for four weeks, each time later.
fn settled_or_lifted(mut after: Progress, reading: &Reading) -> Progress {
    // Those few that a source refused before it was closed go on asking: where nothing new is held, they find out that
    // it serves again.
    let is_asked_again = match reading.richer {
        Richer::None => false,
        Richer::Lacking => true,
        Richer::Closed => after.richer_lacking_since.is_some(),
    };
    if !is_asked_again {
        return settled(after, None);
    }
    let since = begun(&mut after.richer_lacking_since, reading.at);
    let ages = [DAY, 3 * DAY, PATIENCE, 2 * PATIENCE, 4 * PATIENCE].map(|age| since.plus(age));
    let Some(due) = ages.into_iter().find(|due| *due > reading.at) else {
        let reason = "for four weeks a richer source did not give it; a poorer one was read";
        return settled(after, Some(reason.to_owned()));
    };
    after.due_at = Some(due);
    after
}

/// Where an instance stands after a try that read nothing.
///
/// One that is settled or given up was asked for by a person, and stays what it was.
#[must_use]
pub fn after_failure(before: &Progress, failure: &Failure, now: Timestamp) -> Progress {
    let before = &without_downtime(before, now);
    let mut after = before.clone();
    let kind = match failure {
        _ if matches!(before.state, InstanceState::Settled | InstanceState::Unavailable) => return after,
        Failure::Passing => return after,
        Failure::NotThere => FailureKind::NotThere,
        Failure::Refused(_) => FailureKind::Refused,
        Failure::Denied(_) => FailureKind::Denied,
        Failure::Outranked { .. } => FailureKind::Outranked,
    };
    if before.failing != Some(kind) {
        (after.failing, after.failures, after.failing_since) = (Some(kind), 0, None);
    }
    after.failures += 1;
    let since = begun(&mut after.failing_since, now);
    match failure {
        Failure::NotThere if now >= since.plus(PATIENCE) => {
            after.state = if before.complete { InstanceState::Settled } else { InstanceState::Unavailable };
            after.due_at = None;
            after.reason = Some(if before.complete {
                "Zoom has had no data of it for a week; what was stored before stays".to_owned()
            } else {
                "Zoom has had no data of it for a week".to_owned()
            });
        }
        Failure::Outranked { out_of_reach } if *out_of_reach || now >= since.plus(PATIENCE) => {
            after.state = InstanceState::Settled;
            after.due_at = None;
            after.reason =
                Some("only a poorer source answers; what the richer one told before stays".to_owned());
        }
        Failure::NotThere | Failure::Outranked { .. } => {
            let delay = grown(15 * MINUTE, 2, after.failures).min(DAY);
            after.due_at = Some(now.plus(delay));
        }
        // What was read completely stays what it is.
        Failure::Refused(reason) | Failure::Denied(reason)
            if before.complete && now >= since.plus(PATIENCE) =>
        {
            after = settled(after, Some(format!("its re-reads were refused for a week: {reason}")));
        }
        Failure::Refused(reason) | Failure::Denied(reason) => {
            if !before.complete {
                after.state = InstanceState::Parked;
                after.reason = Some(reason.clone());
            }
            after.due_at = Some(now.plus(grown(HOUR, 6, after.failures).min(PATIENCE)));
        }
        Failure::Passing => {}
    }
    after
}

fn after_incomplete(mut after: Progress, before: &Progress, reading: &Reading, policy: &Policy) -> Progress {
    if reading.first_rows {
        (after.incomplete_reads, after.incomplete_since) = (0, None);
    }
    after.incomplete_reads += 1;
    let since = begun(&mut after.incomplete_since, reading.at);
    if reading.empty {
        return after_empty(after, reading, since, policy);
    }
    // Where Zoom kept the last page back, equal readings prove nothing.
    let equal = reading.ended && before.incomplete_reads > 0 && before.content_hash == Some(reading.digest);
    after.identical_reads = if equal { before.identical_reads + 1 } else { 1 };
    let stable = after.identical_reads >= 3;
    if stable || reading.at >= since.plus(PATIENCE) {
        // It is taken for all that there is; a later age may still bring more.
        match next_age(reading, policy) {
            Some(due) => after.due_at = Some(due),
            None => return settled(after, Some("Zoom claims more rows than it gives".to_owned())),
        }
        return after;
    }
    after.due_at = Some(reading.at.plus(short_distance(after.incomplete_reads)));
    after
}

/// Nobody is listed: equal readings prove nothing, and only time ends the question.
fn after_empty(mut after: Progress, reading: &Reading, since: Timestamp, policy: &Policy) -> Progress {
    if reading.leaves_out_one {
        let Some(due) = next_age(reading, policy) else {
            let reason = "at most one person was in it, and only the Dashboard lists meetings of one";
            return settled(after, Some(reason.to_owned()));
        };
        after.due_at = Some(due);
        return after;
    }
    let waited = reading.at.since(since);
    if after.complete && waited >= PATIENCE {
        return settled(
            after,
            Some("for a week Zoom listed nobody any more; what was stored before stays".to_owned()),
        );
    }
    if waited >= PATIENCE + EMPTY_PATIENCE {
        return settled(after, Some("Zoom lists nobody in it, and has not for nine weeks".to_owned()));
    }
    let distance = if waited >= PATIENCE { PATIENCE } else { short_distance(after.incomplete_reads) };
    after.due_at = Some(reading.at.plus(distance));
    after
}

/// The distance to the next reading after so many in a row that stopped short.
fn short_distance(reads: u32) -> Duration {
    match reads {
        1 => 15 * MINUTE,
        2 => HOUR,
        3 => 6 * HOUR,
        _ => DAY,
    }
}

/// As before, but that time in which nobody asked uses up no patience: after a downtime of months the first answer
/// would be taken for the last of a long row.
fn without_downtime(before: &Progress, now: Timestamp) -> Progress {
    let overdue = before.due_at.map_or(Duration::ZERO, |due_at| now.since(due_at));
    if overdue <= DAY {
        return before.clone();
    }
    let later = |since: Option<Timestamp>| since.map(|since| since.plus(overdue).min(now));
    Progress {
        failing_since: later(before.failing_since),
        incomplete_since: later(before.incomplete_since),
        changing_since: later(before.changing_since),
        richer_lacking_since: later(before.richer_lacking_since),
        ..before.clone()
    }
}

/// Since when something lasts: from now on, unless that was noted before. An instant that is still to come was noted by
/// a clock that was wrong.
fn begun(since: &mut Option<Timestamp>, now: Timestamp) -> Timestamp {
    *since.insert(since.filter(|since| *since <= now).unwrap_or(now))
}

fn settled(mut after: Progress, reason: Option<String>) -> Progress {
    after.state = InstanceState::Settled;
    after.due_at = None;
    after.reason = reason;
    after.changing_since = None;
    after
}

/// The first age still to come; one read satisfies every age already past.
fn next_age(reading: &Reading, policy: &Policy) -> Option<Timestamp> {
    let ended_at = reading.ended_at.unwrap_or(reading.at);
    policy.rereads.iter().map(|age| ended_at.plus(*age)).find(|due| *due > reading.at)
}

fn past_all_ages(reading: &Reading, policy: &Policy) -> bool {
    next_age(reading, policy).is_none()
}

fn grown(first: Duration, factor: u32, tries: u32) -> Duration {
    first.saturating_mul(factor.saturating_pow(tries.saturating_sub(1).min(16)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn policy() -> Policy {
        Policy { rereads: vec![30 * MINUTE, DAY] }
    }

    fn reading(age: Duration) -> Reading {
        Reading {
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

    fn read(progress: &Progress, reading: Reading) -> Progress {
        after_reading(progress, &reading, &policy())
    }

    #[test]
    fn an_instance_is_read_again_at_each_age_and_then_settles() {
        let first = read(&Progress::pending(END), Reading { changed: true, ..reading(5 * MINUTE) });
        assert_eq!((first.state, first.due_at), (InstanceState::Collected, Some(END.plus(30 * MINUTE))));
        let second = read(&first, Reading { changed: true, ..reading(31 * MINUTE) });
        assert_eq!(second.due_at, Some(END.plus(DAY)));
        let third = read(&second, reading(DAY));
        assert_eq!((third.state, third.due_at), (InstanceState::Settled, None));
    }

    #[test]
    fn an_old_instance_is_settled_by_its_first_read() {
        let after = read(&Progress::pending(END), Reading { changed: true, ..reading(40 * DAY) });
        assert_eq!((after.state, after.reason), (InstanceState::Settled, None));
    }

    #[test]
    fn one_that_still_changes_is_read_daily_for_a_week() {
        let mut progress = read(&Progress::pending(END), Reading { changed: true, ..reading(MINUTE) });
        let mut age = DAY;
        let mut reads = 0;
        while progress.state != InstanceState::Settled {
            progress = read(&progress, Reading { changed: true, digest: reads, ..reading(age) });
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
        let short = |age, digest| Reading { complete: false, changed: true, digest, ..reading(age) };
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
            progress = read(&progress, Reading { complete: false, digest: reads, ..reading(at) });
            at = progress.due_at.map_or(at, |due| due.since(END));
            reads += 1;
        }
        assert!((8..=12).contains(&reads), "{reads}");
    }

    #[test]
    fn a_suspect_listing_is_confirmed_by_an_equal_one_an_hour_later() {
        let first = read(&Progress::pending(END), Reading { changed: true, ..reading(47 * HOUR) });
        let suspect = read(&first, Reading { suspect: Some(9), ..reading(2 * DAY) });
        assert_eq!(suspect.due_at, Some(END.plus(2 * DAY + HOUR)));
        assert!(!suspect.confirms(9, END.plus(2 * DAY + 59 * MINUTE)));
        assert!(!suspect.confirms(8, END.plus(2 * DAY + HOUR)));
        assert!(suspect.confirms(9, END.plus(2 * DAY + HOUR)));
        // The first sight of it is what counts, however often it is seen within the hour.
        let again = read(&suspect, Reading { suspect: Some(9), ..reading(2 * DAY + MINUTE) });
        assert_eq!(again.suspect_at, suspect.suspect_at);
    }

    #[test]
    fn rows_that_came_twice_over_pages_cause_one_more_read() {
        let shifted = |age, digest| Reading { shifted: true, changed: true, digest, ..reading(age) };
        let first = read(&Progress::pending(END), shifted(40 * DAY, 1));
        assert_eq!(first.due_at, Some(END.plus(40 * DAY + 15 * MINUTE)));
        let second = read(&first, Reading { changed: false, ..shifted(40 * DAY + 15 * MINUTE, 1) });
        assert_eq!(second.state, InstanceState::Settled);
    }

    #[test]
    fn without_data_it_waits_longer_each_time_and_a_week_at_most() {
        let mut progress = Progress::pending(END);
        let mut now = END;
        let mut tries = 0;
        while let Some(due) = progress.due_at {
            now = due;
            progress = after_failure(&progress, &Failure::NotThere, now);
            tries += 1;
        }
        assert_eq!(progress.state, InstanceState::Unavailable);
        assert!(now.since(END) <= PATIENCE + DAY);
        assert!((10..=16).contains(&tries), "{tries}");
    }

    #[test]
    fn a_refused_instance_is_parked_and_tried_again_later_each_time() {
        let refused = Failure::Refused("blocked".to_owned());
        let one = after_failure(&Progress::pending(END), &refused, END);
        let two = after_failure(&one, &refused, END);
        assert_eq!((one.state, one.due_at), (InstanceState::Parked, Some(END.plus(HOUR))));
        assert_eq!(two.due_at, Some(END.plus(6 * HOUR)));
        assert_eq!(after_failure(&one, &Failure::Passing, END), one);
        let mended = read(&two, Reading { changed: true, ..reading(9 * DAY) });
        assert_eq!((mended.state, mended.failures, mended.reason), (InstanceState::Settled, 0, None));
    }

    #[test]
    fn what_a_richer_source_did_not_give_is_asked_for_at_growing_distances_and_has_an_end() {
        let poorer = |age| Reading { richer: Richer::Lacking, ..reading(age) };
        let old = 40 * DAY;
        let mut progress = read(&Progress::pending(END), Reading { changed: true, ..poorer(old) });
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
        let empty = |age| Reading { complete: false, empty: true, ..reading(age) };
        let mut progress = Progress::pending(END);
        let mut age = 3 * DAY;
        let mut reads = 0;
        while progress.state != InstanceState::Settled {
            progress = read(&progress, empty(age));
            age = progress.due_at.map_or(age, |due| due.since(END));
            reads += 1;
        }
        assert!(age >= 3 * DAY + PATIENCE + EMPTY_PATIENCE && reads < 24, "{age:?}, {reads} reads");
        // One that was read completely before is not doubted for so long; nothing of it is.
        let before = read(&Progress::pending(END), Reading { changed: true, ..reading(MINUTE) });
        let first = read(&before, empty(HOUR));
        assert!(first.complete && first.state == InstanceState::Collected);
        let (mut last, mut age) = (first, HOUR);
        while let Some(due) = last.due_at {
            age = due.since(END);
            last = read(&last, empty(age));
        }
        assert_eq!((last.state, last.complete), (InstanceState::Settled, true));
        assert!((HOUR + PATIENCE..=HOUR + PATIENCE + DAY).contains(&age), "{age:?}");
    }

    #[test]
    fn what_was_settled_or_given_up_stays_so_when_a_person_asks_in_vain() {
        let settled = read(&Progress::pending(END), reading(40 * DAY));
        for failure in [
            Failure::NotThere,
            Failure::Refused("no".to_owned()),
            Failure::Denied("no".to_owned()),
            Failure::Passing,
        ] {
            assert_eq!(after_failure(&settled, &failure, END.plus(50 * DAY)), settled);
        }
        let empty = Reading { complete: false, empty: true, ..reading(50 * DAY) };
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
        let absent = after_failure(&refused, &Failure::NotThere, END.plus(30 * DAY));
        assert_eq!((absent.state, absent.failures), (InstanceState::Parked, 1));
        let (mut given_up, mut now) = (absent, END);
        while let Some(due) = given_up.due_at {
            now = due;
            given_up = after_failure(&given_up, &Failure::NotThere, now);
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
        let empty = Reading { complete: false, empty: true, ..reading(3 * DAY) };
        let was_empty = read(&Progress::pending(END), empty);
        let short = Reading { complete: false, first_rows: true, ended: false, ..reading(20 * DAY) };
        let short = read(&was_empty, short);
        assert_eq!((short.state, short.incomplete_reads), (InstanceState::Collected, 1));
        assert_eq!(short.due_at, Some(END.plus(20 * DAY + 15 * MINUTE)));
    }

    #[test]
    fn a_downtime_uses_up_no_patience() {
        let absent = after_failure(&Progress::pending(END), &Failure::NotThere, END);
        let later = after_failure(&absent, &Failure::NotThere, END.plus(90 * DAY));
        assert_eq!(later.state, InstanceState::Pending);
        let empty = |age| Reading { complete: false, empty: true, ..reading(age) };
        let first = read(&Progress::pending(END), empty(3 * DAY));
        assert_eq!(read(&first, empty(93 * DAY)).state, InstanceState::Collected);
        let poorer = |age| Reading { richer: Richer::Lacking, ..reading(age) };
        let first = read(&Progress::pending(END), poorer(40 * DAY));
        assert_eq!(read(&first, poorer(140 * DAY)).state, InstanceState::Collected);
    }
}
