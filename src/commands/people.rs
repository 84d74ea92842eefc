//! `rollcall people`: who is who, and decisions about it that are kept over every reading.

use std::io::Write;

use anyhow::Context as _;

use super::collect::lock;
use super::report::{terminal_width, write_to};
use super::setup::Stopper;
use crate::cli::{DecisionOptions, ListFormat, People, PeopleListOptions};
use crate::clock::Clock;
use crate::config::Config;
use crate::exit::ExitCode;
use crate::report::{self, CsvFlavor};
use crate::store::{DecisionError, Made, Store, Whom};

const NOBODY: &str = "Nobody in the database matches. `rollcall people list` shows everyone.";

/// Lists people, or makes or undoes a decision and says what it did.
pub async fn run(
    options: &People,
    config: &Config,
    clock: &Clock,
    output: &mut (dyn Write + Send),
) -> anyhow::Result<ExitCode> {
    let wait = match options {
        People::List(options) => return list(options, config, terminal_width(), output).await,
        People::Merge(options) | People::Split(options) => options.wait,
        People::Undo(options) => options.wait,
    };
    let stopper = Stopper::listen().context("signals cannot be listened to")?;
    let Some(_lock) = lock(&config.database.path, wait, &stopper).await? else {
        return Ok(stopper.code().unwrap_or(ExitCode::TryLater));
    };
    decide(options, config, clock, output).await
}

async fn decide(
    options: &People,
    config: &Config,
    clock: &Clock,
    output: &mut (dyn Write + Send),
) -> anyhow::Result<ExitCode> {
    let sides = |options: &DecisionOptions| -> Result<(Whom, Whom), String> {
        Ok((options.left.parse()?, options.right.parse()?))
    };
    if !config.database.path.exists() {
        // Opening it to read tells that it is missing; opening it to write would make it.
        Store::open_to_read(&config.database.path).await?;
    }
    let store = Store::open(&config.database.path).await?;
    let now = clock.now();
    let made = match options {
        People::Merge(options) => match sides(options) {
            Ok((left, right)) => store.merge_people(&left, &right, now).await,
            Err(reason) => return Ok(refused(&reason)),
        },
        People::Split(options) => match sides(options) {
            Ok((left, right)) => store.split_people(&left, &right, now).await,
            Err(reason) => return Ok(refused(&reason)),
        },
        People::Undo(_) | People::List(_) => store.undo_decision(now).await,
    };
    store.close().await;
    let said = match made {
        Ok(made) => said(&made, matches!(options, People::Undo(_))),
        Err(DecisionError::Store(error)) => return Err(error.into()),
        Err(error) => return Ok(refused(&error.to_string())),
    };
    write_to(output, said.as_bytes())?;
    Ok(ExitCode::Success)
}

/// What was asked for makes no sense for these people.
fn refused(reason: &str) -> ExitCode {
    say!("rollcall: {}", report::plain(reason));
    ExitCode::Usage
}

