//! rollcall takes the roll of Zoom meetings.
//!
//! The modules, in the order in which data flows.

pub mod clock;
pub mod model;
/// The simulated Zoom: one implementation for the demo, tests and benches.
pub mod simulator;
