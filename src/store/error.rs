//! What can go wrong with the file, in words that say what to do.

use std::path::{Path, PathBuf};

/// Why the database could not be read or written. Nothing of the transaction under way has been kept.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no file to read from.
    #[error("there is no database at {}; `rollcall collect` makes one, or `--database` names another", path.display())]
    Missing { path: PathBuf },
    /// The file cannot be made.
    #[error("the database {} cannot be created: {source}; its directory must exist and be writable", path.display())]
    Create { path: PathBuf, source: std::io::Error },
    /// There is a directory in its place.
    #[error("{} is a directory; the database is a file: name one inside it, such as {}", path.display(), path.join("rollcall.db").display())]
    Directory { path: PathBuf },
    /// There is no directory for it.
    #[error("the database {} cannot be there: there is no directory {}; make it, or name another file", path.display(), directory.display())]
    NoDirectory {
        path: PathBuf,
        /// The directory that there is none of.
        directory: PathBuf,
    },
    /// The lock beside the file cannot be used.
    #[error("the lock file {} cannot be used: {source}; the database's directory must be writable", path.display())]
    Lock { path: PathBuf, source: std::io::Error },
    /// A newer rollcall has been here.
    #[error("the database {} was made by a newer rollcall; install that version, or name another file", path.display())]
    Newer { path: PathBuf },
    /// The tables are those of an older rollcall, or the views those of another one, and this command only reads.
    #[error(
        "the database {} has tables or views of another version of rollcall; `rollcall collect` brings it up to date",
        path.display()
    )]
    Older { path: PathBuf },
    /// The tables are those of a build before the first release.
    #[error(
        "the database {} was made by an unreleased build of rollcall, and no release reads its tables; move it aside, \
         and collect anew into a new file: `rollcall backfill --from` the first day that you want", path.display()
    )]
    Unreleased { path: PathBuf },
    /// The tables could not be brought up to date.
    #[error("the tables of {} cannot be brought up to date; nothing was changed", path.display())]
    Migration { path: PathBuf, source: Box<dyn std::error::Error + Send + Sync> },
    /// The group that may read the file is none of this system's.
    #[error("there is no group `{group}` on this system; make it, or change database.group")]
    NoGroup { group: String },
    /// The file cannot be given to the group that may read it.
    #[error("{} cannot be given to the group `{group}`: {source}; rollcall's user must own the file and be a member of \
             the group", path.display())]
    Share {
        /// The file, or its directory.
        path: PathBuf,
        group: String,
        source: std::io::Error,
    },
    /// What was removed is out of the tables, and not yet out of the files.
    #[error("what was removed from {} may still be found in its write-ahead log, because another program reads the \
             database; close it there, and run `rollcall db apply-privacy`", path.display())]
    Traces { path: PathBuf },
    /// The file is no longer where it was when it was opened.
    #[error(
        "the database {} was moved, deleted or replaced while it was open, and nothing more is written; put it back, \
         or start the program again", path.display()
    )]
    Moved { path: PathBuf },
    /// Someone else is writing, and does not stop.
    #[error("the database {} is locked by another program; close it there, and try again", path.display())]
    Locked { path: PathBuf },
    /// No room is left.
    #[error("the disk that holds {} is full; make room, and run again: nothing was half written", path.display())]
    Full { path: PathBuf },
    /// The file or its directory cannot be written.
    #[error("the database {} is read-only; make the file and its directory writable for this user", path.display())]
    ReadOnly { path: PathBuf },
    /// The file cannot be opened.
    #[error("the database {} cannot be opened; the file must be readable, and its directory exist", path.display())]
    CannotOpen { path: PathBuf },
    /// The file is another program's.
    #[error("the file {} is the database of another program, and stays as it is; name another file", path.display())]
    Foreign { path: PathBuf },
    /// The disk fails.
    #[error("the disk that holds {} fails, or is full; nothing was half written", path.display())]
    Disk { path: PathBuf, source: sqlx::Error },
    /// The file is damaged, or is no database.
    #[error("the file {} is damaged or is no SQLite database; move it aside, or restore a backup", path.display())]
    Corrupt { path: PathBuf },
    /// Anything else that the database says.
    #[error("the database {} failed", path.display())]
    Database { path: PathBuf, source: sqlx::Error },
}

impl StoreError {
    /// Whether the file is no longer this program's to write, so that trying again is of no use.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Moved { .. } | Self::Newer { .. } | Self::Unreleased { .. })
    }

    /// What an error of the database means for the file at `path`.
    ///
    /// Source of the numbers: SQLite's list of result codes; the lowest eight bits are the primary code.
    pub(super) fn of(path: &Path, error: sqlx::Error) -> Self {
        let path = path.to_owned();
        let code = match &error {
            sqlx::Error::Database(database) => database.code().and_then(|code| code.parse::<u32>().ok()),
            _ => None,
        };
        match code.map(|code| code & 0xff) {
            Some(5 | 6) => Self::Locked { path },
            Some(8) => Self::ReadOnly { path },
            // Where the index of the write-ahead log finds no room, that is an error of input and output.
            Some(10) => Self::Disk { path, source: error },
            Some(13) => Self::Full { path },
            Some(14) => Self::CannotOpen { path },
            Some(11 | 26) => Self::Corrupt { path },
            _ => Self::Database { path, source: error },
        }
    }
}
