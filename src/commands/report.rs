//! `rollcall report`: who was there, out of the database, for eyes or for programs.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use chrono_tz::Tz;

use super::UsageError;
use crate::cli::{
    AbsencesOptions, AttendanceOptions, By, Format, InstanceFilter, MeetingsOptions, OutputOptions,
    PersonOptions, Report,
};
use crate::config::Config;
use crate::exit::ExitCode;
use crate::model::Table;
use crate::report::{self, CsvFlavor, Roll, Sheet};
use crate::store::{Holding, ReportFilter, Store, StoreError};

/// The width of a table that is not for a terminal.
const WIDTH_ELSEWHERE: u16 = 120;

/// What to do where a report has no rows.
const NOTHING_YET: &str = "The database holds nothing to report yet. `rollcall collect` reads it from Zoom; \
    `rollcall status` shows what is still to be read.";
const NOTHING_MATCHES: &str = "Nothing in the database matches. `rollcall report meetings` shows what is there; \
    `rollcall collect` reads what is new.";
const NOBODY_ABSENT: &str = "No absences: all members of the rosters came, or no roster covers these meetings; a \
    meeting's `roster` in the config names one.";

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
    let timezone = timezone_of(&store, config).await?;
    check_span(options.instances(), timezone)?;
    let (found, output): (Found, &OutputOptions) = match options {
        Report::Attendance(options) => (attendance(&store, options, timezone).await?, &options.output),
        Report::Meetings(options) => (meetings(&store, options, timezone).await?, &options.output),
        Report::Absences(options) => (absences(&store, options, timezone).await?, &options.output),
        Report::Person(options) => (person(&store, options, timezone).await?, &options.output),
    };
    let Found { table, sheet, page, if_empty } = found;
    let format = format_of(output);
    if table.rows.is_empty() {
        say!("{if_empty}");
    }
    let bytes = match format {
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
                report::attendance_page(&roll(&store, table, holding, &filter).await?, timezone)
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

/// The zone of the config; where there is no file that could name one, that of the runs that filled the database.
pub(super) async fn timezone_of(store: &Store, config: &Config) -> Result<Tz, StoreError> {
    if config.file.is_some() || config.report_timezone != Tz::UTC {
        return Ok(config.report_timezone);
    }
    Ok(store.stored_timezone().await?.unwrap_or(config.report_timezone))
}

/// A span that ends before it begins holds nothing, and was hardly meant.
fn check_span(options: &InstanceFilter, timezone: Tz) -> Result<(), UsageError> {
    let (Some(from), Some(to)) = (options.from, options.to) else { return Ok(()) };
    let (from, to) = (from.begin(timezone), to.end(timezone));
    if from < to {
        return Ok(());
    }
    Err(UsageError(format!("the span from {from} to {to} is empty; `--from` must be before `--to`")))
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

/// What a report found, and how people read it.
struct Found {
    table: Table,
    sheet: fn(&Table, Tz) -> Sheet,
    page: Page,
    if_empty: &'static str,
}

/// How it becomes a page.
enum Page {
    /// By itself.
    Of(fn(&Table, Tz) -> String),
    /// With the stays and the absences that belong to these lines.
    OfAttendance(Holding, ReportFilter),
}

async fn attendance(store: &Store, options: &AttendanceOptions, timezone: Tz) -> Result<Found, StoreError> {
    let mut filter = ReportFilter {
        group: options.group.clone(),
        min_percent: options.min_percent,
        ..filter(&options.instances, timezone)
    };
    if let Some(person) = &options.person {
        filter.people = Some(store.people_named(person).await?);
    }
    let if_empty = if_empty(&filter);
    if filter == ReportFilter::default() {
        filter.instance = store.latest_instance().await?;
    }
    let holding = holding(options.by);
    let table = store.attendance(holding, &filter).await?;
    Ok(Found { table, sheet: report::attendance, page: Page::OfAttendance(holding, filter), if_empty })
}

/// What a page shows beside the lines of attendance.
async fn roll(
    store: &Store,
    attendance: Table,
    holding: Holding,
    filter: &ReportFilter,
) -> Result<Roll, StoreError> {
    let ids: BTreeSet<String> = attendance
        .lines()
        .filter_map(|line| line.text("instance_uuid").or_else(|| line.text("sitting_id")))
        .map(str::to_owned)
        .collect();
    let one = ids.first().filter(|_| ids.len() == 1);
    // Peaks and the like are of everybody; beside a few people's lines they would mislead.
    let is_of_all = filter.people.is_none() && filter.group.is_none() && filter.min_percent.is_none();
    let held = match one {
        _ if !is_of_all => Table::default(),
        Some(id) if holding == Holding::Sitting => store.sitting(id).await?,
        _ => store.meetings_held(filter).await?,
    };
    let stays = match one {
        Some(id) => store.stays(holding, id).await?,
        None => Table::default(),
    };
    // Who was absent is no one of the people asked for.
    let absences = if filter.people.is_none() && filter.min_percent.is_none() {
        store.absences(filter).await?
    } else {
        Table::default()
    };
    Ok(Roll { attendance, stays, held, absences })
}

async fn person(store: &Store, options: &PersonOptions, timezone: Tz) -> Result<Found, StoreError> {
    let people = Some(store.people_named(&options.person).await?);
    let filter = ReportFilter { people, ..filter(&options.instances, timezone) };
    let table = store.attendance(holding(options.by), &filter).await?;
    Ok(Found {
        table,
        sheet: report::attendance,
        page: Page::Of(report::person_page),
        if_empty: NOTHING_MATCHES,
    })
}

async fn meetings(store: &Store, options: &MeetingsOptions, timezone: Tz) -> Result<Found, StoreError> {
    let filter = filter(&options.instances, timezone);
    let table = store.meetings_held(&filter).await?;
    Ok(Found {
        table,
        sheet: report::meetings,
        page: Page::Of(report::meetings_page),
        if_empty: if_empty(&filter),
    })
}

async fn absences(store: &Store, options: &AbsencesOptions, timezone: Tz) -> Result<Found, StoreError> {
    let filter = ReportFilter { group: options.group.clone(), ..filter(&options.instances, timezone) };
    let table = store.absences(&filter).await?;
    Ok(Found {
        table,
        sheet: report::absences,
        page: Page::Of(report::absences_page),
        if_empty: NOBODY_ABSENT,
    })
}

fn if_empty(filter: &ReportFilter) -> &'static str {
    if *filter == ReportFilter::default() { NOTHING_YET } else { NOTHING_MATCHES }
}

fn holding(by: By) -> Holding {
    match by {
        By::Instance => Holding::Instance,
        By::Sitting => Holding::Sitting,
    }
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

/// Writes to stdout; a reader that has seen enough, such as `head`, is no error.
pub(super) fn write_to(out: &mut dyn Write, bytes: &[u8]) -> anyhow::Result<()> {
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("cannot write to stdout"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};
    use crate::commands::bench::Bench;
    use crate::store::sample;

    impl Bench {
        async fn report(&self, arguments: &[&str]) -> anyhow::Result<String> {
            let cli = Cli::parse_from(["rollcall", "report"].iter().chain(arguments));
            let Command::Report(report) = cli.command else { unreachable!("asked for a report") };
            let mut out = Vec::new();
            write_report(&report, &self.config, 120, &mut out).await?;
            Ok(String::from_utf8(out)?)
        }
    }

    #[tokio::test]
    async fn without_a_filter_the_latest_instance_is_shown() {
        let bench = Bench::new().await;
        let shown = bench.report(&["attendance"]).await.unwrap();
        insta::assert_snapshot!(shown, @r"
CS101: Logic (857 4606 5432)
Monday 9 March 2026, 09:42 to 10:30 (48 min), Europe/Berlin

Name          Email              Joined  Left   Present    Share  Late  Notes
──────────────────────────────────────────────────────────────────────────────
Ada Lovelace  ada@example.com    09:42   10:30   48 min  100.0 %        host
Émile Borel   emile@example.org  09:42   10:30   48 min  100.0 %

2 people: 2 present, 0 late. Together 1 h 36 min.
");
        let store = Store::open_to_read(&bench.config.database.path).await.unwrap();
        assert_eq!(attendance_of_latest(&store, Tz::Europe__Berlin, 120).await.unwrap(), shown);
    }

    #[tokio::test]
    async fn one_instance_with_all_that_may_be_said_of_a_line() {
        let shown = Bench::new().await.report(&["attendance", "--instance", sample::FIRST]).await.unwrap();
        insta::assert_snapshot!(shown, @r"
CS101: Logic (857 4606 5432)
Monday 2 March 2026, 09:00 to 10:30 (1 h 30 min), Europe/Berlin

Name                  Email              Joined  Left      Present    Share    Late  Notes
──────────────────────────────────────────────────────────────────────────────────────────────────────────
=cmd() <script>�[31m                     09:00   10:29  1 h 28 min   98.3 %          3 heads, by name
Ada Lovelace          ada@example.com    09:00   10:30  1 h 30 min  100.0 %          host
Eve                                                          0 min    0.0 %          only waited, by name
Émile Borel (phone)   emile@example.org  09:15   10:30  1 h 15 min   83.3 %  15 min
王小明 👩‍💻             wang@example.com   09:00   09:30      29 min   32.8 %          absent

4 people: 3 present, 1 late, 2 matched by name only. Together 4 h 43 min.
");
    }

    #[tokio::test]
    async fn many_sittings_are_told_apart() {
        let shown =
            Bench::new().await.report(&["attendance", "--meeting", "857 4606 5432", "--by", "sitting"]).await;
        insta::assert_snapshot!(shown.unwrap(), @r"
CS101: Logic (857 4606 5432)
Times are those of Europe/Berlin.

Date        Start  Name                  Joined  Left      Present    Share    Late  Notes
──────────────────────────────────────────────────────────────────────────────────────────────────────────
2026-03-02  09:00  =cmd() <script>�[31m  09:00   10:29  1 h 28 min   98.3 %          3 heads, by name
                   Ada Lovelace          09:00   10:30  1 h 30 min  100.0 %          host
                   Eve                                       0 min    0.0 %          only waited, by name
                   Émile Borel (phone)   09:15   10:30  1 h 15 min   83.3 %  15 min
                   王小明 👩‍💻             09:00   09:30      29 min   32.8 %          absent
2026-03-09  09:00  Ada Lovelace          09:00   10:30  1 h 28 min  100.0 %          host
                   Émile Borel           09:05   10:30  1 h 23 min   94.3 %

4 people in 2 sittings: present 5 times, late 1 time, 2 matched by name only. Together 7 h 34 min.
");
    }

    #[tokio::test]
    async fn meetings_say_what_is_not_read() {
        let shown = Bench::new().await.report(&["meetings"]).await.unwrap();
        insta::assert_snapshot!(shown, @r"
Times are those of Europe/Berlin.

Date        Start  End    Meeting          Length  People  Peak  Joins  Person time  Notes
──────────────────────────────────────────────────────────────────────────────────────────────────
2026-03-02  09:00  10:30  CS101        1 h 30 min       4     4      4   4 h 43 min
2026-03-09  09:00  09:40  CS101            40 min       2     2      2   1 h 15 min
2026-03-09  09:42  10:30  CS101            48 min       2     2      2   1 h 36 min
2026-03-09  16:00  17:00  Office hour  1 h 00 min                                    not read yet

4 instances, 1 not read. Person time 7 h 34 min.
");
    }

    #[tokio::test]
    async fn one_person_over_all_meetings() {
        let shown = Bench::new().await.report(&["person", "--person", "BOREL"]).await.unwrap();
        insta::assert_snapshot!(shown, @r"
CS101: Logic (857 4606 5432)
Times are those of Europe/Berlin.

Date        Start  Name                 Email              Joined  Left      Present    Share    Late  Notes
─────────────────────────────────────────────────────────────────────────────────────────────────────────────
2026-03-02  09:00  Émile Borel (phone)  emile@example.org  09:15   10:30  1 h 15 min   83.3 %  15 min
2026-03-09  09:00  Émile Borel          emile@example.org  09:05   09:40      35 min   87.5 %
2026-03-09  09:42  Émile Borel          emile@example.org  09:42   10:30      48 min  100.0 %

1 person in 3 instances: present 3 times, late 1 time. Together 2 h 38 min.
");
    }

    #[tokio::test]
    async fn programs_get_every_column_of_the_view() {
        let bench = Bench::new().await;
        let csv = bench.report(&["attendance", "--person", "cmd", "--format", "csv"]).await.unwrap();
        insta::assert_snapshot!(csv, @r"
meeting_id,topic,label,instance_uuid,start_time,end_time,local_date,local_start,person_id,name,email,matched_by,role,first_join,last_leave,joins,seconds_present,percent_present,present,seconds_waiting,seconds_late,late,seconds_early,still_in,heads,measured_against,on_roster,roster_group
85746065432,Logic,CS101,LogicFirst/Monday1w==,2026-03-02T08:00:00.000Z,2026-03-02T09:30:00.000Z,2026-03-02,09:00,4,'=cmd() <script>�[31m,,name,attendee,2026-03-02T08:00:30.000Z,2026-03-02T09:29:00.000Z,1,5310,98.3,1,0,30,0,60,0,3,actual,,
");
        let lines = bench.report(&["attendance", "--person", "cmd", "--format", "jsonl"]).await.unwrap();
        insta::assert_snapshot!(lines, @r#"
{"meeting_id":85746065432,"topic":"Logic","label":"CS101","instance_uuid":"LogicFirst/Monday1w==","start_time":"2026-03-02T08:00:00.000Z","end_time":"2026-03-02T09:30:00.000Z","local_date":"2026-03-02","local_start":"09:00","person_id":4,"name":"=cmd() <script>�[31m","email":null,"matched_by":"name","role":"attendee","first_join":"2026-03-02T08:00:30.000Z","last_leave":"2026-03-02T09:29:00.000Z","joins":1,"seconds_present":5310,"percent_present":98.3,"present":1,"seconds_waiting":0,"seconds_late":30,"late":0,"seconds_early":60,"still_in":0,"heads":3,"measured_against":"actual","on_roster":null,"roster_group":null}
"#);
        let nothing = bench.report(&["absences", "--format", "csv-excel"]).await.unwrap();
        assert_eq!(
            nothing,
            "\u{feff}meeting_id,topic,label,sitting_id,sitting_start,local_date,email,name,roster_group\r\n"
        );
    }

    #[tokio::test]
    async fn the_ending_of_the_file_says_the_form() {
        let bench = Bench::new().await;
        for (file, format, begins) in [
            ("a.csv", None, "meeting_id,"),
            ("a.JSON", None, "["),
            ("a.jsonl", None, "{"),
            ("a.txt", None, "CS101"),
            ("a.html", None, "<!doctype html>"),
            ("b.csv", Some("json"), "["),
        ] {
            let path = bench.directory.path().join(file);
            std::fs::write(&path, "what was there before").unwrap();
            let mut arguments = vec!["attendance", "--output", path.to_str().unwrap()];
            arguments.extend(format.into_iter().flat_map(|format| ["--format", format]));
            assert_eq!(bench.report(&arguments).await.unwrap(), "");
            let written = std::fs::read_to_string(&path).unwrap();
            assert!(written.starts_with(begins), "{file}: {written}");
        }
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_written_is_named() {
        let bench = Bench::new().await;
        let path = bench.directory.path().join("nowhere/a.csv");
        let error = bench.report(&["meetings", "--output", path.to_str().unwrap()]).await.unwrap_err();
        assert!(error.to_string().contains("nowhere/a.csv"), "{error}");
    }

    #[tokio::test]
    async fn days_are_those_of_the_reports_zone() {
        let bench = Bench::new().await;
        let starts = async |from: &str, to: &str| {
            let lines =
                bench.report(&["meetings", "--from", from, "--to", to, "--format", "jsonl"]).await.unwrap();
            lines.lines().count()
        };
        assert_eq!(starts("2026-03-02", "2026-03-02").await, 1);
        assert_eq!(starts("2026-03-03", "2026-03-08").await, 0);
        // 09:00 in Berlin is 08:00 in UTC, and an instant is excluded itself.
        assert_eq!(starts("2026-03-02T08:00:00Z", "2026-03-09T08:00:00Z").await, 1);
        assert_eq!(starts("2026-03-02T08:00:00.001Z", "2026-03-09T09:00:00.001+01:00").await, 1);
    }

    #[test]
    fn a_closed_pipe_is_no_error() {
        struct Closed(ErrorKind);
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(self.0.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        assert!(write_to(&mut Closed(ErrorKind::BrokenPipe), b"x").is_ok());
        assert!(write_to(&mut Closed(ErrorKind::StorageFull), b"x").is_err());
    }
}
