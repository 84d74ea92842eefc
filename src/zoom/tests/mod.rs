//! The client against a small fake of Zoom.

mod listing;
