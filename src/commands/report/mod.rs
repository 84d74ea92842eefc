//! `rollcall report`: who was there, out of the database, for eyes or for programs.

mod data;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use chrono_tz::Tz;

use self::data::{Page, ReportData};
use super::support::errors::CommandError;
use super::support::output::{WIDTH_ELSEWHERE, terminal_width, write_to};
use super::support::settings::report_timezone;
use crate::cli::{Format, InstanceFilter, OutputOptions, Report};
use crate::config::Config;
use crate::exit::ExitCode;
use crate::report::{self, CsvFlavor};
use crate::store::Store;

/// Writes the report to `out`, or to the file that `--output` names; one without rows says on stderr what to do.
///
/// Of the config it needs the path of the database and the zone of reports only.
pub async fn run(options: &Report, config: &Config, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    write_report(options, config, terminal_width(), out).await?;
    Ok(ExitCode::Success)
}

async fn write_report(
    options: &Report,
    config: &Config,
    width: u16,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let store = Store::open_to_read(&config.database.path).await?;
    let timezone = report_timezone(&store, config).await?;
    check_span(options.instances(), timezone)?;
    let output = options.output();
    let ReportData { table, sheet, page, if_empty } = ReportData::read(&store, options, timezone).await?;
    if table.rows.is_empty() {
        say!("{if_empty}");
    }
    let bytes = match format_of(output) {
        Format::Table => sheet(&table, timezone)
            .render(if output.output.is_some() { WIDTH_ELSEWHERE } else { width })
            .into_bytes(),
        Format::Csv => report::csv(&table, CsvFlavor::Plain),
        Format::CsvExcel => report::csv(&table, CsvFlavor::Excel),
        Format::Json => report::json(&table).into_bytes(),
        Format::Jsonl => report::json_lines(&table).into_bytes(),
        Format::Html => match page {
            Page::Of(page) => page(&table, timezone),
            Page::OfAttendance(holding, filter) => {
                report::attendance_page(&data::roll(&store, table, holding, &filter).await?, timezone)
            }
        }
        .into_bytes(),
    };
    store.close().await;
    match &output.output {
        Some(path) => write_whole(path, &bytes),
        None => write_to(out, &bytes),
    }
}

/// A span that ends before it begins holds nothing, and was hardly meant.
fn check_span(options: &InstanceFilter, timezone: Tz) -> Result<(), CommandError> {
    let (Some(from), Some(to)) = (options.from, options.to) else { return Ok(()) };
    let (from, to) = (from.begin(timezone), to.end(timezone));
    if from < to {
        return Ok(());
    }
    Err(CommandError::usage(format!("the span from {from} to {to} is empty; `--from` must be before `--to`")))
}

/// What is asked for, else what the ending of the file says, else a table.
fn format_of(output: &OutputOptions) -> Format {
    let ending = output.output.as_deref().and_then(Path::extension).map(std::ffi::OsStr::to_ascii_lowercase);
    output.format.unwrap_or_else(|| match ending.as_deref().and_then(std::ffi::OsStr::to_str) {
        Some("csv") => Format::Csv,
        Some("json") => Format::Json,
        Some("jsonl" | "ndjson") => Format::Jsonl,
        Some("html" | "htm") => Format::Html,
        _ => Format::Table,
    })
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
