//! Discovery: which instances there are.
//!
//! The listing of a meeting's instances is the first way (one Medium request, 15 months). Where the app or the plan
//! has no right to it, the account-wide list is the next, and after that the latest instance by numeric ID. What a
//! meeting answered is noted for that meeting alone, and only a listing that was read to its end counts as told.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{Days, NaiveDate};
use futures_util::{StreamExt as _, stream};

use super::context::{RunContext, until_cancelled};
use super::summary::AbortReason;
use super::{Collector, RunRequest};
use crate::model::{InstanceUuid, MeetingId, Timestamp, Window};
use crate::store::{
    Description, DiscoveryRefusal, Found, InstancesListing, Selection, Standing, StoreError, Subject,
};
use crate::zoom::{
    DashboardListingRequest, Disposition, Encoding, ListingType, MeetingDetails, MeetingKey, SourceRefusal,
    ZoomClient, ZoomError, read_pages,
};

/// Listings asked for at the same time.
const DISCOVERIES_AT_ONCE: usize = 8;

/// The account-wide list answers for a month at most,
const LIST_DAYS: u64 = 28;

/// and reaches six months back.
const LIST_REACH_DAYS: u64 = 180;

/// The instances of a meeting are listed for 15 months.
const INSTANCES_REACH: Duration = Duration::from_hours(456 * 24);

/// Why a question about instances is not answered.
enum Unanswered {
    /// It is not there: it never was, nothing of it has ended yet, or its ID expired.
    NotFound(ZoomError),
    /// The app or the plan has no right to ask this way.
    NoRight(ZoomError),
    /// It is refused for a reason of its own.
    Refused(ZoomError),
    /// It may be answered another time.
    Passing(ZoomError),
    /// Nothing more can be read.
    Abort(AbortReason),
}

/// Instances that a list told, and whether that was all of it.
struct AccountList {
    found: Vec<Found>,
    broken: Option<ZoomError>,
}

impl Collector {
    pub(super) async fn discover(
        &self,
        job: &RunRequest,
        run: &mut RunContext<'_>,
    ) -> Result<(), StoreError> {
        self.discover_named(&job.selection, run).await?;
        if run.is_over() {
            return Ok(());
        }
        if job.account_wide {
            self.discover_account(job, run).await?;
        } else {
            let without_right = self.discover_listed(job, run).await?;
            if !without_right.is_empty() && !run.is_over() {
                self.discover_otherwise(&without_right, job, run).await?;
            }
        }
        if self.settings.include_live && !run.is_over() {
            if job.account_wide {
                self.discover_live_account(run).await?;
            } else {
                self.discover_live(&job.meetings, run).await?;
            }
        }
        Ok(())
    }

    /// Asks for the instances of every meeting that does not rest; answers with those that may not be asked that way.
    async fn discover_listed(
        &self,
        job: &RunRequest,
        run: &mut RunContext<'_>,
    ) -> Result<HashMap<MeetingId, Standing>, StoreError> {
        let now = self.clock.now();
        let mut asked = Vec::new();
        for meeting in &job.meetings {
            let standing = self.store.standing(Subject::Meeting(*meeting)).await?;
            if !job.ignore_backoff && standing.rests(now) {
                run.summary.meetings_refused += u64::from(!standing.not_found);
            } else {
                asked.push((*meeting, standing));
            }
        }
        let answers = ask_all(asked, run, |(meeting, _)| self.zoom.instances(meeting)).await;
        let mut without_right = HashMap::new();
        for ((meeting, standing), answer) in answers {
            let subject = Subject::Meeting(meeting);
            match answer {
                Ok(instances) => {
                    let found: Vec<Found> = instances
                        .into_iter()
                        .map(|told| Found {
                            uuid: told.uuid,
                            meeting_id: meeting,
                            start_at: told.start_time,
                            description: None,
                        })
                        .collect();
                    let from = window_begin(job, standing.window(self.settings.lookback, now));
                    if from < now.minus(INSTANCES_REACH) {
                        run.warn(format!(
                            "Zoom lists the instances of meeting {meeting} for 15 months only; those from {from} until then \
                             cannot be found"
                        ));
                    }
                    self.learn(subject, &found, true, job, run).await?;
                }
                Err(Unanswered::NoRight(error)) => {
                    if without_right.is_empty() {
                        run.warn(format!(
                            "the instances of meeting {meeting}, and perhaps of others, cannot be listed: {error}; they \
                             are looked for in the account-wide list"
                        ));
                    }
                    without_right.insert(meeting, standing);
                }
                Err(why) => self.note_unanswered(subject, why, run).await?,
            }
        }
        Ok(without_right)
    }

