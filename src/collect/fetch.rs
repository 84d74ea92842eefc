//! The reading of one instance: from the richest source that answers, to its last page, into the database.

use std::sync::Mutex;

use futures_util::StreamExt as _;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::discover::description_of;
use super::outcome::{InstanceReport, Reading, Stop};
use super::{Collector, ROWS_IN_HAND, log};
use crate::decode::{Decoded, page};
use crate::model::{InstanceState, Source, Timestamp};
use crate::plan::{DASHBOARD_REACH, Failure};
use crate::store::{Description, DueInstance, FetchRecord, Listing, StoreError};
use crate::zoom::{
    Counters, Disposition, Encoding, ListingRequest, ListingType, MAX_RESTARTS, MeetingKey, Page,
    ParticipantsEndpoint, Zoom, ZoomError,
};

/// Sources that the app or the plan has no right to: found out once a run, not once an instance.
#[derive(Debug, Default)]
pub(super) struct Refused(Mutex<Vec<(Source, ZoomError)>>);

impl Refused {
    fn note(&self, source: Source, error: &ZoomError, is_last: bool) {
        let mut refused = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if refused.iter().all(|(known, _)| *known != source) {
            if is_last {
                tracing::warn!(%source, %error, "a source of participants is refused, and there is no other to try");
            } else {
                tracing::warn!(%source, %error, "a source of participants is refused; the next one is tried");
            }
            refused.push((source, error.clone()));
        }
    }

    /// What was refused in the last run may be allowed by now.
    pub(super) fn forget(&self) {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clear();
    }

    fn of(&self, source: Source) -> Option<ZoomError> {
        let refused = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        refused.iter().find(|(known, _)| *known == source).map(|(_, error)| error.clone())
    }
}

/// The pages of a listing as they came, and how they were found.
struct Pages {
    from: ParticipantsEndpoint,
    encoding: Encoding,
    read: Vec<Page>,
    /// Why the last page was not reached.
    broken: Option<ZoomError>,
}

impl Pages {
    fn is_empty(&self) -> bool {
        // An empty listing is one short page; a row has more letters than all of its envelope.
        self.broken.is_none() && self.read.iter().all(|page| holds_no_row(&page.body))
    }

    fn rows_reported(&self) -> Option<i64> {
        self.read.iter().rev().find_map(|page| page.total_records)
    }
}

fn parks(error: &ZoomError) -> bool {
    matches!(error.disposition(), Disposition::Parked(_))
}

/// Whether the second refusal says no less than the first: what is missing from one list may yet come.
fn refuses_alike(first: &ZoomError, second: &ZoomError) -> bool {
    first.status() != Some(404) || first.code() == second.code()
}

/// The room that a listing takes which says that it has so many rows.
fn rows_in_hand(rows_reported: Option<i64>) -> u32 {
    rows_reported
        .and_then(|rows| u32::try_from(rows).ok())
        .map_or(ROWS_IN_HAND, |rows| rows.clamp(1, ROWS_IN_HAND))
}

fn holds_no_row(body: &str) -> bool {
    let mut decoded = Decoded::default();
    if body.len() < 2_000 {
        page(body, &mut decoded);
    }
    body.len() < 2_000 && decoded.rows.is_empty() && decoded.rejects.is_empty()
}

impl Collector {
    /// Reads one instance and stores what came; none where the run is being stopped.
    pub(super) async fn collect_instance(
        &self,
        run_id: i64,
        instance: DueInstance,
        halt: &CancellationToken,
    ) -> Result<Option<InstanceReport>, StoreError> {
        if halt.is_cancelled() {
            return Ok(None);
        }
        let started_at = self.clock.now();
        let counters = Counters::default();
        let zoom = self.zoom.counted_by(counters.clone());
        let mut room = None;
        let read = async {
            let description = self.describe(&zoom, &instance).await?;
            let pages = self.read(&zoom, &instance, &mut room).await;
            Ok((description, pages))
        };
        // Whatever is on the wire when the run is stopped is dropped; what is being stored is not.
        let (description, pages) = tokio::select! {
            read = read => match read {
                Ok((description, pages)) => (description, pages),
                Err(error) => (None, Err(error)),
            },
            () = halt.cancelled() => return Ok(None),
        };
        let mut record = FetchRecord {
            run_id,
            instance_id: instance.instance_id,
            started_at,
            finished_at: self.clock.now(),
            requests: u32::try_from(counters.total().requests).unwrap_or(u32::MAX),
            source: None,
            one_person: instance.one_person,
            other_encoding: instance.other_encoding,
            tracking_id: None,
            error_code: None,
            error: None,
            description,
        };
        let result = match pages {
            Ok(pages) => self.store_pages(&pages, &mut record).await?,
            Err(error) => self.store_error(&error, &mut record).await?,
        };
        let report = InstanceReport {
            meeting_id: instance.meeting_id,
            uuid: instance.uuid,
            start_at: instance.start_at,
            result,
        };
        log::fetch_ended(run_id, &report, record.requests, self.clock.now().since(started_at));
        Ok(Some(report))
    }

