//! What the tests of commands on a database share.

use tempfile::TempDir;

use crate::config::{Config, Overrides};
use crate::store::sample;

/// The sample database, and a config without a file.
pub(super) struct TestEnv {
    pub(super) directory: TempDir,
    pub(super) config: Config,
}

impl TestEnv {
    pub(super) async fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let database = directory.path().join("rollcall.db");
        sample::database(&database).await.close().await;
        let overrides = Overrides { config: None, database: Some(&database) };
        let config = Config::load(overrides, [("ROLLCALL_REPORT__TIMEZONE", "Europe/Berlin")]).unwrap();
        Self { directory, config }
    }
}
