//! `rollcall demo`: the whole thing against an embedded simulated Zoom.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use chrono_tz::Tz;

use super::support::errors::{CommandError, code_of_run};
use super::support::output::terminal_width;
use super::support::progress::ProgressReporter;
use super::support::{session, settings};
use crate::cli::{DemoOptions, GlobalOptions};
use crate::clock::Clock;
use crate::collect::RunRequest;
use crate::config::{Config, Overrides};
use crate::exit::ExitCode;
use crate::model::{Timestamp, Trigger, Window, parse_instant};
use crate::report;
use crate::shutdown::ShutdownSignal;
use crate::simulator::{Fault, FaultTextError, Limits, Options, Simulator, World};
use crate::store::{Granularity, ReportFilter, RunLock, Selection, Store, StoreError};

/// The present of the demo: the term before it is the same on every machine and on every day, so that a second run
/// finds every row unchanged.
const NOW: &str = "2026-06-12T18:00:00Z";

/// What the dice of the demo's term begin with.
const SEED: u64 = 2026;

const DATABASE: &str = "rollcall-demo.db";

/// Runs the demo, or keeps its simulated Zoom running for `--serve`.
pub async fn run(
    options: &DemoOptions,
    global: &GlobalOptions,
    output: &mut (dyn Write + Send),
) -> anyhow::Result<ExitCode> {
    if options.faults.iter().any(|fault| fault == "list") {
        write!(output, "{}", Fault::help())?;
        return Ok(ExitCode::Success);
    }
    let now = parse_instant(NOW).context("the demo's present is a time")?;
    if let Some(address) = options.serve {
        return serve(options, address, output).await;
    }
    let shutdown = ShutdownSignal::listen()?;
    let path = global.database.clone().unwrap_or_else(|| PathBuf::from(DATABASE));
    let clock = Clock::starting_at(now);
    let simulator =
        start(options, Options { clock: clock.clone(), ..Options::default() }, World::term(SEED, now))
            .await?;
    let config = config(&simulator, &path)?;

    let _lock = RunLock::try_acquire(&path)?.ok_or_else(|| {
        CommandError::try_later(format!("another run holds {}; try again when it has ended", path.display()))
    })?;
    let store = Store::open(&path).await?;
    session::prepare(&config, &store, &clock).await?;
    let collector = settings::collector(&config, config.credentials()?, &store, &clock)?;
    writeln!(
        output,
        "Collecting a term of three meetings from a simulated Zoom into {} …\n",
        path.display()
    )?;
    let reporter = ProgressReporter::new(output, config.report_timezone);
    let summary =
        collector.run(&request(&config, now), &|event| reporter.event(&event), shutdown.token()).await?;
    reporter.summary(&summary);
    reporter.finish()?;
    if ShutdownSignal::exit_code().is_none() && summary.instances_fetched > 0 {
        write!(output, "\n{}\n", latest_attendance(&store, config.report_timezone).await?)?;
        write!(output, "{}", queries(&path))?;
    }
    store.close().await;
    simulator.shutdown().await;
    Ok(ShutdownSignal::exit_code().unwrap_or_else(|| code_of_run(&summary)))
}

/// The attendance of the latest instance that has people in it, for eyes; empty where there is none.
async fn latest_attendance(store: &Store, timezone: Tz) -> Result<String, StoreError> {
    let Some(instance) = store.latest_instance().await? else { return Ok(String::new()) };
    let filter = ReportFilter { instance: Some(instance), ..ReportFilter::default() };
    let table = store.attendance(Granularity::Instance, &filter).await?;
    Ok(report::attendance(&table, timezone).render(terminal_width()))
}

/// Everything of the term, read again even where it is settled: the demo shows that nothing is counted twice.
fn request(config: &Config, now: Timestamp) -> RunRequest {
    let half_a_year = std::time::Duration::from_hours(183 * 24);
    RunRequest {
        trigger: Trigger::Demo,
        slot_at: None,
        meetings: config.meetings.iter().map(|meeting| meeting.id).collect(),
        account_wide: false,
        ignore_backoff: true,
        window: Some(Window { from: now.minus(half_a_year), to: now }),
        selection: Selection { force: true, ..Selection::default() },
    }
}

