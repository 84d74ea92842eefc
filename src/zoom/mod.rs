//! The client of Zoom's API: token, pace, paging, and errors that say what to do next.
//!
//! It knows nothing of the database, the config or a run: the quota ledger reaches it as a [`Ledger`], its
//! settings as plain values. A request goes through these hands, in this order:
//!
//! 1. `endpoints` and `listing` say what is asked; `encoding` writes a UUID into a path;
//! 2. `token` has a token at hand;
//! 3. `gate` has the request reserved in the ledger, `pace` gives it its slot;
//! 4. `http` sends it and reads a bounded body, `wire` reads that;
//! 5. `classify` says what a refusal means, `retry` acts on it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use secrecy::SecretString;

use crate::clock::Clock;

mod classify;
mod counters;
mod encoding;
mod endpoints;
mod error;
mod gate;
mod http;
mod ledger;
mod limits;
mod listing;
mod pace;
mod presentable;
mod retry;
mod throttle;
mod token;
mod wire;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;

pub use classify::{Disposition, SourceRefusal, Stage};
pub use counters::{Counters, Counts};
pub use encoding::Encoding;
pub use endpoints::{DashboardListingRequest, Endpoint, ListingType, MeetingKey};
pub use error::{ConnectionFault, PagingFault, Refusal, ZoomError};
pub use ledger::{InMemoryLedger, Ledger, LedgerError, Reservation, Unlimited};
pub use limits::{DailyPool, Limits, Plan, Rate};
pub use listing::{ListingRequest, Page, Pages, ParticipantsEndpoint, read_pages};
pub use retry::RetryPolicy;
pub use throttle::{Throttle, ThrottleKind};
pub use wire::{DashboardMeeting, DashboardPage, Instance, PastMeeting};

/// What the client needs to know; all of it is checked by whoever reads the config.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The account of the Server-to-Server OAuth app.
    pub account_id: String,
    /// The app's client id.
    pub client_id: String,
    /// The app's client secret; never printed.
    pub client_secret: SecretString,
    /// Where tokens come from, `https://zoom.us/oauth/token`.
    pub token_url: Url,
    /// The API with its version, as in `https://api.zoom.us/v2`; where absent, the host that the token answer
    /// names.
    pub api_url: Option<Url>,
    /// Rows asked for per page, at most 300. What Zoom really serves may be less.
    pub page_size: u32,
    /// The longest that one request may take, body included.
    pub request_timeout: Duration,
    /// The pace and the daily pools.
    pub limits: Limits,
    /// How often and how soon a failed request is repeated.
    pub retry: RetryPolicy,
}

/// The client. Clones share token, connections, pace and counters.
#[derive(Clone)]
pub struct Zoom {
    shared: Arc<Shared>,
    /// Counters of whoever asked for this handle, beside the shared ones.
    also_count: Option<Counters>,
}

/// What all handles share.
struct Shared {
    http: http::Http,
    tokens: token::Tokens,
    gates: gate::Gates,
    pacers: pace::Pacers,
    counters: Counters,
    retry: RetryPolicy,
    page_size: u32,
    clock: Clock,
}

impl Zoom {
    /// A client that has asked for nothing yet.
    ///
    /// # Errors
    /// Where the HTTP client cannot be built, as without usable TLS roots.
    pub fn new(settings: Settings, clock: Clock, ledger: Arc<dyn Ledger>) -> Result<Self, ZoomError> {
        let http = http::Http::new(&settings)?;
        let shared = Shared {
            gates: gate::Gates::new(ledger, clock.clone()),
            pacers: pace::Pacers::new(settings.limits, clock.clone()),
            counters: Counters::default(),
            retry: settings.retry,
            page_size: settings.page_size.clamp(1, 300),
            tokens: token::Tokens::new(settings, http.clone(), clock.clone()),
            http,
            clock,
        };
        Ok(Self { shared: Arc::new(shared), also_count: None })
    }

    /// A handle whose requests are counted by `counters` as well, so that a fetch can report its own.
    #[must_use]
    pub fn counted_by(&self, counters: Counters) -> Self {
        Self { shared: Arc::clone(&self.shared), also_count: Some(counters) }
    }

    /// The requests of all handles since the client was made; token requests are not among them.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// The scopes that the token grants, for the preflight; asks for a token where none is at hand.
    pub async fn scopes(&self) -> Result<Vec<String>, ZoomError> {
        Ok(self.shared.tokens.current().await?.scopes().to_vec())
    }

    /// Gives back to the ledger what was reserved and not used. To be called at the end of a run; without it
    /// the ledger only counts a few requests more than were sent.
    pub async fn return_unused(&self) -> Result<(), ZoomError> {
        self.shared.gates.return_unused().await
    }
}

impl fmt::Debug for Zoom {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Zoom").field("counters", &self.shared.counters).finish_non_exhaustive()
    }
}
