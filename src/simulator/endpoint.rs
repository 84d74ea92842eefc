//! The endpoints that the simulated Zoom answers, with their labels and scopes.

use std::fmt;

use crate::model::RateLabel;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SimulatedEndpoint {
    /// `POST /oauth/token`.
    Token,
    /// `GET /past_meetings/{id}/instances`.
    PastInstances,
    /// `GET /past_meetings/{id or uuid}`.
    PastMeeting,
    /// `GET /past_meetings/{id or uuid}/participants`.
    PastParticipants,
    /// `GET /report/meetings/{id or uuid}/participants`.
    ReportParticipants,
    /// `GET /report/history_meetings`.
    HistoryMeetings,
    /// `GET /metrics/meetings`.
    MetricsMeetings,
    /// `GET /metrics/meetings/{id or uuid}`.
    MetricsMeeting,
    /// `GET /metrics/meetings/{id or uuid}/participants`.
    MetricsParticipants,
}

impl SimulatedEndpoint {
    pub const ALL: &'static [Self] = &[
        Self::Token,
        Self::PastInstances,
        Self::PastMeeting,
        Self::PastParticipants,
        Self::ReportParticipants,
        Self::HistoryMeetings,
        Self::MetricsMeetings,
        Self::MetricsMeeting,
        Self::MetricsParticipants,
    ];

    /// The name that a fault's text calls it by.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::PastInstances => "past-instances",
            Self::PastMeeting => "past-meeting",
            Self::PastParticipants => "past-participants",
            Self::ReportParticipants => "report-participants",
            Self::HistoryMeetings => "history-meetings",
            Self::MetricsMeetings => "metrics-meetings",
            Self::MetricsMeeting => "metrics-meeting",
            Self::MetricsParticipants => "metrics-participants",
        }
    }

    /// The rate-limit label that Zoom's documentation gives it; tokens have none.
    pub const fn label(self) -> Option<RateLabel> {
        match self {
            Self::Token => None,
            Self::PastMeeting => Some(RateLabel::Light),
            Self::PastInstances | Self::PastParticipants => Some(RateLabel::Medium),
            Self::ReportParticipants
            | Self::HistoryMeetings
            | Self::MetricsMeeting
            | Self::MetricsParticipants => Some(RateLabel::Heavy),
            Self::MetricsMeetings => Some(RateLabel::ResourceIntensive),
        }
    }

    /// The granular scope that it wants; tokens want none.
    pub const fn scope(self) -> Option<&'static str> {
        match self {
            Self::Token => None,
            Self::PastInstances => Some("meeting:read:list_past_instances:admin"),
            Self::PastMeeting => Some("meeting:read:past_meeting:admin"),
            Self::PastParticipants => Some("meeting:read:list_past_participants:admin"),
            Self::ReportParticipants => Some("report:read:list_meeting_participants:admin"),
            Self::HistoryMeetings => Some("report:read:list_history_meetings:admin"),
            Self::MetricsMeetings => Some("dashboard:read:list_meetings:admin"),
            Self::MetricsMeeting => Some("dashboard:read:meeting:admin"),
            Self::MetricsParticipants => Some("dashboard:read:list_meeting_participants:admin"),
        }
    }

    /// The classic scopes that serve in its place.
    pub(super) const fn classic_scopes(self) -> &'static [&'static str] {
        match self {
            Self::Token => &[],
            Self::PastInstances | Self::PastMeeting | Self::PastParticipants => &["meeting:read:admin"],
            Self::ReportParticipants | Self::HistoryMeetings => &["report:read:admin"],
            Self::MetricsMeetings | Self::MetricsMeeting | Self::MetricsParticipants => {
                &["dashboard_meetings:read:admin", "dashboard:read:admin"]
            }
        }
    }

    /// Whether it belongs to the Dashboard, which a plan may lack.
    pub(super) const fn is_dashboard(self) -> bool {
        matches!(self, Self::MetricsMeetings | Self::MetricsMeeting | Self::MetricsParticipants)
    }
}

impl fmt::Display for SimulatedEndpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}
