//! The exit code of whatever ends a command.

use crate::collect::{AbortReason, Summary};
use crate::config::ConfigError;
use crate::exit::ExitCode;
use crate::model::RunOutcome;
use crate::store::StoreError;
use crate::zoom::{Disposition, ZoomError};

/// What a command itself finds wrong, said for people, with the exit code that it ends with.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(in crate::commands) struct CommandError {
    message: String,
    code: ExitCode,
}

impl CommandError {
    pub fn new(code: ExitCode, message: impl Into<String>) -> Self {
        Self { message: message.into(), code }
    }

    /// A command line that clap takes and that cannot be followed all the same.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ExitCode::Usage, message)
    }

    pub fn try_later(message: impl Into<String>) -> Self {
        Self::new(ExitCode::TryLater, message)
    }
}

/// The exit code of an error, by whose it is.
pub(in crate::commands) fn code_of(error: &anyhow::Error) -> ExitCode {
    for cause in error.chain() {
        if let Some(error) = cause.downcast_ref::<CommandError>() {
            return error.code;
        }
        if let Some(error) = cause.downcast_ref::<ZoomError>() {
            return code_of_zoom(error);
        }
        if cause.is::<ConfigError>() {
            return ExitCode::Config;
        }
        if cause.is::<StoreError>() {
            return ExitCode::Database;
        }
    }
    ExitCode::Partial
}

/// The exit code of an error of the client of Zoom's API, where nothing could be read for it.
pub(in crate::commands) fn code_of_zoom(error: &ZoomError) -> ExitCode {
    if let ZoomError::NoCertificates(_) = error {
        // Zoom was not even asked, and it does not mend itself.
        return ExitCode::Config;
    }
    match error.disposition() {
        Disposition::Quota { .. } | Disposition::Throttled(_) => ExitCode::TryLater,
        Disposition::Credentials | Disposition::RenewToken | Disposition::TryNextSource(_) => {
            ExitCode::Refused
        }
        _ => ExitCode::Unreachable,
    }
}

/// The exit code that the contract gives a run.
pub fn code_of_run(summary: &Summary) -> ExitCode {
    let nothing_read = summary.instances_fetched == 0;
    let mut code = ExitCode::Success;
    if summary.instances_failed > 0 || summary.outcome == RunOutcome::Partial {
        code = code.worst(ExitCode::Partial);
    }
    if summary.read_nothing() && (summary.denied || summary.meetings_refused > 0) {
        code = code.worst(ExitCode::Refused);
    }
    if summary.unreachable && !summary.answered {
        code = code.worst(ExitCode::Unreachable);
    }
    match &summary.aborted {
        Some(AbortReason::Quota(..)) => code.worst(ExitCode::TryLater),
        Some(AbortReason::Refused(_)) if nothing_read => code.worst(ExitCode::Refused),
        Some(AbortReason::Refused(_)) => code.worst(ExitCode::Partial),
        Some(AbortReason::Ledger(_)) => code.worst(ExitCode::Database),
        None => code,
    }
}
