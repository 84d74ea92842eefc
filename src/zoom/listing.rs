//! Paging: the participants of one instance as a stream of pages.

use std::collections::HashSet;

use futures_util::{Stream, stream};

use super::Zoom;
use super::classify::Stage;
use super::encoding::Encoding;
use super::endpoints::{Endpoint, ListingType, MeetingKey};
use super::error::{PagingFault, ZoomError};
use super::retry::Call;
use super::wire::{Envelope, parse_object};
use crate::model::{Source, Timestamp};

/// How often a listing is begun again because Zoom no longer knows its page token.
pub const MAX_RESTARTS: u32 = 2;
/// More pages than any listing has (300,000 rows where pages are full); a server that never ends must not use up the
/// day's quota.
const MAX_PAGES: u32 = 1_000;
/// Rows of a page as Zoom serves them, however many more were asked for.
const ROWS_SERVED: u32 = 30;
/// Zoom's own number of rows, where it is one that a listing may have.
const MAX_ROWS: i64 = 300_000;
/// So many pages more than rows need may come before a listing counts as endless.
const PAGES_TO_SPARE: u32 = 10;

/// Where participants are read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ParticipantsEndpoint {
    /// The Dashboard, in one of its lists.
    Dashboard(ListingType),
    /// The report.
    Report,
    /// The past meeting.
    PastMeetings,
}

impl ParticipantsEndpoint {
    /// The source whose sessions it gives.
    #[must_use]
    pub const fn source(self) -> Source {
        match self {
            Self::Dashboard(ListingType::Live) => Source::Live,
            Self::Dashboard(_) => Source::Dashboard,
            Self::Report => Source::Report,
            Self::PastMeetings => Source::PastMeetings,
        }
    }

    /// The endpoint, with its name, label and scopes.
    #[must_use]
    pub const fn endpoint(self) -> Endpoint {
        match self {
            Self::Dashboard(_) => Endpoint::DashboardParticipants,
            Self::Report => Endpoint::ReportParticipants,
            Self::PastMeetings => Endpoint::PastParticipants,
        }
    }
}

/// Which participants are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListingRequest {
    /// Where from.
    pub from: ParticipantsEndpoint,
    /// Of which instance.
    pub key: MeetingKey,
    /// How its UUID is written into the path.
    pub encoding: Encoding,
}

impl ListingRequest {
    fn call(&self, page_size: u32) -> Call {
        let key = self.key.segment(self.encoding);
        let path = match self.from {
            ParticipantsEndpoint::Dashboard(_) => format!("/metrics/meetings/{key}/participants"),
            ParticipantsEndpoint::Report => format!("/report/meetings/{key}/participants"),
            ParticipantsEndpoint::PastMeetings => format!("/past_meetings/{key}/participants"),
        };
        let past = self.from == ParticipantsEndpoint::Dashboard(ListingType::Past);
        let mut call = Call::new(self.from.endpoint(), Stage::FirstPage { past }, path);
        if let ParticipantsEndpoint::Dashboard(listing) = self.from {
            call = call.with("type", listing.as_str());
        }
        call = call.with("page_size", &page_size.to_string());
        match self.from {
            // Live answers ignore it; past meetings give the registrant without being asked.
            ParticipantsEndpoint::Dashboard(ListingType::Live) | ParticipantsEndpoint::PastMeetings => call,
            _ => call.with("include_fields", "registrant_id"),
        }
    }
}

/// One page of participants, its rows still in the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The answer, a whole JSON object; bytes that are no UTF-8 are replaced.
    pub body: String,
    /// The next page's token; `None` on the last page.
    pub next_page_token: Option<String>,
    /// How many rows all pages hold, as Zoom says.
    pub total_records: Option<i64>,
    /// Zoom's id of the request, for its support.
    pub tracking_id: Option<String>,
}

impl Zoom {
    /// The participants of an instance, page after page. The stream ends after its first error.
    ///
    /// An error whose disposition is [`super::Disposition::RestartListing`] asks for the pages so far to be
    /// dropped and the listing to be begun again, [`MAX_RESTARTS`] times at most; one whose disposition is
    /// [`super::Disposition::StopListing`] comes after pages that are worth keeping as incomplete.
    pub fn participants(
        &self,
        request: &ListingRequest,
    ) -> impl Stream<Item = Result<Page, ZoomError>> + Send + use<> {
        let pager = Pager::new(self.clone(), request.call(self.shared.page_size));
        stream::try_unfold(pager, |mut pager| async move {
            let Some(call) = pager.next_call()? else { return Ok(None) };
            let answer = pager
                .zoom()
                .get(&call, |body| parse_object::<Envelope>(&body).map(|envelope| (envelope, body)))
                .await?;
            let (envelope, body) = answer.value;
            pager.received(envelope.next_page_token.clone(), envelope.total_records);
            let page = Page {
                body,
                next_page_token: envelope.next_page_token,
                total_records: envelope.total_records,
                tracking_id: answer.tracking_id,
            };
            Ok(Some((page, pager)))
        })
    }
}

/// Goes from page to page: repeats a call with the token of the last answer, and knows when to stop.
pub(super) struct Pager {
    zoom: Zoom,
    call: Call,
    next: Next,
    seen: HashSet<String>,
    pages: u32,
}

enum Next {
    First,
    Token {
        token: String,
        received_at: Timestamp,
    },
    /// The last page was good, but its token cannot be followed.
    Fault(PagingFault),
    End,
}

impl Pager {
    pub(super) fn new(zoom: Zoom, call: Call) -> Self {
        Self { zoom, call, next: Next::First, seen: HashSet::new(), pages: 0 }
    }

    pub(super) fn zoom(&self) -> &Zoom {
        &self.zoom
    }

    /// The call of the next page; `None` after the last.
    pub(super) fn next_call(&self) -> Result<Option<Call>, ZoomError> {
        match &self.next {
            Next::First => Ok(Some(self.call.clone())),
            Next::End => Ok(None),
            Next::Fault(fault) => Err(ZoomError::Paging { endpoint: self.call.endpoint, fault: *fault }),
            Next::Token { token, received_at } => {
                let mut call = self.call.clone().with("next_page_token", token);
                call.stage = Stage::FollowUpPage;
                call.token_received_at = Some(*received_at);
                Ok(Some(call))
            }
        }
    }

    /// Takes the token of an answer. One that cannot be followed is an error only when the next page is asked
    /// for: the page it came with is good.
    pub(super) fn received(&mut self, token: Option<String>, total_records: Option<i64>) {
        self.pages += 1;
        let most = most_pages(total_records, self.zoom.shared.page_size);
        self.next = match token {
            None => Next::End,
            Some(_) if self.pages >= most => Next::Fault(PagingFault::Endless { pages: self.pages }),
            Some(token) if !self.seen.insert(token.clone()) => {
                Next::Fault(PagingFault::RepeatedToken { pages: self.pages })
            }
            Some(token) => Next::Token { token, received_at: self.zoom.shared.clock.now() },
        };
    }
}

/// More pages than a listing of so many rows has: twice what they need, and some to spare, for Zoom's number is not
/// always exact.
fn most_pages(total_records: Option<i64>, page_size: u32) -> u32 {
    let plausible = total_records.filter(|rows| (1..=MAX_ROWS).contains(rows));
    plausible
        .and_then(|rows| u32::try_from(rows).ok())
        .map_or(MAX_PAGES, |rows| 2 * rows.div_ceil(page_size.clamp(1, ROWS_SERVED)) + PAGES_TO_SPARE)
}
