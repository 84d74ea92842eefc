//! Which listed row is which stored one: pure.
//!
//! A session's key is its `user_id`, its `join_time` to the second, and whether it is a stay in the waiting room;
//! a digest stands in for what is blank. Zoom documents no key of its own, and its `id` is blank for guests and
//! the same for every rejoin.

use std::collections::HashMap;

use crate::decode::{Field, Row, RowHashes, WAITING};

/// What identifies a row, stored or listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity<'a> {
    pub user_id: Option<&'a str>,
    pub join_at: Option<i64>,
    pub surrogate_key: Option<i64>,
    pub status: RowStatus,
    pub participant_uuid: Option<&'a str>,
    pub leave_at: Option<i64>,
    pub row_hash: i64,
    pub withdrawn: bool,
}

/// What kind of stay a row's status tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowStatus {
    Admitted,
    Waiting,
    /// No status: taken for admitted, but it also matches the one row of any status under its key.
    Untold,
}

impl<'a> Identity<'a> {
    pub(crate) fn of(row: &'a Row<'_>, hashes: &RowHashes) -> Self {
        Self {
            user_id: row.text(Field::UserId),
            join_at: row.number(Field::JoinTime),
            surrogate_key: row.surrogate_key(),
            status: RowStatus::of(row.text(Field::Status)),
            participant_uuid: row.text(Field::ParticipantUuid),
            leave_at: row.number(Field::LeaveTime),
            row_hash: hashes.row,
            withdrawn: false,
        }
    }

    fn key(&self) -> Key<'a> {
        match (self.user_id, self.join_at) {
            (Some(user_id), Some(join_at)) => Key::Whole(user_id, join_at.div_euclid(1000)),
            _ => Key::Surrogate(self.surrogate_key),
        }
    }
}

impl RowStatus {
    pub(crate) fn of(status: Option<&str>) -> Self {
        match status {
            None => Self::Untold,
            Some(WAITING) => Self::Waiting,
            Some(_) => Self::Admitted,
        }
    }