fn said(made: &Made, is_undone: bool) -> String {
    let [left, right] = made.sides.each_ref().map(|side| report::plain(side));
    let number = made.decision_id;
    let now = match made.people {
        [Some(one), Some(other)] if one == other => format!("both are person {one} now"),
        [Some(one), Some(other)] => format!("they are person {one} and person {other} now"),
        _ => "nobody is known by one of the two at present".to_owned(),
    };
    if is_undone {
        format!("Undid decision {number}, the {} of {left} and {right}: {now}.\n", made.kind)
    } else {
        format!(
            "Decision {number}, {} of {left} and {right}: {now}. `rollcall people undo` takes it back.\n",
            made.kind
        )
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
            Some(text) => Some(store.people_named(text).await?),
            None => None,
        };
        store.people(people.as_deref(), &options.meetings).await?
    };
    store.close().await;
    if table.rows.is_empty() {
        say!("{}", if options.decisions { "No decision was made by hand yet." } else { NOBODY });
    }
    let text = match options.format {
        ListFormat::Table if options.decisions => {
            report::decisions(&table, config.report_timezone).render(width).into_bytes()
        }
        ListFormat::Table => report::people(&table, config.report_timezone).render(width).into_bytes(),
        ListFormat::Csv => report::csv(&table, CsvFlavor::Plain),
        ListFormat::Json => report::json(&table).into_bytes(),
        ListFormat::Jsonl => report::json_lines(&table).into_bytes(),
    };
    write_to(output, &text)?;
    Ok(ExitCode::Success)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};
    use crate::commands::bench::Bench;
    use crate::store::{RunLock, sample};

    impl Bench {
        async fn people(&self, arguments: &[&str]) -> (ExitCode, String) {
            let cli = Cli::parse_from(["rollcall", "people"].iter().chain(arguments));
            let Command::People(options) = cli.command else { unreachable!("asked for people") };
            let clock = Clock::starting_at(sample::at("2026-03-10T12:00:00Z"));
            let mut out = Vec::new();
            let code = match &options {
                People::List(options) => list(options, &self.config, 120, &mut out).await,
                _ => run(&options, &self.config, &clock, &mut out).await,
            };
            (code.unwrap(), String::from_utf8(out).unwrap())
        }
    }

    #[tokio::test]
    async fn people_are_listed_merged_and_parted_again() {
        let bench = Bench::new().await;
        insta::assert_snapshot!(bench.people(&["list"]).await.1, @r"
Id  Names                             Known by           Instances  Last seen
──────────────────────────────────────────────────────────────────────────────────────
 4  =cmd() <script>�[31m              session:5                  1  2026-03-02  guest
 1  Ada Lovelace                      ada@example.com            3  2026-03-09
 3  Eve                               session:4                  1  2026-03-02  guest
 2  Émile Borel, Émile Borel (phone)  emile@example.org          3  2026-03-09
 5  王小明 👩‍💻                         wang@example.com           1  2026-03-02

5 people, 2 known by name only.
");
        let (code, said) = bench.people(&["merge", "emile@example.org", "4"]).await;
        assert_eq!(code, ExitCode::Success);
        insta::assert_snapshot!(said, @r###"Decision 1, merge of emile@example.org and guest "=cmd() <script>�[31m": both are person 4 now. `rollcall people undo` takes it back."###);
        insta::assert_snapshot!(bench.people(&["list", "--decisions"]).await.1, @r###"
No.  Decision  One                Other                         Made        State
─────────────────────────────────────────────────────────────────────────────────────
  1  merge     emile@example.org  guest "=cmd() <script>�[31m"  2026-03-10  in force
"###);
        let (_, said) = bench.people(&["undo"]).await;
        insta::assert_snapshot!(said, @r###"Undid decision 1, the merge of emile@example.org and guest "=cmd() <script>�[31m": they are person 6 and person 4 now."###);
        let (_, listed) = bench.people(&["list", "--person", "lovelace", "--format", "jsonl"]).await;
        insta::assert_snapshot!(listed, @r###"{"person_id":1,"guest":0,"names":"[\"Ada Lovelace\"]","identifiers":"[\"ada@example.com\"]","instances":3,"last_seen":"2026-03-09T09:30:00.000Z","may_be":"[]"}"###);
    }

    #[tokio::test]
    async fn what_means_nobody_is_a_wrong_command_line() {
        let bench = Bench::new().await;
        for arguments in [
            ["merge", "nobody@example.com", "ada@example.com"],
            ["split", "ada@example.com", "ada@example.com"],
            ["merge", "session:x", "ada@example.com"],
        ] {
            assert_eq!(bench.people(&arguments).await, (ExitCode::Usage, String::new()), "{arguments:?}");
        }
        assert_eq!(bench.people(&["undo"]).await.0, ExitCode::Usage);
    }

    #[tokio::test]
    async fn a_run_is_not_disturbed() {
        let bench = Bench::new().await;
        let _lock = RunLock::try_acquire(&bench.config.database.path).unwrap().unwrap();
        assert_eq!(bench.people(&["undo"]).await, (ExitCode::TryLater, String::new()));
        assert_eq!(bench.people(&["list"]).await.0, ExitCode::Success, "who only reads need not wait");
    }
}
