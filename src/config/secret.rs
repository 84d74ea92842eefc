//! The client secret: where it may come from, and how it is read without being shown.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::problem::SourceLocation;

/// The systemd credential that may hold the secret.
pub(super) const CREDENTIAL: &str = "zoom-client-secret";

/// What the layers say about the secret.
pub(super) struct SecretInputs {
    pub environment: Option<String>,
    pub file: Option<String>,
    pub credentials_directory: Option<PathBuf>,
}

#[derive(Clone, Debug)]
pub(super) enum SecretSource {
    Value(SecretString),
    File { path: PathBuf, location: SourceLocation, key: &'static str },
    Missing,
}

impl SecretInputs {
    /// The environment comes before the file's keys, those before the systemd credential.
    /// `secret_file` is `zoom.client_secret_file`, resolved, with the place it was given at.
    pub fn source(self, secret_file: Option<(PathBuf, SourceLocation)>) -> SecretSource {
        if let Some(secret) = self.environment {
            return SecretSource::Value(SecretString::from(secret.trim().to_owned()));
        }
        match (self.file, secret_file) {
            // Both in the file is a problem that is reported on its own.
            (Some(_), Some((path, location @ SourceLocation::Environment(_))))
            | (None, Some((path, location))) => {
                return SecretSource::File { path, location, key: "zoom.client_secret_file" };
            }
            (Some(secret), _) => return SecretSource::Value(SecretString::from(secret.trim().to_owned())),
            (None, None) => {}
        }
        match self.credentials_directory.map(|directory| directory.join(CREDENTIAL)) {
            Some(path) if path.exists() => {
                let location = SourceLocation::Environment("CREDENTIALS_DIRECTORY".to_owned());
                SecretSource::File { path, location, key: CREDENTIAL }
            }
            _ => SecretSource::Missing,
        }
    }
}

/// The secret in a file, without the line end that editors add, and a warning where others can read it.
pub(super) fn read(path: &Path) -> Result<(SecretString, Option<String>), (String, String)> {
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

/// The warning for a file with a secret that not only its owner can read.
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
