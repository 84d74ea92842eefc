//! Requests before they are sent: a path, a query, and what is known of them beforehand.

use std::time::Duration;

use super::disposition::RequestPhase;
use super::encoding::Encoding;
use super::endpoint::{Endpoint, ListingType, MeetingKey};
use super::error::ZoomError;
use crate::model::{Source, Timestamp};

/// Zoom keeps a page token for 15 minutes; a minute of these is left for the way.
const TOKEN_LIFE: Duration = Duration::from_mins(14);

/// One GET, apart from host and token.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) endpoint: Endpoint,
    pub(super) phase: RequestPhase,
    pub(super) path: String,
    pub(super) query: Vec<(&'static str, String)>,
    /// When the page token in the query came, if there is one.
    token_received_at: Option<Timestamp>,
}

impl Call {
    pub(super) fn new(endpoint: Endpoint, phase: RequestPhase, path: String) -> Self {
        Self { endpoint, phase, path, query: Vec::new(), token_received_at: None }
    }

    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.query.push((name, value.to_owned()));
        self
    }

    /// The same call for the next page, by the page token of the last one.
    pub(super) fn follow_up(&self, page_token: &str, received_at: Timestamp) -> Self {
        let call = self.clone().with("next_page_token", page_token);
        Self { phase: RequestPhase::FollowUpPage, token_received_at: Some(received_at), ..call }
    }

    /// A page token may have grown old between the pages, or while its request waited.
    pub(super) fn check_page_token(&self, now: Timestamp) -> Result<(), ZoomError> {
        let age = self.token_received_at.map(|at| now.since(at));
        if age.is_some_and(|age| age > TOKEN_LIFE) {
            return Err(ZoomError::PageTokenExpired { endpoint: self.endpoint });
        }
        Ok(())
    }
}

/// Where participants are read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ParticipantsEndpoint {
    /// The Dashboard, in one of its lists.
    Dashboard(ListingType),
    Report,
    /// The past meeting.
    PastMeetings,
}

impl ParticipantsEndpoint {
    /// The source whose sessions it gives.
    pub const fn source(self) -> Source {
        match self {
            Self::Dashboard(ListingType::Live) => Source::Live,
            Self::Dashboard(_) => Source::Dashboard,
            Self::Report => Source::Report,
            Self::PastMeetings => Source::PastMeetings,
        }
    }

    /// The endpoint, with its name, label and scopes.
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
    pub from: ParticipantsEndpoint,
    pub key: MeetingKey,
    /// How its UUID is written into the path.
    pub encoding: Encoding,
}

impl ListingRequest {
    pub(super) fn call(&self, page_size: u32) -> Call {
        let key = self.key.segment(self.encoding);
        let path = match self.from {
            ParticipantsEndpoint::Dashboard(_) => format!("/metrics/meetings/{key}/participants"),
            ParticipantsEndpoint::Report => format!("/report/meetings/{key}/participants"),
            ParticipantsEndpoint::PastMeetings => format!("/past_meetings/{key}/participants"),
        };
        let past = self.from == ParticipantsEndpoint::Dashboard(ListingType::Past);
        let mut call = Call::new(self.from.endpoint(), RequestPhase::FirstPage { past }, path);
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
pub struct ParticipantsPage {
    /// The answer, a whole JSON object; bytes that are no UTF-8 are replaced.
    pub body: String,
    /// The next page's token; `None` on the last page.
    pub next_page_token: Option<String>,
    /// How many rows all pages hold, as Zoom says.
    pub total_records: Option<i64>,
    /// Zoom's id of the request, for its support.
    pub tracking_id: Option<String>,
}
