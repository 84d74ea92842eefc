//! `rollcall db`: what keeps the database in order.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

/// What to do with the database.
#[derive(Clone, Debug, Subcommand)]
pub enum Db {
    /// Copy the database to a new file, while it may be in use
    ///
    /// The copy is the database as it is at one instant. It has been read again and found sound, its owner only can
    /// read it, and a file that is there is never overwritten. To restore, stop rollcall, put the copy in the
    /// place of the database, and remove the files beside it that end in -wal and -shm.
    #[command(after_help = "Example:\n  rollcall db backup \"/var/backups/rollcall-$(date +%F).db\"")]
    Backup(BackupOptions),
    /// Take old instances out of the database
    ///
    /// What is pruned is not collected again: each instance leaves its UUID and start behind. The file keeps its
    /// size, and what it holds next takes the room.
    #[command(after_help = "Examples:\n  rollcall db prune --keep 730d --dry-run\n  rollcall db prune")]
    Prune(PruneOptions),
    /// Make a person unrecognizable, for good
    ///
    /// Removes the person's names, emails, identifiers, addresses, machine facts, leave reasons and whatever else
    /// Zoom told, and the lines of rosters, and keeps when someone was there. Later readings do not bring the person
    /// back. Where the same name, email or identifier stands for somebody who may be another, it is kept, and the answer
    /// says how many and where. What a full disk interrupts, the same command finishes later. Backups and replicas are
    /// not reached: remove or prune them yourself.
    Forget(ForgetOptions),
    /// Take the fields of `privacy.drop` out of what is stored already
    ///
    /// With them goes what they hold in other texts of the same instance, such as a name in a leave reason. The file is
    /// written anew. What is interrupted, the same command finishes later.
    ApplyPrivacy(ApplyPrivacyOptions),
}

/// Options of `rollcall db backup`.
#[derive(Args, Clone, Debug)]
pub struct BackupOptions {
    /// The file to write; one that is there is never overwritten
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Options of `rollcall db prune`.
#[derive(Args, Clone, Debug)]
pub struct PruneOptions {
    /// How long instances are kept, from their start, such as 730d [default: the config's `retention.keep`]
    #[arg(long, value_name = "AGE", value_parser = parse_age)]
    pub keep: Option<Duration>,

    /// Say what would go, and change nothing
    #[arg(long)]
    pub dry_run: bool,

    /// Wait for the run that holds the database, instead of giving up with status 75
    #[arg(long)]
    pub wait: bool,
}

/// Options of `rollcall db forget`.
#[derive(Args, Clone, Debug)]
pub struct ForgetOptions {
    /// Whom: an id, a whole email, or a part of the name that no other person has; `member:ID` is a line of a roster
    #[arg(value_name = "PERSON")]
    pub person: String,

    /// Do not ask; needed where there is no terminal to ask on
    #[arg(long)]
    pub yes: bool,

    /// Wait for the run that holds the database, instead of giving up with status 75
    #[arg(long)]
    pub wait: bool,
}

/// Options of `rollcall db apply-privacy`.
#[derive(Args, Clone, Debug)]
pub struct ApplyPrivacyOptions {
    /// Wait for the run that holds the database, instead of giving up with status 75
    #[arg(long)]
    pub wait: bool,
}

fn parse_age(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|_| "a length of time is wanted, such as 730d or 2years".to_owned())
}
