//! The account-wide list of the Dashboard: the only way where the whole account is collected, and the second one where
//! a meeting's instances may not be listed.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{Days, NaiveDate};

use super::answer::{Unanswered, found, unanswered};
use super::{Collector, RunContext, ask};
use crate::model::{MeetingId, Timestamp, Window};
use crate::store::{DiscoveredInstance, DiscoveryRefusal, Standing, StoreError, Subject};
use crate::zoom::{DashboardListingRequest, ListingType, ZoomError, read_pages};

/// The list answers for a month at most,
const LIST_DAYS: u64 = 28;

/// and reaches six months back.
const LIST_REACH_DAYS: u64 = 180;

/// Instances that the list told, and what it broke off with, if it did.
struct AccountList {
    found: Vec<DiscoveredInstance>,
    broken: Option<ZoomError>,
}

impl Collector {
    pub(super) async fn discover_account(&self, run: &RunContext<'_>) -> Result<(), StoreError> {
        let standing = self.store.standing(Subject::Account).await?;
        let scheduled = || standing.window(self.settings.lookback, self.clock.now());
        let window = run.request.window.unwrap_or_else(scheduled);
        match self.account_list(&window, run).await {
            None => Ok(()),
            Some(Ok(list)) => {
                self.record_account_list(&[(Subject::Account, list.found)], list.broken, run).await
            }
            // What is known of already is read all the same.
            Some(Err(why)) => self.record_unanswered(Subject::Account, why, run).await,
        }
    }

    /// Looks for the instances of these meetings, and where the list is refused, too, for the latest one of each.
    pub(super) async fn discover_in_account_list(
        &self,
        meetings: &HashMap<MeetingId, Standing>,
        run: &RunContext<'_>,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let windows = meetings.values().map(|standing| standing.window(self.settings.lookback, now));
        let window = run.request.window.or_else(|| {
            windows.reduce(|one, other| Window { from: one.from.min(other.from), to: one.to.max(other.to) })
        });
        let Some(window) = window else { return Ok(()) };
        match self.account_list(&window, run).await {
            None => Ok(()),
            Some(Ok(list)) => {
                let told = by_meeting(meetings.keys().copied(), list.found);
                self.record_account_list(&told, list.broken, run).await
            }
            Some(Err(Unanswered::Transient(error))) => {
                let words = format!("the account-wide list of meetings could not be read: {error}");
                run.fail_with(&error, words);
                Ok(())
            }
            Some(Err(why)) => {
                let error = why.into_error();
                run.warn(format!(
                    "the account-wide list of meetings is refused, too: {error}; only the latest instance of each meeting \
                     is looked for, earlier ones are missed until one of the two is allowed"
                ));
                self.discover_latest(meetings.keys().copied(), run).await
            }
        }
    }

    /// Takes in what the list told, by whom it is looked for. A list over a run's own window says nothing of what lies
    /// outside of it, and one that broke off nothing of the rest.
    async fn record_account_list(
        &self,
        told: &[(Subject, Vec<DiscoveredInstance>)],
        broken: Option<ZoomError>,
        run: &RunContext<'_>,
    ) -> Result<(), StoreError> {
        let complete = broken.is_none() && run.request.window.is_none();
        for (subject, found) in told {
            self.record_listing(*subject, found, complete, run).await?;
        }
        let Some(error) = broken else { return Ok(()) };
        let words = format!("the account-wide list of meetings broke off: {error}; what came was taken in");
        run.fail_with(&error, words.clone());
        if matches!(unanswered(error), Unanswered::Transient(_)) {
            return Ok(());
        }
        // A part of it that is refused will be so for long.
        let refusal = DiscoveryRefusal { words, not_found: false, rests: false };
        for (subject, _) in told {
            run.summary().meetings_refused += 1;
            self.store.note_refusal(*subject, &refusal, self.clock.now()).await?;
        }
        Ok(())
    }

