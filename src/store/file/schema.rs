//! The tables and the views of the file, and whose they are.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};
use sqlx::AssertSqlSafe;
use sqlx::migrate::{MigrateError, Migrator};

use crate::store::{Store, StoreError};

static MIGRATIONS: Migrator = sqlx::migrate!();

/// Every view, in a text that can be run again.
const VIEWS: &str = include_str!("../views.sql");

impl Store {
    /// Makes the file what this version writes.
    pub(crate) async fn prepare(&self) -> Result<(), StoreError> {
        // Before anything is written: what this version does not read stays as it is.
        self.check_owner().await?;
        self.check_version().await?;
        // Readers go on while a run writes, and a crash leaves the file whole. It is a property of the file.
        sqlx::query("PRAGMA journal_mode = WAL")
            .execute(&self.pool)
            .await
            .map_err(|error| self.error(error))?;
        self.migrate().await?;
        self.lay_views(VIEWS).await
    }

    /// Whether tables and views are those that this version reads.
    pub(crate) async fn check_tables(&self) -> Result<(), StoreError> {
        self.check_owner().await?;
        // Which of two versions of the views is the later one, nothing tells; whoever opens the file to write decides.
        if self.check_version().await? < MIGRATIONS.iter().count()
            || self.views_mark().await? != mark_of(VIEWS)
        {
            return Err(StoreError::Older { path: self.path.clone() });
        }
        Ok(())
    }

    /// How many migrations were applied; an error where one of them is of a newer version, or of a build before the
    /// first release.
    pub(crate) async fn check_version(&self) -> Result<usize, StoreError> {
        let applied = self.applied_migrations().await?;
        let known: BTreeMap<i64, &[u8]> =
            MIGRATIONS.iter().map(|migration| (migration.version, &*migration.checksum)).collect();
        // A migration is never edited once it has been released.
        let is_edited = |version, checksum: &[u8]| known.get(version).is_some_and(|known| *known != checksum);
        if applied.iter().any(|(version, checksum)| is_edited(version, checksum)) {
            return Err(StoreError::Unreleased { path: self.path.clone() });
        }
        if applied.iter().any(|(version, _)| !known.contains_key(version)) {
            return Err(StoreError::Newer { path: self.path.clone() });
        }
        Ok(applied.len())
    }

    async fn migrate(&self) -> Result<(), StoreError> {
        match MIGRATIONS.run(&self.pool).await {
            Ok(()) => Ok(()),
            Err(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => {
                Err(self.error(error))
            }
            Err(error) => Err(StoreError::Migration { path: self.path.clone(), source: Box::new(error) }),
        }
    }

    /// Makes the views those of this text, where the file does not have them yet.
    async fn lay_views(&self, text: &'static str) -> Result<(), StoreError> {
        let mark = mark_of(text);
        if self.views_mark().await? == mark {
            return Ok(());
        }
        self.write(async |tx| {
            sqlx::raw_sql(text).execute(&mut *tx).await?;
            let set_mark = format!("PRAGMA user_version = {mark}");
            sqlx::query(AssertSqlSafe(set_mark)).execute(tx).await?;
            Ok(())
        })
        .await
    }

    /// The mark of the views that the file has, 0 where it has none.
    async fn views_mark(&self) -> Result<i32, StoreError> {
        sqlx::query_scalar("PRAGMA user_version")
            .fetch_one(&self.pool)
            .await
            .map_err(|error| self.error(error))
    }

    /// Refuses a file that holds tables, and not rollcall's: a migration makes the table of migrations before any other.
    async fn check_owner(&self) -> Result<(), StoreError> {
        let is_foreign: bool = sqlx::query_scalar(
            "SELECT count(*) > 0 AND sum(name = '_sqlx_migrations') = 0 FROM sqlite_schema WHERE type = 'table'",
        )
        .fetch_one(&self.pool)
        .await
        .map_err(|error| self.error(error))?;
        if is_foreign { Err(StoreError::Foreign { path: self.path.clone() }) } else { Ok(()) }
    }

    /// The versions and checksums of what was applied.
    async fn applied_migrations(&self) -> Result<Vec<(i64, Vec<u8>)>, StoreError> {
        let has_table: i64 =
            sqlx::query_scalar("SELECT count(*) FROM sqlite_schema WHERE name = '_sqlx_migrations'")
                .fetch_one(&self.pool)
                .await
                .map_err(|error| self.error(error))?;
        if has_table == 0 {
            return Ok(Vec::new());
        }
        sqlx::query_as("SELECT version, checksum FROM _sqlx_migrations WHERE success")
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.error(error))
    }
}

