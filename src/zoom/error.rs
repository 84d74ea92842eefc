//! What can go wrong with Zoom, each with what to do next.

use std::fmt;

use super::disposition::{Disposition, SourceRefusal};
use super::endpoint::Endpoint;
use super::ledger::LedgerError;
use crate::model::{RateLabel, Throttle, Timestamp};

/// An error of the client. It carries neither token nor secret, nor anything that a participant wrote.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ZoomError {
    /// Zoom answered, with a refusal.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// Zoom answered 200 with a body that is no JSON, or a cut one.
    #[error(
        "Zoom's answer for {} is not whole JSON ({detail}); a later run tries again{}",
        .endpoint.name(), tracking(.tracking_id.as_ref())
    )]
    Malformed {
        endpoint: Endpoint,
        /// Where the reading stopped.
        detail: String,
        tracking_id: Option<String>,
    },
    /// Zoom answered 200 with a JSON object that lacks what was asked for, and names no code.
    #[error(
        "Zoom's answer for {} lacks {wanted}; a later run tries again{}",
        .endpoint.name(), tracking(.tracking_id.as_ref())
    )]
    Lacking {
        endpoint: Endpoint,
        /// What is missing.
        wanted: &'static str,
        tracking_id: Option<String>,
    },
    /// Zoom's answer is larger than any that makes sense.
    #[error("Zoom's answer for {} is larger than {limit_bytes} bytes and was not read", .endpoint.name())]
    TooLarge {
        endpoint: Endpoint,
        /// The most that is read.
        limit_bytes: usize,
    },
    /// No answer came.
    #[error("{fault} while asking {host} for {}: {detail}; check network, DNS and proxy", .endpoint.name())]
    Connection {
        endpoint: Endpoint,
        host: String,
        fault: ConnectionFault,
        /// The causes, without the URL.
        detail: String,
    },
    /// The day's quota is used up.
    #[error(
        "the day's quota of {label} requests is used up, or Zoom asked for a long pause; \
         the backlog is kept, the next run after {until} goes on"
    )]
    Quota { label: RateLabel, until: Timestamp },
    /// So much time passed since a page that its token is no longer good.
    #[error("the page token of {} is too old to be followed; the listing has to begin again", .endpoint.name())]
    PageTokenExpired { endpoint: Endpoint },
    /// The pages lead nowhere.
    #[error("{fault} while paging through {}; what came is kept as incomplete", .endpoint.name())]
    Paging { endpoint: Endpoint, fault: PagingFault },
    /// The ledger could not be read or written.
    #[error(transparent)]
    Ledger(LedgerError),
    /// The system names no authorities that vouch for Zoom's host.
    #[error(
        "the certificates of this machine cannot be used ({0}); install the package ca-certificates, or name a file \
         of certificates in the environment variable SSL_CERT_FILE"
    )]
    NoCertificates(String),
    /// The client cannot be made or used as it is set up.
    #[error("the Zoom client cannot be used: {0}")]
    Setup(String),
}

/// A refusal of Zoom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub endpoint: Endpoint,
    pub status: u16,
    /// Zoom's own code, where one could be read.
    pub code: Option<i64>,
    /// Zoom's words: one line, bounded, without tokens and addresses.
    pub message: String,
    /// Zoom's id of the request, for its support.
    pub tracking_id: Option<String>,
    pub disposition: Disposition,
    /// When a repeat makes sense, where the answer said.
    pub(super) retry_at: Option<Timestamp>,
}

/// Why no answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionFault {
    /// No connection could be made: name not found, refused, no TLS.
    Connect,
    /// It took too long.
    TimeOut,
    /// The connection was lost on the way.
    Lost,
}

/// What is wrong with a listing's pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PagingFault {
    /// A page token came that had come before.
    RepeatedToken {
        /// Pages until then.
        pages: u32,
    },
    /// A page came that had come before, under another token.
    RepeatedPage {
        /// Pages until then.
        pages: u32,
    },
    /// More pages than any listing has.
    Endless {
        /// Pages until then.
        pages: u32,
    },
}

