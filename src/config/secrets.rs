//! The client secret: where it may come from, and how it is read without being shown.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::problem::{ConfigError, Place, Problem};
use super::types::Config;

/// The systemd credential that may hold the secret.
const CREDENTIAL: &str = "zoom-client-secret";

/// What a Server-to-Server OAuth app needs to get a token.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The account's ID.
    pub account_id: String,
    /// The app's client ID.
    pub client_id: String,
    /// The app's client secret; its `Debug` output does not hold it.
    pub client_secret: SecretString,
    /// What is worth a word to whoever runs this, such as a secret file that others can read.
    pub warnings: Vec<String>,
}

/// What the layers say about the secret.
pub(super) struct Given {
    pub environment: Option<String>,
    pub file: Option<String>,
    pub credentials_directory: Option<PathBuf>,
}

/// Where the secret is.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Value(SecretString),
    File { path: PathBuf, place: Place, key: &'static str },
    Missing,
}

impl Given {
    /// The environment comes before the file's keys, those before the systemd credential.
    /// `secret_file` is `zoom.client_secret_file`, resolved, with the place it was given at.
    pub fn source(self, secret_file: Option<(PathBuf, Place)>) -> Source {
        if let Some(secret) = self.environment {
            return Source::Value(SecretString::from(secret.trim().to_owned()));
        }
        match (self.file, secret_file) {
            // Both in the file is a problem that is reported on its own.
            (Some(_), Some((path, place @ Place::Environment(_)))) | (None, Some((path, place))) => {
                return Source::File { path, place, key: "zoom.client_secret_file" };
            }
            (Some(secret), _) => return Source::Value(SecretString::from(secret.trim().to_owned())),
            (None, None) => {}
        }
        match self.credentials_directory.map(|directory| directory.join(CREDENTIAL)) {
            Some(path) if path.exists() => {
                let place = Place::Environment("CREDENTIALS_DIRECTORY".to_owned());
                Source::File { path, place, key: CREDENTIAL }
            }
            _ => Source::Missing,
        }
    }
}

impl Config {
    /// The credentials for Zoom; the error names each one that is missing, and the ways to give it.
    ///
    /// A secret file is read here and not before, so that commands that never talk to Zoom do not need it.
    pub fn credentials(&self) -> Result<Credentials, ConfigError> {
        let mut problems = Vec::new();
        let place = || self.file.clone().map_or(Place::Nowhere, |path| Place::File { path, line: None });
        for (key, value) in [("account_id", &self.zoom.account_id), ("client_id", &self.zoom.client_id)] {
            if value.is_empty() {
                problems.push(Problem {
                    place: place(),
                    key: format!("zoom.{key}"),
                    what: "it is not set, and Zoom asks for it".to_owned(),
                    cure: format!(
                        "copy it from the app's page on marketplace.zoom.us to `{key}` under [zoom], or to \
                         ROLLCALL_ZOOM__{}",
                        key.to_uppercase()
                    ),
                });
            }
        }
        let mut warnings = Vec::new();
        let secret = match &self.secret {
            Source::Value(secret) => Some(secret.clone()),
            Source::File { path, place, key } => match read(path) {
                Ok((secret, warning)) => {
                    warnings.extend(warning);
                    Some(secret)
                }
                Err((what, cure)) => {
                    problems.push(Problem { place: place.clone(), key: (*key).to_owned(), what, cure });
                    None
                }
            },
            Source::Missing => {
                problems.push(Problem {
                    place: place(),
                    key: "zoom.client_secret".to_owned(),
                    what: "it is not set, and Zoom asks for it".to_owned(),
                    cure: format!(
                        "put it in a file and name that as `client_secret_file` under [zoom], or give the systemd \
                         credential `{CREDENTIAL}`, or ROLLCALL_ZOOM__CLIENT_SECRET"
                    ),
                });
                None
            }
        };
        match secret {
            Some(client_secret) if problems.is_empty() => Ok(Credentials {
                account_id: self.zoom.account_id.clone(),
                client_id: self.zoom.client_id.clone(),
                client_secret,
                warnings,
            }),
            _ => Err(ConfigError { problems }),
        }
    }
}

/// The secret in a file, without the line end that editors add, and a warning where others can read it.
fn read(path: &Path) -> Result<(SecretString, Option<String>), (String, String)> {
    let text = std::fs::read_to_string(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidData => (
            format!("the secret file {} is not text", path.display()),
            "put nothing but the secret in it".to_owned(),
        ),
        _ => (
            format!("the secret file {} cannot be read ({error})", path.display()),
            "check the path and that the user rollcall runs as may read it".to_owned(),
        ),
    })?;
    let secret = text.trim();
    if secret.is_empty() {
        return Err((
            format!("the secret file {} is empty", path.display()),
            "put the client secret in it".to_owned(),
        ));
    }
    Ok((SecretString::from(secret.to_owned()), permission_warning(path, "the secret file")))
}

/// A word about a file with a secret that not only its owner can read.
pub(super) fn permission_warning(path: &Path, what: &str) -> Option<String> {
    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    (mode & 0o077 != 0).then(|| {
        format!(
            "{what} {} can be read by others (mode {:04o}); run: chmod 600 {}",
            path.display(),
            mode & 0o7777,
            path.display()
        )
    })
}
