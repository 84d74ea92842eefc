//! The endpoints, each with its name, its rate label and its scopes, and what names a meeting in their paths.

use chrono::NaiveDate;

use super::encoding::Encoding;
use crate::model::{InstanceUuid, MeetingId, RateLabel};

/// What is asked of Zoom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `POST /oauth/token`.
    Token,
    /// `GET /past_meetings/{id}/instances`.
    Instances,
    /// `GET /past_meetings/{id or uuid}`.
    PastMeeting,
    /// `GET /metrics/meetings`.
    DashboardMeetings,
    /// `GET /metrics/meetings/{id or uuid}`.
    DashboardMeeting,
    /// `GET /metrics/meetings/{id or uuid}/participants`.
    DashboardParticipants,
    /// `GET /report/meetings/{id or uuid}/participants`.
    ReportParticipants,
    /// `GET /past_meetings/{id or uuid}/participants`.
    PastParticipants,
}

impl Endpoint {
    /// What it is called in errors and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Token => "the token",
            Self::Instances => "the instances of a meeting (/past_meetings/{id}/instances)",
            Self::PastMeeting => "a past meeting (/past_meetings/{id})",
            Self::DashboardMeetings => "the Dashboard's meetings (/metrics/meetings)",
            Self::DashboardMeeting => "a meeting of the Dashboard (/metrics/meetings/{id})",
            Self::DashboardParticipants => {
                "the Dashboard's participants (/metrics/meetings/{id}/participants)"
            }
            Self::ReportParticipants => "the report's participants (/report/meetings/{id}/participants)",
            Self::PastParticipants => "a past meeting's participants (/past_meetings/{id}/participants)",
        }
    }

    /// The limit that it counts towards; the token counts towards none, so Light is as good as any.
    pub const fn label(self) -> RateLabel {
        match self {
            Self::Token | Self::PastMeeting => RateLabel::Light,
            Self::Instances | Self::PastParticipants => RateLabel::Medium,
            Self::DashboardMeeting | Self::DashboardParticipants | Self::ReportParticipants => {
                RateLabel::Heavy
            }
            Self::DashboardMeetings => RateLabel::ResourceIntensive,
        }
    }

    /// The scopes of which one is enough: the granular one, which new apps get, first, then the classic ones.
    pub const fn scopes(self) -> &'static [&'static str] {
        match self {
            Self::Token => &[],
            Self::Instances => &[
                "meeting:read:list_past_instances:admin",
                "meeting:read:list_past_instances",
                "meeting:read:admin",
                "meeting:read",
            ],
            Self::PastMeeting => &[
                "meeting:read:past_meeting:admin",
                "meeting:read:past_meeting",
                "meeting:read:admin",
                "meeting:read",
            ],
            Self::PastParticipants => &[
                "meeting:read:list_past_participants:admin",
                "meeting:read:list_past_participants",
                "meeting:read:admin",
                "meeting:read",
            ],
            Self::DashboardMeetings => &[
                "dashboard:read:list_meetings:admin",
                "dashboard_meetings:read:admin",
                "dashboard:read:admin",
            ],
            Self::DashboardMeeting => {
                &["dashboard:read:meeting:admin", "dashboard_meetings:read:admin", "dashboard:read:admin"]
            }
            Self::DashboardParticipants => &[
                "dashboard:read:list_meeting_participants:admin",
                "dashboard_meetings:read:admin",
                "dashboard:read:admin",
            ],
            Self::ReportParticipants => &["report:read:list_meeting_participants:admin", "report:read:admin"],
        }
    }

    /// The scope to add to the app so that this may be asked; `None` where one of `granted` is enough.
    pub(crate) fn missing_scope(self, granted: &[String]) -> Option<&'static str> {
        let has = |scope: &&str| granted.iter().any(|granted| granted == scope);
        if self.scopes().iter().any(has) { None } else { self.scopes().first().copied() }
    }
}

/// Which instance is meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum MeetingKey {
    /// Exactly this one.
    Uuid(InstanceUuid),
    /// Whichever is the meeting's latest when Zoom answers.
    Latest(MeetingId),
}

impl MeetingKey {
    /// The key as one segment of a path.
    pub(super) fn segment(&self, encoding: Encoding) -> String {
        match self {
            Self::Uuid(uuid) => encoding.segment(uuid),
            Self::Latest(id) => id.to_string(),
        }
    }
}

text_enum! {
    /// The Dashboard's `type`, as the API spells it; its lists are apart, and the default of the API, `live`, is never
    /// what one wants.
    ListingType {
        /// Ended, two participants or more.
        Past = "past",
        /// Ended, one participant.
        PastOne = "pastOne",
        Live = "live",
    }
}

/// Which of the account's meetings are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DashboardListingRequest {
    /// Which list.
    pub listing: ListingType,
    /// The first UTC day of the range, by the end of the meetings.
    pub from: NaiveDate,
    /// The last UTC day of it; Zoom answers for a month at most, within the last six.
    pub to: NaiveDate,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_scope_is_named_as_new_apps_get_it() {
        let granted = |scope: &str| vec!["user:read:admin".to_owned(), scope.to_owned()];
        let endpoint = Endpoint::DashboardParticipants;
        let granular = "dashboard:read:list_meeting_participants:admin";
        assert_eq!(endpoint.missing_scope(&granted("")), Some(granular));
        for scope in [granular, "dashboard_meetings:read:admin", "dashboard:read:admin"] {
            assert_eq!(endpoint.missing_scope(&granted(scope)), None);
        }
        assert_eq!(Endpoint::Token.missing_scope(&[]), None);
    }
}
