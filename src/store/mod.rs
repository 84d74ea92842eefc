//! The database: the only SQL of the program.
//!
//! It knows nothing of Zoom's API: it takes decoded rows and plain values, and it decides with pure functions what
//! becomes of them.

mod attendance;
mod calendar;
mod decisions;
mod discovery;
mod erasure_list;
mod error;
mod file;
mod ingest;
mod instances;
mod lists;
mod maintenance;
mod metrics;
mod people;
mod quota;
mod reports;
mod rosters;
mod runs;
#[cfg(test)]
pub(crate) mod sample;
mod script;
mod session;
mod settings;
mod somebody;
mod sources;
mod sql;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod turn;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteSynchronous};

pub(crate) use self::calendar::PlannedTime;
pub use self::decisions::PersonSelector;
pub(crate) use self::decisions::{DecisionError, DecisionRecord};
pub use self::discovery::Standing;
pub(crate) use self::discovery::{DiscoveryRefusal, InstancesListing, Subject};
pub(crate) use self::error::StoreError;
pub(crate) use self::file::group::make_shared_directory;
pub use self::file::lock::RunLock;
pub(crate) use self::ingest::listing::{FetchRecord, Listing, RowCounts};
pub use self::instances::Selection;
pub(crate) use self::instances::{DiscoveredInstance, DueInstance, InstanceDetails};
pub(crate) use self::maintenance::backup::BackupError;
pub use self::maintenance::erase::ForgetResult;
pub(crate) use self::maintenance::mentions::Mention;
pub use self::maintenance::prune::Pruned;
pub(crate) use self::metrics::{Histogram, MetricsSnapshot};
pub use self::reports::Held;
pub(crate) use self::reports::{Granularity, LastRunOutcomes, ReportFilter};
pub(crate) use self::runs::{RunEnd, RunTotals};
use self::session::shared::KnownFacts;
pub use self::settings::{MeetingSettings, Settings};
pub use self::somebody::Somebody;
pub(crate) use self::sources::{ClosedSource, SourceStanding};
use self::turn::Turn;
use crate::decode::Dropped;

/// An open database; its clones share one connection, so its writes come one after the other.
#[derive(Clone, Debug)]
pub struct Store {
    pool: SqlitePool,
    path: PathBuf,
    /// The members of a group read it, too.
    is_shared: bool,
    /// Fields that never reach the file.
    dropped: Arc<Dropped>,
    known: Arc<Mutex<KnownFacts>>,
    turn: Turn,
    /// The file that was opened, whatever its path leads to later.
    file: Option<FileId>,
}

/// What tells a file from another one in its place; none where the system cannot tell.
type FileId = (u64, u64);

