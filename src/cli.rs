//! The command line as types; what the commands do is in `commands`.

mod date;
mod db;
mod people;
mod report;
mod runs;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

pub(crate) use date::DateArgument;
pub(crate) use db::{ApplyPrivacyOptions, BackupOptions, Db, ForgetOptions, PruneOptions};
pub(crate) use people::{DecisionOptions, ListFormat, People, PeopleListOptions, ShowOptions, UndoOptions};
pub(crate) use report::{
    AbsencesOptions, AttendanceOptions, Format, InstanceFilter, MeetingsOptions, OutputOptions, PersonOptions,
};
pub use report::{By, Report};
pub use runs::MeetingOrInstance;
pub(crate) use runs::{BackfillOptions, CollectOptions};

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "rollcall",
    version,
    about = "Takes the roll of Zoom meetings",
    long_about = "Takes the roll of Zoom meetings: collects the participants of past instances into a SQLite \
                  database, and reports who was there.",
    after_help = "Begin with `rollcall demo`, which needs no account and no network, or with `rollcall init`.\n\
                  Data goes to stdout, logs and progress to stderr.",
    after_long_help = "Begin with `rollcall demo`, which needs no account and no network, or with `rollcall init`.\n\
                  Data goes to stdout, logs and progress to stderr.\n\n\
                  Exit status:\n  \
                  0    all done\n  \
                  1    done, but some instances failed or were parked\n  \
                  2    invalid command line\n  \
                  69   Zoom cannot be reached\n  \
                  74   the database cannot be read or written\n  \
                  75   try later: the day's quota is used up, or another run holds the database\n  \
                  77   Zoom refuses: credentials, scopes or plan\n  \
                  78   the configuration is wrong\n  \
                  130  stopped by SIGINT\n  \
                  143  stopped by SIGTERM"
)]
pub struct Cli {
    /// What holds for every command.
    #[command(flatten)]
    pub(crate) global: GlobalOptions,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What holds for every command.
#[derive(Args, Clone, Debug, Default)]
pub struct GlobalOptions {
    /// The config file to read
    ///
    /// Without it: the one that `ROLLCALL_CONFIG` names, else the first that exists of ./config.toml,
    /// `$XDG_CONFIG_HOME/rollcall/config.toml` and /etc/rollcall/config.toml.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// The database file, instead of the config's `database.path`
    #[arg(long, global = true, value_name = "FILE")]
    pub database: Option<PathBuf>,

    /// Log more; twice for everything
    ///
    /// Once logs how things are done (debug), twice everything (trace). `ROLLCALL_LOG` takes a filter such as
    /// `info,rollcall::zoom=debug` and wins over both.
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,

    /// Log less; twice for failures only
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub quiet: u8,
}

impl GlobalOptions {
    /// How much more (or, below zero, less) than the config says is to be logged.
    pub fn verbosity(&self) -> i16 {
        i16::from(self.verbose) - i16::from(self.quiet)
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Collect on the schedule until stopped: the daemon
    ///
    /// Made to be started by a service manager; it works without one, too. SIGTERM and SIGINT end it, and SIGHUP
    /// makes it read its config again.
    Run,
    /// Collect what is due, once
    Collect(CollectOptions),
    /// Collect instances of the past, however old
    ///
    /// Reads what began in a span of time and is not settled yet. It may be stopped and started again: what was
    /// read stays, and the rest is still due.
    #[command(after_help = "Examples:\n  \
        rollcall backfill --from 2026-02-01 --dry-run\n  \
        rollcall backfill --from 2026-02-01 --to 2026-06-30 --meeting \"857 4606 5432\"\n  \
        rollcall backfill --from 2026-02-01 --meeting /ajXp112QmuoKj4854875== --force")]
    Backfill(BackfillOptions),
    /// Say who was there
    #[command(subcommand)]
    Report(Report),
    /// Say who is who, and decide it by hand
    #[command(subcommand)]
    People(People),
    /// Show the last runs, what is still to be read, and the quota used
    Status(StatusOptions),
    /// Say what is wrong with config, database or Zoom access, and how to mend it
    Check(CheckOptions),
    /// Write a commented config.toml to start from
    Init(InitOptions),
    /// Back the database up, prune it, forget someone
    #[command(subcommand)]
    Db(Db),
    /// Try everything against a simulated Zoom: no account, no config, no network
    Demo(DemoOptions),
    /// Print a completion script for a shell
    Completions(CompletionsOptions),
    /// Write the manual pages to a directory, for whoever makes a package
    #[command(hide = true)]
    Man(ManOptions),
}

/// Options of `rollcall status`.
#[derive(Args, Clone, Debug)]
pub struct StatusOptions {
    /// As JSON, for programs
    #[arg(long)]
    pub json: bool,

    /// End with a status other than 0 when the last good run is too long ago
    #[arg(long)]
    pub check: bool,
}

