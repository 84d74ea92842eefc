//! The database: where it is, who may read it, whether its tables are known, and whether a run is on.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::Findings;
use crate::config::Config;
use crate::exit::ExitCode;
use crate::store::{RunLock, Store, StoreError};

const WHAT: &str = "database";

/// Looks at the file, and makes none.
pub(super) async fn check(config: &Config, findings: &mut Findings<'_>) {
    let path = &config.database.path;
    let shown = path.display();
    let Ok(metadata) = std::fs::metadata(path) else {
        return missing(path, findings);
    };
    match Store::open_to_read(path).await {
        Ok(store) => {
            if matches!(store.has_unfinished_forgetting().await, Ok(true)) {
                findings.warn(
                    WHAT,
                    format!(
                        "somebody was forgotten, and may still be found in the bytes of {shown}; make room, and call the \
                         same `rollcall db forget` again, or `rollcall db apply-privacy`"
                    ),
                );
            }
            store.close().await;
            let kilobytes = metadata.len().div_ceil(1024);
            findings.good(WHAT, format!("{shown}: {kilobytes} KiB, its tables are up to date"));
        }
        Err(StoreError::Older { .. }) => {
            findings.warn(
                WHAT,
                format!("{shown} has tables or views of another version of rollcall; the next run brings it up to date"),
            );
        }
        Err(error) => {
            return findings.bad(WHAT, format!("{:#}", anyhow::Error::from(error)), ExitCode::Database);
        }
    }
    let mode = metadata.permissions().mode() & 0o7777;
    let allowed = if config.database.group.is_some() { 0o640 } else { 0o600 };
    if mode & 0o777 & !allowed != 0 {
        findings.warn(
            WHAT,
            format!("{shown} can be read by others (mode {mode:04o}); run: chmod {allowed:o} {shown}"),
        );
    }
    if let Err(error) = std::fs::OpenOptions::new().append(true).open(path) {
        findings.bad(
            WHAT,
            format!(
                "{shown} cannot be written: {error}; run rollcall as the file's owner, or change its owner"
            ),
            ExitCode::Database,
        );
    }
    directory(path, findings);
    if RunLock::is_held(path) {
        findings.warn(WHAT, "a run or a command that changes data holds it right now".to_owned());
    }
}

fn missing(path: &Path, findings: &mut Findings<'_>) {
    let before = directory(path, findings);
    if before {
        findings.good(WHAT, format!("there is none at {} yet; the first run makes it", path.display()));
    }
}

/// Whether files can be made beside the database: its lock and its write-ahead log are.
fn directory(path: &Path, findings: &mut Findings<'_>) -> bool {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // A file without a name, which nobody sees and which is gone at once.
    let Err(error) = tempfile::tempfile_in(parent) else { return true };
    findings.bad(
        WHAT,
        format!(
            "no file can be made in {}: {error}; the directory must exist and be writable for this user, or \
             `database.path` name another",
            parent.display()
        ),
        ExitCode::Database,
    );
    false
}
