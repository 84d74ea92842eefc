//! Sessions in the tables, and the facts that they share.

mod columns;
pub(super) mod rows;
pub(super) mod shared;