    /// Takes in what a subject told.
    async fn learn(
        &self,
        subject: Subject,
        found: &[Found],
        complete: bool,
        job: &RunRequest,
        run: &mut RunContext<'_>,
    ) -> Result<(), StoreError> {
        run.summary.answered = true;
        let listing = InstancesListing { subject, found, complete };
        let new =
            self.store.learn_listing(&listing, self.settings.lookback, job.window, self.clock.now()).await?;
        run.summary.instances_found += new;
        Ok(())
    }

    /// Notes why a meeting, or the account's list, told nothing.
    async fn note_unanswered(
        &self,
        subject: Subject,
        why: Unanswered,
        run: &mut RunContext<'_>,
    ) -> Result<(), StoreError> {
        let whose = match subject {
            Subject::Meeting(meeting) => format!("the instances of meeting {meeting}"),
            Subject::Account => "the meetings of the account".to_owned(),
        };
        let (words, not_found) = match (why, subject) {
            (Unanswered::NotFound(error), Subject::Meeting(meeting)) => {
                run.summary.answered = true;
                let words = format!(
                    "Zoom lists no past instances of meeting {meeting}: none has ended yet, its ID has expired or is \
                     mistyped, or it belongs to another account ({error})"
                );
                run.warn(words.clone());
                (words, true)
            }
            (Unanswered::NotFound(error) | Unanswered::NoRight(error) | Unanswered::Refused(error), _) => {
                let words = format!("Zoom refuses to list {whose}: {error}");
                run.summary.meetings_refused += 1;
                run.fail(words.clone());
                (words, false)
            }
            (Unanswered::Passing(error), _) => {
                run.fail_with(&error, format!("{whose} could not be listed: {error}"));
                return Ok(());
            }
            (Unanswered::Abort(reason), _) => {
                run.abort(reason);
                return Ok(());
            }
        };
        // The account's list is all that there is to go by: it is asked for each time.
        let rests = subject != Subject::Account;
        let refusal = DiscoveryRefusal { words, not_found, rests };
        self.store.note_refusal(subject, &refusal, self.clock.now()).await
    }

    /// Instances that a person named by their UUIDs: which meeting they are of, unless that is known.
    async fn discover_named(
        &self,
        selection: &Selection,
        run: &mut RunContext<'_>,
    ) -> Result<(), StoreError> {
        let uuids = &selection.instances;
        if uuids.is_empty() {
            return Ok(());
        }
        let known = self.store.known_instances(uuids).await?;
        let pruned = self.store.pruned_instances(uuids).await?;
        for uuid in uuids.iter().filter(|uuid| !known.contains_key(uuid.as_str())) {
            if pruned.contains(uuid.as_str()) && !selection.force {
                run.warn(format!("instance {uuid} was pruned; --force brings it back"));
                continue;
            }
            let Some(told) = run.until_stopped(past_instance(&self.zoom, uuid, Encoding::Documented)).await
            else {
                return Ok(());
            };
            let now = self.clock.now();
            match told.map_err(unanswered) {
                Ok(told) => match told.id {
                    Some(meeting_id) => {
                        let found = Found {
                            uuid: uuid.clone(),
                            meeting_id,
                            start_at: told.start_time,
                            description: Some(description_of(told)),
                        };
                        run.summary.instances_found += self.store.learn_named(&found, now).await?;
                    }
                    None => run.warn(format!(
                        "Zoom does not say which meeting instance {uuid} is of; it is left out"
                    )),
                },
                Err(Unanswered::Abort(reason)) => {
                    run.abort(reason);
                    return Ok(());
                }
                Err(
                    Unanswered::NotFound(error)
                    | Unanswered::NoRight(error)
                    | Unanswered::Refused(error)
                    | Unanswered::Passing(error),
                ) => {
                    run.summary.answered |= error.status().is_some();
                    run.summary.instances_failed += 1;
                    run.fail_with(&error, format!("instance {uuid} could not be found: {error}"));
                }
            }
        }
        Ok(())
    }

