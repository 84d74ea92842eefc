//! One instance's listing, from the richest source that has rows of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::TryStreamExt as _;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};

use super::{Collector, ROWS_IN_MEMORY};
use crate::decode::{Decoded, page};
use crate::model::{InstanceState, Source};
use crate::store::DueInstance;
use crate::zoom::{
    Disposition, Encoding, ListingRequest, ListingType, MeetingKey, Pages, ParticipantsEndpoint,
    ParticipantsPage, ZoomClient, ZoomError, read_pages,
};

/// The pages of a listing as they came, and how they were found.
pub(super) struct FoundListing {
    pub(super) from: ParticipantsEndpoint,
    pub(super) encoding: Encoding,
    pub(super) pages: Pages<ParticipantsPage>,
}

impl FoundListing {
    fn is_empty(&self) -> bool {
        // An empty listing is one short page; a row has more letters than all of its envelope.
        self.pages.broken.is_none() && self.pages.read.iter().all(|page| holds_no_row(&page.body))
    }

    /// How long the texts of its pages are.
    pub(super) fn bytes(&self) -> usize {
        self.pages.read.iter().map(|page| page.body.len()).sum()
    }

    pub(super) fn rows_reported(&self) -> Option<i64> {
        self.pages.read.iter().rev().find_map(|page| page.total_records)
    }
}

/// What came of asking the sources for one instance.
pub(super) struct Attempt {
    pub(super) result: Result<FoundListing, ZoomError>,
    /// Sources that refused it: scopes, plan, licence.
    pub(super) refused: Vec<(Source, ZoomError)>,
    /// Sources that did not give it, for that or another reason, or were not asked because they were closed.
    pub(super) lacking: Vec<Source>,
}

impl Attempt {
    /// One source, or none, was asked.
    pub(super) fn of(result: Result<FoundListing, ZoomError>) -> Self {
        Self { result, refused: Vec::new(), lacking: Vec::new() }
    }
}

/// The room in memory that the listing of one instance takes, once it has more than one page.
#[derive(Default)]
pub(super) struct Room {
    permit: OnceCell<Option<OwnedSemaphorePermit>>,
    has_waited: AtomicBool,
}

impl Room {
    /// Waits until there is room for so many rows.
    async fn take(&self, row_room: &Arc<Semaphore>, rows: u32) {
        let take = async || {
            if let Ok(permit) = row_room.clone().try_acquire_many_owned(rows) {
                return Some(permit);
            }
            self.has_waited.store(true, Ordering::Relaxed);
            // The semaphore is never closed.
            row_room.clone().acquire_many_owned(rows).await.ok()
        };
        self.permit.get_or_init(take).await;
    }

    pub(super) fn has_waited(&self) -> bool {
        self.has_waited.load(Ordering::Relaxed)
    }
}

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
fn room_for(rows_reported: Option<i64>) -> u32 {
    rows_reported
        .and_then(|rows| u32::try_from(rows).ok())
        .map_or(ROWS_IN_MEMORY, |rows| rows.clamp(1, ROWS_IN_MEMORY))
}

fn holds_no_row(body: &str) -> bool {
    let mut decoded = Decoded::default();
    if body.len() < 2_000 {
        page(body, &mut decoded);
    }
    body.len() < 2_000 && decoded.rows.is_empty() && decoded.rejects.is_empty()
}

impl Collector {
    /// Asks one source after the other until one has rows.
    ///
    /// A source that lists nobody, or has no data, ends no question: the next is asked. Where none has rows, the answer
    /// of the richest counts.
    pub(super) async fn read(
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
            if self.closed_sources.closed(source).is_some() {
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
                room.take(&self.row_room, room_for(page.total_records)).await;
            }
            Ok(page)
        };
        let pages = read_pages(|| zoom.participants(&request).and_then(&with_room)).await?;
        Ok(FoundListing { from: request.from, encoding: request.encoding, pages })
    }
}

pub(super) fn encoding_of(instance: &DueInstance) -> Encoding {
    if instance.alternate_encoding { Encoding::Alternate } else { Encoding::Documented }
}
