//! What can go wrong on request: which fault, for whom, and at which attempts.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::endpoint::SimulatedEndpoint;
use super::wire::ParsedRequest;
use super::world::World;
use crate::model::{InstanceUuid, MeetingId, Timestamp};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// This status with this body, as JSON.
    Answer {
        /// The HTTP status, 200 to 599.
        status: u16,
        /// Headers, which are sent in the place of those that Zoom would send.
        headers: Vec<(&'static str, String)>,
        body: String,
    },
    /// This status with this code in Zoom's envelope; under 200 it stands in the place of what was asked for.
    Refused {
        /// The HTTP status, 200 to 599.
        status: u16,
        code: i64,
    },
    /// An HTML page of a gateway with this status.
    Html {
        /// The HTTP status, 200 to 599.
        status: u16,
    },
    /// Cloudflare's 403 page "Sorry, you have been blocked".
    Blocked,
    /// 429 for the second's limit.
    TooManyPerSecond {
        /// The text of a `Retry-After` header.
        retry_after: Option<String>,
        /// Whether the `X-RateLimit-…` headers are there.
        headers: bool,
    },
    /// 429 for the day's limit.
    TooManyPerDay {
        /// The text of a `Retry-After` header.
        retry_after: Option<String>,
        /// Whether the `X-RateLimit-…` headers are there.
        headers: bool,
    },
    /// 401 with code 124.
    BadToken,
    /// 400 with code 4711, naming the endpoint's scope.
    MissingScope,
    /// 400 with code 104, whose body is no JSON: the quotes in its message are not escaped.
    BrokenScopeError,
    /// 400 with code 200: the plan lacks the Dashboard.
    Plan,
    /// 404 with code 3001.
    NotFound,
    /// 400 with code 12702: older than a year.
    TooOld,
    /// 400 with code 300, as for a webinar.
    Webinar,
    /// The right answer, broken off in its middle, with a length that fits.
    TruncatedJson,
    /// 200 without a body.
    EmptyBody,
    /// 200 with a text that is no JSON.
    NotJson,
    /// The right answer, of which so many bytes come before the connection is dropped.
    Cut(usize),
    /// So many bytes of the right answer's body; then nothing more, and the connection stays open.
    Stalled(usize),
    /// A body of so many bytes, most of them blanks.
    Huge(usize),
    /// 302 to this URL.
    Redirect(String),
    /// The connection is dropped before anything is sent.
    Dropped,
    /// The answer takes longer.
    Delay(Duration),
    /// Every page token is refused as expired.
    PageTokenExpired,
    /// Each page is the first one again, with one token for ever.
    PageTokenRepeated,
    /// The last page has no `next_page_token` at all.
    PageTokenAbsent,
    /// Each reading of a listing finds one row more than the one before.
    Growing,
    /// The first reading finds everything, later ones nothing.
    Emptied,
    /// A list has no rows, whatever descriptions tell.
    Empty,
    /// `total_records` is this, or `null`, however many rows there are.
    Total(Option<i64>),
    /// `total_records` is larger than what is given, by so many.
    TotalTooLarge(usize),
    /// Each page begins with the last row of the one before.
    RepeatedRows,
    /// The answer has no list of rows.
    NoRows,
}

impl FaultKind {
    /// Whether it changes what a listing holds; its attempts are readings, not requests.
    pub(super) fn is_of_listings(&self) -> bool {
        matches!(
            self,
            Self::PageTokenRepeated
                | Self::PageTokenAbsent
                | Self::Growing
                | Self::Emptied
                | Self::Empty
                | Self::Total(_)
                | Self::TotalTooLarge(_)
                | Self::RepeatedRows
                | Self::NoRows
        )
    }
}

/// Whom a fault strikes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Everything,
    /// Requests for the meeting by number, and for any of its instances.
    Meeting(MeetingId),
    /// Requests for one instance by UUID, however it is encoded.
    Instance(InstanceUuid),
}

/// Which pages of a listing a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageFilter {
    Any,
    /// Requests without a page token.
    First,
    /// Requests with a page token.
    Later,
}