    /// Every instance of the account.
    async fn discover_account(&self, job: &RunRequest, run: &mut RunContext<'_>) -> Result<(), StoreError> {
        let standing = self.store.standing(Subject::Account).await?;
        let window = job.window.unwrap_or_else(|| standing.window(self.settings.lookback, self.clock.now()));
        match self.account_list(&window, run).await {
            None => Ok(()),
            Some(Ok(list)) => {
                self.learn_account(&[(Subject::Account, list.found)], list.broken, job, run).await
            }
            // What is known of already is read all the same.
            Some(Err(why)) => self.note_unanswered(Subject::Account, why, run).await,
        }
    }

    /// Takes in what the account-wide list told, by whom it is looked for. A list over a run's own window says nothing
    /// of what lies outside of it, and one that broke off nothing of the rest.
    async fn learn_account(
        &self,
        told: &[(Subject, Vec<Found>)],
        broken: Option<ZoomError>,
        job: &RunRequest,
        run: &mut RunContext<'_>,
    ) -> Result<(), StoreError> {
        let complete = broken.is_none() && job.window.is_none();
        for (subject, found) in told {
            self.learn(*subject, found, complete, job, run).await?;
        }
        let Some(error) = broken else { return Ok(()) };
        let words = format!("the account-wide list of meetings broke off: {error}; what came was taken in");
        run.fail_with(&error, words.clone());
        if matches!(unanswered(error), Unanswered::Passing(_)) {
            return Ok(());
        }
        // A part of it that is refused will be so for long.
        let refusal = DiscoveryRefusal { words, not_found: false, rests: false };
        for (subject, _) in told {
            run.summary.meetings_refused += 1;
            self.store.note_refusal(*subject, &refusal, self.clock.now()).await?;
        }
        Ok(())
    }

    /// Looks for the instances in the account-wide list, and where that is refused, too, for the latest one of each.
    async fn discover_otherwise(
        &self,
        meetings: &HashMap<MeetingId, Standing>,
        job: &RunRequest,
        run: &mut RunContext<'_>,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let windows = meetings.values().map(|standing| standing.window(self.settings.lookback, now));
        let window = job.window.or_else(|| {
            windows.reduce(|one, other| Window { from: one.from.min(other.from), to: one.to.max(other.to) })
        });
        let Some(window) = window else { return Ok(()) };
        match self.account_list(&window, run).await {
            None => {}
            Some(Ok(list)) => {
                let mut told: HashMap<MeetingId, Vec<Found>> =
                    meetings.keys().map(|meeting| (*meeting, Vec::new())).collect();
                for found in list.found {
                    if let Some(of_meeting) = told.get_mut(&found.meeting_id) {
                        of_meeting.push(found);
                    }
                }
                let told: Vec<_> =
                    told.into_iter().map(|(meeting, found)| (Subject::Meeting(meeting), found)).collect();
                self.learn_account(&told, list.broken, job, run).await?;
            }
            Some(Err(Unanswered::Abort(reason))) => run.abort(reason),
            Some(Err(Unanswered::Passing(error))) => {
                run.fail_with(
                    &error,
                    format!("the account-wide list of meetings could not be read: {error}"),
                );
            }
            Some(Err(
                Unanswered::NoRight(error) | Unanswered::Refused(error) | Unanswered::NotFound(error),
            )) => {
                run.warn(format!(
                    "the account-wide list of meetings is refused, too: {error}; only the latest instance of each meeting \
                     is looked for, earlier ones are missed until one of the two is allowed"
                ));
                self.discover_latest(meetings, job, run).await?;
            }
        }
        Ok(())
    }

