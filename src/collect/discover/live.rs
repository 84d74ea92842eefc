//! Meetings that are on now: read while they are, as far as they have come.

use super::answer::{Unanswered, found};
use super::{Collector, RunContext, ask, ask_all};
use crate::store::StoreError;
use crate::zoom::{DashboardListingRequest, Encoding, ListingType, MeetingKey, read_pages};

impl Collector {
    pub(super) async fn discover_live(&self, run: &RunContext<'_>) -> Result<(), StoreError> {
        if run.request.account_wide {
            self.discover_live_of_account(run).await
        } else {
            self.discover_live_of_meetings(run).await
        }
    }

    async fn discover_live_of_account(&self, run: &RunContext<'_>) -> Result<(), StoreError> {
        let today = self.clock.now().utc().date_naive();
        let request = DashboardListingRequest { listing: ListingType::Live, from: today, to: today };
        let failed = match ask(read_pages(|| self.zoom.dashboard_meetings(request)), run).await {
            None => return Ok(()),
            Some(Ok(pages)) => {
                let meetings = pages.read.into_iter().flat_map(|page| page.meetings);
                for found in meetings.filter_map(|told| found(None, told)) {
                    self.store.upsert_live_instance(&found, self.clock.now()).await?;
                }
                pages.broken
            }
            Some(Err(why)) => Some(why.into_error()),
        };
        if let Some(error) = failed {
            run.warn(format!("which meetings are on could not be asked: {error}"));
        }
        Ok(())
    }

    async fn discover_live_of_meetings(&self, run: &RunContext<'_>) -> Result<(), StoreError> {
        let live = |meeting| async move {
            let key = MeetingKey::Latest(meeting);
            self.zoom.dashboard_meeting(&key, ListingType::Live, Encoding::Documented).await
        };
        for (meeting, answer) in ask_all(run.request.meetings.iter().copied(), run, live).await {
            match answer {
                Ok(told) => {
                    if let Some(found) = found(Some(meeting), told) {
                        self.store.upsert_live_instance(&found, self.clock.now()).await?;
                    }
                }
                // Not on at the moment.
                Err(Unanswered::NotFound(_)) => {}
                Err(why) => {
                    let error = why.into_error();
                    run.warn(format!("whether meeting {meeting} is on could not be asked: {error}"));
                }
            }
        }
        Ok(())
    }
}
