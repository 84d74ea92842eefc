//! One run at a time: a lock of the operating system on a file beside the database, which a crash releases.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::store::{StoreError, check_place};

/// Held for as long as a run, or a command that changes data, works on the database.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
    path: PathBuf,
}

impl RunLock {
    /// Takes the lock of the database at `path`; none if another process holds it.
    pub fn try_acquire(path: &Path) -> Result<Option<Self>, StoreError> {
        check_place(path)?;
        let lock_path = lock_path(path);
        let file = open(&lock_path).map_err(|source| StoreError::Lock { path: lock_path.clone(), source })?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file, path: path.to_owned() })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(StoreError::Lock { path: lock_path, source }),
        }
    }

    /// Takes the lock of the database at `path` as soon as it is free; having to wait is logged.
    ///
    /// Whoever waits here can be seen by [`RunLock::has_waiters`].
    pub(crate) async fn acquire(path: &Path) -> Result<Self, StoreError> {
        if let Some(lock) = Self::try_acquire(path)? {
            return Ok(lock);
        }
        tracing::info!(database = %path.display(), "waiting for the run or command that holds the database");
        let waiting_path = beside(path, ".waiting");
        let waiting =
            open(&waiting_path).map_err(|source| StoreError::Lock { path: waiting_path.clone(), source })?;
        let mut is_seen = false;
        loop {
            // Whoever looks for waiters holds this lock for an instant, which must not hide one for good.
            is_seen = is_seen || waiting.try_lock_shared().is_ok();
            if let Some(lock) = Self::try_acquire(path)? {
                return Ok(lock);
            }
            // A blocking wait could not be given up on a signal.
            tokio::time::sleep(POLL).await;
        }
    }
}

impl RunLock {
    /// Whether some process holds the lock of the database at `path` right now. It makes no file.
    pub fn is_held(path: &Path) -> bool {
        let file = OpenOptions::new().write(true).open(lock_path(path));
        file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// Whether another process waits for the lock: long work hands it over between two instances.
    pub(crate) fn has_waiters(&self) -> bool {
        let waiting = OpenOptions::new().write(true).open(beside(&self.path, ".waiting"));
        waiting.is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
    }

    /// Gives the lock to whoever waits for it, and takes it again once nobody does.
    pub async fn yield_lock(self) -> Result<Self, StoreError> {
        let path = self.path.clone();
        drop(self);
        // Whoever waits looks again within this time; then this one is behind it in the queue.
        tokio::time::sleep(2 * POLL).await;
        Self::acquire(&path).await
    }
}

/// How often a waiting process looks whether the lock is free.
const POLL: Duration = Duration::from_millis(200);

/// `rollcall.db` is locked by `rollcall.db.lock`; a link to the database leads to the lock of what it points to.
fn lock_path(path: &Path) -> PathBuf {
    beside(path, ".lock")
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.canonicalize().unwrap_or_else(|_| path.to_owned()).into_os_string();
    name.push(ending);
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
        assert!(lock.is_some() && RunLock::is_held(&path));
        assert!(RunLock::try_acquire(&path).unwrap().is_none());
        drop(lock);
        assert!(!RunLock::is_held(&path));
        assert!(RunLock::try_acquire(&path).unwrap().is_some());
    }

    #[tokio::test]
    async fn who_waits_is_seen_and_gets_the_lock() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        let lock = RunLock::try_acquire(&path).unwrap().unwrap();
        assert!(!lock.has_waiters());
        let waiting = tokio::spawn({
            let path = path.clone();
            async move { RunLock::acquire(&path).await }
        });
        while !lock.has_waiters() {
            tokio::task::yield_now().await;
        }
        let handed = tokio::spawn(lock.yield_lock());
        let theirs = waiting.await.unwrap().unwrap();
        assert!(theirs.has_waiters() || !handed.is_finished());
        drop(theirs);
        assert!(!handed.await.unwrap().unwrap().has_waiters());
    }

    #[test]
    fn a_lock_in_no_directory_is_an_error() {
        assert!(matches!(
            RunLock::try_acquire(Path::new("/nowhere/a.db")),
            Err(StoreError::NoDirectory { .. })
        ));
    }
}
