//! A listing as it is handed over, and what became of it.

use crate::decode::{Reject, Row};
use crate::model::{FetchOutcome, InstanceId, RunId, Source, Timestamp};
use crate::plan::{Progress, Richer};
use crate::store::instances::InstanceDetails;

/// All pages of one reading of one instance.
#[derive(Debug)]
pub struct Listing<'a> {
    pub source: Source,
    /// Whether the last page was reached.
    pub ended: bool,
    /// `total_records`, where it was given.
    pub rows_reported: Option<i64>,
    pub pages: u32,
    pub rows: Vec<Row<'a>>,
    /// What is no row.
    pub rejects: Vec<Reject>,
}

/// What the log keeps of a fetch beside its counts.
#[derive(Clone, Debug)]
pub struct FetchRecord {
    pub run_id: RunId,
    pub instance_id: InstanceId,
    pub started_at: Timestamp,
    /// When its last answer came.
    pub finished_at: Timestamp,
    /// Requests sent for it, retries included.
    pub requests: u32,
    /// Where it was read from, or where it was tried last.
    pub source: Option<Source>,
    /// The Dashboard knows it as a meeting of one person.
    pub is_past_one: bool,
    /// Its UUID is found by the other encoding.
    pub alternate_encoding: bool,
    /// What richer sources did than the one that it was read from.
    pub richer: Richer,
    /// A richer source was closed, and this is due again once it serves.
    pub awaits_source: Option<Source>,
    /// Zoom's name for the last call, for its support.
    pub tracking_id: Option<String>,
    /// Zoom's error code, where it gave one.
    pub error_code: Option<i64>,
    /// What went wrong, in words.
    pub error: Option<String>,
    /// What was learnt about the instance itself.
    pub description: Option<InstanceDetails>,
}

/// What became of the rows of a listing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowCounts {
    /// Rows and rejects that came.
    pub received: u64,
    /// Rows of sessions not known before.
    pub inserted: u64,
    /// Rows that changed what was known.
    pub updated: u64,
    /// Rows that told nothing new.
    pub unchanged: u64,
    /// Stored rows that the listing no longer holds.
    pub withdrawn: u64,
    /// Elements that are no rows.
    pub rejected: u64,
    /// Rows that another one of the listing equals.
    pub duplicate: u64,
}

impl RowCounts {
    /// Adds those of another listing.
    pub fn add(&mut self, other: &Self) {
        self.received += other.received;
        self.inserted += other.inserted;
        self.updated += other.updated;
        self.unchanged += other.unchanged;
        self.withdrawn += other.withdrawn;
        self.rejected += other.rejected;
        self.duplicate += other.duplicate;
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub counts: RowCounts,
    /// How the fetch is logged.
    pub outcome: FetchOutcome,
    /// Where the instance stands now.
    pub progress: Progress,
}