    fn is_waiting(self) -> bool {
        self == Self::Waiting
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
enum Key<'a> {
    Whole(&'a str, i64),
    Surrogate(Option<i64>),
}

/// For each listed row the number of the stored row that it is, where there is one; no stored row twice.
pub(crate) fn reconcile(stored: &[Identity<'_>], listed: &[Identity<'_>]) -> Vec<Option<usize>> {
    let mut matches = vec![None; listed.len()];
    if stored.is_empty() {
        return matches;
    }
    let mut buckets: HashMap<Key<'_>, (Vec<usize>, Vec<usize>)> = HashMap::with_capacity(listed.len());
    for (at, row) in listed.iter().enumerate() {
        buckets.entry(row.key()).or_default().1.push(at);
    }
    for (at, row) in stored.iter().enumerate() {
        if let Some(bucket) = buckets.get_mut(&row.key()) {
            bucket.0.push(at);
        }
    }
    for (mut olds, mut news) in buckets.into_values() {
        if olds.is_empty() {
            continue;
        }
        let only_one_stored = olds.len() == 1;
        // Rows of one order in every run: those that still count first, then by leaving.
        let order = |row: &Identity<'_>| (row.withdrawn, row.leave_at.is_none(), row.leave_at, row.row_hash);
        olds.sort_by_key(|at| order(&stored[*at]));
        news.sort_by_key(|at| order(&listed[*at]));
        let same_stay =
            |old: &Identity<'_>, new: &Identity<'_>| old.status.is_waiting() == new.status.is_waiting();
        let mut pair = |alike: &dyn Fn(&Identity<'_>, &Identity<'_>) -> bool| {
            news.retain(|new| {
                let Some(at) = olds.iter().position(|old| alike(&stored[*old], &listed[*new])) else {
                    return true;
                };
                matches[*new] = Some(olds.remove(at));
                false
            });
        };
        let same_participant = |old: &Identity<'_>, new: &Identity<'_>| {
            old.participant_uuid.is_some() && old.participant_uuid == new.participant_uuid
        };
        // As it was last sent, whatever status the stored row has kept since.
        pair(&|old, new| old.row_hash == new.row_hash);
        pair(&|old, new| same_stay(old, new) && same_participant(old, new) && old.leave_at == new.leave_at);
        pair(&|old, new| same_stay(old, new) && same_participant(old, new));
        pair(&|old, new| same_stay(old, new) && old.leave_at == new.leave_at);
        pair(&same_stay);
        // What has no status goes with the one row that is left, whatever that one's is.
        let untold = |row: &Identity<'_>| row.status == RowStatus::Untold;
        if only_one_stored {
            pair(&|old, new| untold(new) || untold(old));
        }
    }
    matches
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row(user: &'static str, join_at: i64, leave_at: i64, stay: RowStatus) -> Identity<'static> {
        Identity {
            user_id: Some(user),
            join_at: Some(join_at),
            surrogate_key: None,
            status: stay,
            participant_uuid: None,
            leave_at: Some(leave_at),
            row_hash: join_at * 31 + leave_at * 7 + stay as i64,
            withdrawn: false,
        }
    }

    #[test]
    fn a_changed_leave_time_is_the_same_session() {
        let stored = [row("1", 1_000, 5_000, RowStatus::Admitted)];
        assert_eq!(reconcile(&stored, &[row("1", 1_999, 9_000, RowStatus::Admitted)]), [Some(0)]);
        assert_eq!(reconcile(&stored, &[row("1", 2_000, 5_000, RowStatus::Admitted)]), [None]);
        assert_eq!(reconcile(&stored, &[row("2", 1_000, 5_000, RowStatus::Admitted)]), [None]);
    }

    #[test]
    fn waiting_and_admitted_rows_with_equal_times_stay_two() {
        let stored = [row("1", 1_000, 5_000, RowStatus::Waiting)];
        let listed =
            [row("1", 1_000, 5_000, RowStatus::Admitted), row("1", 1_000, 5_000, RowStatus::Waiting)];
        assert_eq!(reconcile(&stored, &listed), [None, Some(0)]);
        assert_eq!(reconcile(&listed, &stored), [Some(1)]);
    }

    #[test]
    fn a_row_without_status_matches_the_one_stored_row_of_any() {
        let waiting = row("1", 1_000, 5_000, RowStatus::Waiting);
        let admitted = row("1", 1_000, 6_000, RowStatus::Admitted);
        let untold = row("1", 1_000, 7_000, RowStatus::Untold);
        assert_eq!(reconcile(std::slice::from_ref(&waiting), std::slice::from_ref(&untold)), [Some(0)]);
        assert_eq!(reconcile(std::slice::from_ref(&untold), std::slice::from_ref(&waiting)), [Some(0)]);
        assert_eq!(reconcile(&[waiting, admitted], std::slice::from_ref(&untold)), [Some(1)]);
        assert_eq!(reconcile(std::slice::from_ref(&waiting), &[untold, waiting]), [None, Some(0)]);
    }

    #[test]
    fn what_matched_without_a_status_is_found_again_beside_another_row_of_its_key() {
        let told = Identity { row_hash: 7, ..row("1", 1_000, 5_000, RowStatus::Untold) };
        let other = Identity { row_hash: 8, ..row("1", 1_000, 5_000, RowStatus::Untold) };
        // The stored row waited, and was last sent without a status.
        let waited = Identity { status: RowStatus::Waiting, ..told };
        assert_eq!(reconcile(&[waited, other], &[other, told]), [Some(1), Some(0)]);
    }

    #[test]
    fn rows_that_share_a_key_are_matched_by_content_then_participant_then_leaving() {
        let early = row("1", 1_000, 5_000, RowStatus::Admitted);
        let late = row("1", 1_000, 9_000, RowStatus::Admitted);
        let stored = [late, early];
        assert_eq!(reconcile(&stored, &[early, late]), [Some(1), Some(0)]);
        let moved = Identity { leave_at: Some(9_500), row_hash: 1, ..late };
        assert_eq!(reconcile(&stored, &[moved, early]), [Some(0), Some(1)]);
        let known =
            |uuid: &'static str, row: &Identity<'static>| Identity { participant_uuid: Some(uuid), ..*row };
        let stored = [known("a", &early), known("b", &late)];
        let listed = [
            Identity { leave_at: Some(4_000), row_hash: 2, ..known("b", &late) },
            Identity { leave_at: Some(9_800), row_hash: 3, ..known("a", &early) },
        ];
        assert_eq!(reconcile(&stored, &listed), [Some(1), Some(0)]);
    }

    #[test]
    fn a_digest_stands_in_for_a_blank_key() {
        let blank = |surrogate_key| Identity {
            user_id: None,
            surrogate_key: Some(surrogate_key),
            ..row("", 1_000, 5_000, RowStatus::Admitted)
        };
        assert_eq!(reconcile(&[blank(1), blank(2)], &[blank(2), blank(3)]), [Some(1), None]);
    }

    #[test]
    fn a_row_that_comes_back_finds_its_withdrawn_self() {
        let gone = Identity { withdrawn: true, ..row("1", 1_000, 5_000, RowStatus::Admitted) };
        assert_eq!(reconcile(&[gone], &[row("1", 1_000, 5_000, RowStatus::Admitted)]), [Some(0)]);
    }

    fn any_row() -> impl Strategy<Value = Identity<'static>> {
        let stay = prop::sample::select(vec![RowStatus::Admitted, RowStatus::Waiting, RowStatus::Untold]);
        (0..3_usize, 0..2_i64, 0..4_i64, stay, prop::option::of(prop::sample::select(vec!["a", "b"])))
            .prop_map(|(user, join, leave, stay, uuid)| Identity {
                participant_uuid: uuid,
                ..row(["0", "1", "2"][user], join * 1_000, leave, stay)
            })
    }

    proptest! {
        #[test]
        fn no_stored_row_is_given_twice_and_the_order_of_the_listing_is_without_effect(
            stored in prop::collection::vec(any_row(), 0..8),
            listed in prop::collection::vec(any_row(), 0..8),
        ) {
            let matches = reconcile(&stored, &listed);
            let mut taken: Vec<_> = matches.iter().flatten().collect();
            taken.sort();
            taken.dedup();
            prop_assert_eq!(taken.len(), matches.iter().flatten().count());
            let reversed: Vec<_> = listed.iter().copied().rev().collect();
            let mut backwards = reconcile(&stored, &reversed);
            backwards.reverse();
            let matched = |matches: &[Option<usize>]| {
                let mut old: Vec<_> = matches.iter().flatten().copied().collect();
                old.sort_unstable();
                old
            };
            prop_assert_eq!(matched(&matches), matched(&backwards));
        }

        #[test]
        fn a_listing_matches_itself_row_for_row(listed in prop::collection::vec(any_row(), 0..8)) {
            prop_assert!(reconcile(&listed, &listed).iter().all(Option::is_some));
        }
    }
}
