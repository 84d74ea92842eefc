//! SIGINT and SIGTERM: a token that the first one cancels, and the exit code that it means.

use std::sync::OnceLock;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::exit::ExitCode;

/// How long the end of a run may take. It takes longer only where another program keeps the database locked; then the
/// next run says in the log that this one was interrupted.
const EXIT_LIMIT: Duration = Duration::from_millis(4_500);

/// The exit code of the first signal that came while one was listened to: a process has one.
static RECEIVED: OnceLock<ExitCode> = OnceLock::new();

/// Cancelled by the first SIGINT or SIGTERM; the second ends the program at once, with the same status.
#[derive(Clone, Debug, Default)]
pub struct ShutdownSignal {
    token: CancellationToken,
}

/// The handlers could not be installed.
#[derive(Debug, thiserror::Error)]
#[error("cannot install signal handlers")]
pub struct SignalError(#[from] std::io::Error);

/// A signal came before the work was done; [`ShutdownSignal::exit_code`] says which.
#[derive(Debug, thiserror::Error)]
#[error("stopped by a signal")]
pub struct Interrupted;

impl ShutdownSignal {
    /// Listens to signals from now on, in a thread of its own: one that waits for a full pipe or a long computation
    /// ends all the same.
    pub fn listen() -> Result<Self, SignalError> {
        Self::listen_as(|signal| signal)
    }

    /// The same for the daemon, which does what it is there for where it stops: that is success, however it ends.
    pub fn listen_for_daemon() -> Result<Self, SignalError> {
        Self::listen_as(|_| ExitCode::Success)
    }

    fn listen_as(code: fn(ExitCode) -> ExitCode) -> Result<Self, SignalError> {
        use tokio::signal::unix::{SignalKind, signal};
        let shutdown = Self::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (mut interrupt, mut terminate) = {
            let _within = runtime.enter();
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
        };
        let token = shutdown.token.clone();
        let wait = async move {
            let mut next = async || {
                tokio::select! {
                    _ = interrupt.recv() => code(ExitCode::Interrupted),
                    _ = terminate.recv() => code(ExitCode::Terminated),
                }
            };
            let first = next().await;
            RECEIVED.set(first).ok();
            token.cancel();
            tokio::time::timeout(EXIT_LIMIT, next()).await.unwrap_or(first)
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "who asks twice, or would wait too long, wants it at once"
        )]
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            let code = runtime.block_on(wait);
            std::process::exit(i32::from(code.status()));
        })?;
        Ok(shutdown)
    }

    /// The exit code of the signal that came, if one did: it hides whatever else went wrong.
    pub fn exit_code() -> Option<ExitCode> {
        RECEIVED.get().copied()
    }

    /// What the first signal cancels.
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// What the work gives, unless a signal comes first; then the work is dropped.
    pub async fn interrupting<T>(&self, work: impl Future<Output = T>) -> Result<T, Interrupted> {
        self.token.run_until_cancelled(work).await.ok_or(Interrupted)
    }
}
