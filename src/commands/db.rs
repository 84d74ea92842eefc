//! `rollcall db`: backing up, pruning, forgetting.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use anyhow::Context as _;

use super::collect::lock;
use super::setup::{Stopper, open_store};
use crate::cli::{ApplyPrivacyOptions, BackupOptions, Db, ForgetOptions, PruneOptions};
use crate::clock::Clock;
use crate::config::Config;
use crate::decode::Dropped;
use crate::exit::ExitCode;
use crate::model::Timestamp;
use crate::store::{BackupError, PersonSummary, Pruned, Store, StoreError};

/// Does what is asked, and says to `output` what was done.
pub async fn run(options: &Db, config: &Config, output: &mut (dyn Write + Send)) -> anyhow::Result<ExitCode> {
    let (words, code) = match options {
        Db::Backup(options) => backup(options, config).await?,
        Db::Prune(options) => prune(options, config, Clock::system().now()).await?,
        Db::ApplyPrivacy(options) => apply_privacy(options, config).await?,
        Db::Forget(options) => forget(options, config, Clock::system().now()).await?,
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
            say!("rollcall: {error}");
            Ok(only(ExitCode::Usage))
        }
        Err(error @ (BackupError::Write { .. } | BackupError::Damaged { .. })) => {
            say!("rollcall: {error}");
            Ok(only(ExitCode::Database))
        }
    }
}

async fn prune(options: &PruneOptions, config: &Config, now: Timestamp) -> anyhow::Result<Answer> {
    let Some(keep) = options.keep.or(config.retention_keep) else {
        say!("rollcall: nothing says how long instances are kept; pass --keep 730d, or set retention.keep");
        return Ok(only(ExitCode::Usage));
    };
    let least = least_keep(config);
    if keep < least {
        say!(
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

async fn apply_privacy(options: &ApplyPrivacyOptions, config: &Config) -> anyhow::Result<Answer> {
    let stopper = Stopper::listen().context("signals cannot be listened to")?;
    let Some(_lock) = lock(&config.database.path, options.wait, &stopper).await? else {
        return Ok(only(stopper.code().unwrap_or(ExitCode::TryLater)));
    };
    let store = existing(config).await?;
    let dropped = Dropped::new(config.privacy_drop.clone());
    let cleansed = tokio::select! {
        cleansed = store.apply_privacy(&dropped) => cleansed?,
        // The batch under way is undone; calling it again goes on.
        () = stopper.token().cancelled() => {
            store.close().await;
            return Ok(only(stopper.code().unwrap_or(ExitCode::Interrupted)));
        }
    };
    store.close().await;
    let words = format!(
        "Took the fields of privacy.drop out of {} sessions and {} rejects, and wrote the file anew.\n",
        cleansed.sessions, cleansed.rejects
    );
    Ok((words, ExitCode::Success))
}

async fn forget(options: &ForgetOptions, config: &Config, now: Timestamp) -> anyhow::Result<Answer> {
    let store = Store::open_to_read(&config.database.path).await?;
    let meant = who(&store, &options.person).await?;
    store.close().await;
    let [person] = meant.as_slice() else {
        say_who(&options.person, &meant);
        return Ok(only(ExitCode::Usage));
    };
    say!("{}", about(person));
    // Before signals are listened to: they end a question as usual.
    if !options.yes && !confirmed()? {
        return Ok(only(ExitCode::Usage));
    }
    let stopper = Stopper::listen().context("signals cannot be listened to")?;
    let Some(_lock) = lock(&config.database.path, options.wait, &stopper).await? else {
        return Ok(only(stopper.code().unwrap_or(ExitCode::TryLater)));
    };
    let store = existing(config).await?;
    // A run may have learnt more about who is who since.
    let again = who(&store, &options.person).await?;
    if again.iter().map(|person| person.person_id).ne([person.person_id]) {
        say_who(&options.person, &again);
        return Ok(only(ExitCode::TryLater));
    }
    let forgotten = store.forget(person.person_id, now).await?;
    store.close().await;
    let mut words = format!(
        "Forgot the person: {} sessions in {} instances are anonymous now, and nothing is left in the file. Backups are \
         not covered; remove those made before.\n",
        forgotten.sessions, forgotten.instances
    );
    if forgotten.topics > 0 {
        let _ =
            writeln!(words, "{} topics of meetings hold one of the names, and were kept.", forgotten.topics);
    }
    Ok((words, ExitCode::Success))
}

async fn who(store: &Store, text: &str) -> Result<Vec<PersonSummary>, StoreError> {
    let ids = store.people_named(text).await?;
    store.person_summaries(&ids).await
}

fn say_who(text: &str, meant: &[PersonSummary]) {
    if meant.is_empty() {
        say!("rollcall: nobody is meant by `{text}`; pass an id, a whole email, or a part of a name");
    } else {
        say!("rollcall: `{text}` means {} people; pass the id of one of them", meant.len());
        for person in meant {
            say!("  {}", about(person));
        }
    }
}

fn about(person: &PersonSummary) -> String {
    let known = [person.names.join(" / "), person.emails.join(", ")];
    let known: Vec<String> = known.into_iter().filter(|text| !text.is_empty()).collect();
    format!(
        "person {}: {}; {} sessions in {} instances",
        person.person_id,
        if known.is_empty() { "without a name".to_owned() } else { known.join(", ") },
        person.sessions,
        person.instances
    )
}

fn confirmed() -> anyhow::Result<bool> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        say!("rollcall: there is no terminal to ask on; pass --yes to forget this person for good");
        return Ok(false);
    }
    crate::stream::ask("Forget this person for good? There is no way back. Type `yes`: ");
    let mut answer = String::new();
    input.read_line(&mut answer).context("cannot read from the terminal")?;
    let confirmed = answer.trim() == "yes";
    if !confirmed {
        say!("Nothing was changed.");
    }
    Ok(confirmed)
}

/// The database, which must be there: these commands make none. The caller holds the run lock.
async fn existing(config: &Config) -> anyhow::Result<Store> {
    let path = &config.database.path;
    if !path.exists() {
        return Err(StoreError::Missing { path: path.clone() }.into());
    }
    Ok(open_store(config).await?)
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