impl Store {
    /// Opens the database at `path` for writing, creates it where it is missing, and brings its tables and views up
    /// to date.
    ///
    /// A new file can be read by its owner only. The caller holds the [`RunLock`] of the path, so that no two
    /// processes change the tables at once.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        check_place(path)?;
        create_private(path)?;
        let store = Self::connect(path, options(path).create_if_missing(true)).await?;
        if let Err(error) = store.prepare().await {
            // What stays as it is has no write-ahead log beside it afterwards.
            store.close().await;
            return Err(error);
        }
        Ok(store)
    }

    /// Opens the database at `path` to read from it; what is missing stays missing.
    pub async fn open_to_read(path: &Path) -> Result<Self, StoreError> {
        Self::open_present(path, options(path).pragma("query_only", "on")).await
    }

    /// Opens the database at `path` for a small change beside whatever runs: it is neither made nor brought up to date.
    pub(crate) async fn open_as_it_is(path: &Path) -> Result<Self, StoreError> {
        Self::open_present(path, options(path)).await
    }

    async fn open_present(path: &Path, options: SqliteConnectOptions) -> Result<Self, StoreError> {
        if !path.exists() {
            return Err(StoreError::Missing { path: path.to_owned() });
        }
        check_place(path)?;
        let store = Self::connect(path, options).await?;
        if let Err(error) = store.check_tables().await {
            store.close().await;
            return Err(error);
        }
        Ok(store)
    }

    /// Keeps these fields out of the file: whatever is taken in goes without them.
    pub(crate) fn dropping(self, dropped: Dropped) -> Self {
        Self { dropped: Arc::new(dropped), ..self }
    }

    /// Another connection to the same file, which reads beside the transactions of this one.
    pub async fn reader(&self) -> Result<Self, StoreError> {
        let reader = Self::open_to_read(&self.path).await?;
        if reader.file == self.file {
            return Ok(reader);
        }
        reader.close().await;
        Err(StoreError::Moved { path: self.path.clone() })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The connection for the reports' own queries.
    pub fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    /// Writes what is still in the write-ahead log into the file, and closes it.
    pub async fn close(self) {
        if self.check_place().is_err() {
            // SQLite removes the log by its name, and the log of that name may be another file's now. The end of the
            // process removes nothing.
            std::mem::forget(self);
            return;
        }
        if self.is_shared {
            self.switch_to_rollback_journal().await;
        }
        self.pool.close().await;
    }

    async fn connect(path: &Path, options: SqliteConnectOptions) -> Result<Self, StoreError> {
        let store = |error| StoreError::of(path, error);
        // One connection: every write is behind the other, which SQLite would enforce anyhow.
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            // The one connection is to a file: there is nothing that it could have lost.
            .test_before_acquire(false)
            .max_lifetime(None)
            .acquire_timeout(Duration::from_hours(24))
            .connect_with(options)
            .await
            .map_err(store)?;
        let file = file_id(path);
        Ok(Self {
            pool,
            path: path.to_owned(),
            known: Arc::default(),
            turn: Arc::default(),
            is_shared: false,
            dropped: Arc::default(),
            file,
        })
    }

    /// An error where the file at the path is not the one that was opened, or where a newer version has changed its
    /// tables since: whoever goes on writing then loses what is written, or harms what is there.
    pub(crate) async fn check_file(&self) -> Result<(), StoreError> {
        self.check_place()?;
        self.check_version().await?;
        Ok(())
    }

    /// An error where the file was moved, deleted or replaced while it was open: what is written then is lost to
    /// whoever opens the path.
    fn check_place(&self) -> Result<(), StoreError> {
        if self.file.is_some() && file_id(&self.path) != self.file {
            return Err(StoreError::Moved { path: self.path.clone() });
        }
        Ok(())
    }

    /// What is known to be in the file; for the length of a run, in which nobody else writes.
    fn known(&self) -> MutexGuard<'_, KnownFacts> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a write waits for another program, such as someone's `sqlite3`, to end its own: longer than a person's
/// statement takes, and shorter than a service manager waits before it kills.
const BUSY_TIMEOUT: Duration = Duration::from_secs(4);

/// What is wrong with the place of a database, before anything is made there.
fn check_place(path: &Path) -> Result<(), StoreError> {
    if path.is_dir() {
        return Err(StoreError::Directory { path: path.to_owned() });
    }
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    if let Some(directory) = directory
        && !directory.is_dir()
    {
        return Err(StoreError::NoDirectory { path: path.to_owned(), directory: directory.to_owned() });
    }
    Ok(())
}

#[cfg(unix)]
fn file_id(path: &Path) -> Option<FileId> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn file_id(_path: &Path) -> Option<FileId> {
    None
}

/// How every connection is set up, and why.
fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        // With a write-ahead log a power cut can cost the last transactions, never the file; the queue is in the
        // file, so what was lost is read again.
        .synchronous(SqliteSynchronous::Normal)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        // Small, since the system keeps the pages of the file, too; twice as much makes no measurable difference.
        .pragma("cache_size", "-4096")
        .pragma("temp_store", "memory")
        // Where the file is new. Fewer and larger pages: a tenth less work for a listing, and a smaller file.
        .page_size(8192)
        .statement_cache_capacity(200)
        // The texts of statements, never their values; `benches/run` counts round trips by them. The levels are of a
        // crate that nothing else here needs.
        .log_statements("trace".parse().expect("a level"))
        .log_slow_statements("off".parse().expect("a level"), Duration::MAX)
}

/// Makes the file its owner's only, before the database makes one that others can read. A link that leads nowhere yet
/// is followed, as the database follows it.
#[cfg(unix)]
fn create_private(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::OpenOptionsExt;
    if path.exists() {
        return Ok(());
    }
    let created = std::fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    created.map(drop).map_err(|source| StoreError::Create { path: path.to_owned(), source })
}

#[cfg(not(unix))]
fn create_private(_path: &Path) -> Result<(), StoreError> {
    Ok(())
}

#[cfg(test)]
mod file_tests {
    use super::*;

    #[cfg(unix)]
    #[tokio::test]
    async fn a_new_file_is_its_owners_only_even_where_a_link_leads_to_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let elsewhere = directory.path().join("elsewhere");
        std::fs::create_dir(&elsewhere).unwrap();
        let link = directory.path().join("rollcall.db");
        std::os::unix::fs::symlink(elsewhere.join("data.db"), &link).unwrap();
        let store = Store::open(&link).await.unwrap();
        for file in ["data.db", "data.db-wal", "data.db-shm"] {
            let mode = elsewhere.join(file).metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
        let group = std::os::unix::fs::MetadataExt::gid(&elsewhere.metadata().unwrap()).to_string();
        let store = store.shared_with(&group).unwrap();
        for file in ["data.db", "data.db-wal", "data.db-shm"] {
            let mode = elsewhere.join(file).metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o640, "{file}");
        }
        store.close().await;
    }
}
