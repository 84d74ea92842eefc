//! The last way: the latest instance of a meeting, by the meeting's number.

use super::answer::{Unanswered, found};
use super::{Collector, RunContext, ask_all};
use crate::model::MeetingId;
use crate::store::{DiscoveredInstance, DiscoveryRefusal, StoreError, Subject};
use crate::zoom::{Disposition, Encoding, ListingType, MeetingKey, ZoomError};

impl Collector {
    /// The latest instance of each meeting. It is read by its UUID afterwards, so a meeting that begins in between
    /// cannot be taken for it.
    pub(super) async fn discover_latest(
        &self,
        meetings: impl IntoIterator<Item = MeetingId>,
        run: &RunContext<'_>,
    ) -> Result<(), StoreError> {
        for (meeting, answer) in ask_all(meetings, run, |meeting| self.latest(meeting)).await {
            let subject = Subject::Meeting(meeting);
            match answer {
                Ok(found) => {
                    let found: Vec<DiscoveredInstance> = found.into_iter().collect();
                    self.record_listing(subject, &found, false, run).await?;
                    // It goes on, and goes on to be said: the other instances are missed.
                    let words = format!("only the latest instance of meeting {meeting} can be found");
                    let refusal = DiscoveryRefusal { words: words.clone(), not_found: false, rests: false };
                    {
                        let mut summary = run.summary();
                        summary.meetings_refused += 1;
                        summary.error.get_or_insert(words);
                    }
                    self.store.note_refusal(subject, &refusal, self.clock.now()).await?;
                }
                Err(why) => {
                    run.summary().denied |= matches!(why, Unanswered::NotAllowed(_));
                    self.record_unanswered(subject, why, run).await?;
                }
            }
        }
        Ok(())
    }

    /// The latest instance of a meeting, from the past meeting or, where that is refused, from the Dashboard.
    async fn latest(&self, meeting: MeetingId) -> Result<Option<DiscoveredInstance>, ZoomError> {
        let key = MeetingKey::Latest(meeting);
        match self.zoom.past_meeting(&key, Encoding::Documented).await {
            Ok(told) => Ok(found(Some(meeting), told)),
            Err(error) if matches!(error.disposition(), Disposition::TryNextSource(_)) => {
                let told = self.zoom.dashboard_meeting(&key, ListingType::Past, Encoding::Documented).await?;
                Ok(found(Some(meeting), told))
            }
            Err(error) => Err(error),
        }
    }
}
