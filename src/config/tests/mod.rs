//! The configuration as a whole: what is read, what is refused, and in which words.

mod example;
mod problems;
mod secret;
mod values;

use std::path::{Path, PathBuf};
use std::time::Duration;

use insta::assert_snapshot;
use proptest::prelude::*;
use secrecy::ExposeSecret;
use tempfile::TempDir;

use super::*;
use crate::model::MeetingId;

/// A directory with a config file in it.
struct ConfigFile {
    directory: TempDir,
}

impl ConfigFile {
    fn new(text: &str) -> Self {
        let place = Self { directory: TempDir::new().unwrap() };
        place.write("config.toml", text, 0o600);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str, mode: u32) {
        use std::os::unix::fs::PermissionsExt;
        std::fs::write(self.path(name), text).unwrap();
        std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn load(&self, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let file = self.path("config.toml");
        Config::load(Overrides { config: Some(&file), database: None }, environment.iter().copied())
    }

    /// The text without the name of the directory.
    fn stable(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.directory.path().display()), "")
    }

    fn errors(&self, environment: &[(&str, &str)]) -> String {
        self.stable(&self.load(environment).unwrap_err().to_string())
    }
}

fn errors(text: &str) -> String {
    ConfigFile::new(text).errors(&[])
}

fn loaded(text: &str) -> Config {
    ConfigFile::new(text).load(&[]).unwrap()
}

const APP: &str = "[zoom]\naccount_id = \"account\"\nclient_id = \"client\"\n";
