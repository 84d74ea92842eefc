//! One run at a time: a lock of the operating system on a file beside the database, which a crash releases.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::StoreError;

/// Held for as long as a run, or a command that changes data, works on the database.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}

impl RunLock {
    /// Takes the lock of the database at `path`; none if another process holds it.
    pub fn try_acquire(path: &Path) -> Result<Option<Self>, StoreError> {
        let lock_path = lock_path(path);
        let file = open(&lock_path).map_err(|source| StoreError::Lock { path: lock_path.clone(), source })?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(StoreError::Lock { path: lock_path, source }),
        }
    }

    /// Takes the lock of the database at `path` as soon as it is free.
    pub async fn acquire(path: &Path) -> Result<Self, StoreError> {
        loop {
            if let Some(lock) = Self::try_acquire(path)? {
                return Ok(lock);
            }
            // A blocking wait could not be given up on a signal.
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// `rollcall.db` is locked by `rollcall.db.lock`; a link to the database leads to the lock of what it points to.
fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.canonicalize().unwrap_or_else(|_| path.to_owned()).into_os_string();
    name.push(".lock");
    name.into()
}

fn open(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_is_one_and_is_free_again_when_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        let lock = RunLock::try_acquire(&path).unwrap();
        assert!(lock.is_some());
        assert!(RunLock::try_acquire(&path).unwrap().is_none());
        drop(lock);
        assert!(RunLock::try_acquire(&path).unwrap().is_some());
    }

    #[test]
    fn a_lock_in_no_directory_is_an_error() {
        assert!(matches!(RunLock::try_acquire(Path::new("/nowhere/a.db")), Err(StoreError::Lock { .. })));
    }
}
