//! What a run did, for the person or the program that asked for it.

use crate::clock::Comparison;
use crate::model::{FetchOutcome, InstanceUuid, MeetingId, RunId, RunOutcome, Source, Timestamp};
use crate::store::RowCounts;
use crate::zoom::{Disposition, ZoomError};

/// What happens while a run is on.
#[derive(Clone, Debug)]
pub enum Event {
    /// Something that its reader should know, and that stops nothing.
    Warning(String),
    /// So many instances are to be read.
    Due(usize),
    /// One instance is done with.
    Instance(InstanceReport),
}

/// What became of one instance.
#[derive(Clone, Debug)]
pub struct InstanceReport {
    pub meeting_id: MeetingId,
    pub uuid: InstanceUuid,
    pub start_at: Option<Timestamp>,
    pub result: FetchResult,
}

/// What became of the reading of an instance.
#[derive(Clone, Debug)]
pub enum FetchResult {
    /// Its listing is in the database.
    Stored {
        counts: RowCounts,
        /// Whether the listing was complete and credible.
        outcome: FetchOutcome,
        source: Source,
    },
    /// Zoom has no data of it, or not yet; that is no failure.
    NotFound,
    /// Zoom refuses it for a reason of its own.
    Parked(String),
    /// No source may read it: scopes, plan, or the licence of its host.
    Denied(String),
    /// It could not be read; a later run tries again.
    Failed(String),
    /// No answer came, or none but failures of the server; a later run tries again.
    Unreachable(String),
}

/// Why a run ends before its work is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AbortReason {
    /// The day's quota is used up until then.
    Quota(Timestamp, String),
    /// Zoom refuses the app: credentials, scopes, plan.
    Refused(String),
    /// The quota ledger cannot be updated.
    Ledger(String),
}

impl AbortReason {
    pub fn message(&self) -> &str {
        let (Self::Quota(_, words) | Self::Refused(words) | Self::Ledger(words)) = self;
        words
    }

    /// Why nothing more can be read after this answer; none where something can.
    pub(super) fn after(error: &ZoomError) -> Option<Self> {
        match error.disposition() {
            Disposition::Quota { until } => Some(Self::Quota(until, error.to_string())),
            Disposition::Credentials | Disposition::RenewToken => Some(Self::Refused(error.to_string())),
            Disposition::Ledger => Some(Self::Ledger(error.to_string())),
            _ => None,
        }
    }
}

/// What a run did.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Its number in the log.
    pub run_id: RunId,
    pub started_at: Timestamp,
    pub outcome: RunOutcome,
    /// Meetings whose instances Zoom refuses to list, those that rest for it among them; 404 is no such refusal.
    pub(crate) meetings_refused: u64,
    /// Instances not known before.
    pub instances_found: u64,
    /// Instances that were to be read.
    pub instances_due: u64,
    /// Instances that were read.
    pub instances_fetched: u64,
    /// Instances that Zoom has no data of, or not yet.
    pub instances_not_found: u64,
    /// Instances that could not be read, or were parked.
    pub instances_failed: u64,
    pub counts: RowCounts,
    /// Requests sent, retries included.
    pub requests: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Why it ended before its work was done.
    pub aborted: Option<AbortReason>,
    /// Zoom refused what the app or the account has no right to, at least once.
    pub(crate) denied: bool,
    /// It ended early because another process waits for the database; the rest is still due.
    pub yielded: bool,
    /// Zoom answered at least once with what it was asked for.
    pub answered: bool,
    /// Zoom could not be reached, or did nothing but fail, at least once.
    pub unreachable: bool,
    /// What this machine's clock and Zoom's showed at the last answer; none where none came.
    pub clocks: Option<Comparison>,
    /// What went wrong first, in words.
    pub error: Option<String>,
}

impl Summary {
    pub(super) fn add_report(&mut self, report: &InstanceReport) {
        self.answered |= matches!(report.result, FetchResult::Stored { .. } | FetchResult::NotFound);
        self.denied |= matches!(report.result, FetchResult::Denied(_));
        self.unreachable |= matches!(report.result, FetchResult::Unreachable(_));
        match &report.result {
            FetchResult::Stored { counts, .. } => {
                self.instances_fetched += 1;
                self.counts.add(counts);
            }
            FetchResult::NotFound => self.instances_not_found += 1,
            FetchResult::Parked(reason)
            | FetchResult::Denied(reason)
            | FetchResult::Failed(reason)
            | FetchResult::Unreachable(reason) => {
                self.instances_failed += 1;
                self.error.get_or_insert_with(|| format!("instance {}: {reason}", report.uuid));
            }
        }
    }

    /// Nothing was read though something should have been: instances were due, or no meeting may be asked for any.
    pub(crate) fn read_nothing(&self) -> bool {
        let read = self.instances_fetched + self.instances_not_found;
        read == 0 && (self.instances_failed > 0 || (self.meetings_refused > 0 && !self.answered))
    }

    pub(super) fn outcome(&self, interrupted: bool) -> RunOutcome {
        match &self.aborted {
            _ if interrupted => RunOutcome::Interrupted,
            Some(AbortReason::Quota(..)) => RunOutcome::Quota,
            Some(AbortReason::Refused(_) | AbortReason::Ledger(_)) => RunOutcome::Failed,
            None if self.read_nothing() || (self.unreachable && !self.answered) => RunOutcome::Failed,
            None if self.instances_failed > 0 || self.meetings_refused > 0 || self.error.is_some() => {
                RunOutcome::Partial
            }
            None => RunOutcome::Ok,
        }
    }
}
