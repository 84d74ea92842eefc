//! What to do about an error.

use crate::model::{Throttle, Timestamp};

/// What to do about an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// It may pass: repeated with backoff; where that did not help, a later run tries again.
    Retry,
    /// The token is renewed once and the request repeated.
    RenewToken,
    /// A rate limit was hit: the label pauses.
    Throttled(Throttle),
    /// The day's quota is used up, Zoom's or the ledger's: the run ends, its backlog is kept until then.
    Quota {
        /// The reset.
        until: Timestamp,
    },
    /// This source is not for this app or account; the next one may be.
    TryNextSource(SourceRefusal),
    /// The page token is no longer good: drop the pages so far, begin the listing again.
    RestartListing,
    /// The pages lead nowhere: keep what came as incomplete.
    StopListing,
    /// Ask for `pastOne` once, then treat what that answers.
    RetryAsPastOne,
    /// Zoom does not have it, or does not have it yet: later, each time later.
    NotFound,
    /// This one instance is refused for a reason of its own; all others go on.
    Parked(String),
    /// Zoom refuses the app: nothing can be read until a person mends it.
    Credentials,
    /// No answer at all: repeated like [`Disposition::Retry`], then left to a later run.
    Unreachable,
    /// The ledger cannot be kept; the source of the error says why.
    Ledger,
}

/// Why a source is refused as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceRefusal {
    /// The app lacks one of these scopes; empty where Zoom does not name them.
    MissingScopes(Vec<String>),
    /// The account's plan lacks it, or a feature of it is off; in Zoom's words.
    Plan(String),
}

/// What was being asked when the refusal came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestPhase {
    Token,
    /// A meeting, or a list of them.
    Lookup,
    /// The first page of participants.
    FirstPage {
        /// Whether from the Dashboard's `past`, beside which there is `pastOne`.
        past: bool,
    },
    /// A page of participants, or of meetings, by the token of the one before.
    FollowUpPage,
}
