//! The client against a small fake of Zoom, and what needs no server but much room.

mod classify;
mod limiter;
mod paging;
mod retry;
mod token;
