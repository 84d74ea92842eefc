//! Discovery: which instances there are.
//!
//! The listing of a meeting's instances is the first way (one Medium request, 15 months). Where the app or the plan
//! has no right to it, the account-wide list is the next, and after that the latest instance by numeric ID.

use std::collections::HashSet;

use chrono::{Days, NaiveDate};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio_util::sync::CancellationToken;

use super::outcome::{Event, Stop, Summary};
use super::{Collector, Job};
use crate::model::{InstanceUuid, MeetingId, Timestamp, Window};
use crate::store::{Description, Found, StoreError};
use crate::zoom::{
    DashboardListingRequest, DashboardMeeting, Disposition, Encoding, ListingType, MeetingKey, PastMeeting,
    ZoomError,
};

/// Listings asked for at the same time.
const DISCOVERIES_AT_ONCE: usize = 8;

/// The account-wide list answers for a month at most,
const LIST_DAYS: u64 = 28;

/// and reaches six months back.
const LIST_REACH_DAYS: u64 = 180;

/// How a meeting answered.
enum Answer {
    Instances(Vec<Found>),
    /// It has none, or its ID expired.
    NotThere(ZoomError),
    /// This way is closed for all meetings.
    Closed(ZoomError),
    /// It may answer another time.
    Passing(ZoomError),
    /// Nothing more can be read.
    Stop(Stop),
}

/// Meetings whose instances Zoom refuses to list.
struct Refused {
    meetings: Vec<MeetingId>,
    error: ZoomError,
}

impl Collector {
    pub(super) async fn discover(
        &self,
        job: &Job,
        window: &Window,
        summary: &mut Summary,
        observe: &(dyn Fn(Event) + Send + Sync),
        stop: &CancellationToken,
    ) -> Result<(), StoreError> {
        summary.discovered_all = true;
        self.discover_named(&job.selection.instances, summary, observe, stop).await?;
        if summary.stop.is_some() {
            return Ok(());
        }
        if job.account_wide {
            return self.discover_account(window, summary, observe, stop).await;
        }
        if let Some(refused) = self.discover_listed(job, window, summary, observe, stop).await? {
            observe(Event::Warning(format!(
                "the instances of meetings cannot be listed: {}; they are looked for in the account-wide list",
                refused.error
            )));
            self.discover_otherwise(&refused.meetings, window, summary, observe, stop).await?;
        }
        if self.rules.include_live && summary.stop.is_none() && !stop.is_cancelled() {
            self.discover_live(&job.meetings, observe).await?;
        }
        Ok(())
    }

    /// Asks for the instances of every meeting that does not rest; says which could not be asked for that way.
    async fn discover_listed(
        &self,
        job: &Job,
        window: &Window,
        summary: &mut Summary,
        observe: &(dyn Fn(Event) + Send + Sync),
        stop: &CancellationToken,
    ) -> Result<Option<Refused>, StoreError> {
        let now = self.clock.now();
        let mut asked = Vec::new();
        for meeting in &job.meetings {
            let rests = self.store.next_discovery(*meeting).await?.is_some_and(|next| now < next);
            if job.insistent || !rests {
                asked.push(*meeting);
            }
        }
        let mut answers = stream::iter(asked)
            .map(|meeting| async move {
                let answer = tokio::select! {
                    answer = self.ask(meeting) => Some(answer),
                    () = stop.cancelled() => None,
                };
                (meeting, answer)
            })
            .buffer_unordered(DISCOVERIES_AT_ONCE);
        let mut refused: Option<Refused> = None;
        while let Some((meeting, answer)) = answers.next().await {
            match answer {
                Some(Answer::Instances(found)) => {
                    summary.answered = true;
                    summary.instances_found += self.store.learn(&found, window, now).await?.new;
                    self.store.discovered(meeting, None, now).await?;
                }
                Some(Answer::NotThere(error)) => {
                    summary.answered = true;
                    let words = format!(
                        "meeting {meeting} tells no instances; none has ended yet, or its ID has expired or is not of this \
                         account ({error})"
                    );
                    self.store.discovered(meeting, Some(&words), now).await?;
                    observe(Event::Warning(words));
                }
                Some(Answer::Closed(error)) => {
                    refused.get_or_insert(Refused { meetings: Vec::new(), error }).meetings.push(meeting);
                }
                Some(Answer::Passing(error)) => {
                    summary.discovered_all = false;
                    summary.unreachable |= is_out_of_reach(&error);
                    let words = format!("the instances of meeting {meeting} could not be listed: {error}");
                    summary.error.get_or_insert_with(|| words.clone());
                    observe(Event::Warning(words));
                }
                Some(Answer::Stop(reason)) => {
                    summary.discovered_all = false;
                    summary.halt(&reason, observe);
                    // No other way is open to the others, either.
                    return Ok(None);
                }
                None => summary.discovered_all = false,
            }
        }
        Ok(refused)
    }