async fn start(options: &DemoOptions, simulated: Options, world: World) -> anyhow::Result<Simulator> {
    let mut faults = Vec::new();
    for text in &options.faults {
        faults.push(text.parse::<Fault>().map_err(|error| misunderstood(&error))?);
    }
    let simulator =
        Simulator::start(simulated, world).await.context("the simulated Zoom cannot be started")?;
    for fault in faults {
        simulator.fault(fault);
    }
    Ok(simulator)
}

/// What a fault that is none ends with; all that there is, where not even the kind is known.
fn misunderstood(error: &FaultTextError) -> CommandError {
    CommandError::usage(match error {
        FaultTextError::UnknownKind { .. } => {
            format!("{error}; what there is:\n\n{}", Fault::help().trim_end())
        }
        _ => format!("{error}; `--fault list` shows what there is"),
    })
}

/// The config that a user would write, with the simulated Zoom in the place of the real one.
fn config(simulator: &Simulator, path: &Path) -> anyhow::Result<Config> {
    let text = config_text(simulator, path);
    let file =
        tempfile::Builder::new().suffix(".toml").tempfile().context("no temporary file can be made")?;
    std::fs::write(file.path(), text).context("the demo's config cannot be written")?;
    let overrides = Overrides { config: Some(file.path()), database: Some(path) };
    Ok(Config::load(overrides, std::iter::empty::<(String, String)>())?)
}

fn config_text(simulator: &Simulator, database: &Path) -> String {
    let credentials = simulator.credentials();
    let meetings: Vec<String> =
        simulator.world(|world| world.meetings()).iter().map(ToString::to_string).collect();
    let quoted = |text: &str| format!("{text:?}");
    format!(
        "meetings = [{}]\n\n\
         [database]\n\
         path = {}\n\n\
         [zoom]\n\
         account_id = {}\n\
         client_id = {}\n\
         client_secret = {}\n\
         token_url = {}\n\
         api_url = {}\n\n\
         [schedule]\n\
         timezone = \"Europe/Berlin\"\n",
        meetings.join(", "),
        quoted(&database.display().to_string()),
        quoted(&credentials.account_id),
        quoted(&credentials.client_id),
        quoted(&credentials.client_secret),
        quoted(&simulator.token_url()),
        quoted(&simulator.api_url()),
    )
}

fn queries(path: &Path) -> String {
    let path = path.display();
    format!(
        "Three questions to ask it in SQL:\n\n\
         # Who missed most of Algebra I?\n\
         sqlite3 -box {path} \"SELECT name, count(*) AS times, round(avg(percent_present), 1) AS percent FROM attendance \
         WHERE meeting_id = 85746065432 GROUP BY person_id ORDER BY percent LIMIT 5\"\n\n\
         # When was each meeting held, and how many came?\n\
         sqlite3 -box {path} \"SELECT topic, local_date, local_start, people, peak FROM meetings_held ORDER BY start_time\"\n\n\
         # Every join and leave of one person, as Zoom tells them\n\
         sqlite3 -box {path} \"SELECT topic, user_name, join_time, leave_time, status, device FROM participants \
         WHERE person_id = 2 ORDER BY join_time LIMIT 12\"\n"
    )
}

async fn serve(
    options: &DemoOptions,
    address: std::net::SocketAddr,
    output: &mut (dyn Write + Send),
) -> anyhow::Result<ExitCode> {
    let shutdown = ShutdownSignal::listen()?;
    // A daemon that is pointed here lives in the present, and so does its term.
    let now = Clock::system().now();
    let simulated = Options { listen: address, limits: Limits::BUSINESS, ..Options::default() };
    let simulator = start(options, simulated, World::term(SEED, now)).await?;
    writeln!(
        output,
        "# A simulated Zoom answers at {} until it is stopped. Save this as config.toml:\n\n{}",
        simulator.url(),
        config_text(&simulator, Path::new("rollcall.db"))
    )?;
    output.flush()?;
    shutdown.token().cancelled().await;
    simulator.shutdown().await;
    Ok(ExitCode::Success)
}
