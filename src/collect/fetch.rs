//! The reading of one instance: from the richest source that answers, to its last page, into the database.

mod read;
mod slots;
mod sources;

use self::read::{Attempt, FoundListing, Room, encoding_of};
pub(super) use self::slots::{FetchSlots, MOST as MOST_AT_ONCE};
pub(super) use self::sources::ClosedSources;
use super::context::RunContext;
use super::discover::{details_of, past_instance};
use super::summary::{AbortReason, FetchResult, InstanceReport};
use super::{Collector, ROWS_IN_MEMORY, log};
use crate::decode::{Decoded, page};
use crate::model::{InstanceState, Source};
use crate::plan::{Failure, Richer};
use crate::store::{DueInstance, FetchRecord, InstanceDetails, Listing, StoreError};
use crate::zoom::{
    Counters, Disposition, Encoding, ListingType, ParticipantsEndpoint, ZoomClient, ZoomError,
};

impl Collector {
    /// Reads one instance and stores what came; none where it was not read, because the run is over.
    pub(super) async fn collect_instance(
        &self,
        instance: DueInstance,
        run: &RunContext<'_>,
    ) -> Result<Option<InstanceReport>, StoreError> {
        let Some(slot) = run.until_stopped(self.slots.take()).await else { return Ok(None) };
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
            let words = format!(
                "the source {} is not asked until {}: {}",
                closed.source, closed.until, closed.reason
            );
            if self.all_closed(&self.all_sources()).is_some() {
                run.abort(AbortReason::Refused(words));
                return Ok(None);
            }
            return Ok(Some(report(FetchResult::Denied(words))));
        }
        let counters = Counters::default();
        let zoom = self.zoom.counted_by(counters.clone());
        let room = Room::default();
        let read = async {
            let details = self.fetch_details(&zoom, &instance).await?;
            Ok((details, self.read(&zoom, &instance, &sources, &room).await))
        };
        // A request in flight when the run is stopped is cancelled; the transaction is not.
        let Some(read) = run.until_stopped(read).await else { return Ok(None) };
        self.slots.give_back(slot, room.has_waited());
        let (description, attempt) = match read {
            Ok(read) => read,
            Err(error) => (None, Attempt::of(Err(error))),
        };
        let mut record = FetchRecord {
            run_id: run.summary().run_id,
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
        let kib = attempt.result.as_ref().map_or(0, FoundListing::bytes) / 1_024;
        let storing = Box::pin(self.store_attempt(attempt, &sources, &mut record, run));
        let stored = run.with_room(kib, storing).await?;
        let Some(result) = stored.flatten() else { return Ok(None) };
        let report = report(result);
        log::fetch_ended(&report, record.requests, self.clock.now().since(started_at));
        Ok(Some(report))
    }

    /// Stores what came of asking the sources; none where the run ends for it.
    async fn store_attempt(
        &self,
        attempt: Attempt,
        sources: &[Source],
        record: &mut FetchRecord,
        run: &RunContext<'_>,
    ) -> Result<Option<FetchResult>, StoreError> {
        self.note_refusals(&attempt.refused, record).await?;
        match attempt.result {
            Ok(listing) => self.store_pages(&listing, sources, &attempt.lacking, record).await.map(Some),
            Err(error) => match self.abort_reason(&error) {
                Some(reason) => {
                    run.abort(reason);
                    Ok(None)
                }
                None => self.store_error(&error, sources, record).await.map(Some),
            },
        }
    }

    /// Why nothing more can be read after this answer: nothing is held against an instance that no source may read at
    /// all.
    fn abort_reason(&self, error: &ZoomError) -> Option<AbortReason> {
        AbortReason::after(error).or_else(|| {
            let is_refused = matches!(error.disposition(), Disposition::TryNextSource(_));
            (is_refused && self.all_closed(&self.all_sources()).is_some())
                .then(|| AbortReason::Refused(error.to_string()))
        })
    }

    /// Writes down which sources refused the instance; one that did so too often is closed.
    async fn note_refusals(
        &self,
        refused: &[(Source, ZoomError)],
        record: &FetchRecord,
    ) -> Result<(), StoreError> {
        for (source, error) in refused {
            self.closed_sources.note_refusal(*source);
            let reason = error.to_string();
            let closed = self
                .store
                .source_refused(*source, record.instance_id, &reason, record.finished_at)
                .await?
                .filter(|_| self.closed_sources.closed(*source).is_none());
            if let Some(closed) = closed {
                tracing::warn!(
                    %source, until = %closed.until, %error,
                    "{source} refused three instances, served none, and is not asked for a day; `rollcall check`, a changed \
                     config, or a run by hand opens it: {error}"
                );
                self.closed_sources.close(closed);
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
            sources.iter().copied().find(|one| richer(one) && self.closed_sources.closed(*one).is_some());
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
        if has_rows && self.closed_sources.is_news_that_it_serves(source) {
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
            Disposition::NotFound | Disposition::RetryAsPastOne => (Failure::NotFound, FetchResult::NotFound),
            Disposition::Parked(reason) => (Failure::Refused(reason), FetchResult::Parked(words)),
            Disposition::TryNextSource(_) => {
                record.awaits_source =
                    sources.iter().copied().find(|source| self.closed_sources.closed(*source).is_some());
                (Failure::Denied(words.clone()), FetchResult::Denied(words))
            }
            Disposition::Unreachable | Disposition::Retry => {
                (Failure::Transient, FetchResult::Unreachable(words))
            }
            Disposition::Throttled(_)
            | Disposition::RestartListing
            | Disposition::StopListing
            // These end the run before it comes to this.
            | Disposition::Credentials
            | Disposition::RenewToken
            | Disposition::Quota { .. }
            | Disposition::Ledger => (Failure::Transient, FetchResult::Failed(words)),
        };
        self.store.store_failure(&failure, record).await?;
        Ok(result)
    }

    /// Topic, host and end of an instance whose end is not known yet: one Light request, or two where its UUID can be
    /// encoded in two ways. What is refused here is done without: the end is then estimated.
    async fn fetch_details(
        &self,
        zoom: &ZoomClient,
        instance: &DueInstance,
    ) -> Result<Option<InstanceDetails>, ZoomError> {
        if instance.is_described || instance.state == InstanceState::Live {
            return Ok(None);
        }
        match past_instance(zoom, &instance.uuid, encoding_of(instance)).await {
            Ok(told) => Ok(Some(details_of(told))),
            Err(error) if AbortReason::after(&error).is_some() => Err(error),
            Err(error) => {
                tracing::debug!(%error, "could not fetch instance details");
                Ok(None)
            }
        }
    }
}
