//! The file itself: its place, its lock, who may read it, and the version of its tables and views.

pub(super) mod group;
pub(super) mod lock;
mod schema;