    /// The latest instance of each meeting, by its number. It is read by its UUID afterwards, so a meeting that begins
    /// in between cannot be taken for it.
    async fn discover_latest(
        &self,
        meetings: &HashMap<MeetingId, Standing>,
        job: &RunRequest,
        run: &mut RunContext<'_>,
    ) -> Result<(), StoreError> {
        let asked = meetings.keys().copied().collect();
        for (meeting, answer) in ask_all(asked, run, |meeting| self.latest(meeting)).await {
            let subject = Subject::Meeting(meeting);
            match answer {
                Ok(found) => {
                    let found: Vec<Found> = found.into_iter().collect();
                    self.learn(subject, &found, false, job, run).await?;
                    // It goes on, and goes on to be said: the other instances are missed.
                    let words = format!("only the latest instance of meeting {meeting} can be found");
                    let refusal = DiscoveryRefusal { words: words.clone(), not_found: false, rests: false };
                    run.summary.meetings_refused += 1;
                    run.summary.error.get_or_insert(words);
                    self.store.note_refusal(subject, &refusal, self.clock.now()).await?;
                }
                Err(why) => {
                    run.summary.denied |= matches!(why, Unanswered::NoRight(_));
                    self.note_unanswered(subject, why, run).await?;
                }
            }
        }
        Ok(())
    }

    /// The latest instance of a meeting, from the past meeting or, where that is refused, from the Dashboard.
    async fn latest(&self, meeting: MeetingId) -> Result<Option<Found>, ZoomError> {
        let key = MeetingKey::Latest(meeting);
        match self.zoom.past_meeting(&key, Encoding::Documented).await {
            Ok(told) => Ok(described(meeting, told)),
            Err(error) if matches!(error.disposition(), Disposition::TryNextSource(_)) => {
                let told = self.zoom.dashboard_meeting(&key, ListingType::Past, Encoding::Documented).await?;
                Ok(listed(Some(meeting), told))
            }
            Err(error) => Err(error),
        }
    }

    /// Every ended instance of the account that the Dashboard lists in the window, of both of its lists; none where
    /// the run is told to stop.
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
                match run.until_stopped(read_pages(|| self.zoom.dashboard_meetings(request))).await? {
                    Ok(pages) => {
                        let meetings = pages.read.into_iter().flat_map(|page| page.meetings);
                        list.found.extend(meetings.filter_map(|told| listed(None, told)));
                        list.broken = list.broken.or(pages.broken);
                        answered = true;
                    }
                    Err(error) => match unanswered(error.clone()) {
                        stop @ Unanswered::Abort(_) => return Some(Err(stop)),
                        // What another of them told is not lost with this one.
                        _ if answered => list.broken = list.broken.or(Some(error)),
                        why => return Some(Err(why)),
                    },
                }
            }
        }
        Some(Ok(list))
    }

    /// Every meeting of the account that is on now.
    async fn discover_live_account(&self, run: &mut RunContext<'_>) -> Result<(), StoreError> {
        let today = self.clock.now().utc().date_naive();
        let request = DashboardListingRequest { listing: ListingType::Live, from: today, to: today };
        let Some(told) = run.until_stopped(read_pages(|| self.zoom.dashboard_meetings(request))).await else {
            return Ok(());
        };
        let refused = match told {
            Ok(pages) => {
                let meetings = pages.read.into_iter().flat_map(|page| page.meetings);
                for found in meetings.filter_map(|told| listed(None, told)) {
                    self.store.learn_live(&found, self.clock.now()).await?;
                }
                pages.broken
            }
            Err(error) => Some(error),
        };
        if let Some(error) = refused {
            match unanswered(error.clone()) {
                Unanswered::Abort(reason @ AbortReason::Quota(..)) => run.abort(reason),
                _ => run.warn(format!("which meetings are on could not be asked: {error}")),
            }
        }
        Ok(())
    }

    /// Meetings that are on now: read while they are, as far as they have come.
    async fn discover_live(
        &self,
        meetings: &[MeetingId],
        run: &mut RunContext<'_>,
    ) -> Result<(), StoreError> {
        let live = |meeting| async move {
            let key = MeetingKey::Latest(meeting);
            self.zoom.dashboard_meeting(&key, ListingType::Live, Encoding::Documented).await
        };
        for (meeting, answer) in ask_all(meetings.to_vec(), run, live).await {
            match answer {
                Ok(told) => {
                    if let Some(found) = listed(Some(meeting), told) {
                        self.store.learn_live(&found, self.clock.now()).await?;
                    }
                }
                // Not on at the moment.
                Err(Unanswered::NotFound(_)) => {}
                Err(Unanswered::Abort(reason @ AbortReason::Quota(..))) => run.abort(reason),
                Err(Unanswered::NoRight(error) | Unanswered::Refused(error) | Unanswered::Passing(error)) => {
                    run.warn(format!("whether meeting {meeting} is on could not be asked: {error}"));
                }
                Err(Unanswered::Abort(AbortReason::Refused(words))) => {
                    run.warn(format!("whether meeting {meeting} is on could not be asked: {words}"));
                }
            }
        }
        Ok(())
    }
}

