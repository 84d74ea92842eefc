//! One file a subcommand; the only place where the parts are wired together.

pub mod completions;
pub mod init;
pub mod report;
pub mod status;
