//! The client against a small fake of Zoom, and what needs no server but much room.

mod classify;
mod listing;
mod pace;
mod retry;
mod token;
