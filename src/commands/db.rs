//! `rollcall db`: backing up and pruning.

use std::io::Write;
use std::time::Duration;

use anyhow::Context as _;

use super::collect::lock;
use super::setup::Stopper;
use crate::cli::{BackupOptions, Db, PruneOptions};
use crate::clock::Clock;
use crate::config::Config;
use crate::exit::ExitCode;
use crate::model::Timestamp;
use crate::store::{BackupError, Pruned, Store};

/// Does what is asked, and says to `output` what was done.
pub async fn run(options: &Db, config: &Config, output: &mut (dyn Write + Send)) -> anyhow::Result<ExitCode> {
    let (words, code) = match options {
        Db::Backup(options) => backup(options, config).await?,
        Db::Prune(options) => prune(options, config, Clock::system().now()).await?,
    };
    if !words.is_empty() {
        super::report::write_to(output, words.as_bytes())?;
    }
    Ok(code)
}

type Answer = (String, ExitCode);

/// Nothing to say but a code; why has been said on stderr.
const fn only(code: ExitCode) -> Answer {
    (String::new(), code)
}

async fn backup(options: &BackupOptions, config: &Config) -> anyhow::Result<Answer> {
    let stopper = Stopper::listen().context("signals cannot be listened to")?;
    let store = Store::open_to_copy(&config.database.path).await?;
    let file = options.file.as_path();
    let copied = tokio::select! {
        copied = store.backup(file) => copied,
        // The unfinished copy is removed with what made it.
        () = stopper.token().cancelled() => return Ok(only(stopper.code().unwrap_or(ExitCode::Interrupted))),
    };
    match copied {
        Ok(bytes) => {
            store.close().await;
            Ok((format!("Wrote {} ({bytes} bytes), and checked it.\n", file.display()), ExitCode::Success))
        }
        Err(BackupError::Store(error)) => Err(error.into()),
        Err(error @ BackupError::Exists { .. }) => {
            eprintln!("rollcall: {error}");
            Ok(only(ExitCode::Usage))
        }
        Err(error @ (BackupError::Write { .. } | BackupError::Damaged { .. })) => {
            eprintln!("rollcall: {error}");
            Ok(only(ExitCode::Database))
        }
    }
}

async fn prune(options: &PruneOptions, config: &Config, now: Timestamp) -> anyhow::Result<Answer> {
    let Some(keep) = options.keep.or(config.retention_keep) else {
        eprintln!(
            "rollcall: nothing says how long instances are kept; pass --keep 730d, or set retention.keep"
        );
        return Ok(only(ExitCode::Usage));
    };
    let least = least_keep(config);
    if keep < least {
        eprintln!(
            "rollcall: instances younger than lookback, the last re-read and seven days together are still being read; \
             keep at least {}",
            humantime::format_duration(least)
        );
        return Ok(only(ExitCode::Usage));
    }
    let before = Some(now.minus(keep));
    if options.dry_run {
        let store = Store::open_to_read(&config.database.path).await?;
        let pruned = store.would_prune(before, now).await?;
        store.close().await;
        return Ok((format!("Would prune {}\n", in_words(&pruned)), ExitCode::Success));
    }
    let stopper = Stopper::listen().context("signals cannot be listened to")?;
    let Some(_lock) = lock(&config.database.path, options.wait, &stopper).await? else {
        return Ok(only(stopper.code().unwrap_or(ExitCode::TryLater)));
    };
    let store = existing(config).await?;
    let pruned = tokio::select! {
        pruned = store.prune(before, now) => pruned?,
        // The batch under way is undone; those before it stay pruned.
        () = stopper.token().cancelled() => {
            store.close().await;
            return Ok(only(stopper.code().unwrap_or(ExitCode::Interrupted)));
        }
    };
    store.close().await;
    Ok((format!("Pruned {}\n", in_words(&pruned)), ExitCode::Success))
}

/// The database, which must be there: these commands make none. The caller holds the run lock.
async fn existing(config: &Config) -> anyhow::Result<Store> {
    let path = &config.database.path;
    if !path.exists() {
        return Err(crate::store::StoreError::Missing { path: path.clone() }.into());
    }
    Ok(Store::open(path).await?)
}

/// What is younger may still be read, or settle.
fn least_keep(config: &Config) -> Duration {
    const SETTLING: Duration = Duration::from_hours(7 * 24);
    let last_reread = config.collection.rereads.last().copied().unwrap_or_default();
    config.collection.lookback.saturating_add(last_reread).saturating_add(SETTLING)
}

fn in_words(pruned: &Pruned) -> String {
    format!(
        "{} instances with {} sessions, {} people who were in no other, and {} runs without a fetch.",
        pruned.instances, pruned.sessions, pruned.people, pruned.runs
    )
}