/// Asks for all of these, some at a time; what the run is told to stop for is left out, and so is the rest once an answer
/// says that nothing more can be read.
///
/// The answers come back together: whoever wrote one down while others were still under way would wait for the
/// database that one of those holds, and it is not polled meanwhile.
async fn ask_all<K: Copy, T, F: Future<Output = Result<T, ZoomError>>>(
    keys: Vec<K>,
    run: &RunContext<'_>,
    ask: impl Fn(K) -> F,
) -> Vec<(K, Result<T, Unanswered>)> {
    let halt = run.stop().child_token();
    let (halt, ask) = (&halt, &ask);
    stream::iter(keys)
        .map(|key| async move {
            let answer = until_cancelled(halt, ask(key)).await?.map_err(unanswered);
            if matches!(answer, Err(Unanswered::Abort(_))) {
                halt.cancel();
            }
            Some((key, answer))
        })
        .buffer_unordered(DISCOVERIES_AT_ONCE)
        .filter_map(std::future::ready)
        .collect()
        .await
}

/// Where a run's windows over a meeting begin.
fn window_begin(job: &RunRequest, scheduled: Window) -> Timestamp {
    job.window.map_or(scheduled.from, |window| window.from)
}

/// One ended instance, by the documented encoding of its UUID or, where that finds nothing, by the other one.
pub(super) async fn past_instance(
    zoom: &ZoomClient,
    uuid: &InstanceUuid,
    first: Encoding,
) -> Result<MeetingDetails, ZoomError> {
    let key = MeetingKey::Uuid(uuid.clone());
    let told = zoom.past_meeting(&key, first).await;
    match told {
        Err(error) if error.is_not_found() && Encoding::alternate_may_help(uuid) => {
            zoom.past_meeting(&key, first.alternate()).await.map_err(|_| error)
        }
        told => told,
    }
}

fn unanswered(error: ZoomError) -> Unanswered {
    match error.disposition() {
        Disposition::Credentials | Disposition::RenewToken => {
            Unanswered::Abort(AbortReason::Refused(error.to_string()))
        }
        Disposition::Quota { until } => Unanswered::Abort(AbortReason::Quota(until, error.to_string())),
        Disposition::TryNextSource(SourceRefusal::MissingScopes(_) | SourceRefusal::Plan(_)) => {
            Unanswered::NoRight(error)
        }
        Disposition::NotFound | Disposition::RetryAsPastOne => Unanswered::NotFound(error),
        Disposition::Parked(_) => Unanswered::Refused(error),
        Disposition::Retry
        | Disposition::Throttled(_)
        | Disposition::RestartListing
        | Disposition::StopListing
        | Disposition::Unreachable
        | Disposition::Ledger => Unanswered::Passing(error),
    }
}

fn described(meeting: MeetingId, told: MeetingDetails) -> Option<Found> {
    Some(Found {
        uuid: told.uuid.clone()?,
        meeting_id: meeting,
        start_at: told.start_time,
        description: Some(description_of(told)),
    })
}

/// What Zoom tells of an instance, apart from who was there.
pub(super) fn description_of(told: MeetingDetails) -> Description {
    Description {
        host_name: told.host_name().map(str::to_owned),
        host_email: told.host_email().map(str::to_owned),
        start_at: told.start_time,
        ended_at: told.end_time,
        joins: told.joins(),
        topic: told.topic,
    }
}

fn listed(meeting: Option<MeetingId>, told: MeetingDetails) -> Option<Found> {
    Some(Found {
        uuid: told.uuid.clone()?,
        meeting_id: meeting.or(told.id)?,
        start_at: told.start_time,
        description: Some(description_of(told)),
    })
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
