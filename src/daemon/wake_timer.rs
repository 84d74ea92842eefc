//! What wakes the daemon. It only wakes: which slot is due is decided from the clock and the last slot.
//!
//! The scheduler's own idea of a slot is not used: it freezes the zone's offset, forgets what was missed, and lets
//! runs overlap.

use tokio::sync::mpsc;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

pub struct WakeTimer {
    receiver: mpsc::Receiver<()>,
    scheduler: JobScheduler,
}

/// Why nothing would wake the daemon.
#[derive(Debug, thiserror::Error)]
#[error("the scheduler cannot be started: {0}")]
pub struct WakeTimerError(#[from] JobSchedulerError);

impl WakeTimer {
    pub async fn every_second() -> Result<Self, WakeTimerError> {
        // One is enough: a loop that is busy when it is woken looks at the clock afterwards anyhow, so what does not
        // fit is not missed.
        let (sender, receiver) = mpsc::channel(1);
        let scheduler = JobScheduler::new().await?;
        let wake = Job::new("* * * * * *", move |_, _| {
            let _ = sender.try_send(());
        })?;
        scheduler.add(wake).await?;
        scheduler.start().await?;
        Ok(Self { receiver, scheduler })
    }

    pub(super) async fn next(&mut self) {
        if self.receiver.recv().await.is_none() {
            // The scheduler is gone; the daemon's heartbeat wakes it, too.
            std::future::pending::<()>().await;
        }
    }

    pub(super) async fn stop(mut self) {
        if let Err(error) = self.scheduler.shutdown().await {
            tracing::debug!(%error, "the scheduler did not stop");
        }
    }
}
