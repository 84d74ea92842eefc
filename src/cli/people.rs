//! The command line of `rollcall people`.

use clap::{Args, Subcommand, ValueEnum};

use crate::model::MeetingId;

/// What to do with people.
#[derive(Clone, Debug, Subcommand)]
pub enum People {
    /// One line per person: every name and identifier seen, and who a guest may be
    ///
    /// A guest is someone of whom only a display name is known. One with exactly the name of someone known by more,
    /// in the same meeting, may be that person: it is suggested and never done by itself.
    List(PeopleListOptions),
    /// All that is held on one person, for whoever asks what it is
    ///
    /// Names, identifiers, every session, devices, networks, lines of rosters, instances hosted, decisions made by hand,
    /// what could not be decoded and mentions the person, and where the same name stands for somebody who may be
    /// another. Who is on a roster and never came is found, too.
    #[command(after_help = "Examples:\n  \
        rollcall people show sam.lee@example.com\n  \
        rollcall people show 17 --json > sam-lee.json")]
    Show(ShowOptions),
    /// Decide that two are one person
    ///
    /// Who is meant is told by a number of `people list`, an email, a Zoom user id, registrant:MEETING:ID, or
    /// session:NUMBER (`session_id` of the view `participants`). The decision is kept over every reading; later
    /// guests of a merged guest's name belong to the same person.
    #[command(after_help = "Examples:\n  \
        rollcall people merge 17 sam.lee@example.com\n  \
        rollcall people merge 17 4")]
    Merge(DecisionOptions),
    /// Decide that two are not one person
    ///
    /// Each side is told as for `people merge`. An identifier that both sides carry stays with the side of the
    /// oldest session.
    #[command(after_help = "Examples:\n  \
        rollcall people split ada@example.com bob@example.com\n  \
        rollcall people split 4 session:123")]
    Split(DecisionOptions),
    /// Take back the last decision that is in force
    Undo(UndoOptions),
}

/// Options of `rollcall people list`.
#[derive(Args, Clone, Debug)]
pub struct PeopleListOptions {
    /// Only whom this means: an id, a whole email, or a part of the name
    #[arg(long, value_name = "TEXT")]
    pub person: Option<String>,

    /// Only who was in this meeting; may be given several times
    #[arg(long = "meeting", value_name = "ID")]
    pub meetings: Vec<MeetingId>,

    /// The decisions made by hand instead, with those that were undone
    #[arg(long, conflicts_with_all = ["person", "meetings"])]
    pub decisions: bool,

    /// The form of the list
    #[arg(long, value_enum, value_name = "FORM", default_value_t = ListFormat::Table)]
    pub format: ListFormat,
}

/// Options of `rollcall people show`.
#[derive(Args, Clone, Debug)]
pub struct ShowOptions {
    /// Whom: an id, a whole email, or a part of the name that no other person has; `member:ID` is a line of a roster
    #[arg(value_name = "PERSON")]
    pub person: String,

    /// One JSON object with every field of every row, instead of tables
    #[arg(long)]
    pub json: bool,
}

/// The form of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    /// For eyes
    Table,
    /// Comma-separated, UTF-8; texts that a spreadsheet would run get an apostrophe in front
    Csv,
    /// One JSON array of objects
    Json,
    /// One JSON object a line
    Jsonl,
}

/// The two sides of a decision.
#[derive(Args, Clone, Debug)]
pub struct DecisionOptions {
    /// One of the two
    #[arg(value_name = "ID")]
    pub left: String,

    /// The other one
    #[arg(value_name = "ID")]
    pub right: String,

    /// Wait for the run that holds the database, instead of giving up with exit status 75
    #[arg(long)]
    pub wait: bool,
}

/// Options of `rollcall people undo`.
#[derive(Args, Clone, Debug)]
pub struct UndoOptions {
    /// Wait for the run that holds the database, instead of giving up with exit status 75
    #[arg(long)]
    pub wait: bool,
}
