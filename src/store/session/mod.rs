//! Sessions in the tables, and the facts that they share.

pub(super) mod rows;
pub(super) mod shared;
