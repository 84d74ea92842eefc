//! The simulated Zoom, for the demo, tests and benches: on a loopback address, as strict as the real one.
//!
//! It serves the endpoints that rollcall reads from a [`World`] that can be made by hand, session by
//! session, and changed while the server runs. Whatever Zoom refuses it refuses with Zoom's words: tokens,
//! scopes, plans, UUIDs in the wrong encoding, `past` for an instance of one person. On request it
//! misbehaves: see [`Fault`].
//!
//! The same seed and the same clock give the same answers.

mod account;
mod answers;
mod connection;
mod courses;
mod endpoint;
mod entries;
mod fault_text;
mod faults;
mod limits;
mod listing;
mod options;
mod people;
mod server;
mod session;
mod sized;
mod term;
mod tokens;
mod wire;
mod world;

#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod habit_tests;
#[cfg(test)]
mod tests;

pub use account::LoggedRequest;
pub use endpoint::Endpoint;
pub use fault_text::FaultTextError;
pub use faults::{Fault, FaultKind, PageFilter, Target};
pub use options::{Credentials, Limits, OnePersonAnswer, Options, UntoldEnd};
pub use server::Simulator;
pub use session::{FIRST_USER_ID, Session, USER_ID_STEP};
pub use sized::Population;
pub use world::{Host, Instance, World};
