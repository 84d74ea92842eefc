//! A database that is locked, open and up to date with the config.

use super::lock::acquire_lock;
use super::settings;
use crate::clock::Clock;
use crate::collect::{Collector, RunRequest};
use crate::config::{Config, Discovery};
use crate::model::{Timestamp, Trigger};
use crate::shutdown::ShutdownSignal;
use crate::store::{RunLock, Selection, Store, StoreError, make_shared_directory};

/// What a command that reads from Zoom works with.
pub(in crate::commands) struct RunSession {
    pub lock: RunLock,
    pub store: Store,
    pub collector: Collector,
}

impl RunSession {
    /// Takes the run lock, opens the database, and hands it what the config says.
    pub async fn open(config: &Config, wait: bool, shutdown: &ShutdownSignal) -> anyhow::Result<Self> {
        let credentials = config.credentials()?;
        credentials.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        ensure_database_dir(config)?;
        let lock = acquire_lock(&config.database.path, wait, shutdown).await?;
        let store = open_store(config).await?;
        let clock = Clock::system();
        prepare(config, &store, &clock).await?;
        let collector = settings::collector(config, credentials, &store, &clock)?;
        Ok(Self { lock, store, collector })
    }
}

/// Takes the run lock and opens the database, which must be there: no file is made.
pub(in crate::commands) async fn open_existing(
    config: &Config,
    wait: bool,
    shutdown: &ShutdownSignal,
) -> anyhow::Result<(RunLock, Store)> {
    let path = &config.database.path;
    if !path.exists() {
        return Err(StoreError::Missing { path: path.clone() }.into());
    }
    let lock = acquire_lock(path, wait, shutdown).await?;
    Ok((lock, open_store(config).await?))
}

/// What every run begins with: the file is still the one that was opened, and the settings and the rosters that the
/// views need are those of the config; what is wrong with a roster is logged. The caller holds the run lock.
pub async fn prepare(config: &Config, store: &Store, clock: &Clock) -> Result<(), StoreError> {
    store.check_file().await?;
    store.apply_settings(&settings::store_settings(config)).await?;
    for warning in super::rosters::apply(config, store, clock.now()).await? {
        tracing::warn!("{warning}");
    }
    Ok(())
}

/// A run over the listed meetings, or the whole account, with the window of a scheduled one.
pub fn run_request(config: &Config, trigger: Trigger, slot_at: Option<Timestamp>) -> RunRequest {
    RunRequest {
        trigger,
        slot_at,
        meetings: config.meetings.iter().map(|meeting| meeting.id).collect(),
        account_wide: config.collection.discovery == Discovery::Account,
        ignore_backoff: false,
        window: None,
        selection: Selection::default(),
    }
}

/// Says where a run would have nothing to do.
pub(in crate::commands) fn warn_if_nothing_listed(config: &Config) {
    if config.meetings.is_empty() && config.collection.discovery == Discovery::Listed {
        tracing::warn!(
            "no meetings are listed; name some in `meetings`, or set collection.discovery = \"account\""
        );
    }
}

/// Makes the directory of the database where it is missing and shared with a group. It comes before the lock.
pub(in crate::commands) fn ensure_database_dir(config: &Config) -> Result<(), StoreError> {
    let database = &config.database;
    database.group.as_deref().map_or(Ok(()), |group| make_shared_directory(&database.path, group))
}

/// Opens the database for writing, shared with the group that the config names. The caller holds the run lock.
pub async fn open_store(config: &Config) -> Result<Store, StoreError> {
    let database = &config.database;
    let store = Store::open(&database.path).await?.dropping(settings::dropped(config));
    match &database.group {
        Some(group) => store.shared_with(group),
        None => Ok(store),
    }
}