/// Something that goes wrong, with whom it strikes and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub kind: FaultKind,
    /// The endpoint; `None`: all but the token's.
    pub endpoint: Option<SimulatedEndpoint>,
    pub target: Target,
    /// Which of the matching requests since the fault was set, counted from 1 (readings of a
    /// listing, each listing for itself, where the kind changes listings).
    pub attempts: RangeInclusive<u32>,
    pub pages: PageFilter,
    /// From when on, by the simulator's clock; `None`: from the beginning.
    pub from: Option<Timestamp>,
    /// Until when; `None`: for ever.
    pub until: Option<Timestamp>,
}

impl Fault {
    /// A fault that strikes every request but the token's, always.
    pub fn new(kind: FaultKind) -> Self {
        Self {
            kind,
            endpoint: None,
            target: Target::Everything,
            attempts: 1..=u32::MAX,
            pages: PageFilter::Any,
            from: None,
            until: None,
        }
    }

    #[must_use]
    pub fn at(self, endpoint: SimulatedEndpoint) -> Self {
        Self { endpoint: Some(endpoint), ..self }
    }

    #[must_use]
    pub fn of_meeting(self, meeting_id: MeetingId) -> Self {
        Self { target: Target::Meeting(meeting_id), ..self }
    }

    #[must_use]
    pub fn of_instance(self, uuid: InstanceUuid) -> Self {
        Self { target: Target::Instance(uuid), ..self }
    }

    /// The same fault at these attempts only, counted from 1.
    #[must_use]
    pub fn attempts(self, attempts: RangeInclusive<u32>) -> Self {
        Self { attempts, ..self }
    }

    #[must_use]
    pub fn pages(self, pages: PageFilter) -> Self {
        Self { pages, ..self }
    }

    /// The same fault from this instant on only.
    #[must_use]
    pub fn from(self, from: Timestamp) -> Self {
        Self { from: Some(from), ..self }
    }

    #[must_use]
    pub fn until(self, until: Timestamp) -> Self {
        Self { until: Some(until), ..self }
    }

    fn strikes(&self, call: &ParsedRequest, world: &World, now: Timestamp) -> bool {
        let is_on = self.from.is_none_or(|from| from <= now) && self.until.is_none_or(|until| now < until);
        let endpoint = match self.endpoint {
            Some(endpoint) => endpoint == call.endpoint,
            None => call.endpoint != SimulatedEndpoint::Token,
        };
        let first = call.parameter("next_page_token").is_none();
        let page = match self.pages {
            PageFilter::Any => true,
            PageFilter::First => first,
            PageFilter::Later => !first,
        };
        let target = match &self.target {
            Target::Everything => true,
            Target::Meeting(meeting_id) => {
                call.meeting_id() == Some(*meeting_id)
                    || call.spellings().iter().any(|(uuid, _)| {
                        world.instance(uuid).is_some_and(|instance| instance.meeting_id == *meeting_id)
                    })
            }
            Target::Instance(wanted) => call.spellings().iter().any(|(uuid, _)| uuid == wanted),
        };
        let kind = self.kind != FaultKind::PageTokenExpired || !first;
        is_on && endpoint && page && target && kind
    }
}

/// The faults that are set, each with how often it was met: by every request together, or by the readings of each
/// listing for itself, where the kind changes listings.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<(Fault, HashMap<String, u32>)>);

impl Faults {
    pub(super) fn add(&mut self, fault: Fault) {
        self.0.push((fault, HashMap::new()));
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// What goes wrong with this request, in the order in which it was set, with the attempt's number.
    pub(super) fn strike(
        &mut self,
        call: &ParsedRequest,
        world: &World,
        now: Timestamp,
    ) -> Vec<(FaultKind, u32)> {
        let first_page = call.parameter("next_page_token").is_none();
        self.0
            .iter_mut()
            .filter(|(fault, _)| fault.strikes(call, world, now))
            .filter_map(|(fault, met)| {
                let is_of_listings = fault.kind.is_of_listings();
                let met = met.entry(if is_of_listings { listing(call) } else { String::new() }).or_default();
                if first_page || !is_of_listings {
                    *met = met.saturating_add(1);
                }
                fault.attempts.contains(met).then(|| (fault.kind.clone(), *met))
            })
            .collect()
    }
}

/// Which listing is read.
fn listing(call: &ParsedRequest) -> String {
    format!("{} {} {}", call.endpoint.name(), call.target, call.parameter("type").unwrap_or_default())
}
