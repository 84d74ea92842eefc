//! `rollcall db`: backing up, pruning, forgetting.

mod forget;

use std::io::Write;

use super::support::errors::CommandError;
use super::support::output::write_to;
use super::support::session::open_existing;
use super::support::settings::dropped;
use crate::cli::{ApplyPrivacyOptions, BackupOptions, Db, PruneOptions};
use crate::clock::Clock;
use crate::config::Config;
use crate::exit::ExitCode;
use crate::model::Timestamp;
use crate::shutdown::ShutdownSignal;
use crate::store::{BackupError, Pruned, Store};

/// Does what is asked, and says to `output` what was done.
pub async fn run(options: &Db, config: &Config, output: &mut (dyn Write + Send)) -> anyhow::Result<ExitCode> {
    let said = match options {
        Db::Backup(options) => backup(options, config).await?,
        Db::Prune(options) => prune(options, config, Clock::system().now()).await?,
        Db::ApplyPrivacy(options) => apply_privacy(options, config).await?,
        Db::Forget(options) => forget::forget(options, config, Clock::system().now()).await?,
    };
    write_to(output, said.as_bytes())?;
    Ok(ExitCode::Success)
}

async fn backup(options: &BackupOptions, config: &Config) -> anyhow::Result<String> {
    let shutdown = ShutdownSignal::listen()?;
    let store = Store::open_to_copy(&config.database.path).await?;
    let file = options.file.as_path();
    // An unfinished copy is removed with what made it.
    let copied = shutdown.interrupting(store.backup(file)).await?;
    store.close().await;
    let bytes = copied.map_err(|error| match error {
        BackupError::Store(error) => anyhow::Error::from(error),
        BackupError::Exists { .. } => CommandError::usage(error.to_string()).into(),
        BackupError::Write { .. } | BackupError::Damaged { .. } => {
            CommandError::new(ExitCode::Database, error.to_string()).into()
        }
    })?;
    Ok(format!("Wrote {} ({bytes} bytes), and checked it.\n", file.display()))
}

async fn prune(options: &PruneOptions, config: &Config, now: Timestamp) -> anyhow::Result<String> {
    let keep = options.keep.or(config.retention_keep).ok_or_else(|| {
        CommandError::usage(
            "nothing says how long instances are kept; pass --keep 730d, or set retention.keep",
        )
    })?;
    let least = config.collection.least_keep();
    if keep < least {
        let message = format!(
            "instances younger than lookback, the last re-read and seven days together are still being read; keep at \
             least {}",
            humantime::format_duration(least)
        );
        return Err(CommandError::usage(message).into());
    }
    let before = Some(now.minus(keep));
    if options.dry_run {
        let store = Store::open_to_read(&config.database.path).await?;
        let pruned = store.preview_prune(before, now).await?;
        store.close().await;
        return Ok(format!("Would prune {}\n", in_words(&pruned)));
    }
    let shutdown = ShutdownSignal::listen()?;
    let (_lock, store) = open_existing(config, options.wait, &shutdown).await?;
    store.note_pruning(Some(keep)).await?;
    // Of what is broken off, the batch under way is undone; those before it stay pruned.
    let pruned = shutdown.interrupting(store.prune(before, now)).await;
    store.close().await;
    Ok(format!("Pruned {}\n", in_words(&pruned??)))
}

async fn apply_privacy(options: &ApplyPrivacyOptions, config: &Config) -> anyhow::Result<String> {
    let shutdown = ShutdownSignal::listen()?;
    let (_lock, store) = open_existing(config, options.wait, &shutdown).await?;
    let dropped = dropped(config);
    // Of what is broken off, the batch under way is undone; calling it again goes on.
    let cleansed = shutdown.interrupting(Box::pin(store.apply_privacy(&dropped))).await;
    store.close().await;
    let cleansed = cleansed??;
    Ok(format!(
        "Took the fields of privacy.drop out of {} sessions, {} rejects and {} instances, and wrote the file anew.\n",
        cleansed.sessions, cleansed.rejects, cleansed.instances
    ))
}

fn in_words(pruned: &Pruned) -> String {
    format!(
        "{} instances with {} sessions, {} people who were in no other, and {} runs without a fetch.",
        pruned.instances, pruned.sessions, pruned.people, pruned.runs
    )
}
