//! From a decoded listing to the tables: one read of all that decides, decisions, one write.

mod apply;
mod intake;
mod known;
pub(super) mod listing;
mod prepared;
mod reconcile;
mod together;

pub(super) use self::prepared::reject_digest;