/// What tells one text of the views from another, as the 32 bits that a file has room for in its header.
fn mark_of(views: &str) -> i32 {
    let bytes: [u8; 32] = Sha256::digest(views).into();
    i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// A version that counts requests otherwise.
    const OTHER: &str =
        "DROP VIEW IF EXISTS quota; CREATE VIEW quota AS SELECT sum(requests) AS requests FROM quota_ledger;";

    async fn views(store: &Store) -> Vec<(String, String)> {
        sqlx::query_as("SELECT name, sql FROM sqlite_schema WHERE type = 'view' ORDER BY name")
            .fetch_all(&store.pool)
            .await
            .unwrap()
    }

    /// How often the tables or views of the file were changed.
    async fn changes(store: &Store) -> i64 {
        sqlx::query_scalar("PRAGMA schema_version").fetch_one(&store.pool).await.unwrap()
    }

    async fn with_views_of_another_version(path: &Path) -> Vec<(String, String)> {
        let store = Store::open(path).await.unwrap();
        let ours = views(&store).await;
        store.lay_views(OTHER).await.unwrap();
        assert_ne!(views(&store).await, ours);
        store.close().await;
        ours
    }

    #[tokio::test]
    async fn views_of_another_version_are_laid_anew_and_those_of_this_one_are_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rollcall.db");
        let ours = with_views_of_another_version(&path).await;
        let store = Store::open(&path).await.unwrap();
        assert_eq!(views(&store).await, ours);
        let before = changes(&store).await;
        store.close().await;
        let store = Store::open(&path).await.unwrap();
        assert_eq!(changes(&store).await, before);
        store.close().await;
    }

    #[tokio::test]
    async fn a_reader_refuses_views_of_another_version_and_lays_none() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rollcall.db");
        with_views_of_another_version(&path).await;
        let before = std::fs::read(&path).unwrap();
        for opened in [Store::open_to_read(&path).await, Store::open_as_it_is(&path).await] {
            assert!(matches!(opened, Err(StoreError::Older { .. })), "{opened:?}");
        }
        assert!(std::fs::read(&path).unwrap() == before);
    }

    #[tokio::test]
    async fn views_that_cannot_be_laid_leave_those_that_are_there() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("rollcall.db")).await.unwrap();
        let ours = views(&store).await;
        let broken = "DROP VIEW quota; CREATE VIEW runs AS SELECT 1;";
        assert!(matches!(store.lay_views(broken).await, Err(StoreError::Database { .. })));
        assert_eq!(views(&store).await, ours);
        assert_eq!(store.views_mark().await.unwrap(), mark_of(VIEWS));
    }

    #[tokio::test]
    async fn a_view_that_somebody_made_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rollcall.db");
        let store = Store::open(&path).await.unwrap();
        let theirs = "CREATE VIEW late_ones AS SELECT name FROM attendance WHERE late";
        sqlx::raw_sql(theirs).execute(&store.pool).await.unwrap();
        store.close().await;
        with_views_of_another_version(&path).await;
        let store = Store::open(&path).await.unwrap();
        assert!(views(&store).await.contains(&("late_ones".to_owned(), theirs.to_owned())));
        sqlx::query("SELECT * FROM late_ones").fetch_all(&store.pool).await.unwrap();
    }
}
