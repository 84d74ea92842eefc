//! The commands that read from Zoom.

use clap::Args;

use super::DateArgument;
use crate::model::{InstanceUuid, MeetingId};

/// Options of `rollcall collect`.
#[derive(Args, Clone, Debug)]
pub struct CollectOptions {
    /// Only this meeting; may be given several times
    ///
    /// As Zoom shows it: "857 4606 5432", 857-4606-5432 or 85746065432. It need not be in the config.
    #[arg(long = "meeting", value_name = "ID")]
    pub meetings: Vec<MeetingId>,

    /// Wait for another run to end, instead of giving up with status 75
    #[arg(long)]
    pub wait: bool,
}

/// `rollcall backfill`.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own on the command line")]
#[derive(Args, Clone, Debug)]
pub struct BackfillOptions {
    /// The first day, or the first instant
    #[arg(long, value_name = "DATE")]
    pub from: DateArgument,

    /// The last day, which is included, or the instant before which it ends [default: now]
    #[arg(long, value_name = "DATE")]
    pub to: Option<DateArgument>,

    /// Only this meeting, or this one instance whenever it began; may be given several times [default: the listed
    /// meetings]
    #[arg(
        long = "meeting",
        value_name = "ID|UUID",
        allow_hyphen_values = true,
        conflicts_with = "all_meetings"
    )]
    pub meetings: Vec<MeetingOrInstance>,

    /// Every meeting of the account, whether it is listed or not (Zoom lists six months)
    #[arg(long)]
    pub all_meetings: bool,

    /// Read settled instances again, too
    #[arg(long)]
    pub force: bool,

    /// Say what would be read, and what it would cost, and read nothing
    #[arg(long)]
    pub dry_run: bool,

    /// Wait for the run that holds the database, instead of giving up with exit status 75
    #[arg(long)]
    pub wait: bool,
}

/// A meeting by its number, or one instance by its UUID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MeetingOrInstance {
    /// All of its instances.
    Meeting(MeetingId),
    /// This one.
    Instance(InstanceUuid),
}

impl std::str::FromStr for MeetingOrInstance {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(meeting) = text.parse() {
            return Ok(Self::Meeting(meeting));
        }
        text.parse().map(Self::Instance).map_err(|_| {
            "a meeting ID such as 857 4606 5432 is wanted, or an instance UUID such as /ajXp112QmuoKj4854875==".to_owned()
        })
    }
}
