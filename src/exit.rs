//! What the program's exit status says: the table that service managers and scripts rely on.

use std::process::ExitCode as ProcessExitCode;

/// How a command ended, as its exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExitCode {
    /// All was done (0).
    Success,
    /// Done, but some instances failed or were parked (1).
    Partial,
    /// Invalid command line (2).
    Usage,
    /// Zoom cannot be reached, and nothing could be read (69).
    Unreachable,
    /// The database cannot be read or written (74).
    Database,
    /// Try later: the day's quota is used up, or another run holds the database (75).
    TryLater,
    /// Zoom refuses: credentials, scopes, plan; nothing could be read (77).
    Refused,
    /// The configuration is wrong (78); systemd does not restart on it.
    Config,
    /// Stopped by SIGINT (130).
    Interrupted,
    /// Stopped by SIGTERM (143).
    Terminated,
}

impl ExitCode {
    /// Every code, in the order in which the command prefers to report them where several hold.
    ///
    /// A wrong command line and a signal leave no room for anything else, so they stand first.
    pub const ALL: [Self; 10] = [
        Self::Usage,
        Self::Terminated,
        Self::Interrupted,
        Self::Config,
        Self::Database,
        Self::Refused,
        Self::Unreachable,
        Self::TryLater,
        Self::Partial,
        Self::Success,
    ];

    pub const fn status(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Partial => 1,
            Self::Usage => 2,
            Self::Unreachable => 69,
            Self::Database => 74,
            Self::TryLater => 75,
            Self::Refused => 77,
            Self::Config => 78,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// The one to report where both hold: 78 before 74, 77, 69, 75 and 1.
    pub(crate) fn worst(self, other: Self) -> Self {
        Self::ALL.into_iter().find(|code| *code == self || *code == other).unwrap_or(self)
    }
}

impl From<ExitCode> for ProcessExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.status())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_status() {
        let mut statuses = ExitCode::ALL.map(ExitCode::status);
        statuses.sort_unstable();
        assert_eq!(statuses, [0, 1, 2, 69, 74, 75, 77, 78, 130, 143]);
    }

    #[test]
    fn the_worst_is_reported_in_the_documented_order() {
        let order = [78, 74, 77, 69, 75, 1, 0];
        let by_status = |status: u8| ExitCode::ALL.into_iter().find(|code| code.status() == status).unwrap();
        for (position, worse) in order.into_iter().enumerate() {
            for better in order.into_iter().skip(position) {
                assert_eq!(by_status(worse).worst(by_status(better)).status(), worse);
                assert_eq!(by_status(better).worst(by_status(worse)).status(), worse);
            }
        }
    }

    #[test]
    fn a_signal_hides_what_else_went_wrong() {
        assert_eq!(ExitCode::Database.worst(ExitCode::Terminated), ExitCode::Terminated);
        assert_eq!(ExitCode::Interrupted.worst(ExitCode::Partial), ExitCode::Interrupted);
    }
}
