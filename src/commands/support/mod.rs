//! What several commands share.

pub mod errors;
pub(super) mod lock;
pub(super) mod output;
pub(super) mod progress;
mod rosters;
pub mod session;
pub mod settings;
pub(super) mod somebody;
