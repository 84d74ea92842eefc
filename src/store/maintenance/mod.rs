//! What is done to a whole file: copies of it, and what is taken out of it.

pub(super) mod backup;
pub(super) mod erase;
pub(super) mod mentions;
pub(super) mod privacy;
pub(super) mod prune;
