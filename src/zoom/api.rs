//! What can be asked of Zoom, one method an endpoint.

use futures_util::{Stream, stream};

use super::client::ZoomClient;
use super::disposition::RequestPhase;
use super::encoding::Encoding;
use super::endpoint::{DashboardListingRequest, Endpoint, ListingType, MeetingKey};
use super::error::ZoomError;
use super::paging::Pager;
use super::request::{Call, ListingRequest, ParticipantsPage};
use super::wire::{DashboardMeetings, DashboardPage, Envelope, Instances, MeetingDetails, PastInstance};
use crate::model::MeetingId;

impl ZoomClient {
    /// The ended instances of a meeting; Zoom's reach is 15 months, and it has no pages here.
    pub async fn instances(&self, meeting: MeetingId) -> Result<Vec<PastInstance>, ZoomError> {
        let call = Call::new(
            Endpoint::Instances,
            RequestPhase::Lookup,
            format!("/past_meetings/{meeting}/instances"),
        );
        let (instances, skipped) = self.get::<Instances>(&call).await?.value.into_parts();
        if skipped > 0 {
            tracing::warn!(%meeting, skipped, "Zoom listed instances without a readable UUID");
        }
        Ok(instances)
    }

    /// One ended instance: its topic, host, start and end.
    pub(crate) async fn past_meeting(
        &self,
        key: &MeetingKey,
        encoding: Encoding,
    ) -> Result<MeetingDetails, ZoomError> {
        let path = format!("/past_meetings/{}", key.segment(encoding));
        let call = Call::new(Endpoint::PastMeeting, RequestPhase::Lookup, path);
        Ok(self.get(&call).await?.value)
    }

    /// One instance as the Dashboard has it.
    pub(crate) async fn dashboard_meeting(
        &self,
        key: &MeetingKey,
        listing: ListingType,
        encoding: Encoding,
    ) -> Result<MeetingDetails, ZoomError> {
        let path = format!("/metrics/meetings/{}", key.segment(encoding));
        let call =
            Call::new(Endpoint::DashboardMeeting, RequestPhase::Lookup, path).with("type", listing.as_str());
        Ok(self.get(&call).await?.value)
    }

    /// The account's meetings, page after page. The stream ends after its first error.
    ///
    /// Zoom matches days in UTC, by the end of a meeting; what lies outside of a finer window is for the
    /// caller to leave out.
    pub(crate) fn dashboard_meetings(
        &self,
        request: DashboardListingRequest,
    ) -> impl Stream<Item = Result<DashboardPage, ZoomError>> + Send + use<> {
        let call =
            Call::new(Endpoint::DashboardMeetings, RequestPhase::Lookup, "/metrics/meetings".to_owned())
                .with("type", request.listing.as_str())
                .with("from", &request.from.to_string())
                .with("to", &request.to.to_string())
                .with("query_date_type", "end_time")
                .with("page_size", &self.page_size().to_string());
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

    /// The participants of an instance, page after page. The stream ends after its first error.
    ///
    /// [`super::read_pages`] knows which errors ask for the listing to be begun again, and which for what came to be kept.
    pub fn participants(
        &self,
        request: &ListingRequest,
    ) -> impl Stream<Item = Result<ParticipantsPage, ZoomError>> + Send + use<> {
        let pager = Pager::new(self.clone(), request.call(self.page_size()));
        stream::try_unfold(pager, |mut pager| async move {
            let Some(call) = pager.next_call()? else { return Ok(None) };
            let answer = pager.zoom().get::<Envelope>(&call).await?;
            let envelope = answer.value;
            pager.received(envelope.next_page_token.clone(), &answer.body);
            let page = ParticipantsPage {
                body: answer.body,
                next_page_token: envelope.next_page_token,
                total_records: envelope.total_records,
                tracking_id: answer.tracking_id,
            };
            Ok(Some((page, pager)))
        })
    }
}
