//! What Zoom asks an app for, put together when it is needed.

use secrecy::SecretString;

use super::problem::{ConfigError, Problem, SourceLocation};
use super::secret::{self, CREDENTIAL, SecretSource};
use super::types::Config;

/// What a Server-to-Server OAuth app needs to get a token.
#[derive(Clone, Debug)]
pub struct Credentials {
    pub account_id: String,
    pub client_id: String,
    /// The app's client secret; its `Debug` output does not hold it.
    pub client_secret: SecretString,
    /// What is worth a word to whoever runs this, such as a secret file that others can read.
    pub warnings: Vec<String>,
}

impl Config {
    /// The credentials for Zoom; the error names each one that is missing, and the ways to give it.
    ///
    /// A secret file is read here and not before, so that commands that never talk to Zoom do not need it.
    pub fn credentials(&self) -> Result<Credentials, ConfigError> {
        let mut problems = Vec::new();
        let location = || {
            self.file
                .clone()
                .map_or(SourceLocation::Nowhere, |path| SourceLocation::File { path, line: None })
        };
        for (key, value) in [("account_id", &self.zoom.account_id), ("client_id", &self.zoom.client_id)] {
            if value.is_empty() {
                problems.push(Problem {
                    location: location(),
                    key: format!("zoom.{key}"),
                    message: "required, but not set".to_owned(),
                    hint: format!(
                        "copy it from the app's page on marketplace.zoom.us to `{key}` under [zoom], or to \
                         ROLLCALL_ZOOM__{}",
                        key.to_uppercase()
                    ),
                });
            }
        }
        let mut warnings = Vec::new();
        let secret = match &self.secret {
            SecretSource::Value(secret) => Some(secret.clone()),
            SecretSource::File { path, location, key } => match secret::read(path) {
                Ok((secret, warning)) => {
                    warnings.extend(warning);
                    Some(secret)
                }
                Err((message, hint)) => {
                    problems.push(Problem {
                        location: location.clone(),
                        key: (*key).to_owned(),
                        message,
                        hint,
                    });
                    None
                }
            },
            SecretSource::Missing => {
                problems.push(Problem {
                    location: location(),
                    key: "zoom.client_secret".to_owned(),
                    message: "required, but not set".to_owned(),
                    hint: format!(
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
