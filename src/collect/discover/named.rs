//! Instances that a person named by their UUIDs.

use super::answer::details_of;
use super::{Collector, RunContext, ask};
use crate::model::InstanceUuid;
use crate::store::{DiscoveredInstance, StoreError};
use crate::zoom::{Encoding, MeetingDetails, MeetingKey, ZoomClient, ZoomError};

impl Collector {
    /// Asks which meeting they are of, unless that is known.
    pub(super) async fn discover_named(&self, run: &RunContext<'_>) -> Result<(), StoreError> {
        let selection = &run.request.selection;
        let uuids = &selection.instances;
        if uuids.is_empty() {
            return Ok(());
        }
        let known = self.store.known_instances(uuids).await?;
        let pruned = self.store.pruned_instances(uuids).await?;
        for uuid in uuids.iter().filter(|uuid| !known.contains_key(uuid.as_str())) {
            if pruned.contains(uuid.as_str()) && !selection.force {
                run.warn(format!("instance {uuid} was pruned; --force brings it back"));
                continue;
            }
            match ask(past_instance(&self.zoom, uuid, Encoding::Documented), run).await {
                None => return Ok(()),
                Some(Ok(told)) => self.record_named(uuid, told, run).await?,
                Some(Err(why)) => {
                    let error = why.into_error();
                    {
                        let mut summary = run.summary();
                        summary.answered |= error.status().is_some();
                        summary.instances_failed += 1;
                    }
                    run.fail_with(&error, format!("instance {uuid} could not be found: {error}"));
                }
            }
        }
        Ok(())
    }

    async fn record_named(
        &self,
        uuid: &InstanceUuid,
        told: MeetingDetails,
        run: &RunContext<'_>,
    ) -> Result<(), StoreError> {
        let Some(meeting_id) = told.id else {
            run.warn(format!("Zoom does not say which meeting instance {uuid} is of; it is left out"));
            return Ok(());
        };
        let start_at = told.start_time;
        let found = DiscoveredInstance {
            uuid: uuid.clone(),
            meeting_id,
            start_at,
            description: Some(details_of(told)),
        };
        let new = self.store.upsert_named_instance(&found, self.clock.now()).await?;
        run.summary().instances_found += new;
        Ok(())
    }
}

/// One ended instance, by the documented encoding of its UUID or, where that finds nothing, by the other one.
pub(in super::super) async fn past_instance(
    zoom: &ZoomClient,
    uuid: &InstanceUuid,
    first: Encoding,
) -> Result<MeetingDetails, ZoomError> {
    let key = MeetingKey::Uuid(uuid.clone());
    let told = zoom.past_meeting(&key, first).await;
    match told {
        Err(error) if error.is_not_found() && Encoding::alternate_may_help(uuid) => {
            zoom.past_meeting(&key, first.alternate()).await.map_err(|_| error)
        }
        told => told,
    }
}
