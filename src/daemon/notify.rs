//! What systemd is told. Without systemd nobody listens, and nothing is different.

use std::time::Duration;

use sd_notify::NotifyState;

/// Where the service manager is told how the daemon does.
#[derive(Debug, Default)]
pub(super) struct Notifier {
    status: String,
}

impl Notifier {
    /// The first schedule is known: the service is up.
    pub(super) fn ready(&mut self, status: String) {
        send(&[NotifyState::Ready, NotifyState::Status(&status)]);
        self.status = status;
    }

    /// The config is being read again; [`Notifier::ready`] says that it has been.
    pub(super) fn reloading(&mut self) {
        self.status.clear();
        match NotifyState::monotonic_usec_now() {
            Ok(now) => send(&[NotifyState::Reloading, now]),
            Err(error) => {
                tracing::debug!(%error, "the monotonic clock cannot be read; systemd is not told of the reload");
            }
        }
    }

    /// What the daemon does, in words; told when they change.
    pub(super) fn status(&mut self, status: String) {
        if self.status != status {
            send(&[NotifyState::Status(&status)]);
            self.status = status;
        }
    }
}

/// The daemon is about to end.
pub(super) fn stopping() {
    send(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
}

/// The daemon's loop goes round.
pub(super) fn alive() {
    send(&[NotifyState::Watchdog]);
}

/// The start takes longer than the service manager may think: it is given this much more time.
pub fn starting(status: &str, more: Duration) {
    let microseconds = u32::try_from(more.as_micros()).unwrap_or(u32::MAX);
    send(&[NotifyState::Status(status), NotifyState::ExtendTimeoutUsec(microseconds)]);
}

/// How often the service manager wants to hear that the daemon lives; none where it does not.
pub(super) fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|period| !period.is_zero())
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd could not be told");
    }
}
