//! `rollcall people merge`, `split` and `undo`: decisions about who is who.

use std::io::Write;

use crate::cli::{DecisionOptions, UndoOptions};
use crate::commands::support::errors::CommandError;
use crate::commands::support::output::write_to;
use crate::commands::support::session::open_existing;
use crate::config::Config;
use crate::exit::ExitCode;
use crate::model::Timestamp;
use crate::report;
use crate::shutdown::ShutdownSignal;
use crate::store::{DecisionError, DecisionRecord, PersonSelector, Store};

/// Takes a decision about two, and tells what it made of them.
pub(super) async fn on_two(
    options: &DecisionOptions,
    config: &Config,
    output: &mut (dyn Write + Send),
    decision: impl AsyncFnOnce(&Store, [&PersonSelector; 2]) -> Result<DecisionRecord, DecisionError>,
) -> anyhow::Result<ExitCode> {
    let (left, right) = sides(options)?;
    let made = decide(options.wait, config, async |store| decision(store, [&left, &right]).await).await?;
    tell_decision(&made, output)
}

pub(super) async fn undo(
    options: &UndoOptions,
    config: &Config,
    now: Timestamp,
    output: &mut (dyn Write + Send),
) -> anyhow::Result<ExitCode> {
    let undone = decide(options.wait, config, async |store| store.undo_decision(now).await).await?;
    let [left, right] = undone.sides.each_ref().map(|side| report::sanitize_for_display(side));
    let (number, kind, now) = (undone.decision_id, &undone.kind, people_now(&undone));
    let said = format!("Undid decision {number}, the {kind} of {left} and {right}: {now}.\n");
    write_to(output, said.as_bytes())?;
    Ok(ExitCode::Success)
}

fn sides(options: &DecisionOptions) -> anyhow::Result<(PersonSelector, PersonSelector)> {
    let side = |text: &str| text.parse().map_err(|reason: String| refused(&reason));
    Ok((side(&options.left)?, side(&options.right)?))
}

/// Has the database, which is locked for it, take the decision in; one that cannot be is a wrong command line.
async fn decide(
    wait: bool,
    config: &Config,
    decision: impl AsyncFnOnce(&Store) -> Result<DecisionRecord, DecisionError>,
) -> anyhow::Result<DecisionRecord> {
    let shutdown = ShutdownSignal::listen()?;
    let (_lock, store) = open_existing(config, wait, &shutdown).await?;
    let made = decision(&store).await;
    store.close().await;
    made.map_err(|error| match error {
        DecisionError::Store(error) => error.into(),
        error => refused(&error.to_string()).into(),
    })
}

fn refused(reason: &str) -> CommandError {
    CommandError::usage(report::sanitize_for_display(reason))
}

fn tell_decision(made: &DecisionRecord, output: &mut (dyn Write + Send)) -> anyhow::Result<ExitCode> {
    let [left, right] = made.sides.each_ref().map(|side| report::sanitize_for_display(side));
    let (number, kind, now) = (made.decision_id, &made.kind, people_now(made));
    let said = format!(
        "Decision {number}, {kind} of {left} and {right}: {now}. `rollcall people undo` takes it back.\n"
    );
    write_to(output, said.as_bytes())?;
    Ok(ExitCode::Success)
}

/// Whom the two sides are by now.
fn people_now(made: &DecisionRecord) -> String {
    match made.people {
        [Some(one), Some(other)] if one == other => format!("both are person {one} now"),
        [Some(one), Some(other)] => format!("they are person {one} and person {other} now"),
        _ => "nobody is known by one of the two at present".to_owned(),
    }
}
