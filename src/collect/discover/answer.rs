//! What Zoom's answers about instances mean: pure.

use crate::model::MeetingId;
use crate::store::{Description, Found};
use crate::zoom::{DashboardMeeting, Disposition, PastMeeting, SourceRefusal, ZoomError};

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
        Disposition::NextSource(SourceRefusal::MissingScopes(_) | SourceRefusal::Plan(_)) => {
            Unanswered::NotAllowed(error)
        }
        Disposition::NotThere | Disposition::TryPastOne => Unanswered::NotFound(error),
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

/// The instance of this meeting that `GET /past_meetings/{id}` tells; none without a UUID.
pub(super) fn past_meeting(meeting: MeetingId, told: PastMeeting) -> Option<Found> {
    Some(Found {
        uuid: told.uuid.clone()?,
        meeting_id: meeting,
        start_at: told.start_time,
        description: Some(details_of(told)),
    })
}

/// What `GET /past_meetings/{uuid}` tells of an instance.
pub(in super::super) fn details_of(told: PastMeeting) -> Description {
    Description {
        topic: told.topic,
        host_name: told.host_name,
        host_email: told.host_email,
        start_at: told.start_time,
        ended_at: told.end_time,
        joins: told.participants_count,
    }
}

/// The instance that a list of the Dashboard tells, of this meeting or of the one that it says.
pub(super) fn dashboard_meeting(meeting: Option<MeetingId>, told: DashboardMeeting) -> Option<Found> {
    Some(Found {
        uuid: told.uuid?,
        meeting_id: meeting.or(told.id)?,
        start_at: told.start_time,
        description: Some(Description {
            topic: told.topic,
            host_name: told.host_name,
            host_email: told.host_email,
            start_at: told.start_time,
            ended_at: told.end_time,
            joins: told.participants,
        }),
    })
}
