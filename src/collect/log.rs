//! The log lines of runs and fetches: each can be read alone, and has its values as fields.

use std::time::Duration;

use tracing::Span;

use super::{FetchResult, InstanceReport, RunRequest, Summary};
use crate::model::{RunId, Trigger};
use crate::store::DueInstance;

/// What every line of a run stands in. It is there at every level: a line that says nothing of its run is of no use.
pub(super) fn run_span(run_id: RunId, trigger: Trigger) -> Span {
    tracing::error_span!("run", run_id = run_id.get(), %trigger)
}

/// What every line of the reading of an instance stands in, beside its run.
pub(super) fn instance_span(instance: &DueInstance) -> Span {
    tracing::error_span!("instance", uuid = %instance.uuid, meeting = %instance.meeting_id)
}

/// One line a fetch; run and instance stand in its spans.
pub(super) fn fetch_ended(report: &InstanceReport, requests: u32, took: Duration) {
    let (meeting, instance) = (report.meeting_id, &report.uuid);
    let duration_ms = milliseconds(took);
    match &report.result {
        FetchResult::Stored { counts, outcome, source } => {
            let rows_received = counts.received;
            tracing::info!(
                %source,
                %outcome,
                rows_received,
                rows_inserted = counts.inserted,
                rows_updated = counts.updated,
                rows_unchanged = counts.unchanged,
                rows_withdrawn = counts.withdrawn,
                rows_rejected = counts.rejected,
                rows_duplicate = counts.duplicate,
                requests,
                duration_ms,
                "{rows_received} rows of instance {instance} of meeting {meeting} were read from {source}: {outcome}"
            );
        }
        FetchResult::NotFound => tracing::info!(
            requests,
            duration_ms,
            "Zoom has no data of instance {instance} of meeting {meeting}, or not yet"
        ),
        FetchResult::Parked(reason) => tracing::info!(
            requests,
            duration_ms,
            reason,
            "instance {instance} of meeting {meeting} is parked: {reason}"
        ),
        FetchResult::Denied(reason) => tracing::info!(
            requests,
            duration_ms,
            reason,
            "no source may read instance {instance} of meeting {meeting}: {reason}"
        ),
        FetchResult::Failed(reason) | FetchResult::Unreachable(reason) => tracing::info!(
            requests,
            duration_ms,
            reason,
            "instance {instance} of meeting {meeting} could not be read, and a later run tries again: {reason}"
        ),
    }
}

/// One line a run; `quota` is what is used of the day's Heavy requests, and how many may be.
pub(super) fn run_ended(request: &RunRequest, summary: &Summary, quota: (u64, Option<u64>)) {
    let (counts, (quota_used, quota)) = (&summary.counts, quota);
    let (run_id, trigger, outcome) = (summary.run_id, request.trigger, summary.outcome);
    let (instances_fetched, instances_due) = (summary.instances_fetched, summary.instances_due);
    let (rows_received, requests) = (counts.received, summary.requests);
    let duration_ms = milliseconds(Duration::try_from_secs_f64(summary.seconds).unwrap_or_default());
    tracing::info!(
        slot_at = request.slot_at.map(tracing::field::display),
        %outcome,
        instances_found = summary.instances_found,
        instances_due,
        instances_fetched,
        instances_not_found = summary.instances_not_found,
        instances_failed = summary.instances_failed,
        rows_received,
        rows_inserted = counts.inserted,
        rows_updated = counts.updated,
        rows_unchanged = counts.unchanged,
        rows_withdrawn = counts.withdrawn,
        rows_rejected = counts.rejected,
        rows_duplicate = counts.duplicate,
        requests,
        quota_used,
        quota,
        duration_ms,
        error = summary.error,
        "run {run_id} ({trigger}) ended {outcome}: {instances_fetched} of {instances_due} instances read, \
         {rows_received} rows, {requests} requests"
    );
}

fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
