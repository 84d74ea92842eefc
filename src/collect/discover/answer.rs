//! What Zoom's answers about instances mean: pure.

use crate::model::MeetingId;
use crate::store::{DiscoveredInstance, InstanceDetails};
use crate::zoom::{Disposition, MeetingDetails, SourceRefusal, ZoomError};

/// Why a question about instances is not answered, where others may be.
pub(super) enum Unanswered {
    /// It is not there: it never was, nothing of it has ended yet, or its ID expired.
    NotFound(ZoomError),
    /// The app or the plan has no right to ask this way.
    NotAllowed(ZoomError),
    /// It is refused for a reason of its own.
    Refused(ZoomError),
    /// It may be answered another time.
    Transient(ZoomError),
}

impl Unanswered {
    pub(super) fn into_error(self) -> ZoomError {
        let (Self::NotFound(error) | Self::NotAllowed(error) | Self::Refused(error) | Self::Transient(error)) =
            self;
        error
    }
}

pub(super) fn unanswered(error: ZoomError) -> Unanswered {
    match error.disposition() {
        Disposition::TryNextSource(SourceRefusal::MissingScopes(_) | SourceRefusal::Plan(_)) => {
            Unanswered::NotAllowed(error)
        }
        Disposition::NotFound | Disposition::RetryAsPastOne => Unanswered::NotFound(error),
        Disposition::Parked(_) => Unanswered::Refused(error),
        Disposition::Retry
        | Disposition::Throttled(_)
        | Disposition::RestartListing
        | Disposition::StopListing
        | Disposition::Unreachable
        // These end the run before anybody asks what they mean for one question.
        | Disposition::Credentials
        | Disposition::RenewToken
        | Disposition::Quota { .. }
        | Disposition::Ledger => Unanswered::Transient(error),
    }
}

/// The instance that was told, of this meeting or of the one that it says; none where one of the two is missing.
pub(super) fn found(meeting: Option<MeetingId>, told: MeetingDetails) -> Option<DiscoveredInstance> {
    Some(DiscoveredInstance {
        uuid: told.uuid.clone()?,
        meeting_id: meeting.or(told.id)?,
        start_at: told.start_time,
        description: Some(details_of(told)),
    })
}

/// What Zoom tells of an instance, apart from who was there.
pub(in super::super) fn details_of(told: MeetingDetails) -> InstanceDetails {
    InstanceDetails {
        host_name: told.host_name().map(str::to_owned),
        host_email: told.host_email().map(str::to_owned),
        start_at: told.start_time,
        ended_at: told.end_time,
        joins: told.joins(),
        topic: told.topic,
    }
}