    /// Instances that a person named by their UUIDs: which meeting they are of, unless that is known.
    async fn discover_named(
        &self,
        uuids: &[InstanceUuid],
        summary: &mut Summary,
        observe: &(dyn Fn(Event) + Send + Sync),
        stop: &CancellationToken,
    ) -> Result<(), StoreError> {
        let known = self.store.known_instances(uuids).await?;
        for uuid in uuids.iter().filter(|uuid| !known.contains_key(uuid.as_str())) {
            let key = MeetingKey::Uuid(uuid.clone());
            let told = tokio::select! {
                told = self.zoom.past_meeting(&key, Encoding::Documented) => told,
                () = stop.cancelled() => return Ok(()),
            };
            let now = self.clock.now();
            match told.map_err(answer_of) {
                Ok(told) => match told.id {
                    Some(meeting_id) => {
                        let found = Found {
                            uuid: uuid.clone(),
                            meeting_id,
                            start_at: told.start_time,
                            description: Some(description_of(told)),
                        };
                        let everywhen = Window {
                            from: Timestamp::from_millis(i64::MIN),
                            to: Timestamp::from_millis(i64::MAX),
                        };
                        summary.instances_found += self.store.learn(&[found], &everywhen, now).await?.new;
                    }
                    None => observe(Event::Warning(format!(
                        "Zoom does not say which meeting instance {uuid} is of; it is left out"
                    ))),
                },
                Err(Answer::Stop(reason)) => {
                    summary.halt(&reason, observe);
                    return Ok(());
                }
                Err(Answer::NotThere(error) | Answer::Closed(error) | Answer::Passing(error)) => {
                    summary.answered |= error.status().is_some();
                    summary.unreachable |= is_out_of_reach(&error);
                    summary.instances_failed += 1;
                    let words = format!("instance {uuid} could not be found: {error}");
                    summary.error.get_or_insert_with(|| words.clone());
                    observe(Event::Warning(words));
                }
                Err(Answer::Instances(_)) => {}
            }
        }
        Ok(())
    }

    /// Every instance of the account.
    async fn discover_account(
        &self,
        window: &Window,
        summary: &mut Summary,
        observe: &(dyn Fn(Event) + Send + Sync),
        stop: &CancellationToken,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let answer = tokio::select! {
            answer = self.account_list(window, now) => answer,
            () = stop.cancelled() => return Ok(()),
        };
        let reason = match answer {
            Answer::Instances(found) => {
                summary.answered = true;
                summary.instances_found += self.store.learn(&found, window, now).await?.new;
                return Ok(());
            }
            Answer::Stop(reason) => reason,
            // With nothing but this list to go by, its refusal leaves nothing to do.
            Answer::Closed(error) => Stop::Refused(error.to_string()),
            Answer::Passing(error) | Answer::NotThere(error) => {
                observe(Event::Warning(list_failed(summary, &error)));
                return Ok(());
            }
        };
        summary.discovered_all = false;
        summary.halt(&reason, observe);
        Ok(())
    }

