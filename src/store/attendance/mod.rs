//! Who was in an instance, and how long.

pub(super) mod presence;
pub(super) mod refresh;
