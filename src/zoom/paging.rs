//! Paging: from page to page by their tokens, and a listing to its end.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use futures_util::{Stream, StreamExt as _};

use super::client::ZoomClient;
use super::disposition::Disposition;
use super::error::{PagingFault, ZoomError};
use super::request::Call;
use crate::model::Timestamp;

/// How often a listing is begun again because Zoom no longer knows its page token.
const MAX_RESTARTS: u32 = 2;
/// More pages than any listing has (300,000 rows where pages are full); a server that never ends must not use up the
/// day's quota. Zoom's own number of rows bounds nothing: where it is too low, rows would be cut off.
const MAX_PAGES: u32 = 1_000;

/// Goes from page to page: repeats a call with the token of the last answer, and knows when to stop.
pub(super) struct Pager {
    zoom: ZoomClient,
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
    pub(super) fn new(zoom: ZoomClient, call: Call) -> Self {
        Self { zoom, call, next: Next::First, tokens: HashSet::new(), contents: HashSet::new(), pages: 0 }
    }

    pub(super) fn zoom(&self) -> &ZoomClient {
        &self.zoom
    }

    /// The call of the next page; `None` after the last.
    pub(super) fn next_call(&self) -> Result<Option<Call>, ZoomError> {
        match &self.next {
            Next::First => Ok(Some(self.call.clone())),
            Next::End => Ok(None),
            Next::Fault(fault) => Err(ZoomError::Paging { endpoint: self.call.endpoint, fault: *fault }),
            Next::Token { token, received_at } => Ok(Some(self.call.follow_up(token, *received_at))),
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
            Some(token) => Next::Token { token, received_at: self.zoom.clock().now() },
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
