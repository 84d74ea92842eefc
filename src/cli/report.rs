//! `rollcall report`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::DateArgument;
use crate::model::{InstanceUuid, MeetingId};

/// The reports.
#[derive(Clone, Debug, Subcommand)]
pub enum Report {
    /// One line per person and instance: how long, how late, present or not
    ///
    /// Without a filter: the latest instance. Days are those of the config's `report.timezone`.
    #[command(after_help = "Examples:\n  \
        rollcall report attendance\n  \
        rollcall report attendance --meeting \"857 4606 5432\" --from 2026-03-01 --to 2026-03-31\n  \
        rollcall report attendance --person ada@example.com --format csv --output ada.csv")]
    Attendance(AttendanceOptions),
    /// One line per instance: when it was held, how many came
    Meetings(MeetingsOptions),
    /// One line per sitting and member of its roster who was not there
    Absences(AbsencesOptions),
    /// One person over all meetings: the attendance of those that the text means
    Person(PersonOptions),
}

impl Report {
    /// Which instances it is about.
    pub const fn instances(&self) -> &InstanceFilter {
        match self {
            Self::Attendance(options) => &options.instances,
            Self::Meetings(options) => &options.instances,
            Self::Absences(options) => &options.instances,
            Self::Person(options) => &options.instances,
        }
    }

    /// Where it goes, and in which form.
    pub const fn output(&self) -> &OutputOptions {
        match self {
            Self::Attendance(options) => &options.output,
            Self::Meetings(options) => &options.output,
            Self::Absences(options) => &options.output,
            Self::Person(options) => &options.output,
        }
    }
}

/// Options of `rollcall report attendance`.
#[derive(Args, Clone, Debug)]
pub struct AttendanceOptions {
    /// Which instances.
    #[command(flatten)]
    pub instances: InstanceFilter,

    /// Only this person: an id, a whole email, or a part of the name
    #[arg(long, value_name = "TEXT")]
    pub person: Option<String>,

    /// Only members of this group of the roster
    #[arg(long, value_name = "NAME")]
    pub group: Option<String>,

    /// Only those who were there at least this much of the time, 0 to 100
    #[arg(long, value_name = "N", value_parser = parse_percent)]
    pub min_percent: Option<f64>,

    /// What one line stands for
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = By::Instance)]
    pub by: By,

    /// Where the report goes.
    #[command(flatten)]
    pub output: OutputOptions,
}

/// Options of `rollcall report meetings`.
#[derive(Args, Clone, Debug)]
pub struct MeetingsOptions {
    /// Which instances.
    #[command(flatten)]
    pub instances: InstanceFilter,

    /// Where the report goes.
    #[command(flatten)]
    pub output: OutputOptions,
}

/// Options of `rollcall report absences`.
#[derive(Args, Clone, Debug)]
pub struct AbsencesOptions {
    /// Which instances; of one that is a part of a sitting, the whole sitting.
    #[command(flatten)]
    pub instances: InstanceFilter,

    /// Only members of this group of the roster
    #[arg(long, value_name = "NAME")]
    pub group: Option<String>,

    /// Where the report goes.
    #[command(flatten)]
    pub output: OutputOptions,
}

/// Options of `rollcall report person`.
#[derive(Args, Clone, Debug)]
pub struct PersonOptions {
    /// Whom: an id, a whole email, or a part of the name
    #[arg(long, value_name = "TEXT")]
    pub person: String,

    /// Which instances.
    #[command(flatten)]
    pub instances: InstanceFilter,

    /// What one line stands for
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = By::Instance)]
    pub by: By,

    /// Where the report goes.
    #[command(flatten)]
    pub output: OutputOptions,
}

/// Which instances a report is about.
#[derive(Args, Clone, Debug, Default)]
pub struct InstanceFilter {
    /// Only this meeting; may be given several times
    ///
    /// As Zoom shows it: "857 4606 5432", 857-4606-5432 or 85746065432.
    #[arg(long = "meeting", value_name = "ID")]
    pub meetings: Vec<MeetingId>,

    /// Only the instance with this UUID
    #[arg(long, value_name = "UUID", allow_hyphen_values = true)]
    pub instance: Option<InstanceUuid>,

    /// Only what started on this day or later: YYYY-MM-DD, or an instant such as 2026-03-02T09:00:00Z
    #[arg(long, value_name = "DATE")]
    pub from: Option<DateArgument>,

    /// Only what started on this day or earlier; an instant is excluded itself
    #[arg(long, value_name = "DATE")]
    pub to: Option<DateArgument>,
}

/// Where a report goes, and in which form.
#[derive(Args, Clone, Debug)]
pub struct OutputOptions {
    /// The form of the report; without it the ending of --output decides, else it is a table
    ///
    /// A table shows the columns that people ask for; the other forms hold every column of the view, under its SQL
    /// name. Numbers stay numbers, flags are 0 and 1, instants are UTC.
    #[arg(long, value_enum, value_name = "FORM")]
    pub format: Option<Format>,

    /// Write to this file instead of stdout; it appears whole or not at all
    ///
    /// Without --format the ending says the form: .csv, .json, .jsonl, .html; anything else is a table.
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// What one line of a report stands for, beside the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// One holding of a meeting
    Instance,
    /// Instances so close together that people call them one
    Sitting,
}

/// The form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For eyes
    Table,
    /// Comma-separated, UTF-8 (RFC 4180); texts that a spreadsheet would run get an apostrophe in front
    Csv,
    /// The same with a byte-order mark, as Excel wants it
    CsvExcel,
    /// One JSON array of objects
    Json,
    /// One JSON object a line
    Jsonl,
    /// One page to send or print, that loads nothing from outside
    Html,
}

fn parse_percent(text: &str) -> Result<f64, String> {
    text.trim_end_matches('%')
        .parse()
        .ok()
        .filter(|percent| (0.0..=100.0).contains(percent))
        .ok_or_else(|| "a number from 0 to 100 is wanted".to_owned())
}
