//! The log lines of runs and fetches: each can be read alone, and has its values as fields.

use std::time::Duration;

use super::{FetchResult, InstanceReport, RunRequest, Summary};

/// One line a fetch.
pub(super) fn fetch_ended(run_id: i64, report: &InstanceReport, requests: u32, took: Duration) {
    let (meeting, instance) = (report.meeting_id, &report.uuid);
    let duration_ms = milliseconds(took);
    match &report.result {
        FetchResult::Stored { counts, outcome, source } => {
            let rows = counts.received;
            tracing::info!(
                run_id,
                %meeting,
                %instance,
                %source,
                %outcome,
                rows,
                inserted = counts.inserted,
                updated = counts.updated,
                unchanged = counts.unchanged,
                withdrawn = counts.withdrawn,
                rejected = counts.rejected,
                duplicate = counts.duplicate,
                requests,
                duration_ms,
                "{rows} rows of instance {instance} of meeting {meeting} were read from {source}: {outcome}"
            );
        }
        FetchResult::NotThere => tracing::info!(
            run_id, %meeting, %instance, requests, duration_ms,
            "Zoom has no data of instance {instance} of meeting {meeting}, or not yet"
        ),
        FetchResult::Parked(reason) => tracing::info!(
            run_id, %meeting, %instance, requests, duration_ms, reason,
            "instance {instance} of meeting {meeting} is parked: {reason}"
        ),
        FetchResult::Denied(reason) => tracing::info!(
            run_id, %meeting, %instance, requests, duration_ms, reason,
            "no source may read instance {instance} of meeting {meeting}: {reason}"
        ),
        FetchResult::Failed(reason) | FetchResult::Unreachable(reason) => tracing::info!(
            run_id, %meeting, %instance, requests, duration_ms, reason,
            "instance {instance} of meeting {meeting} could not be read, and a later run tries again: {reason}"
        ),
        // The run says why it stops.
        FetchResult::Stopped(_) => tracing::debug!(
            run_id, %meeting, %instance, requests, duration_ms,
            "instance {instance} of meeting {meeting} was not read, because the run stops"
        ),
    }
}

/// One line a run.
pub(super) fn run_ended(
    job: &RunRequest,
    summary: &Summary,
    error: Option<&str>,
    quota_used: u64,
    quota: Option<u64>,
) {
    let counts = &summary.counts;
    let (run_id, trigger, outcome) = (summary.run_id, job.trigger, summary.outcome);
    let (read, due) = (summary.instances_read, summary.instances_due);
    let (rows, requests) = (counts.received, summary.requests);
    let duration_ms = milliseconds(Duration::try_from_secs_f64(summary.seconds).unwrap_or_default());
    tracing::info!(
        run_id,
        %trigger,
        slot_at = job.slot_at.map(tracing::field::display),
        %outcome,
        instances_found = summary.instances_found,
        instances_due = due,
        instances_read = read,
        instances_not_there = summary.instances_not_there,
        instances_failed = summary.instances_failed,
        rows,
        inserted = counts.inserted,
        updated = counts.updated,
        unchanged = counts.unchanged,
        withdrawn = counts.withdrawn,
        rejected = counts.rejected,
        duplicate = counts.duplicate,
        requests,
        quota_used,
        quota,
        duration_ms,
        error,
        "run {run_id} ({trigger}) ended {outcome}: {read} of {due} instances read, {rows} rows, {requests} requests"
    );
}

fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
