//! `rollcall db forget`: a person becomes unrecognizable, and stays so.

use std::fmt::Write as _;
use std::io::IsTerminal as _;

use anyhow::Context as _;

use crate::cli::ForgetOptions;
use crate::commands::support::errors::CommandError;
use crate::commands::support::session::open_existing;
use crate::commands::support::somebody::{describe, exactly_one};
use crate::config::Config;
use crate::exit::ExitCode;
use crate::model::Timestamp;
use crate::report;
use crate::shutdown::ShutdownSignal;
use crate::store::{ForgetResult, Somebody, Store};

/// Forgets whom the text means, once that has been confirmed, or finishes what an earlier call began.
pub(super) async fn forget(
    options: &ForgetOptions,
    config: &Config,
    now: Timestamp,
) -> anyhow::Result<String> {
    let said = options.person.as_str();
    let chosen = choose(options, config).await?;
    let shutdown = ShutdownSignal::listen()?;
    let (_lock, store) = open_existing(config, options.wait, &shutdown).await?;
    let forgotten = match (&chosen, store.unfinished_forgetting(said).await?) {
        (None, Some(unfinished)) => store.finish_forgetting().await.map(|()| unfinished),
        (None, None) => anyhow::bail!("another process has finished this just now"),
        (Some(chosen), _) => {
            // A run may have learnt more about who is who since.
            let meant = store.meant_by(said).await?;
            let whom = exactly_one(said, &meant, ExitCode::TryLater)?;
            if identity(whom) != identity(chosen) {
                let message = format!(
                    "`{}` means somebody else by now: {}",
                    report::sanitize_for_display(said),
                    describe(whom)
                );
                return Err(CommandError::try_later(message).into());
            }
            store.forget(whom, said, now).await
        }
    };
    if forgotten.is_err() && matches!(store.unfinished_forgetting(said).await, Ok(Some(_))) {
        say!(
            "rollcall: the tables hold nothing of the person any more, but free pages of the file or its log may; call \
             the same command again to finish"
        );
    }
    store.close().await;
    Ok(summary(&forgotten?))
}

/// Whom the text means, as confirmed at the terminal; none where an earlier call is to be finished.
async fn choose(options: &ForgetOptions, config: &Config) -> anyhow::Result<Option<Somebody>> {
    let said = options.person.as_str();
    let store = Store::open_to_read(&config.database.path).await?;
    let meant = store.meant_by(said).await?;
    let is_unfinished = meant.is_empty() && store.unfinished_forgetting(said).await?.is_some();
    store.close().await;
    if is_unfinished {
        return Ok(None);
    }
    let whom = exactly_one(said, &meant, ExitCode::Usage)?;
    say!("{}", describe(whom));
    // Before signals are listened to: they end a question as usual.
    if !options.yes {
        confirm()?;
    }
    Ok(Some(whom.clone()))
}

fn confirm() -> anyhow::Result<()> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        let message = "there is no terminal to ask on; pass --yes to forget this person for good";
        return Err(CommandError::usage(message).into());
    }
    crate::stream::ask("Forget this person for good? There is no way back. Type `yes`: ");
    let mut answer = String::new();
    input.read_line(&mut answer).context("cannot read from the terminal")?;
    if answer.trim() != "yes" {
        return Err(CommandError::usage("nothing was changed").into());
    }
    Ok(())
}

/// What a person's number is, or what else tells him from others.
fn identity(whom: &Somebody) -> (Option<i64>, &[i64], Option<&str>) {
    match whom {
        Somebody::Person(person) => (Some(person.person_id), &[], None),
        Somebody::Other(other) => (None, &other.member_ids, other.email.as_deref()),
    }
}

fn summary(forgotten: &ForgetResult) -> String {
    let mut words = format!(
        "Forgot the person: {} sessions in {} instances are anonymous now, and {} lines of rosters are gone.\n",
        forgotten.sessions, forgotten.instances, forgotten.members
    );
    if forgotten.elsewhere.is_empty() {
        words.push_str("Nothing of the names, emails and identifiers is left in the file.\n");
    } else {
        words.push_str(
            "The same name, email or identifier stands for somebody who may be another, and was kept there:\n",
        );
        for mention in &forgotten.elsewhere {
            let _ = writeln!(words, "  {}", report::mention(&mention.place, mention.count, &mention.numbers));
        }
        words.push_str(
            "Where one of those people is the same, forget that one, too: `rollcall db forget NUMBER`.\n",
        );
    }
    words.push_str("Backups and replicas are not covered; remove those made before.\n");
    words
}
