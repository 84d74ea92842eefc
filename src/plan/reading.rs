//! What becomes of an instance after a listing of it was read.

use super::patience::{EMPTY_LISTING_LIMIT, begun, is_worn_out, short_distance, without_downtime};
use super::progress::{PendingWithdrawal, Policy, Progress};
use crate::model::{DAY, HOUR, InstanceState, MINUTE, Timestamp, WEEK};

/// What a listing was like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, and any of them go together")]
pub struct ListingFacts {
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

/// Where an instance stands after a listing of it was stored.
pub fn after_reading(before: &Progress, reading: &ListingFacts, policy: &Policy) -> Progress {
    let before = &without_downtime(before, reading.at);
    let is_done = matches!(before.state, InstanceState::Settled | InstanceState::Unavailable);
    if reading.empty && !reading.live && is_done {
        // A person asked for it; that Zoom lists nobody now opens no question anew.
        return before.clone();
    }
    let after = Progress {
        state: InstanceState::Collected,
        reason: None,
        failures: 0,
        failing: None,
        failing_since: None,
        content_hash: Some(reading.digest),
        richer_lacking_since: before.richer_lacking_since.filter(|_| reading.richer != Richer::None),
        ..before.clone()
    };
    if reading.live {
        after_live(after, reading)
    } else if reading.complete {
        after_complete(after, before, reading, policy)
    } else {
        after_incomplete(after, before, reading, policy)
    }
}

/// A listing of past instances will bring it up; should none do so, it is tried as a past one.
fn after_live(after: Progress, reading: &ListingFacts) -> Progress {
    Progress { state: InstanceState::Live, due_at: Some(reading.at.plus(HOUR)), ..after }
}

fn after_complete(after: Progress, before: &Progress, reading: &ListingFacts, policy: &Policy) -> Progress {
    let mut after =
        Progress { complete: true, incomplete_reads: 0, incomplete_since: None, identical_reads: 0, ..after };
    if let Some(digest) = reading.suspect {
        return after_suspect(after, reading, digest);
    }
    after.pending_withdrawal = None;
    if reading.shifted && before.content_hash != Some(reading.digest) && before.changing_since.is_none() {
        // The one more read settles it only where it finds nothing new.
        after.changing_since = next_age(reading, policy).is_none().then_some(reading.at);
        after.due_at = Some(reading.at.plus(15 * MINUTE));
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
    if is_worn_out(since, reading.at) {
        return after.settled(Some("still changing after seven days of daily reads"));
    }
    after.due_at = Some(reading.at.plus(DAY));
    after
}

/// The listing lacks more rows than is credible: it is confirmed, or not, by another one.
fn after_suspect(mut after: Progress, reading: &ListingFacts, digest: i64) -> Progress {
    let seen_before = after.pending_withdrawal.filter(|pending| pending.digest == digest);
    let since = seen_before.map(|pending| pending.since).filter(|since| *since <= reading.at);
    let pending = PendingWithdrawal { digest, since: since.unwrap_or(reading.at) };
    after.pending_withdrawal = Some(pending);
    let since = begun(&mut after.changing_since, reading.at);
    if is_worn_out(since, reading.at) {
        return after.settled(Some("for a week each listing lacked different rows; none was withdrawn"));
    }
    // A reading in between, asked for by a person, does not put the confirmation off.
    after.due_at = Some(pending.confirmed_from());
    after
}

/// Settled, unless a richer source may yet give what it did not: it is asked again for four weeks, each time later.
fn settled_or_lifted(mut after: Progress, reading: &ListingFacts) -> Progress {
    // Those few that a source refused before it was closed go on asking: where nothing new is held, they find out that
    // it serves again.
    let is_asked_again = match reading.richer {
        Richer::None => false,
        Richer::Lacking => true,
        Richer::Closed => after.richer_lacking_since.is_some(),
    };
    if !is_asked_again {
        return after.settled(None);
    }
    let since = begun(&mut after.richer_lacking_since, reading.at);
    let ages = [DAY, 3 * DAY, WEEK, 2 * WEEK, 4 * WEEK].map(|age| since.plus(age));
    let Some(due) = ages.into_iter().find(|due| *due > reading.at) else {
        let reason = "for four weeks a richer source did not give it; a poorer one was read";
        return after.settled(Some(reason));
    };
    after.due_at = Some(due);
    after
}

fn after_incomplete(
    mut after: Progress,
    before: &Progress,
    reading: &ListingFacts,
    policy: &Policy,
) -> Progress {
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
    let is_stable = after.identical_reads >= 3;
    if is_stable || is_worn_out(since, reading.at) {
        // It is taken for all that there is; a later age may still bring more.
        match next_age(reading, policy) {
            Some(due) => after.due_at = Some(due),
            None => {
                return after.settled(Some("Zoom reports more rows (total_records) than it returned"));
            }
        }
        return after;
    }
    after.due_at = Some(reading.at.plus(short_distance(after.incomplete_reads)));
    after
}

/// Nobody is listed: equal readings prove nothing, and only time ends the question.
fn after_empty(mut after: Progress, reading: &ListingFacts, since: Timestamp, policy: &Policy) -> Progress {
    if reading.leaves_out_one {
        let Some(due) = next_age(reading, policy) else {
            let reason = "at most one person was in it, and only the Dashboard lists meetings of one";
            return after.settled(Some(reason));
        };
        after.due_at = Some(due);
        return after;
    }
    let is_worn_out = is_worn_out(since, reading.at);
    if after.complete && is_worn_out {
        return after.settled(Some("for a week Zoom listed nobody any more; what was stored before stays"));
    }
    if reading.at >= since.plus(EMPTY_LISTING_LIMIT) {
        return after.settled(Some("Zoom lists nobody in it, and has not for nine weeks"));
    }
    let distance = if is_worn_out { WEEK } else { short_distance(after.incomplete_reads) };
    after.due_at = Some(reading.at.plus(distance));
    after
}

/// The first age still to come; one read satisfies every age already past.
fn next_age(reading: &ListingFacts, policy: &Policy) -> Option<Timestamp> {
    let ended_at = reading.ended_at.unwrap_or(reading.at);
    policy.rereads.iter().map(|age| ended_at.plus(*age)).find(|due| *due > reading.at)
}
