//! `rollcall report`: who was there, out of the database, for eyes or for programs.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use chrono_tz::Tz;

use crate::cli::{AttendanceOptions, By, Format, InstanceFilter, MeetingsOptions, OutputOptions, Report};
use crate::config::Config;
use crate::exit::ExitCode;
use crate::report::{self, CsvFlavor, Sheet, Table};
use crate::store::{Holding, ReportFilter, Store, StoreError};

/// The width of a table that is not for a terminal.
const WIDTH_ELSEWHERE: u16 = 120;

/// Writes the report to `out`, or to the file that `--output` names; one without rows says on stderr what to do.
///
/// Of the config it needs the path of the database and the zone of reports only.
pub async fn run(options: &Report, config: &Config, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let store = Store::open_to_read(&config.database.path).await?;
    let timezone = config.report_timezone;
    let (table, sheet, output): (Table, SheetOf, &OutputOptions) = match options {
        Report::Attendance(options) => {
            (attendance(&store, options, timezone).await?, report::attendance, &options.output)
        }
        Report::Meetings(options) => {
            (meetings(&store, options, timezone).await?, report::meetings, &options.output)
        }
    };
    let format = format_of(output);
    if table.rows.is_empty() {
        eprintln!("{}", nothing_found(options));
    }
    let bytes = match format {
        Format::Table => sheet(&table, timezone).render(width(output)).into_bytes(),
        Format::Csv => report::csv(&table, CsvFlavor::Plain),
        Format::CsvExcel => report::csv(&table, CsvFlavor::Excel),
        Format::Json => report::json(&table).into_bytes(),
        Format::Jsonl => report::json_lines(&table).into_bytes(),
    };
    store.close().await;
    match &output.output {
        Some(path) => write_whole(path, &bytes)?,
        None => write_to(out, &bytes)?,
    }
    Ok(ExitCode::Success)
}

/// The attendance of the latest instance that has people in it, for eyes; empty where there is none.
pub async fn attendance_of_latest(store: &Store, timezone: Tz, width: u16) -> Result<String, StoreError> {
    let Some(instance) = store.latest_instance().await? else { return Ok(String::new()) };
    let filter = ReportFilter { instance: Some(instance), ..ReportFilter::default() };
    let table = store.attendance(Holding::Instance, &filter).await?;
    Ok(report::attendance(&table, timezone).render(width))
}

/// The width of the terminal that stdout is, else one that suits a file.
#[must_use]
pub fn terminal_width() -> u16 {
    comfy_table::Table::new().width().unwrap_or(WIDTH_ELSEWHERE)
}

type SheetOf = fn(&Table, Tz) -> Sheet;

async fn attendance(store: &Store, options: &AttendanceOptions, timezone: Tz) -> Result<Table, StoreError> {
    let mut filter = ReportFilter {
        group: options.group.clone(),
        min_percent: options.min_percent,
        ..filter(&options.instances, timezone)
    };
    if let Some(person) = &options.person {
        filter.people = Some(store.people_named(person).await?);
    }
    if filter == ReportFilter::default() {
        filter.instance = store.latest_instance().await?;
    }
    let holding = match options.by {
        By::Instance => Holding::Instance,
        By::Sitting => Holding::Sitting,
    };
    store.attendance(holding, &filter).await
}

async fn meetings(store: &Store, options: &MeetingsOptions, timezone: Tz) -> Result<Table, StoreError> {
    store.meetings_held(&filter(&options.instances, timezone)).await
}

fn filter(options: &InstanceFilter, timezone: Tz) -> ReportFilter {
    ReportFilter {
        meetings: options.meetings.clone(),
        instance: options.instance.clone(),
        from: options.from.map(|date| date.begin(timezone)),
        to: options.to.map(|date| date.end(timezone)),
        ..ReportFilter::default()
    }
}

/// What is asked for, else what the ending of the file says, else a table.
fn format_of(output: &OutputOptions) -> Format {
    let ending = output.output.as_deref().and_then(Path::extension).map(std::ffi::OsStr::to_ascii_lowercase);
    output.format.unwrap_or_else(|| match ending.as_deref().and_then(std::ffi::OsStr::to_str) {
        Some("csv") => Format::Csv,
        Some("json") => Format::Json,
        Some("jsonl" | "ndjson") => Format::Jsonl,
        _ => Format::Table,
    })
}

fn width(output: &OutputOptions) -> u16 {
    if output.output.is_some() { WIDTH_ELSEWHERE } else { terminal_width() }
}

fn nothing_found(options: &Report) -> String {
    let is_filtered = match options {
        Report::Attendance(options) => {
            let rest = (&options.person, &options.group, options.min_percent);
            is_filtered(&options.instances) || rest != (&None, &None, None)
        }
        Report::Meetings(options) => is_filtered(&options.instances),
    };
    if is_filtered {
        "Nothing in the database matches. `rollcall report meetings` shows what is there; \
         `rollcall backfill` or `rollcall collect` reads more."
            .to_owned()
    } else {
        "The database holds no attendance yet. `rollcall collect` reads it from Zoom; `rollcall status` shows what \
         is still to be read."
            .to_owned()
    }
}

fn is_filtered(options: &InstanceFilter) -> bool {
    !options.meetings.is_empty()
        || options.instance.is_some()
        || options.from.is_some()
        || options.to.is_some()
}

/// Writes the file whole or not at all: beside its place first, then into it.
fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&directory)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Writes to stdout; a reader that has seen enough, such as `head`, is no error.
pub(super) fn write_to(out: &mut dyn Write, bytes: &[u8]) -> anyhow::Result<()> {
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("cannot write to stdout"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sample;

    #[tokio::test]
    async fn the_latest_instance_is_shown() {
        let directory = tempfile::TempDir::new().unwrap();
        let store = sample::database(&directory.path().join("rollcall.db")).await;
        let shown = attendance_of_latest(&store, Tz::Europe__Berlin, 100).await.unwrap();
        println!("{shown}");
        let filter = ReportFilter { instance: Some(sample::FIRST.parse().unwrap()), ..Default::default() };
        let table = store.attendance(Holding::Instance, &filter).await.unwrap();
        for width in [120, 100, 80, 60] {
            println!("{}", report::attendance(&table, Tz::Europe__Berlin).render(width));
        }
        for holding in [Holding::Instance, Holding::Sitting] {
            let table = store.attendance(holding, &ReportFilter::default()).await.unwrap();
            println!("{}", report::attendance(&table, Tz::Europe__Berlin).render(100));
        }
        let table = store.meetings_held(&ReportFilter::default()).await.unwrap();
        println!("{}", report::meetings(&table, Tz::Europe__Berlin).render(100));
        println!("{}", String::from_utf8(report::csv(&table, CsvFlavor::Plain)).unwrap());
    }
}