impl ZoomError {
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Refused(refusal) => refusal.disposition.clone(),
            Self::Malformed { .. } | Self::Lacking { .. } => Disposition::Retry,
            Self::TooLarge { .. } => Disposition::Parked("its answer is too large to be read".to_owned()),
            Self::Connection { .. } => Disposition::Unreachable,
            Self::Quota { until, .. } => Disposition::Quota { until: *until },
            Self::PageTokenExpired { .. } => Disposition::RestartListing,
            Self::Paging { .. } => Disposition::StopListing,
            Self::Ledger(_) => Disposition::Ledger,
            Self::NoCertificates(_) | Self::Setup(_) => Disposition::Credentials,
        }
    }

    /// The HTTP status, where Zoom answered with a refusal.
    pub fn status(&self) -> Option<u16> {
        if let Self::Refused(refusal) = self { Some(refusal.status) } else { None }
    }

    /// Whether Zoom says that it does not exist, as it also does where a UUID is encoded the wrong way.
    pub fn is_not_found(&self) -> bool {
        self.code() == Some(3001) || self.status() == Some(404)
    }

    /// The HTTP status of the answer, a good one included; none where none came.
    pub(super) fn answered_with(&self) -> Option<u16> {
        if matches!(self, Self::Malformed { .. } | Self::Lacking { .. } | Self::TooLarge { .. }) {
            Some(200)
        } else {
            self.status()
        }
    }

    /// Whether the same request may be answered better at once. A redirect is not: the same address would redirect
    /// again, for as long as the config names it.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self.disposition(), Disposition::Retry | Disposition::Unreachable)
            && !self.status().is_some_and(is_redirect)
    }

    /// Zoom's code, where it gave one.
    pub fn code(&self) -> Option<i64> {
        if let Self::Refused(refusal) = self { refusal.code } else { None }
    }

    /// Zoom's id of the request, where it gave one.
    pub fn tracking_id(&self) -> Option<&str> {
        match self {
            Self::Refused(refusal) => refusal.tracking_id.as_deref(),
            Self::Malformed { tracking_id, .. } | Self::Lacking { tracking_id, .. } => tracking_id.as_deref(),
            _ => None,
        }
    }

    /// When a repeat makes sense, where the answer said.
    pub(super) fn retry_at(&self) -> Option<Timestamp> {
        if let Self::Refused(refusal) = self { refusal.retry_at } else { None }
    }

    /// The same refusal, with another consequence: a token that is refused though it is fresh, a pause that
    /// ends the run.
    pub(super) fn with_disposition(self, disposition: Disposition) -> Self {
        match self {
            Self::Refused(refusal) => Self::Refused(Box::new(Refusal { disposition, ..*refusal })),
            other => other,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Zoom refused {}: HTTP {}", self.endpoint.name(), self.status)?;
        if let Some(code) = self.code {
            write!(formatter, ", code {code}")?;
        }
        write!(formatter, ": {}", self.message)?;
        match &self.disposition {
            Disposition::Credentials => formatter.write_str(
                "; check zoom.account_id, zoom.client_id and the client secret, and that the app is activated",
            )?,
            Disposition::TryNextSource(SourceRefusal::MissingScopes(scopes)) if scopes.is_empty() => {
                write!(formatter, "; add the scope {} to the app", self.endpoint.scopes().first().unwrap_or(&"it needs"))?;
            }
            Disposition::TryNextSource(SourceRefusal::MissingScopes(scopes)) => {
                write!(formatter, "; add one of these scopes to the app: {}", scopes.join(", "))?;
            }
            Disposition::TryNextSource(SourceRefusal::Plan(_)) => formatter.write_str(
                "; the account needs a plan with this feature, the Dashboard a Business plan with the Dashboard \
                 feature on (ZoomClient's support enables it)",
            )?,
            Disposition::Throttled(Throttle { until: Some(until), .. }) | Disposition::Quota { until } => {
                write!(formatter, "; not to be asked again before {until}")?;
            }
            Disposition::Parked(reason) => {
                // Status, code and Zoom's words stand there already.
                let reason = reason.strip_suffix(&format!(": {}", self.message)).unwrap_or(reason);
                if !reason.starts_with("HTTP ") {
                    write!(formatter, "; {reason}")?;
                }
            }
            _ if is_redirect(self.status) => {
                let key = if self.endpoint == Endpoint::Token { "zoom.token_url" } else { "zoom.api_url" };
                write!(formatter, "; Zoom redirected to another host; check {key}")?;
            }
            _ => {}
        }
        formatter.write_str(&tracking(self.tracking_id.as_ref()))
    }
}

impl fmt::Display for ConnectionFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Connect => "no connection",
            Self::TimeOut => "no answer in time",
            Self::Lost => "the connection was lost",
        })
    }
}

impl fmt::Display for PagingFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RepeatedToken { pages } => write!(formatter, "a page token came twice after {pages} pages"),
            Self::RepeatedPage { pages } => write!(formatter, "a page came twice after {pages} pages"),
            Self::Endless { pages } => write!(formatter, "no end came after {pages} pages"),
        }
    }
}

/// Whether this status sends the client elsewhere, where it does not go: its token would go with it.
const fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

fn tracking(id: Option<&String>) -> String {
    id.map_or_else(String::new, |id| format!(" (tracking id {id})"))
}
