//! The reading of one instance: from the richest source that answers, to its last page, into the database.

use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::TryStreamExt as _;
use tokio::sync::{OnceCell, OwnedSemaphorePermit};
use tokio_util::sync::CancellationToken;

use super::context::until_cancelled;
use super::discover::{description_of, past_instance};
use super::summary::{AbortReason, FetchResult, InstanceReport};
use super::{Collector, ROWS_IN_HAND, log};
use crate::decode::{Decoded, page};
use crate::model::{InstanceState, Source, Timestamp};
use crate::plan::{DASHBOARD_REACH, Failure, Richer};
use crate::store::{
    ClosedSource, Description, DueInstance, FetchRecord, Listing, SourceStanding, StoreError,
};
use crate::zoom::{
    Counters, Disposition, Encoding, ListingRequest, ListingType, MeetingKey, Pages, ParticipantsEndpoint,
    ParticipantsPage, ZoomClient, ZoomError, read_pages,
};

/// Which sources are closed, as the database has it when a run begins, and as the run finds out.
#[derive(Debug, Default)]
pub(super) struct SourceGate(Mutex<SourceStanding>);

impl SourceGate {
    fn standing(&self) -> MutexGuard<'_, SourceStanding> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set(&self, standing: SourceStanding) {
        *self.standing() = standing;
    }

    pub(super) fn close(&self, closed: ClosedSource) {
        let mut standing = self.standing();
        standing.troubled.push(closed.source);
        standing.closed.push(closed);
    }

    /// Why a source is not asked; none where it is.
    fn closed(&self, source: Source) -> Option<ClosedSource> {
        self.standing().closed.iter().find(|closed| closed.source == source).cloned()
    }

    fn note_refusal(&self, source: Source) {
        self.standing().troubled.push(source);
    }

    /// Whether it is news that this source serves; it is asked once. It is open from then on.
    fn is_news_that_it_serves(&self, source: Source) -> bool {
        let mut standing = self.standing();
        standing.closed.retain(|closed| closed.source != source);
        let is_news = standing.troubled.contains(&source);
        standing.troubled.retain(|troubled| *troubled != source);
        is_news
    }
}

/// The pages of a listing as they came, and how they were found.
struct FoundListing {
    from: ParticipantsEndpoint,
    encoding: Encoding,
    pages: Pages<ParticipantsPage>,
}

impl FoundListing {
    fn is_empty(&self) -> bool {
        // An empty listing is one short page; a row has more letters than all of its envelope.
        self.pages.broken.is_none() && self.pages.read.iter().all(|page| holds_no_row(&page.body))
    }

    fn rows_reported(&self) -> Option<i64> {
        self.pages.read.iter().rev().find_map(|page| page.total_records)
    }
}

/// What came of asking the sources for one instance.
struct Attempt {
    result: Result<FoundListing, ZoomError>,
    /// Sources that refused it: scopes, plan, licence.
    refused: Vec<(Source, ZoomError)>,
    /// Sources that did not give it, for that or another reason, or were not asked because they were closed.
    lacking: Vec<Source>,
}

impl Attempt {
    /// One source, or none, was asked.
    fn of(result: Result<FoundListing, ZoomError>) -> Self {
        Self { result, refused: Vec::new(), lacking: Vec::new() }
    }
}

/// The room in memory that the listing of one instance takes, once it has more than one page.
type Room = OnceCell<Option<OwnedSemaphorePermit>>;

fn should_park(error: &ZoomError) -> bool {
    matches!(error.disposition(), Disposition::Parked(_))
}

fn is_not_there(error: &ZoomError) -> bool {
    matches!(error.disposition(), Disposition::NotFound | Disposition::RetryAsPastOne)
}

