//! What systemd is told. Without systemd nobody listens, and nothing is different.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use sd_notify::NotifyState;

/// Where the service manager is told how the daemon does.
#[derive(Debug, Default)]
pub(super) struct Notifier {
    status: String,
    /// What a service manager that does not read could not be told yet, the oldest first.
    owed: VecDeque<String>,
}

impl Notifier {
    /// The first schedule is known: the service is up.
    pub(super) fn ready(&mut self, status: String) {
        self.tell(&[NotifyState::Ready, NotifyState::Status(&status)]);
        self.status = status;
    }

    /// The config is being read again; [`Notifier::ready`] says that it has been.
    pub(super) fn reloading(&mut self) {
        self.status.clear();
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.tell(&[NotifyState::Reloading, now]),
            Err(error) => {
                tracing::debug!(%error, "the monotonic clock cannot be read; systemd is not told of the reload");
            }
        }
    }

    /// What the daemon does, in words; told when they change.
    pub(super) fn status(&mut self, status: String) {
        if self.status != status {
            // Of what is owed only the latest words count.
            self.owed.retain(|message| !message.starts_with("STATUS="));
            self.tell(&[NotifyState::Status(&status)]);
            self.status = status;
        }
    }

    /// The daemon's loop goes round.
    pub(super) fn alive(&mut self) {
        self.settle();
        if self.owed.is_empty() {
            told(&send(&message(&[NotifyState::Watchdog])));
        }
    }

    /// The daemon is about to end.
    pub(super) fn stopping(&mut self) {
        self.tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
    }

    fn tell(&mut self, states: &[NotifyState<'_>]) {
        self.owed.push_back(message(states));
        self.settle();
    }

    fn settle(&mut self) {
        while let Some(message) = self.owed.front() {
            if !told(&send(message)) {
                return;
            }
            self.owed.pop_front();
        }
    }
}

/// The start takes longer than the service manager may think: it is given this much more time.
pub fn starting(status: &str, more: Duration) {
    let microseconds = u32::try_from(more.as_micros()).unwrap_or(u32::MAX);
    told(&send(&message(&[NotifyState::Status(status), NotifyState::ExtendTimeoutUsec(microseconds)])));
}

/// How often the service manager wants to hear that the daemon lives; none where it does not.
pub(super) fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|period| !period.is_zero())
}

fn message(states: &[NotifyState<'_>]) -> String {
    let mut text = String::new();
    for state in states {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{state}");
    }
    text
}

/// Whether that is done with: only a service manager that does not read now may be told later.
fn told(sent: &io::Result<()>) -> bool {
    match sent {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
        Err(error) => {
            tracing::debug!(%error, "sd_notify failed");
            true
        }
    }
}

/// Sends a message to the socket that `NOTIFY_SOCKET` names, and does not wait for its reader.
fn send(message: &str) -> io::Result<()> {
    let Some(name) = std::env::var_os("NOTIFY_SOCKET") else { return Ok(()) };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.send_to_addr(message.as_bytes(), &address(&name)?).map(drop)
}

/// Source: the manual page `sd_notify(3)`: a path, or after an `@` a name in the abstract namespace of sockets.
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    #[cfg(target_os = "linux")]
    if let Some(name) = name.as_bytes().strip_prefix(b"@") {
        use std::os::linux::net::SocketAddrExt as _;
        return SocketAddr::from_abstract_name(name);
    }
    SocketAddr::from_pathname(name)
}
