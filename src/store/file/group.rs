//! A database that the members of a group may read.
//!
//! A write-ahead log needs files beside the database. A reader who may not write cannot make them, and one who may
//! make them in the writer's absence leaves files there that the writer cannot use. So a shared database goes back
//! to a rollback journal when its writer stops: then it is one file, which can be read with no other right than
//! that to read it. While the writer is there, its files are there, and the group may read them, too.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use crate::store::{Store, StoreError};

impl Store {
    /// Lets the members of a group read the file (0640), now and after it is closed.
    pub(crate) fn shared_with(mut self, group: &str) -> Result<Self, StoreError> {
        let id = group_id(group)?;
        // The other files are beside the file itself, not beside a link to it.
        let place = self.path.canonicalize().unwrap_or_else(|_| self.path.clone());
        for ending in ["", "-wal", "-shm"] {
            let mut file = place.clone().into_os_string();
            file.push(ending);
            let file = PathBuf::from(file);
            if file.exists() {
                give(&file, id, 0o640, group)?;
            }
        }
        self.is_shared = true;
        Ok(self)
    }

    /// Leaves one file behind, unless somebody reads it just now: then its files stay as they are, readable.
    pub(crate) async fn switch_to_rollback_journal(&self) {
        for text in ["PRAGMA busy_timeout = 500", "PRAGMA journal_mode = DELETE"] {
            // What fails here costs nothing but files that stay.
            sqlx::query(text).execute(&self.pool).await.ok();
        }
    }
}

/// Makes the directory of the database at `path`, where it is missing: the group may use it (2770).
pub fn make_shared_directory(path: &Path, group: &str) -> Result<(), StoreError> {
    let Some(directory) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) else {
        return Ok(());
    };
    if directory.exists() {
        return Ok(());
    }
    let id = group_id(group)?;
    std::fs::create_dir(directory).map_err(|source| StoreError::Create { path: path.to_owned(), source })?;
    give(directory, id, 0o2770, group)
}

/// A change that is not needed is not asked for: under a service manager it may be forbidden.
fn give(file: &Path, group_id: u32, mode: u32, group: &str) -> Result<(), StoreError> {
    let failed = |source| StoreError::Share { path: file.to_owned(), group: group.to_owned(), source };
    let metadata = file.metadata().map_err(failed)?;
    if metadata.gid() != group_id {
        chown(file, None, Some(group_id)).map_err(failed)?;
    }
    if metadata.permissions().mode() & 0o7777 != mode {
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).map_err(failed)?;
    }
    Ok(())
}

/// The number of a group: itself, or as the system's list of groups or its name service says.
fn group_id(group: &str) -> Result<u32, StoreError> {
    let entry_in = |list: &str| {
        list.lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next() == Some(group)).then(|| fields.nth(1)?.parse().ok()).flatten()
        })
    };
    let listed = || entry_in(&std::fs::read_to_string("/etc/group").ok()?);
    let asked = || {
        let output = std::process::Command::new("getent").args(["group", "--", group]).output().ok()?;
        entry_in(&String::from_utf8_lossy(&output.stdout))
    };
    group
        .parse()
        .ok()
        .or_else(listed)
        .or_else(asked)
        .ok_or_else(|| StoreError::NoGroup { group: group.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o7777
    }

    #[tokio::test]
    async fn a_shared_database_is_one_file_that_the_group_can_read() {
        let parent = tempfile::tempdir().unwrap();
        let group = parent.path().metadata().unwrap().gid().to_string();
        let path = parent.path().join("data/rollcall.db");
        make_shared_directory(&path, &group).unwrap();
        assert_eq!(mode(path.parent().unwrap()), 0o2770);
        for _ in 0..2 {
            let store = Store::open(&path).await.unwrap().shared_with(&group).unwrap();
            for file in ["rollcall.db", "rollcall.db-wal", "rollcall.db-shm"] {
                assert_eq!(mode(&path.with_file_name(file)), 0o640, "{file}");
            }
            let reader = Store::open_to_read(&path).await.unwrap();
            reader.close().await;
            store.close().await;
            let names: Vec<_> = std::fs::read_dir(path.parent().unwrap())
                .unwrap()
                .map(|entry| entry.unwrap().file_name())
                .collect();
            assert_eq!(names, ["rollcall.db"]);
            // Bytes 18 and 19 of a file say how it is written: 1 is with a rollback journal, 2 with a log.
            assert_eq!(std::fs::read(&path).unwrap()[18..20], [1, 1]);
            let reader = Store::open_to_read(&path).await.unwrap();
            reader.close().await;
        }
    }

    #[tokio::test]
    async fn a_reader_who_stays_hinders_nobody() {
        let directory = tempfile::tempdir().unwrap();
        let group = directory.path().metadata().unwrap().gid().to_string();
        let path = directory.path().join("rollcall.db");
        let store = Store::open(&path).await.unwrap().shared_with(&group).unwrap();
        let reader = Store::open_to_read(&path).await.unwrap();
        let mut reading = reader.pool.begin().await.unwrap();
        sqlx::query("SELECT count(*) FROM people").execute(&mut *reading).await.unwrap();
        store.close().await;
        Store::open(&path).await.unwrap().close().await;
    }

    #[test]
    fn groups_are_found_by_name_and_by_number() {
        assert_eq!(group_id("root").unwrap(), 0);
        assert_eq!(group_id("4711").unwrap(), 4711);
        let error = group_id("no such group").unwrap_err().to_string();
        assert!(error.contains("no such group") && error.contains("database.group"), "{error}");
    }
}