    async fn store_pages(&self, pages: &Pages, record: &mut FetchRecord) -> Result<Reading, StoreError> {
        // One listing at a time is taken apart: rows take more room than the text that they are in.
        let _decoding = self.decoding.acquire().await;
        let mut decoded = Decoded::default();
        for (at, one) in pages.read.iter().enumerate() {
            page(&one.body, &mut decoded);
            if at == 0 {
                // Other pages have no more rows than the first; growing by doubling would take twice the room.
                decoded.rows.reserve_exact(decoded.rows.len() * (pages.read.len() - 1));
            }
        }
        let source = pages.from.source();
        record.source = Some(source);
        record.one_person = pages.from == ParticipantsEndpoint::Dashboard(ListingType::PastOne);
        record.other_encoding = pages.encoding == Encoding::Other;
        record.tracking_id = pages.read.last().and_then(|page| page.tracking_id.clone());
        record.error = pages.broken.as_ref().map(ToString::to_string);
        record.error_code = pages.broken.as_ref().and_then(ZoomError::code);
        let listing = Listing {
            source,
            ended: pages.broken.is_none(),
            rows_reported: pages.rows_reported(),
            pages: u32::try_from(pages.read.len()).unwrap_or(u32::MAX),
            rows: decoded.rows,
            rejects: decoded.rejects,
        };
        let stored = self.store.store_listing(&listing, record, &self.rules.policy).await?;
        Ok(Reading::Stored { counts: stored.counts, outcome: stored.outcome, source })
    }

    async fn store_error(&self, error: &ZoomError, record: &mut FetchRecord) -> Result<Reading, StoreError> {
        record.tracking_id = error.tracking_id().map(str::to_owned);
        record.error_code = error.code().or(error.status().map(i64::from));
        record.error = Some(error.to_string());
        let words = error.to_string();
        let (failure, result) = match error.disposition() {
            Disposition::NotThere | Disposition::TryPastOne => (Failure::NotThere, Reading::NotThere),
            Disposition::Parked(reason) => (Failure::Refused(reason), Reading::Parked(words)),
            Disposition::Quota { until } => return Ok(Reading::Stopped(Stop::Quota(until, words))),
            Disposition::Credentials | Disposition::RenewToken | Disposition::NextSource(_) => {
                return Ok(Reading::Stopped(Stop::Refused(words)));
            }
            Disposition::Unreachable | Disposition::Retry => (Failure::Passing, Reading::Unreachable(words)),
            Disposition::Throttled(_)
            | Disposition::RestartListing
            | Disposition::StopListing
            | Disposition::Ledger => (Failure::Passing, Reading::Failed(words)),
        };
        self.store.store_failure(&failure, record).await?;
        Ok(result)
    }

    /// Topic, host and end of an instance whose end is not known yet: one Light request. What is refused here is
    /// done without: the end is then estimated.
    async fn describe(&self, zoom: &Zoom, instance: &DueInstance) -> Result<Option<Description>, ZoomError> {
        if instance.is_described || instance.state == InstanceState::Live {
            return Ok(None);
        }
        let encoding = if instance.other_encoding { Encoding::Other } else { Encoding::Documented };
        match zoom.past_meeting(&MeetingKey::Uuid(instance.uuid.clone()), encoding).await {
            Ok(told) => Ok(Some(description_of(told))),
            Err(error) => match error.disposition() {
                Disposition::Quota { .. } | Disposition::Credentials | Disposition::Ledger => Err(error),
                _ => {
                    tracing::debug!(instance = %instance.uuid, %error, "an instance is not described");
                    Ok(None)
                }
            },
        }
    }

    /// The sources to try, the richest first.
    fn sources(&self, instance: &DueInstance, now: Timestamp) -> Vec<Source> {
        if let Some(source) = self.rules.source {
            return vec![source];
        }
        let mut sources = vec![Source::Dashboard, Source::Report, Source::PastMeetings];
        if instance.start_at.is_some_and(|start_at| now.since(start_at) > DASHBOARD_REACH) {
            sources.remove(0);
        }
        sources
    }

    async fn read(
        &self,
        zoom: &Zoom,
        instance: &DueInstance,
        room: &mut Option<OwnedSemaphorePermit>,
    ) -> Result<Pages, ZoomError> {
        if instance.state == InstanceState::Live {
            return self.read_live(zoom, instance, room).await;
        }
        let mut refusal = None;
        let sources = self.sources(instance, self.clock.now());
        for (index, source) in sources.iter().copied().enumerate() {
            if let Some(error) = self.refused.of(source) {
                refusal.get_or_insert(error);
                continue;
            }
            let pages = match source {
                Source::Dashboard => self.read_dashboard(zoom, instance, room).await,
                Source::Report => self.read_either(zoom, instance, ParticipantsEndpoint::Report, room).await,
                _ => self.read_either(zoom, instance, ParticipantsEndpoint::PastMeetings, room).await,
            };
            match pages {
                Err(error) if matches!(error.disposition(), Disposition::NextSource(_)) => {
                    let is_last = sources[index + 1..].iter().all(|next| self.refused.of(*next).is_some());
                    self.refused.note(source, &error, is_last);
                    refusal.get_or_insert(error);
                }
                other => return other,
            }
        }
        // The list of sources is never empty.
        Err(refusal.unwrap_or_else(|| ZoomError::Setup("there is no source to read from".to_owned())))
    }

