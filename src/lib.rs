//! rollcall takes the roll of Zoom meetings.
//!
//! The modules, in the order in which data flows.

pub mod clock;
pub mod model;
/// The client of Zoom's API.
pub mod zoom;
