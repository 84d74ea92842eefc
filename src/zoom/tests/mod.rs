//! The client against the simulated Zoom, and what needs no server but much room.

mod classify;
mod limiter;
mod paging;
mod retry;
mod server;
mod token;
