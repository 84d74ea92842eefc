//! The roster files that the config names: read at each run, taken in where they changed.

use std::io::ErrorKind;
use std::path::Path;

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};

use crate::config::{Config, Meeting};
use crate::model::Timestamp;
use crate::roster;
use crate::store::{Store, StoreError};

/// Takes in the rosters that changed since they were last read. A file that cannot be used leaves the members as
/// they were; what is wrong with it, or with a line of it, is answered as a warning each.
pub(super) async fn apply(config: &Config, store: &Store, now: Timestamp) -> Result<Vec<String>, StoreError> {
    let (mut warnings, mut unusable) = (Vec::new(), Vec::new());
    for meeting in &config.meetings {
        let before = store.roster_digest(meeting.id).await?;
        let Some(path) = &meeting.roster else {
            if before.is_some() {
                store.apply_roster(meeting.id, &[], None, now).await?;
            }
            continue;
        };
        match read(path, config, meeting, before) {
            Ok(None) => {}
            Ok(Some((digest, roster))) => {
                store.apply_roster(meeting.id, &roster.members, Some(digest), now).await?;
                let file = path.display();
                warnings.extend(
                    roster.problems.iter().map(|problem| format!("{file}, {problem}; the line was left out")),
                );
            }
            Err(error) => unusable.push(format!("{error:#}; its members stay as they were")),
        }
    }
    let trouble = (!unusable.is_empty()).then(|| unusable.join("; "));
    store.note_roster_trouble(trouble.as_deref()).await?;
    warnings.extend(unusable);
    Ok(warnings)
}

/// The roster in the file, with its digest; none where that is the one of before.
fn read(
    path: &Path,
    config: &Config,
    meeting: &Meeting,
    before: Option<i64>,
) -> anyhow::Result<Option<(i64, roster::Roster)>> {
    let file = path.display();
    let bytes = std::fs::read(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => anyhow::anyhow!("the roster {file} of meeting {} is not there", meeting.id),
        _ => anyhow::anyhow!("the roster {file} of meeting {} cannot be read: {error}", meeting.id),
    })?;
    let digest = digest(&bytes, config.report_timezone.name());
    if before == Some(digest) {
        return Ok(None);
    }
    let roster = roster::parse(&bytes, config.report_timezone)
        .with_context(|| format!("cannot use the roster {file} of meeting {}", meeting.id))?;
    Ok(Some((digest, roster)))
}

/// Of the file and of the zone that its days are of.
fn digest(bytes: &[u8], zone: &str) -> i64 {
    let digest = Sha256::new().chain_update(zone).chain_update([0]).chain_update(bytes).finalize();
    i64::from_be_bytes(std::array::from_fn(|at| digest[at]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Overrides;
    use crate::store::sample;

    #[tokio::test]
    async fn rosters_are_read_where_they_changed_and_what_is_wrong_names_file_and_line() {
        let directory = tempfile::TempDir::new().unwrap();
        let path = |name: &str| directory.path().join(name);
        let file = path("config.toml");
        let meeting = "{ id = 85746065432, roster = \"cs101.csv\" }";
        std::fs::write(&file, format!("meetings = [{meeting}]\n[report]\ntimezone = \"Europe/Berlin\"\n"))
            .unwrap();
        let store = sample::database(&path("rollcall.db")).await;
        let overrides = Overrides { config: Some(&file), database: None };
        let config = Config::load(overrides, std::iter::empty::<(String, String)>()).unwrap();
        let now = sample::at("2026-03-10T00:00:00Z");
        let members = async || {
            let filter = crate::store::ReportFilter::default();
            let absent = store.absences(&filter).await.unwrap();
            absent.lines().filter_map(|line| line.text("name").map(str::to_owned)).collect::<Vec<_>>()
        };

        let warnings = apply(&config, &store, now).await.unwrap();
        assert!(warnings[0].ends_with("is not there; its members stay as they were"), "{warnings:?}");

        std::fs::write(path("cs101.csv"), "name;email\nCleo;cleo@example.com\nnobody;at all\n").unwrap();
        let warnings = apply(&config, &store, now).await.unwrap();
        assert_eq!(warnings.len(), 1);
        assert!(
            warnings[0].ends_with("cs101.csv, line 3: the email is no address; the line was left out"),
            "{warnings:?}"
        );
        assert_eq!(members().await, ["Cleo"; 2], "two sittings");
        assert_eq!(apply(&config, &store, now).await.unwrap(), [""; 0], "it has not changed");

        std::fs::write(path("cs101.csv"), b"PK\x03\x04").unwrap();
        let warnings = apply(&config, &store, now).await.unwrap();
        assert!(warnings[0].contains("it is a spreadsheet"), "{warnings:?}");
        assert_eq!(members().await, ["Cleo"; 2]);
    }
}
