//! `rollcall people`: who is who, and decisions about it that are kept over every reading.

mod decide;
mod show;
#[cfg(test)]
mod tests;

use std::io::Write;

use super::support::output::{terminal_width, write_to};
use crate::cli::{ListFormat, People, PeopleListOptions};
use crate::clock::Clock;
use crate::config::Config;
use crate::exit::ExitCode;
use crate::report::{self, CsvFlavor};
use crate::store::{PersonSelector, Store};

/// Lists people, or makes or undoes a decision and says what it did.
pub async fn run(
    options: &People,
    config: &Config,
    clock: &Clock,
    output: &mut (dyn Write + Send),
) -> anyhow::Result<ExitCode> {
    let now = clock.now();
    match options {
        People::List(options) => list(options, config, terminal_width(), output).await,
        People::Show(options) => show::show(options, config, terminal_width(), output).await,
        People::Merge(options) => {
            let merge = async |store: &Store, [left, right]: [&PersonSelector; 2]| {
                store.merge_people(left, right, now).await
            };
            decide::on_two(options, config, output, merge).await
        }
        People::Split(options) => {
            let split = async |store: &Store, [left, right]: [&PersonSelector; 2]| {
                store.split_people(left, right, now).await
            };
            decide::on_two(options, config, output, split).await
        }
        People::Undo(options) => decide::undo(options, config, now, output).await,
    }
}

async fn list(
    options: &PeopleListOptions,
    config: &Config,
    width: u16,
    output: &mut (dyn Write + Send),
) -> anyhow::Result<ExitCode> {
    let store = Store::open_to_read(&config.database.path).await?;
    let table = if options.decisions {
        store.decisions().await?
    } else {
        let people = match &options.person {
            Some(text) => Some(store.find_people(text).await?),
            None => None,
        };
        store.people(people.as_deref(), &options.meetings).await?
    };
    store.close().await;
    if table.rows.is_empty() {
        say!(
            "{}",
            if options.decisions {
                "No decision was made by hand yet."
            } else {
                "Nobody in the database matches. `rollcall people list` shows everyone."
            }
        );
    }
    let text = match options.format {
        ListFormat::Table if options.decisions => {
            report::decisions(&table, config.report_timezone)?.render(width).into_bytes()
        }
        ListFormat::Table => report::people(&table, config.report_timezone)?.render(width).into_bytes(),
        ListFormat::Csv => report::csv(&table, CsvFlavor::Plain),
        ListFormat::Json => report::json(&table).into_bytes(),
        ListFormat::Jsonl => report::json_lines(&table).into_bytes(),
    };
    write_to(output, &text)?;
    Ok(ExitCode::Success)
}