/// Options of `rollcall check`.
#[derive(Args, Clone, Debug)]
pub struct CheckOptions {
    /// Ask nothing of Zoom: config and database only
    #[arg(long)]
    pub offline: bool,
}

/// Options of `rollcall init`.
#[derive(Args, Clone, Debug)]
pub struct InitOptions {
    /// The directory to write config.toml to; a file that is there is never overwritten
    #[arg(value_name = "DIR", default_value = ".")]
    pub directory: PathBuf,
}

/// Options of `rollcall demo`; its database is the one that `--database` names, else `rollcall-demo.db`.
#[derive(Args, Clone, Debug)]
pub struct DemoOptions {
    /// Only serve the simulated Zoom, at this address, until stopped
    #[arg(long, value_name = "ADDR")]
    pub serve: Option<std::net::SocketAddr>,

    /// Make the simulated Zoom misbehave; may be given several times; `--fault list` shows what there is
    #[arg(long = "fault", value_name = "SPEC")]
    pub faults: Vec<String>,
}

/// Options of `rollcall completions`.
#[derive(Args, Clone, Debug)]
pub struct CompletionsOptions {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: Shell,
}

/// Options of `rollcall man`.
#[derive(Args, Clone, Debug)]
pub struct ManOptions {
    /// The directory to write the pages to
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::model::MeetingId;

    fn parse(arguments: &[&str]) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(std::iter::once(&"rollcall").chain(arguments))
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn meeting_ids_are_read_as_people_write_them() {
        let cli = parse(&["collect", "--meeting", "857 4606 5432", "--meeting", "938-1234-5678"]).unwrap();
        let Command::Collect(options) = cli.command else { panic!("not collect") };
        let ids: Vec<i64> = options.meetings.into_iter().map(MeetingId::get).collect();
        assert_eq!(ids, [85_746_065_432, 93_812_345_678]);
    }

    #[test]
    fn global_options_stand_before_or_after_the_command() {
        for arguments in [["-vv", "--database", "x.db", "check"], ["check", "--database", "x.db", "-vv"]] {
            let cli = parse(&arguments).unwrap();
            assert_eq!(cli.global.verbosity(), 2);
            assert_eq!(cli.global.database, Some(PathBuf::from("x.db")));
        }
        assert_eq!(parse(&["-q", "check"]).unwrap().global.verbosity(), -1);
        assert!(parse(&["-q", "-v", "check"]).is_err());
    }

    #[test]
    fn an_instance_may_begin_with_a_sign() {
        for uuid in ["/ajXp112QmuoKj4854875==", "+jXp112QmuoKj4854875==", "-jXp112QmuoKj4854875=="] {
            let cli = parse(&["report", "attendance", "--instance", uuid]).unwrap();
            let Command::Report(Report::Attendance(options)) = cli.command else { panic!("not a report") };
            assert_eq!(options.instances.instance.unwrap().as_str(), uuid);
        }
    }

    #[test]
    fn nonsense_is_a_usage_error() {
        for arguments in [
            &["collect", "--meeting", "12a"][..],
            &["report", "attendance", "--from", "yesterday"],
            &["report", "attendance", "--min-percent", "101"],
            &["report", "attendance", "--format", "xml"],
            &["report"],
            &["dance"],
            &[],
        ] {
            assert_eq!(parse(arguments).unwrap_err().exit_code(), 2, "{arguments:?}");
        }
    }

    #[test]
    fn a_wrong_meeting_id_is_explained() {
        let error = parse(&["collect", "--meeting", "85746o65432"]).unwrap_err().to_string();
        insta::assert_snapshot!(error, @r"
error: invalid value '85746o65432' for '--meeting <ID>': `85746o65432` is no meeting ID: digits are wanted, as Zoom shows them, such as 85746065432 or `857 4606 5432`

For more information, try '--help'.
");
    }

    #[test]
    fn help() {
        insta::assert_snapshot!(Cli::command().term_width(100).render_help().to_string(), @r"
Takes the roll of Zoom meetings

Usage: rollcall [OPTIONS] <COMMAND>

Commands:
  run          Collect on the schedule until stopped: the daemon
  collect      Collect what is due, once
  backfill     Collect instances of the past, however old
  report       Say who was there
  people       Say who is who, and decide it by hand
  status       Show the last runs, what is still to be read, and the quota used
  check        Say what is wrong with config, database or Zoom access, and how to mend it
  init         Write a commented config.toml to start from
  db           Back the database up, prune it, forget someone
  demo         Try everything against a simulated Zoom: no account, no config, no network
  completions  Print a completion script for a shell
  help         Print this message or the help of the given subcommand(s)

Options:
      --config <FILE>    The config file to read
      --database <FILE>  The database file, instead of the config's `database.path`
  -v, --verbose...       Log more; twice for everything
  -q, --quiet...         Log less; twice for failures only
  -h, --help             Print help (see more with '--help')
  -V, --version          Print version

Begin with `rollcall demo`, which needs no account and no network, or with `rollcall init`.
Data goes to stdout, logs and progress to stderr.
");
    }
}
