//! From a decoded listing to the tables.

mod apply;
pub(super) mod listing;
mod reconcile;
