//! What becomes of an instance after it could not be read.

use super::patience::{begun, grown, is_worn_out, without_downtime};
use super::progress::Progress;
use crate::model::{DAY, FailureKind, HOUR, InstanceState, MINUTE, Timestamp, WEEK};

/// Why nothing could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Zoom has no data for it, or not yet.
    NotFound,
    /// Zoom refuses this instance for a reason of its own.
    Refused(String),
    /// Every source refuses it: scopes, plan, or the licence of its host.
    Denied(String),
    /// Only a poorer source answers than the one that its sessions come from.
    LowerPrioritySource {
        /// The richer source reaches back no further than this, so there is nothing to wait for.
        out_of_reach: bool,
    },
    /// Zoom or the way to it is out of order; the next run tries again.
    Transient,
}

impl Failure {
    /// What is counted, and has a patience of its own; none where nothing is held against the instance.
    fn kind(&self) -> Option<FailureKind> {
        match self {
            Self::NotFound => Some(FailureKind::NotFound),
            Self::Refused(_) => Some(FailureKind::Refused),
            Self::Denied(_) => Some(FailureKind::Denied),
            Self::LowerPrioritySource { .. } => Some(FailureKind::LowerPrioritySource),
            Self::Transient => None,
        }
    }
}

/// Where an instance stands after a try that read nothing.
///
/// One that is settled or given up was asked for by a person, and stays what it was.
pub fn after_failure(before: &Progress, failure: &Failure, now: Timestamp) -> Progress {
    let before = &without_downtime(before, now);
    let is_done = matches!(before.state, InstanceState::Settled | InstanceState::Unavailable);
    let Some(kind) = failure.kind().filter(|_| !is_done) else { return before.clone() };
    let mut after = before.clone();
    if before.failing != Some(kind) {
        (after.failing, after.failures, after.failing_since) = (Some(kind), 0, None);
    }
    after.failures += 1;
    let since = begun(&mut after.failing_since, now);
    let is_worn_out = is_worn_out(since, now);
    match failure {
        Failure::NotFound if is_worn_out && before.complete => {
            after.settled(Some("Zoom has had no data of it for a week; what was stored before stays"))
        }
        Failure::NotFound if is_worn_out => Progress {
            state: InstanceState::Unavailable,
            due_at: None,
            reason: Some("Zoom has had no data of it for a week".to_owned()),
            ..after
        },
        Failure::LowerPrioritySource { out_of_reach } if *out_of_reach || is_worn_out => after.settled(Some(
            "only a lower-priority source answered; the rows stored from the higher-priority source were kept",
        )),
        Failure::NotFound | Failure::LowerPrioritySource { .. } | Failure::Transient => {
            let delay = grown(15 * MINUTE, 2, after.failures).min(DAY);
            Progress { due_at: Some(now.plus(delay)), ..after }
        }
        // What was read completely stays what it is.
        Failure::Refused(reason) | Failure::Denied(reason) if before.complete && is_worn_out => {
            after.settled(Some(&format!("its re-reads were refused for a week: {reason}")))
        }
        Failure::Refused(reason) | Failure::Denied(reason) => {
            if !before.complete {
                after.state = InstanceState::Parked;
                after.reason = Some(reason.clone());
            }
            let delay = grown(HOUR, 6, after.failures).min(WEEK);
            Progress { due_at: Some(now.plus(delay)), ..after }
        }
    }
}