    /// The Dashboard keeps meetings of one person apart: where the one list has nothing, the other is asked once.
    async fn read_dashboard(
        &self,
        zoom: &Zoom,
        instance: &DueInstance,
        room: &mut Option<OwnedSemaphorePermit>,
    ) -> Result<Pages, ZoomError> {
        let (first, second) = if instance.one_person {
            (ListingType::PastOne, ListingType::Past)
        } else {
            (ListingType::Past, ListingType::PastOne)
        };
        let told = self.read_either(zoom, instance, ParticipantsEndpoint::Dashboard(first), room).await;
        let nothing = match &told {
            Ok(pages) => pages.is_empty(),
            Err(error) => matches!(error.disposition(), Disposition::NotThere | Disposition::TryPastOne),
        };
        if !nothing {
            return told;
        }
        let other = self.read_either(zoom, instance, ParticipantsEndpoint::Dashboard(second), room).await;
        match (told, other) {
            (_, Ok(pages)) if !pages.is_empty() => Ok(pages),
            (_, Err(error))
                if !matches!(
                    error.disposition(),
                    Disposition::NotThere | Disposition::TryPastOne | Disposition::Parked(_)
                ) =>
            {
                Err(error)
            }
            (Err(_), Ok(pages)) => Ok(pages),
            // Neither list takes it, and not because it is missing: a webinar, a host of another account.
            (Err(first), Err(second)) if parks(&second) && refuses_alike(&first, &second) => Err(second),
            (told, _) => told,
        }
    }

    /// Reads a listing by the documented encoding of the UUID, and where that finds nothing, once by the other.
    async fn read_either(
        &self,
        zoom: &Zoom,
        instance: &DueInstance,
        from: ParticipantsEndpoint,
        room: &mut Option<OwnedSemaphorePermit>,
    ) -> Result<Pages, ZoomError> {
        let (first, second) = if instance.other_encoding {
            (Encoding::Other, Encoding::Documented)
        } else {
            (Encoding::Documented, Encoding::Other)
        };
        let key = MeetingKey::Uuid(instance.uuid.clone());
        let told =
            self.read_pages(zoom, ListingRequest { from, key: key.clone(), encoding: first }, room).await;
        let not_there =
            matches!(&told, Err(error) if error.code() == Some(3001) || error.status() == Some(404));
        if !not_there || !Encoding::other_may_help(&instance.uuid) {
            return told;
        }
        match self.read_pages(zoom, ListingRequest { from, key, encoding: second }, room).await {
            Ok(pages) => Ok(pages),
            Err(_) => told,
        }
    }

    /// A meeting that is on is read by its number; the listing is dropped if another instance has taken its place.
    async fn read_live(
        &self,
        zoom: &Zoom,
        instance: &DueInstance,
        room: &mut Option<OwnedSemaphorePermit>,
    ) -> Result<Pages, ZoomError> {
        let key = MeetingKey::Latest(instance.meeting_id);
        let request = ListingRequest {
            from: ParticipantsEndpoint::Dashboard(ListingType::Live),
            key: key.clone(),
            encoding: Encoding::Documented,
        };
        let pages = self.read_pages(zoom, request, room).await;
        let after = zoom.dashboard_meeting(&key, ListingType::Live, Encoding::Documented).await;
        match (pages, after) {
            (Ok(pages), Ok(told)) if told.uuid.as_ref() == Some(&instance.uuid) => Ok(pages),
            // It has ended in between, or was never on: it is read as a past one.
            _ => self.read_dashboard(zoom, instance, room).await,
        }
    }

    async fn read_pages(
        &self,
        zoom: &Zoom,
        request: ListingRequest,
        room: &mut Option<OwnedSemaphorePermit>,
    ) -> Result<Pages, ZoomError> {
        let mut restarts = 0;
        'listing: loop {
            let mut listing =
                Pages { from: request.from, encoding: request.encoding, read: Vec::new(), broken: None };
            let mut pages = std::pin::pin!(zoom.participants(&request));
            while let Some(next) = pages.next().await {
                match next {
                    Ok(page) => {
                        let rows = page.next_page_token.is_some().then(|| rows_in_hand(page.total_records));
                        listing.read.push(page);
                        if let (Some(rows), None) = (rows, &room) {
                            // The semaphore is never closed.
                            *room = self.room.clone().acquire_many_owned(rows).await.ok();
                        }
                    }
                    Err(error) => match error.disposition() {
                        Disposition::RestartListing if restarts < MAX_RESTARTS => {
                            restarts += 1;
                            continue 'listing;
                        }
                        Disposition::StopListing => listing.broken = Some(error),
                        _ => return Err(error),
                    },
                }
            }
            return Ok(listing);
        }
    }
}
