//! Paging: the participants of one instance as a stream of pages.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use futures_util::{Stream, StreamExt as _, stream};

use super::Zoom;
use super::classify::{Disposition, Stage};
use super::encoding::Encoding;
use super::endpoints::{Endpoint, ListingType, MeetingKey};
use super::error::{PagingFault, ZoomError};
use super::retry::Call;
use super::wire::Envelope;
use crate::model::{Source, Timestamp};

/// How often a listing is begun again because Zoom no longer knows its page token.
const MAX_RESTARTS: u32 = 2;
/// More pages than any listing has (300,000 rows where pages are full); a server that never ends must not use up the
/// day's quota. Zoom's own number of rows bounds nothing: where it is too low, rows would be cut off.
const MAX_PAGES: u32 = 1_000;

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
    /// [`read_pages`] knows which errors ask for the listing to be begun again, and which for what came to be kept.
    pub fn participants(
        &self,
        request: &ListingRequest,
    ) -> impl Stream<Item = Result<Page, ZoomError>> + Send + use<> {
        let pager = Pager::new(self.clone(), request.call(self.shared.page_size));
        stream::try_unfold(pager, |mut pager| async move {
            let Some(call) = pager.next_call()? else { return Ok(None) };
            let answer = pager.zoom().get::<Envelope>(&call).await?;
            let envelope = answer.value;
            pager.received(envelope.next_page_token.clone(), &answer.body);
            let page = Page {
                body: answer.body,
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
    /// Page tokens that came.
    tokens: HashSet<String>,
    /// Digests of pages that came, their tokens aside.
    contents: HashSet<u64>,
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
        Self { zoom, call, next: Next::First, tokens: HashSet::new(), contents: HashSet::new(), pages: 0 }
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

    /// Takes the token and the body of an answer. A token that cannot be followed is an error only when the next page
    /// is asked for: the page it came with is good.
    pub(super) fn received(&mut self, token: Option<String>, body: &str) {
        self.pages += 1;
        let pages = self.pages;
        self.next = match token {
            None => Next::End,
            Some(_) if pages >= MAX_PAGES => Next::Fault(PagingFault::Endless { pages }),
            Some(token) if !self.tokens.insert(token.clone()) => {
                Next::Fault(PagingFault::RepeatedToken { pages })
            }
            Some(token) if !self.contents.insert(content_of(body, &token)) => {
                Next::Fault(PagingFault::RepeatedPage { pages })
            }
            Some(token) => Next::Token { token, received_at: self.zoom.shared.clock.now() },
        };
    }
}

/// A digest of a page without its token: pages that go in a circle are equal but for that.
fn content_of(body: &str, token: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    for part in body.split(&format!("\"{token}\"")) {
        part.hash(&mut hasher);
    }
    hasher.finish()
}

/// The pages of a listing, and why its end was not reached, if it was not.
#[derive(Debug)]
pub struct Pages<P> {
    /// What came, in order; at least one page.
    pub read: Vec<P>,
    /// Why the last page was not reached.
    pub broken: Option<ZoomError>,
}

/// Reads a listing, of whatever, to its end.
///
/// Where Zoom no longer knows a page token, the listing is begun again, twice; after that, and where
/// the pages lead nowhere, what came is worth keeping as incomplete.
///
/// # Errors
/// What else keeps the listing from being read; what came until then is dropped.
pub async fn read_pages<P, S>(begin: impl Fn() -> S) -> Result<Pages<P>, ZoomError>
where
    S: Stream<Item = Result<P, ZoomError>>,
{
    let mut restarts = 0;
    'listing: loop {
        let mut read = Vec::new();
        let mut pages = std::pin::pin!(begin());
        while let Some(next) = pages.next().await {
            let error = match next {
                Ok(page) => {
                    read.push(page);
                    continue;
                }
                Err(error) => error,
            };
            match error.disposition() {
                Disposition::RestartListing if restarts < MAX_RESTARTS => {
                    restarts += 1;
                    continue 'listing;
                }
                Disposition::RestartListing | Disposition::StopListing if !read.is_empty() => {
                    return Ok(Pages { read, broken: Some(error) });
                }
                _ => return Err(error),
            }
        }
        return Ok(Pages { read, broken: None });
    }
}
