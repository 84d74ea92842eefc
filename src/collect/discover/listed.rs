//! The first way: the listing of a meeting's instances.

use std::collections::HashMap;
use std::time::Duration;

use super::answer::Unanswered;
use super::{Collector, RunContext, ask_all};
use crate::model::MeetingId;
use crate::store::{DiscoveredInstance, Standing, StoreError, Subject};
use crate::zoom::PastInstance;

/// The instances of a meeting are listed for 15 months.
const INSTANCES_REACH: Duration = Duration::from_hours(456 * 24);

impl Collector {
    /// Asks for the instances of every meeting that does not rest; answers with those that may not be asked that way.
    pub(super) async fn discover_listed(
        &self,
        run: &RunContext<'_>,
    ) -> Result<HashMap<MeetingId, Standing>, StoreError> {
        let asked = self.meetings_to_ask(run).await?;
        let answers = ask_all(asked, run, |(meeting, _)| self.zoom.instances(meeting)).await;
        let mut not_allowed = HashMap::new();
        for ((meeting, standing), answer) in answers {
            match answer {
                Ok(instances) => self.record_instances(meeting, &standing, instances, run).await?,
                Err(Unanswered::NotAllowed(error)) => {
                    if not_allowed.is_empty() {
                        run.warn(format!(
                            "the instances of meeting {meeting}, and perhaps of others, cannot be listed: {error}; they \
                             are looked for in the account-wide list"
                        ));
                    }
                    not_allowed.insert(meeting, standing);
                }
                Err(why) => self.record_unanswered(Subject::Meeting(meeting), why, run).await?,
            }
        }
        Ok(not_allowed)
    }

    async fn meetings_to_ask(&self, run: &RunContext<'_>) -> Result<Vec<(MeetingId, Standing)>, StoreError> {
        let now = self.clock.now();
        let mut asked = Vec::new();
        for meeting in &run.request.meetings {
            let standing = self.store.standing(Subject::Meeting(*meeting)).await?;
            if !run.request.ignore_backoff && standing.rests(now) {
                run.summary().meetings_refused += u64::from(!standing.not_found);
            } else {
                asked.push((*meeting, standing));
            }
        }
        Ok(asked)
    }

    async fn record_instances(
        &self,
        meeting: MeetingId,
        standing: &Standing,
        instances: Vec<PastInstance>,
        run: &RunContext<'_>,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let window = run.request.window.unwrap_or_else(|| standing.window(self.settings.lookback, now));
        if window.from < now.minus(INSTANCES_REACH) {
            run.warn(format!(
                "Zoom lists the instances of meeting {meeting} for 15 months only; those from {} until then cannot be \
                 found",
                window.from
            ));
        }
        let found: Vec<DiscoveredInstance> = instances
            .into_iter()
            .map(|told| DiscoveredInstance {
                uuid: told.uuid,
                meeting_id: meeting,
                start_at: told.start_time,
                description: None,
            })
            .collect();
        self.record_listing(Subject::Meeting(meeting), &found, true, run).await
    }
}
