//! One file a subcommand; the only place where the parts are wired together.

mod backfill;
mod check;
mod collect;
mod completions;
mod db;
mod demo;
mod init;
mod man;
mod people;
mod report;
mod run;
pub mod status;
pub mod support;
#[cfg(test)]
mod testing;

use std::io::Write;
use std::process::ExitCode as ProcessExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser as _;

use self::support::errors::code_of;
use crate::cli::{Cli, Command, GlobalOptions};
use crate::clock::Clock;
use crate::config::{Config, ConfigError, Overrides};
use crate::exit::ExitCode;
use crate::shutdown::{Interrupted, ShutdownSignal};
use crate::{stream, telemetry};

/// Runs the program with the arguments of this process, and says how it ended.
pub fn main() -> ProcessExitCode {
    let cli = Cli::parse();
    // A service manager waits for the end of the daemon, and a person for the words of a command.
    let patience = matches!(cli.command, Command::Run).then_some(LAST_WORDS);
    // One thread beside the database's own: what there is to wait for is Zoom and the disk, and handing work from one
    // thread to another costs more than it saves.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            say!("rollcall: cannot start the async runtime: {error}");
            return ExitCode::Partial.into();
        }
    };
    let output = &mut stream::stdout();
    let written = async {
        let code = run(cli, output).await?;
        output.flush().context("cannot write to stdout")?;
        Ok(code)
    };
    let code = runtime.block_on(written).unwrap_or_else(|error: anyhow::Error| {
        if !error.is::<Interrupted>() {
            // Every cause says more; together they are one sentence.
            say!("rollcall: {error:#}");
        }
        ShutdownSignal::exit_code().unwrap_or_else(|| code_of(&error))
    });
    // A server or a lock that is still waited for must not hold up the end.
    runtime.shutdown_background();
    stream::stderr().drain(patience);
    code.into()
}

/// How long the daemon's last words may wait to be read.
const LAST_WORDS: Duration = Duration::from_millis(200);

async fn run(cli: Cli, output: &mut (dyn Write + Send)) -> anyhow::Result<ExitCode> {
    match &cli.command {
        Command::Init(options) => init::run(options, output),
        Command::Completions(options) => completions::run(options, output),
        Command::Man(options) => man::run(options),
        Command::Db(options) => db::run(options, &load(&cli.global)?, output).await,
        Command::Demo(options) => {
            let level = telemetry::LogLevel::Warn;
            telemetry::init(&telemetry::Settings::new(
                level,
                telemetry::LogFormat::Auto,
                cli.global.verbosity(),
            ));
            demo::run(options, &cli.global, output).await
        }
        Command::Check(options) => {
            let level = telemetry::LogLevel::Error;
            telemetry::init(&telemetry::Settings::new(
                level,
                telemetry::LogFormat::Auto,
                cli.global.verbosity(),
            ));
            check::run(options, read(&cli.global), output).await
        }
        Command::Run => {
            let config = read(&cli.global)?;
            let level = config.log.level;
            telemetry::init(&telemetry::Settings::new(level, config.log.format, cli.global.verbosity()));
            run::run(&cli.global, config).await
        }
        Command::Status(options) => {
            status::run(options, &load(&cli.global)?, Clock::system().now(), output).await
        }
        Command::Backfill(options) => backfill::run(options, &load(&cli.global)?, output).await,
        Command::Collect(options) => collect::run(options, &load(&cli.global)?, output).await,
        Command::People(options) => people::run(options, &load(&cli.global)?, &Clock::system(), output).await,
        Command::Report(options) => report::run(options, &load(&cli.global)?, output).await,
    }
}

/// Loads the config, and sets up the log as it says: what a person starts says less than the daemon.
fn load(global: &GlobalOptions) -> Result<Config, ConfigError> {
    let config = read(global)?;
    telemetry::init(&telemetry::Settings::new(config.log.level, config.log.format, global.verbosity() - 1));
    config.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    Ok(config)
}

fn read(global: &GlobalOptions) -> Result<Config, ConfigError> {
    let overrides = Overrides { config: global.config.as_deref(), database: global.database.as_deref() };
    Config::load(overrides, std::env::vars_os())
}
