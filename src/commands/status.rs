//! `rollcall status`: the last runs, what is still to be read, and the quota used.

use std::io::Write;

use super::support::output::{terminal_width, write_to};
use super::support::settings::report_timezone;
use crate::cli::StatusOptions;
use crate::config::Config;
use crate::exit::ExitCode;
use crate::model::{RunOutcome, Timestamp};
use crate::report::Status;
use crate::schedule::Schedule;
use crate::store::{LastRunOutcomes, Store, StoreError};

/// How many runs are shown, and how many instances of a kind.
const RUNS: u32 = 10;
const INSTANCES: u32 = 20;
/// So many slots may pass without a good run before the database counts as stale.
const SLOTS_UNTIL_STALE: usize = 3;

/// Writes how the collection stands to `out`; with `--check` a line for each thing that is wrong with the runs or with
/// the data, and status 1 where there is one.
///
/// It reads the database only, and works beside a run.
pub async fn run(
    options: &StatusOptions,
    config: &Config,
    now: Timestamp,
    out: &mut dyn Write,
) -> anyhow::Result<ExitCode> {
    let store = Store::open_to_read(&config.database.path).await?;
    let schedule = &config.schedule.schedule;
    let (text, code) = if options.check {
        let troubles = troubles(&store, schedule, now).await?;
        if troubles.is_empty() {
            ("ok\n".to_owned(), ExitCode::Success)
        } else {
            (
                troubles.iter().map(|trouble| crate::report::sanitize_for_display(trouble) + "\n").collect(),
                ExitCode::Partial,
            )
        }
    } else {
        let timezone = report_timezone(&store, config).await?;
        let status = status(&store, schedule, now).await?;
        let text =
            if options.json { status.to_json() } else { status.render(timezone, now, terminal_width())? };
        (text, ExitCode::Success)
    };
    store.close().await;
    write_to(out, text.as_bytes())?;
    Ok(code)
}

/// What is wrong with the runs and with the data, a line each: what `--check` answers for.
pub async fn troubles(store: &Store, schedule: &Schedule, now: Timestamp) -> Result<Vec<String>, StoreError> {
    let of_runs = trouble(store.last_run_outcomes(now).await?, schedule, now);
    Ok(of_runs.into_iter().chain(store.data_troubles(now).await?).collect())
}

async fn status(store: &Store, schedule: &Schedule, now: Timestamp) -> Result<Status, StoreError> {
    Ok(Status {
        runs: store.last_runs(RUNS).await?,
        meetings: store.refused_meetings(INSTANCES).await?,
        states: store.instances_by_state().await?,
        refused: store.refused_instances(INSTANCES).await?,
        short: store.short_instances(INSTANCES).await?,
        oldest: store.oldest_unsettled().await?,
        quota: store.quota_of(now).await?,
        next_slot: schedule.next(now),
        clock: store.clock_ahead_ms().await?.map(crate::collect::clock_warning),
    })
}

/// What is wrong with the last runs, in one line; none where nothing is.
fn trouble(ends: LastRunOutcomes, schedule: &Schedule, now: Timestamp) -> Option<String> {
    let Some(good_at) = ends.good_at else {
        return Some(
            "stale: no run has succeeded yet; `rollcall status` shows why, `rollcall collect` makes one"
                .to_owned(),
        );
    };
    if ends.outcome == Some(RunOutcome::Failed) {
        return Some("failed: the last run could read nothing; `rollcall status` shows why".to_owned());
    }
    let limit = (0..SLOTS_UNTIL_STALE).try_fold(good_at, |slot, _| schedule.next(slot))?;
    (now > limit).then(|| {
        format!(
            "stale: the last good run began at {good_at}, and {SLOTS_UNTIL_STALE} slots or more have passed since; \
             see that `rollcall run` is up"
        )
    })
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;

    use super::*;
    use crate::store::sample::at;

    #[tokio::test]
    async fn everything_at_a_glance() {
        let directory = tempfile::TempDir::new().unwrap();
        let store = crate::store::sample::database(&directory.path().join("rollcall.db")).await;
        let schedule = Schedule::parse("0 */15 * * * *", Tz::UTC).unwrap();
        let now = at("2026-03-09T20:03:00Z");
        let status = status(&store, &schedule, now).await.unwrap();
        insta::assert_snapshot!(status.render(Tz::Europe__Berlin, now, 100).unwrap(), @r"
Last runs, Europe/Berlin:
Started           Trigger  Outcome  Took  Read  Failed  New rows  Requests  Error
──────────────────────────────────────────────────────────────────────────────────
2026-03-09 21:00  manual   ok        7 s     3       0        10         9

Instances: 1 pending, 3 settled
Oldest still to be read: 2026-03-09 16:00, Office hour (pending)
Next slot: 2026-03-09 21:15 (in 12 min), Europe/Berlin
");
        let read: serde_json::Value = serde_json::from_str(&status.to_json()).unwrap();
        assert_eq!(read["runs"][0]["rows_inserted"], 10);
        assert_eq!(read["states"][0], serde_json::json!({ "state": "pending", "instances": 1 }));
        assert_eq!(read["next_slot"], "2026-03-09T20:15:00.000Z");
        assert_eq!(trouble(store.last_run_outcomes(now).await.unwrap(), &schedule, now), None);
        let old = at("2026-03-10T20:00:00Z");
        assert!(trouble(store.last_run_outcomes(old).await.unwrap(), &schedule, old).is_some());
        // A run that is still to come, as seen by a clock that was set back, proves nothing.
        let before = at("2026-03-09T19:00:00Z");
        assert_eq!(store.last_run_outcomes(before).await.unwrap(), LastRunOutcomes::default());
    }

    fn trouble_at(now: &str, good_at: Option<&str>, outcome: RunOutcome) -> Option<String> {
        let schedule = Schedule::parse("0 */15 * * * *", Tz::UTC).unwrap();
        trouble(LastRunOutcomes { good_at: good_at.map(at), outcome: Some(outcome) }, &schedule, at(now))
    }

    #[test]
    fn three_slots_without_a_good_run_are_stale() {
        let good = Some("2026-03-09T20:00:01Z");
        assert_eq!(trouble_at("2026-03-09T20:45:00Z", good, RunOutcome::Ok), None);
        assert_eq!(trouble_at("2026-03-09T20:45:00Z", good, RunOutcome::Interrupted), None);
        let stale = trouble_at("2026-03-09T20:45:01Z", good, RunOutcome::Ok).unwrap();
        assert!(stale.contains("2026-03-09T20:00:01.000Z") && stale.lines().count() == 1, "{stale}");
    }

    #[test]
    fn a_failed_run_and_none_at_all_are_troubles() {
        assert!(trouble_at("2026-03-09T20:01:00Z", None, RunOutcome::Ok).unwrap().contains("no run"));
        let failed = trouble_at("2026-03-09T20:01:00Z", Some("2026-03-09T19:59:00Z"), RunOutcome::Failed);
        assert!(failed.unwrap().starts_with("failed"));
    }
}
