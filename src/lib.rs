//! rollcall takes the roll of Zoom meetings.
//!
//! The modules, in the order in which data flows: from the command line and the config, by way of Zoom's API and
//! the decoder, into the database, and out of it again as reports.

// Both panic where a stream cannot be written to: `stream` writes to it.
#![warn(clippy::print_stdout, clippy::print_stderr)]

#[macro_use]
pub mod model;
#[macro_use]
mod stream;

mod attendance;
pub mod cli;
pub mod clock;
pub mod collect;
pub mod commands;
pub mod config;
mod daemon;
pub mod decode;
pub mod exit;
mod identity;
pub mod monitoring;
pub mod plan;
mod report;
pub mod roster;
pub mod schedule;
mod shutdown;
pub mod simulator;
pub mod store;
mod telemetry;
pub mod zoom;
