//! The simulated Zoom, for the demo, tests and benches: on a loopback address, as strict as the real one.
//!
//! It serves the endpoints that rollcall reads from a [`World`] that can be made by hand, session by
//! session, and changed while the server runs. Whatever Zoom refuses it refuses with Zoom's words: tokens,
//! scopes, plans, UUIDs in the wrong encoding, `past` for an instance of one person. On request it
//! misbehaves: see [`Fault`].
//!
//! The same seed and the same clock give the same answers.
//!
//! | question | files |
//! |---|---|
//! | what there is to be told | `world` (hosts, instances), `session` (rows), `people`; `term` and `courses` make a term of meetings from a seed, `sized` a world of any size |
//! | what is told of it | `endpoint` (label, scope), `answers` (the right answer or Zoom's refusal), `entries` (descriptions), `listing` (one page of rows) |
//! | how Zoom behaves | `options` (plan, scopes, habits), `tokens` (access and page tokens), `limits` (429) |
//! | what goes wrong | `faults` (which, for whom, when), `fault_text` (as the command line writes them) |
//! | who answers | `account` (from a request to its answer and the log), `server` (HTTP), `wire` (paths, queries, bodies), `connection` (breaks it) |

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
pub use endpoint::SimulatedEndpoint;
pub(crate) use fault_text::FaultTextError;
pub use faults::{Fault, FaultKind, PageFilter, Target};
pub use options::{Limits, OnePersonAnswer, Options, SimulatedCredentials, UntoldEnd};
pub use server::Simulator;
pub use session::{FIRST_USER_ID, Session, USER_ID_STEP};
pub use sized::Population;
pub use world::{Host, Instance, World};