    /// Every ended instance that the Dashboard lists in the window, of both of its lists; none where the run is over.
    async fn account_list(
        &self,
        window: &Window,
        run: &RunContext<'_>,
    ) -> Option<Result<AccountList, Unanswered>> {
        let now = self.clock.now();
        if window.from < now.minus(Duration::from_hours(LIST_REACH_DAYS * 24)) {
            run.warn(format!(
                "the account-wide list reaches six months back only; instances from {} until then cannot be found there",
                window.from
            ));
        }
        let mut list = AccountList { found: Vec::new(), broken: None };
        let mut answered = false;
        for (from, to) in months(window, now) {
            for listing in [ListingType::Past, ListingType::PastOne] {
                let request = DashboardListingRequest { listing, from, to };
                match ask(read_pages(|| self.zoom.dashboard_meetings(request)), run).await? {
                    Ok(pages) => {
                        let meetings = pages.read.into_iter().flat_map(|page| page.meetings);
                        list.found.extend(meetings.filter_map(|told| found(None, told)));
                        list.broken = list.broken.or(pages.broken);
                        answered = true;
                    }
                    // What another of them told is not lost with this one.
                    Err(why) if answered => list.broken = list.broken.or_else(|| Some(why.into_error())),
                    Err(why) => return Some(Err(why)),
                }
            }
        }
        Some(Ok(list))
    }
}

/// What was found of each of these meetings, which may be nothing.
fn by_meeting(
    meetings: impl Iterator<Item = MeetingId>,
    found: Vec<DiscoveredInstance>,
) -> Vec<(Subject, Vec<DiscoveredInstance>)> {
    let mut told: HashMap<MeetingId, Vec<DiscoveredInstance>> =
        meetings.map(|meeting| (meeting, Vec::new())).collect();
    for found in found {
        if let Some(of_meeting) = told.get_mut(&found.meeting_id) {
            of_meeting.push(found);
        }
    }
    told.into_iter().map(|(meeting, found)| (Subject::Meeting(meeting), found)).collect()
}

/// The window in pieces that the account-wide list takes: first and last UTC day of each, the latest piece first.
fn months(window: &Window, now: Timestamp) -> Vec<(NaiveDate, NaiveDate)> {
    let today = now.utc().date_naive();
    let reach = today.checked_sub_days(Days::new(LIST_REACH_DAYS)).unwrap_or(today);
    let first = window.from.utc().date_naive().max(reach);
    let mut to = window.to.utc().date_naive().min(today);
    let mut pieces = Vec::new();
    while to >= first {
        let from = to.checked_sub_days(Days::new(LIST_DAYS - 1)).unwrap_or(first).max(first);
        pieces.push((from, to));
        let Some(before) = from.pred_opt() else { break };
        to = before;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn at(text: &str) -> Timestamp {
        crate::model::parse_instant(text).unwrap()
    }

    #[test]
    fn a_window_is_cut_into_pieces_without_gap_or_overlap() {
        let window = Window { from: at("2026-01-20T15:00:00Z"), to: at("2026-03-25T00:00:00Z") };
        assert_eq!(
            months(&window, at("2026-03-24T12:00:00Z")),
            [
                (day("2026-02-25"), day("2026-03-24")),
                (day("2026-01-28"), day("2026-02-24")),
                (day("2026-01-20"), day("2026-01-27")),
            ]
        );
    }

    #[test]
    fn the_list_is_not_asked_beyond_its_reach() {
        let window = Window { from: at("2020-01-01T00:00:00Z"), to: at("2026-03-25T00:00:00Z") };
        let pieces = months(&window, at("2026-03-24T12:00:00Z"));
        assert_eq!(pieces.last().unwrap().0, day("2025-09-25"));
        let past = Window { from: at("2020-01-01T00:00:00Z"), to: at("2020-02-01T00:00:00Z") };
        assert_eq!(months(&past, at("2026-03-24T12:00:00Z")), []);
    }
}