/// Whether the second refusal says no less than the first: what is missing from one list may yet come.
fn is_same_refusal(first: &ZoomError, second: &ZoomError) -> bool {
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

/// The words of a source that is closed.
fn closed_words(closed: &ClosedSource) -> String {
    format!("the source {} is not asked until {}: {}", closed.source, closed.until, closed.reason)
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
        let report = |result| InstanceReport {
            meeting_id: instance.meeting_id,
            uuid: instance.uuid.clone(),
            start_at: instance.start_at,
            result,
        };
        let started_at = self.clock.now();
        let sources = self.sources(&instance, started_at);
        if let Some(closed) = self.all_closed(&sources) {
            // It stays due, and costs nothing until one of them is open again.
            let words = closed_words(&closed);
            let every = self.all_closed(&self.all_sources()).is_some();
            let stopped = FetchResult::Stopped(AbortReason::Refused(words.clone()));
            return Ok(Some(report(if every { stopped } else { FetchResult::Denied(words) })));
        }
        let counters = Counters::default();
        let zoom = self.zoom.counted_by(counters.clone());
        let room = Room::new();
        let read = async {
            let description = self.describe(&zoom, &instance).await?;
            Ok((description, self.read(&zoom, &instance, &sources, &room).await))
        };
        // A request in flight when the run is stopped is dropped; the transaction is not.
        let Some(read) = until_cancelled(halt, read).await else { return Ok(None) };
        let (description, attempt) = match read {
            Ok(read) => read,
            Err(error) => (None, Attempt::of(Err(error))),
        };
        let mut record = FetchRecord {
            run_id,
            instance_id: instance.instance_id,
            started_at,
            finished_at: self.clock.now(),
            requests: u32::try_from(counters.total().requests).unwrap_or(u32::MAX),
            source: None,
            is_past_one: instance.is_past_one,
            alternate_encoding: instance.alternate_encoding,
            richer: Richer::None,
            awaits_source: None,
            tracking_id: None,
            error_code: None,
            error: None,
            description,
        };
        self.note_refusals(&attempt.refused, &record).await?;
        let result = match attempt.result {
            Ok(listing) => self.store_pages(&listing, &sources, &attempt.lacking, &mut record).await?,
            Err(error) => self.store_error(&error, &sources, &mut record).await?,
        };
        let report = report(result);
        log::fetch_ended(run_id, &report, record.requests, self.clock.now().since(started_at));
        Ok(Some(report))
    }

    /// Writes down which sources refused the instance; one that did so too often is closed.
    async fn note_refusals(
        &self,
        refused: &[(Source, ZoomError)],
        record: &FetchRecord,
    ) -> Result<(), StoreError> {
        for (source, error) in refused {
            self.gate.note_refusal(*source);
            let reason = error.to_string();
            let closed = self
                .store
                .source_refused(*source, record.instance_id, &reason, record.finished_at)
                .await?
                .filter(|_| self.gate.closed(*source).is_none());
            if let Some(closed) = closed {
                tracing::warn!(
                    %source, until = %closed.until, %error,
                    "{source} refused three instances, served none, and is not asked for a day; `rollcall check`, a changed \
                     config, or a run by hand opens it: {error}"
                );
                self.gate.close(closed);
            }
        }
        Ok(())
    }

    async fn store_pages(
        &self,
        found: &FoundListing,
        sources: &[Source],
        lacking: &[Source],
        record: &mut FetchRecord,
    ) -> Result<FetchResult, StoreError> {
        // One listing at a time is taken apart: rows take more room than the text that they are in.
        let _decoding = self.decoding.acquire().await;
        let pages = &found.pages;
        let mut decoded = Decoded::default();
        for (at, one) in pages.read.iter().enumerate() {
            page(&one.body, &mut decoded);
            if at == 0 {
                // Other pages have no more rows than the first; growing by doubling would take twice the room.
                decoded.rows.reserve_exact(decoded.rows.len() * (pages.read.len() - 1));
            }
        }
        let source = found.from.source();
        record.source = Some(source);
        record.is_past_one = found.from == ParticipantsEndpoint::Dashboard(ListingType::PastOne);
        record.alternate_encoding = found.encoding == Encoding::Alternate;
        record.tracking_id = pages.read.last().and_then(|page| page.tracking_id.clone());
        record.error = pages.broken.as_ref().map(ToString::to_string);
        record.error_code = pages.broken.as_ref().and_then(ZoomError::code);
        let richer = |of: &Source| *of > source && source != Source::Live;
        record.awaits_source =
            sources.iter().copied().find(|one| richer(one) && self.gate.closed(*one).is_some());
        let lacking: Vec<Source> = lacking.iter().copied().filter(|one| richer(one)).collect();
        record.richer = if lacking.is_empty() {
            Richer::None
        } else if self.all_closed(&lacking).is_some() {
            Richer::Closed
        } else {
            Richer::Lacking
        };
        let listing = Listing {
            source,
            ended: pages.broken.is_none(),
            rows_reported: found.rows_reported(),
            pages: u32::try_from(pages.read.len()).unwrap_or(u32::MAX),
            rows: decoded.rows,
            rejects: decoded.rejects,
        };
        let has_rows = !listing.rows.is_empty();
        let stored = self.store.store_listing(&listing, record, &self.settings.policy).await?;
        if has_rows && self.gate.is_news_that_it_serves(source) {
            self.store.source_serves(source, record.finished_at).await?;
        }
        Ok(FetchResult::Stored { counts: stored.counts, outcome: stored.outcome, source })
    }

    async fn store_error(
        &self,
        error: &ZoomError,
        sources: &[Source],
        record: &mut FetchRecord,
    ) -> Result<FetchResult, StoreError> {
        record.tracking_id = error.tracking_id().map(str::to_owned);
        record.error_code = error.code().or(error.status().map(i64::from));
        record.error = Some(error.to_string());
        let words = error.to_string();
        let (failure, result) = match error.disposition() {
            Disposition::NotFound | Disposition::RetryAsPastOne => (Failure::NotThere, FetchResult::NotThere),
            Disposition::Parked(reason) => (Failure::Refused(reason), FetchResult::Parked(words)),
            // Nothing is held against an instance that no source may read at all.
            Disposition::TryNextSource(_) if self.all_closed(&self.all_sources()).is_some() => {
                return Ok(FetchResult::Stopped(AbortReason::Refused(words)));
            }
            Disposition::TryNextSource(_) => {
                record.awaits_source =
                    sources.iter().copied().find(|source| self.gate.closed(*source).is_some());
                (Failure::Denied(words.clone()), FetchResult::Denied(words))
            }
            Disposition::Quota { until } => {
                return Ok(FetchResult::Stopped(AbortReason::Quota(until, words)));
            }
            Disposition::Credentials | Disposition::RenewToken => {
                return Ok(FetchResult::Stopped(AbortReason::Refused(words)));
            }
            Disposition::Unreachable | Disposition::Retry => {
                (Failure::Passing, FetchResult::Unreachable(words))
            }
            Disposition::Throttled(_)
            | Disposition::RestartListing
            | Disposition::StopListing
            | Disposition::Ledger => (Failure::Passing, FetchResult::Failed(words)),
        };
        self.store.store_failure(&failure, record).await?;
        Ok(result)
    }

    /// Topic, host and end of an instance whose end is not known yet: one Light request, or two where its UUID can be
    /// encoded in two ways. What is refused here is done without: the end is then estimated.
    async fn describe(
        &self,
        zoom: &ZoomClient,
        instance: &DueInstance,
    ) -> Result<Option<Description>, ZoomError> {
        if instance.is_described || instance.state == InstanceState::Live {
            return Ok(None);
        }
        match past_instance(zoom, &instance.uuid, encoding_of(instance)).await {
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

    /// Every source that a run may use, the richest first.
    fn all_sources(&self) -> Vec<Source> {
        match self.settings.source {
            Some(source) => vec![source],
            None => vec![Source::Dashboard, Source::Report, Source::PastMeetings],
        }
    }

    /// The sources that reach this instance, the richest first. One that is named is used whatever its reach.
    fn sources(&self, instance: &DueInstance, now: Timestamp) -> Vec<Source> {
        let is_old = instance.start_at.is_some_and(|start_at| now.since(start_at) > DASHBOARD_REACH);
        let mut sources = self.all_sources();
        if is_old && self.settings.source.is_none() {
            sources.retain(|source| *source != Source::Dashboard);
        }
        sources
    }

    /// Why none of these is asked; none where one is.
    fn all_closed(&self, sources: &[Source]) -> Option<ClosedSource> {
        let closed: Vec<ClosedSource> =
            sources.iter().filter_map(|source| self.gate.closed(*source)).collect();
        (closed.len() == sources.len()).then(|| closed.into_iter().next()).flatten()
    }

    /// Asks one source after the other until one has rows.
    ///
    /// A source that lists nobody, or has no data, ends no question: the next is asked. Where none has rows, the answer
    /// of the richest counts.
    async fn read(
        &self,
        zoom: &ZoomClient,
        instance: &DueInstance,
        sources: &[Source],
        room: &Room,
    ) -> Attempt {
        if instance.state == InstanceState::Live
            && let Some(listing) = self.read_live(zoom, instance, room).await
        {
            return Attempt::of(Ok(listing));
        }
        let (mut refused, mut lacking) = (Vec::new(), Vec::new());
        let mut without_rows: Option<Result<FoundListing, ZoomError>> = None;
        for source in sources.iter().copied() {
            if self.gate.closed(source).is_some() {
                // It may be open again by the time that the answer of the next one is stored.
                lacking.push(source);
                continue;
            }
            let told = match source {
                Source::Dashboard => self.read_dashboard(zoom, instance, room).await,
                Source::Report => self.read_either(zoom, instance, ParticipantsEndpoint::Report, room).await,
                _ => self.read_either(zoom, instance, ParticipantsEndpoint::PastMeetings, room).await,
            };
            match told {
                Err(error) if matches!(error.disposition(), Disposition::TryNextSource(_)) => {
                    refused.push((source, error));
                }
                Err(error) if is_not_there(&error) => {
                    without_rows.get_or_insert(Err(error));
                }
                Ok(listing) if listing.is_empty() => {
                    without_rows.get_or_insert(Ok(listing));
                }
                // A poorer source that cannot have it says nothing against a richer one's answer.
                Err(error) if should_park(&error) && without_rows.is_some() => {}
                result => return Attempt { result, refused, lacking },
            }
            lacking.push(source);
            // Nothing poorer can replace what was read completely.
            if instance.is_complete && without_rows.is_some() {
                break;
            }
        }
        let refusal = || refused.first().map(|(_, error)| error.clone());
        // At least one source was asked.
        let nothing = || ZoomError::Setup("there is no source to read from".to_owned());
        let result = without_rows.unwrap_or_else(|| Err(refusal().unwrap_or_else(nothing)));
        Attempt { result, refused, lacking }
    }

    /// The Dashboard keeps meetings of one person apart: where the one list has nothing, the other is asked once.
    async fn read_dashboard(
        &self,
        zoom: &ZoomClient,
        instance: &DueInstance,
        room: &Room,
    ) -> Result<FoundListing, ZoomError> {
        let (first, second) = if instance.is_past_one {
            (ListingType::PastOne, ListingType::Past)
        } else {
            (ListingType::Past, ListingType::PastOne)
        };
        let told = self.read_either(zoom, instance, ParticipantsEndpoint::Dashboard(first), room).await;
        let nothing = match &told {
            Ok(listing) => listing.is_empty(),
            Err(error) => is_not_there(error),
        };
        if !nothing {
            return told;
        }
        let other = self.read_either(zoom, instance, ParticipantsEndpoint::Dashboard(second), room).await;
        match (told, other) {
            (_, Ok(listing)) if !listing.is_empty() => Ok(listing),
            (_, Err(error)) if !is_not_there(&error) && !should_park(&error) => Err(error),
            // Neither list takes it, and not because it is missing: a webinar, a host of another account.
            (Err(first), Err(second)) if should_park(&second) && is_same_refusal(&first, &second) => {
                Err(second)
            }
            // The list that it belongs to decides: an empty answer of the other one, beside "it is not there", is none.
            (told, _) => told,
        }
    }

    /// Reads a listing by the documented encoding of the UUID, and where that finds nothing, once by the other.
    async fn read_either(
        &self,
        zoom: &ZoomClient,
        instance: &DueInstance,
        from: ParticipantsEndpoint,
        room: &Room,
    ) -> Result<FoundListing, ZoomError> {
        let encoding = encoding_of(instance);
        let key = MeetingKey::Uuid(instance.uuid.clone());
        let told = self.read_pages(zoom, ListingRequest { from, key: key.clone(), encoding }, room).await;
        let not_there = matches!(&told, Err(error) if error.is_not_found());
        if !not_there || !Encoding::alternate_may_help(&instance.uuid) {
            return told;
        }
        let other = ListingRequest { from, key, encoding: encoding.alternate() };
        self.read_pages(zoom, other, room).await.or(told)
    }

    /// A meeting that is on is read by its number. None where that is refused, or another instance has taken its
    /// place: it has ended in between, or was never on, and is read as a past one.
    async fn read_live(
        &self,
        zoom: &ZoomClient,
        instance: &DueInstance,
        room: &Room,
    ) -> Option<FoundListing> {
        let key = MeetingKey::Latest(instance.meeting_id);
        let request = ListingRequest {
            from: ParticipantsEndpoint::Dashboard(ListingType::Live),
            key: key.clone(),
            encoding: Encoding::Documented,
        };
        let listing = self.read_pages(zoom, request, room).await.ok()?;
        let after = zoom.dashboard_meeting(&key, ListingType::Live, Encoding::Documented).await.ok()?;
        (after.uuid.as_ref() == Some(&instance.uuid)).then_some(listing)
    }

    async fn read_pages(
        &self,
        zoom: &ZoomClient,
        request: ListingRequest,
        room: &Room,
    ) -> Result<FoundListing, ZoomError> {
        let with_room = async |page: ParticipantsPage| {
            if page.next_page_token.is_some() {
                // The semaphore is never closed.
                let rows = rows_in_hand(page.total_records);
                room.get_or_init(async || self.room.clone().acquire_many_owned(rows).await.ok()).await;
            }
            Ok(page)
        };
        let pages = read_pages(|| zoom.participants(&request).and_then(&with_room)).await?;
        Ok(FoundListing { from: request.from, encoding: request.encoding, pages })
    }
}

fn encoding_of(instance: &DueInstance) -> Encoding {
    if instance.alternate_encoding { Encoding::Alternate } else { Encoding::Documented }
}