    async fn ask(&self, meeting: MeetingId) -> Answer {
        match self.zoom.instances(meeting).await {
            Ok(instances) => Answer::Instances(
                instances
                    .into_iter()
                    .map(|instance| Found {
                        uuid: instance.uuid,
                        meeting_id: meeting,
                        start_at: instance.start_time,
                        description: None,
                    })
                    .collect(),
            ),
            Err(error) => answer_of(error),
        }
    }

    /// Looks for the instances in the account-wide list, and where that is refused, too, for the latest one of each.
    async fn discover_otherwise(
        &self,
        meetings: &[MeetingId],
        window: &Window,
        summary: &mut Summary,
        observe: &(dyn Fn(Event) + Send + Sync),
        stop: &CancellationToken,
    ) -> Result<(), StoreError> {
        let wanted: HashSet<MeetingId> = meetings.iter().copied().collect();
        let now = self.clock.now();
        let answer = tokio::select! {
            answer = self.account_list(window, now) => answer,
            () = stop.cancelled() => return Ok(()),
        };
        match answer {
            Answer::Instances(found) => {
                summary.answered = true;
                let found: Vec<Found> =
                    found.into_iter().filter(|found| wanted.contains(&found.meeting_id)).collect();
                summary.instances_found += self.store.learn(&found, window, now).await?.new;
                for meeting in meetings {
                    self.store.discovered(*meeting, None, now).await?;
                }
            }
            Answer::Stop(reason) => {
                summary.discovered_all = false;
                summary.halt(&reason, observe);
            }
            Answer::Passing(error) | Answer::NotThere(error) => {
                observe(Event::Warning(list_failed(summary, &error)));
            }
            Answer::Closed(error) => {
                summary.discovered_all = false;
                observe(Event::Warning(format!(
                    "the account-wide list of meetings is refused, too: {error}; only the latest instance of each meeting \
                     is looked for, earlier ones are missed until one of the two is allowed"
                )));
                for meeting in meetings {
                    self.discover_latest(*meeting, window, summary, observe).await?;
                    if summary.stop.is_some() || stop.is_cancelled() {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// The latest instance of a meeting, by its number. It is read by its UUID afterwards, so a meeting that begins
    /// in between cannot be taken for it.
    async fn discover_latest(
        &self,
        meeting: MeetingId,
        window: &Window,
        summary: &mut Summary,
        observe: &(dyn Fn(Event) + Send + Sync),
    ) -> Result<(), StoreError> {
        let key = MeetingKey::Latest(meeting);
        let mut answer =
            self.zoom.past_meeting(&key, Encoding::Documented).await.map(|told| described(meeting, told));
        if let Err(error) = &answer
            && matches!(error.disposition(), Disposition::NextSource(_))
        {
            let told = self.zoom.dashboard_meeting(&key, ListingType::Past, Encoding::Documented).await;
            answer = told.map(|told| listed(Some(meeting), told));
        }
        let now = self.clock.now();
        match answer.map_err(answer_of) {
            Ok(found) => {
                let found: Vec<Found> = found.into_iter().collect();
                summary.instances_found += self.store.learn(&found, window, now).await?.new;
            }
            Err(Answer::Stop(reason)) => {
                summary.halt(&reason, observe);
            }
            Err(Answer::Closed(error)) => {
                summary.halt(&Stop::Refused(error.to_string()), observe);
            }
            Err(Answer::NotThere(error) | Answer::Passing(error)) => {
                let words = format!("the latest instance of meeting {meeting} could not be found: {error}");
                self.store.discovered(meeting, Some(&words), now).await?;
                observe(Event::Warning(words));
            }
            Err(Answer::Instances(_)) => {}
        }
        Ok(())
    }

    /// Every ended instance of the account that the Dashboard lists in the window, of both of its lists.
    async fn account_list(&self, window: &Window, now: Timestamp) -> Answer {
        let mut found = Vec::new();
        for (from, to) in months(window, now) {
            for listing in [ListingType::Past, ListingType::PastOne] {
                let pages = self.zoom.dashboard_meetings(DashboardListingRequest { listing, from, to });
                let pages: Result<Vec<_>, ZoomError> = pages.try_collect().await;
                match pages {
                    Ok(pages) => {
                        found.extend(
                            pages
                                .into_iter()
                                .flat_map(|page| page.meetings)
                                .filter_map(|told| listed(None, told)),
                        );
                    }
                    Err(error) => return answer_of(error),
                }
            }
        }
        Answer::Instances(found)
    }

    /// Meetings that are on now: read while they are, as far as they have come.
    async fn discover_live(
        &self,
        meetings: &[MeetingId],
        observe: &(dyn Fn(Event) + Send + Sync),
    ) -> Result<(), StoreError> {
        for meeting in meetings {
            let key = MeetingKey::Latest(*meeting);
            match self.zoom.dashboard_meeting(&key, ListingType::Live, Encoding::Documented).await {
                Ok(told) => {
                    if let Some(found) = listed(Some(*meeting), told) {
                        self.store.learn_live(&found, self.clock.now()).await?;
                    }
                }
                Err(error) => match error.disposition() {
                    // Not on at the moment.
                    Disposition::NotThere | Disposition::TryPastOne => {}
                    _ => observe(Event::Warning(format!(
                        "whether meeting {meeting} is on could not be asked: {error}"
                    ))),
                },
            }
        }
        Ok(())
    }
}

/// Notes that the account-wide list could not be read, and says so.
fn list_failed(summary: &mut Summary, error: &ZoomError) -> String {
    let words = format!("the account-wide list of meetings could not be read: {error}");
    summary.discovered_all = false;
    summary.unreachable |= is_out_of_reach(error);
    summary.error.get_or_insert_with(|| words.clone());
    words
}

/// Whether no answer came, or none but failures of the server.
fn is_out_of_reach(error: &ZoomError) -> bool {
    matches!(error.disposition(), Disposition::Unreachable | Disposition::Retry)
}

fn answer_of(error: ZoomError) -> Answer {
    match error.disposition() {
        Disposition::Credentials | Disposition::RenewToken => Answer::Stop(Stop::Refused(error.to_string())),
        Disposition::Quota { until } => Answer::Stop(Stop::Quota(until, error.to_string())),
        Disposition::NextSource(_) => Answer::Closed(error),
        Disposition::NotThere | Disposition::TryPastOne | Disposition::Parked(_) => Answer::NotThere(error),
        Disposition::Retry
        | Disposition::Throttled(_)
        | Disposition::RestartListing
        | Disposition::StopListing
        | Disposition::Unreachable
        | Disposition::Ledger => Answer::Passing(error),
    }
}

fn described(meeting: MeetingId, told: PastMeeting) -> Option<Found> {
    Some(Found {
        uuid: told.uuid.clone()?,
        meeting_id: meeting,
        start_at: told.start_time,
        description: Some(description_of(told)),
    })
}

/// What `GET /past_meetings/{uuid}` tells of an instance.
pub(super) fn description_of(told: PastMeeting) -> Description {
    Description {
        topic: told.topic,
        host_name: told.host_name,
        host_email: told.host_email,
        start_at: told.start_time,
        ended_at: told.end_time,
    }
}

fn listed(meeting: Option<MeetingId>, told: DashboardMeeting) -> Option<Found> {
    Some(Found {
        uuid: told.uuid?,
        meeting_id: meeting.or(told.id)?,
        start_at: told.start_time,
        description: Some(Description {
            topic: told.topic,
            host_name: told.host_name,
            host_email: told.host_email,
            start_at: told.start_time,
            ended_at: told.end_time,
        }),
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
