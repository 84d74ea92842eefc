//! The client against a small fake of Zoom, and what needs no server but much room.

mod classify;
pub(super) mod ledger;
mod limiter;
mod paging;
mod retry;
mod token;
