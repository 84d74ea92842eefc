//! A copy of the database while it is in use.

use std::path::{Path, PathBuf};

use crate::store::{Store, StoreError, options};

/// Why there is no backup. Nothing was left behind, and no file was touched.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Something is there already.
    #[error("{} is there already and was left as it is; name another file", path.display())]
    Exists { path: PathBuf },
    /// The file cannot be written.
    #[error("the backup {} cannot be written: {source}; its directory must exist and be writable", path.display())]
    Write { path: PathBuf, source: std::io::Error },
    /// The copy was read again and is not what it should be.
    #[error(
        "the backup failed its check ({finding}) and was not kept; check the database with `PRAGMA integrity_check`"
    )]
    Damaged {
        /// What the check found first.
        finding: String,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Opens the database at `path` only to copy it, of whichever version its tables are.
    pub(crate) async fn open_to_copy(path: &Path) -> Result<Self, StoreError> {
        if !path.exists() {
            return Err(StoreError::Missing { path: path.to_owned() });
        }
        Self::connect(path, options(path)).await
    }

    /// Copies the database to a file that is not there yet, and says how many bytes that has.
    ///
    /// The copy is the database as it is at one instant, whoever writes to it meanwhile; it is compact, its owner
    /// only can read it, it has been read again and found sound, and it appears whole or not at all.
    pub async fn backup(&self, to: &Path) -> Result<u64, BackupError> {
        if to.symlink_metadata().is_ok() {
            return Err(BackupError::Exists { path: to.to_owned() });
        }
        let cannot_write = |source| BackupError::Write { path: to.to_owned(), source };
        let directory = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // A temporary file is its owner's only, and is gone where anything goes wrong.
        let copy = tempfile::NamedTempFile::new_in(directory).map_err(cannot_write)?;
        let copy_path = copy.path().to_owned();
        sqlx::query("VACUUM INTO ?")
            .bind(copy_path.to_string_lossy().into_owned())
            .execute(&self.pool)
            .await
            .map_err(|error| self.error(error))?;
        check(&copy_path).await?;
        copy.as_file().sync_all().map_err(cannot_write)?;
        let bytes = copy.as_file().metadata().map_err(cannot_write)?.len();
        copy.persist_noclobber(to).map_err(|error| match error.error.kind() {
            std::io::ErrorKind::AlreadyExists => BackupError::Exists { path: to.to_owned() },
            _ => cannot_write(error.error),
        })?;
        // The name is safe only once its directory is.
        std::fs::File::open(directory).and_then(|directory| directory.sync_all()).map_err(cannot_write)?;
        Ok(bytes)
    }
}

/// Reads the copy from its beginning to its end.
async fn check(copy: &Path) -> Result<(), BackupError> {
    // Nobody else knows of it, so it needs no lock and no files beside it.
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(copy).immutable(true).read_only(true);
    let opened = Store::connect(copy, options).await?;
    let finding: String = sqlx::query_scalar("PRAGMA quick_check(1)")
        .fetch_one(&opened.pool)
        .await
        .map_err(|error| opened.error(error))?;
    opened.close().await;
    if finding == "ok" { Ok(()) } else { Err(BackupError::Damaged { finding }) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::model::{Timestamp, Trigger};

    #[tokio::test]
    async fn a_backup_is_the_database_while_someone_writes_to_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rollcall.db");
        let store = crate::store::sample::database(&path).await;
        let mut writing = store.begin().await.unwrap();
        sqlx::query("DELETE FROM attendance_facts").execute(&mut *writing).await.unwrap();
        let copy_path = directory.path().join("copy.db");
        let reading = Store::open_to_copy(&path).await.unwrap();
        let bytes = reading.backup(&copy_path).await.unwrap();
        writing.commit().await.unwrap();
        assert_eq!(bytes, std::fs::metadata(&copy_path).unwrap().len());
        assert_eq!(std::fs::metadata(&copy_path).unwrap().permissions().mode() & 0o777, 0o600);
        let copy = Store::open(&copy_path).await.unwrap();
        let people: i64 =
            sqlx::query_scalar("SELECT count(*) FROM attendance_facts").fetch_one(&copy.pool).await.unwrap();
        assert_eq!(people, 9, "what was not committed is not in it");
        copy.begin_run(Trigger::Manual, None, Timestamp::from_millis(0)).await.unwrap();
    }

    #[tokio::test]
    async fn a_file_that_is_there_stays_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rollcall.db");
        let store = Store::open(&path).await.unwrap();
        let taken = directory.path().join("taken");
        std::fs::write(&taken, "mine").unwrap();
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(directory.path().join("nowhere"), &link).unwrap();
        for to in [&taken, &path, &link] {
            assert!(matches!(store.backup(to).await, Err(BackupError::Exists { .. })), "{}", to.display());
        }
        assert_eq!(std::fs::read_to_string(&taken).unwrap(), "mine");
        let lost = store.backup(&directory.path().join("no/where.db")).await;
        assert!(matches!(lost, Err(BackupError::Write { .. })));
        let names = std::fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(names, 5, "the database with its log and its memory, the file and the link");
    }

    #[tokio::test]
    async fn what_is_no_database_cannot_be_backed_up() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rollcall.db");
        assert!(matches!(Store::open_to_copy(&path).await, Err(StoreError::Missing { .. })));
        std::fs::write(&path, "not a database, but long enough to be looked at".repeat(100)).unwrap();
        assert!(matches!(Store::open_to_copy(&path).await, Err(StoreError::Corrupt { .. })));
    }
}
