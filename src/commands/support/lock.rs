//! The run lock, as commands take it.

use std::path::Path;

use super::errors::CommandError;
use crate::shutdown::ShutdownSignal;
use crate::store::RunLock;

/// Takes the run lock of the database at `path`; where another run holds it, that is an error, unless `wait` is set.
pub(in crate::commands) async fn acquire_lock(
    path: &Path,
    wait: bool,
    shutdown: &ShutdownSignal,
) -> anyhow::Result<RunLock> {
    if wait {
        return Ok(shutdown.interrupting(RunLock::acquire(path)).await??);
    }
    let lock = RunLock::try_acquire(path)?;
    Ok(lock.ok_or_else(|| {
        CommandError::try_later(format!(
            "another run holds the database {}; try again when it has ended, or pass --wait",
            path.display()
        ))
    })?)
}
