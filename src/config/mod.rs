//! The configuration: found, read in layers, checked as a whole, and handed on as types.
//!
//! Built-in defaults < TOML file < environment (`ROLLCALL_ZOOM__CLIENT_ID`) < command line.
//! Everything that is wrong is reported at once, and no report ever holds a secret.

mod credentials;
mod meetings;
mod privacy;
mod problem;
mod reader;
mod restart;
mod schema;
mod schema_check;
mod secret;
mod sections;
mod sources;
mod toml;
mod types;
mod zoom;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::path::Path;

use figment::Figment;
use figment::providers::Serialized;
use figment::value::Value;

pub(crate) use credentials::Credentials;
pub(crate) use problem::{ConfigError, Problem, SourceLocation};
pub use types::{Config, Meeting};
pub(crate) use types::{Discovery, Planned, SourceChoice};

use schema::Schema;
use sources::{Environment, Layer, Origins};

/// What the command line says about the configuration.
#[derive(Clone, Copy, Debug, Default)]
pub struct Overrides<'a> {
    /// `--config`: the file to read; it must exist.
    pub config: Option<&'a Path>,
    /// `--database`: relative to the working directory.
    pub database: Option<&'a Path>,
}

impl Config {
    /// Finds, reads and checks the configuration.
    ///
    /// The file is `--config`, else `ROLLCALL_CONFIG`, `./config.toml`, `$XDG_CONFIG_HOME/rollcall/config.toml`
    /// (`~/.config` where that is not set) or `/etc/rollcall/config.toml`, the first that exists. Where there is
    /// none, the environment or `--database` must say something, or it is an error. Paths in the file are relative
    /// to the file, those in the environment and on the command line to the working directory.
    pub fn load<K: Into<OsString>, V: Into<OsString>>(
        overrides: Overrides<'_>,
        environment: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, ConfigError> {
        let environment = Environment::new(environment);
        let mut origins = Origins::default();
        let mut problems = Vec::new();

        let named = overrides
            .config
            .map(Path::to_owned)
            .or_else(|| environment.get("ROLLCALL_CONFIG").map(std::path::PathBuf::from));
        let search_path = environment.search_path();
        let file = named.or_else(|| search_path.iter().find(|path| path.exists()).cloned());
        let from_file = match &file {
            Some(path) => sources::read_file(path, &mut origins, &mut problems),
            None => Layer::default(),
        };
        let from_environment = sources::read_environment(&environment, &mut origins, &mut problems);
        if file.is_none()
            && problems.is_empty()
            && from_environment.values.is_empty()
            && overrides.database.is_none()
        {
            return Err(nothing_found(&search_path).into());
        }

        let figment = Figment::from(Serialized::defaults(Schema::default()))
            .merge(Serialized::defaults(&from_file.values))
            .merge(Serialized::defaults(&from_environment.values));
        let schema: Schema = figment.extract().map_err(|error| unexpected(&error))?;
        let listed = match figment.find_value("meetings") {
            Ok(Value::Array(_, entries)) => entries,
            _ => Vec::new(),
        };

        let secret = secret::SecretInputs {
            environment: from_environment.secret,
            file: from_file.secret,
            credentials_directory: environment.get("CREDENTIALS_DIRECTORY").map(std::path::PathBuf::from),
        };
        let mut reader = reader::Reader { origins: &origins, file: file.as_deref(), problems };
        let mut config = reader.config(schema, listed, secret);
        if let Some(database) = overrides.database {
            database.clone_into(&mut config.database.path);
        }
        let mut problems = reader.problems;
        if problems.is_empty() {
            return Ok(config);
        }
        problems.sort_by(|left, right| left.location.cmp(&right.location));
        Err(ConfigError { problems })
    }
}

fn nothing_found(search_path: &[std::path::PathBuf]) -> Problem {
    let looked: Vec<String> = search_path.iter().map(|path| path.display().to_string()).collect();
    Problem {
        location: SourceLocation::Nowhere,
        key: String::new(),
        message: format!("no config file was found (looked for {})", looked.join(", ")),
        hint: "write one with `rollcall init`, or name it with --config or ROLLCALL_CONFIG".to_owned(),
    }
}

/// The layers are checked before they are merged, so this says only the key, never the value.
fn unexpected(error: &figment::Error) -> Problem {
    Problem {
        location: SourceLocation::Nowhere,
        key: error.path.join("."),
        message: "the value is not of the right kind".to_owned(),
        hint: "compare it with what `rollcall init` writes".to_owned(),
    }
}
