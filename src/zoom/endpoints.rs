//! The endpoints, each with its name, its rate label and its scopes.

use chrono::NaiveDate;
use futures_util::{Stream, stream};

use super::Zoom;
use super::classify::Stage;
use super::encoding::Encoding;
use super::error::ZoomError;
use super::listing::Pager;
use super::retry::Call;
use super::wire::{DashboardMeeting, DashboardMeetings, DashboardPage, Instance, Instances, PastMeeting};
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
    #[must_use]
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
    #[must_use]
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
    #[must_use]
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
    #[must_use]
    pub fn missing_scope(self, granted: &[String]) -> Option<&'static str> {
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

/// The Dashboard's `type`; its lists are apart, and the default of the API, `live`, is never what one wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListingType {
    /// Ended, two participants or more.
    Past,
    /// Ended, one participant.
    PastOne,
    /// Still on.
    Live,
}

impl ListingType {
    /// As the API spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Past => "past",
            Self::PastOne => "pastOne",
            Self::Live => "live",
        }
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

impl Zoom {
    /// The ended instances of a meeting; Zoom's reach is 15 months, and it has no pages here.
    pub async fn instances(&self, meeting: MeetingId) -> Result<Vec<Instance>, ZoomError> {
        let call =
            Call::new(Endpoint::Instances, Stage::Lookup, format!("/past_meetings/{meeting}/instances"));
        let (instances, skipped) = self.get::<Instances>(&call).await?.value.into_parts();
        if skipped > 0 {
            tracing::warn!(%meeting, skipped, "Zoom listed instances without a readable UUID");
        }
        Ok(instances)
    }

    /// One ended instance: its topic, host, start and end.
    pub async fn past_meeting(&self, key: &MeetingKey, encoding: Encoding) -> Result<PastMeeting, ZoomError> {
        let path = format!("/past_meetings/{}", key.segment(encoding));
        let call = Call::new(Endpoint::PastMeeting, Stage::Lookup, path);
        Ok(self.get(&call).await?.value)
    }

    /// One instance as the Dashboard has it.
    pub async fn dashboard_meeting(
        &self,
        key: &MeetingKey,
        listing: ListingType,
        encoding: Encoding,
    ) -> Result<DashboardMeeting, ZoomError> {
        let path = format!("/metrics/meetings/{}", key.segment(encoding));
        let call = Call::new(Endpoint::DashboardMeeting, Stage::Lookup, path).with("type", listing.as_str());
        Ok(self.get(&call).await?.value)
    }

    /// The account's meetings, page after page. The stream ends after its first error.
    ///
    /// Zoom matches days in UTC, by the end of a meeting; what lies outside of a finer window is for the
    /// caller to leave out.
    pub fn dashboard_meetings(
        &self,
        request: DashboardListingRequest,
    ) -> impl Stream<Item = Result<DashboardPage, ZoomError>> + Send + use<> {
        let call = Call::new(Endpoint::DashboardMeetings, Stage::Lookup, "/metrics/meetings".to_owned())
            .with("type", request.listing.as_str())
            .with("from", &request.from.to_string())
            .with("to", &request.to.to_string())
            .with("query_date_type", "end_time")
            .with("page_size", &self.shared.page_size.to_string());
        let pager = Pager::new(self.clone(), call);
        stream::try_unfold(pager, |mut pager| async move {
            let Some(call) = pager.next_call()? else { return Ok(None) };
            let answer = pager.zoom().get::<DashboardMeetings>(&call).await?;
            let page = answer.value.into_page(answer.tracking_id);
            if page.skipped > 0 {
                let skipped = page.skipped;
                tracing::warn!(
                    skipped,
                    "{skipped} meetings of the account's list are left out: their UUID or ID cannot be read"
                );
            }
            pager.received(page.next_page_token.clone(), &answer.body);
            Ok(Some((page, pager)))
        })
    }
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
