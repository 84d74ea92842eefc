//! What becomes of an instance after it was read, or could not be: pure, so that every path can be tried.
//!
//! The rules are the contract's: re-reads at the configured ages, an end to every kind of waiting, and no request
//! for what is settled.

mod failure;
mod patience;
mod progress;
mod reading;
mod window;

#[cfg(test)]
mod tests;

pub(crate) use failure::{Failure, after_failure};
pub(crate) use patience::LONGEST_WAIT;
pub use progress::Policy;
pub(crate) use progress::{PendingWithdrawal, Progress};
pub(crate) use reading::{ListingFacts, Richer, after_reading};
pub(crate) use window::{DASHBOARD_REACH, scheduled_window};
