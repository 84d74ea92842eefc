//! The client of Zoom's API: token, pace, paging, and errors that say what to do next.
//!
//! It knows nothing of the database, the config or a run: the quota ledger reaches it as a [`Ledger`], its
//! settings as plain values. A request goes through these hands, in this order:
//!
//! 1. `api` has a method an endpoint; `endpoint` and `request` say what is asked; `encoding` writes a UUID into a path;
//! 2. `client` attempts it, and `backoff` decides whether it is attempted again;
//! 3. `token` has a token at hand;
//! 4. `reservation` has the request reserved in the `ledger`, `limiter` gives it its slot;
//! 5. `transport` sends it and reads a bounded body without credentials, which `sanitize` takes out; `wire` reads that;
//! 6. `classify` says what a refusal means: a `disposition` in an `error`;
//! 7. `paging` goes on to the next page.

mod api;
mod backoff;
mod classify;
mod client;
mod counters;
mod disposition;
mod encoding;
mod endpoint;
mod error;
mod ledger;
mod limiter;
mod limits;
mod paging;
mod request;
mod reservation;
mod sanitize;
mod settings;
mod throttle;
mod token;
mod transport;
mod wire;

#[cfg(test)]
mod memory_ledger;
#[cfg(test)]
mod tests;

pub use backoff::RetryPolicy;
pub use client::ZoomClient;
pub(crate) use counters::Counters;
pub(crate) use disposition::{Disposition, SourceRefusal};
pub(crate) use encoding::Encoding;
pub use endpoint::Endpoint;
pub(crate) use endpoint::{DashboardListingRequest, ListingType, MeetingKey};
pub(crate) use error::ZoomError;
pub(crate) use ledger::{Ledger, LedgerError, Unlimited};
pub use limits::{Rate, RateLimits};
pub(crate) use paging::{Pages, read_pages};
pub(crate) use request::{ListingRequest, ParticipantsEndpoint, ParticipantsPage};
pub use settings::ZoomSettings;
pub(crate) use wire::{MeetingDetails, PastInstance};
