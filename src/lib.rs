//! rollcall takes the roll of Zoom meetings.
//!
//! The modules, in the order in which data flows.

pub mod clock;
pub mod model;
pub mod simulator;
