//! rollcall takes the roll of Zoom meetings.
//!
//! The modules, in the order in which data flows.

#[macro_use]
pub mod model;

pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
pub mod exit;
pub mod schedule;
pub mod telemetry;
