//! What is wrong with a configuration, said so that a person can mend it.

use std::fmt;
use std::path::PathBuf;

/// Everything that is wrong with the configuration, found in one pass.
///
/// No text in it holds a secret. Commands end with exit status 78 on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// What is wrong, at least one thing, in the order of the file.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong, where it stands, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub location: SourceLocation,
    /// The key's path, such as `zoom.page_size` or `meetings[2].label`; empty where it is about the whole file.
    pub key: String,
    /// What was found there, and what is wanted.
    pub message: String,
    pub hint: String,
}

/// Where a value comes from.
///
/// In the order in which people look: the file from its top, then the rest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SourceLocation {
    /// The config file, with the line (from 1) where it is known.
    File {
        path: PathBuf,
        /// The line, from 1.
        line: Option<usize>,
    },
    /// The environment variable of this name.
    Environment(String),
    /// Nowhere: the value is missing, or the built-in default.
    Nowhere,
}

impl fmt::Display for SourceLocation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line: Some(line) } => write!(formatter, "{}:{line}", path.display()),
            Self::File { path, line: None } => write!(formatter, "{}", path.display()),
            Self::Environment(name) => write!(formatter, "environment variable {name}"),
            Self::Nowhere => formatter.write_str("configuration"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: ", self.location)?;
        if !self.key.is_empty() {
            write!(formatter, "{}: ", self.key)?;
        }
        write!(formatter, "{}; {}", self.message, self.hint)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.as_slice() {
            [only] => write!(formatter, "{only}"),
            several => {
                write!(formatter, "the configuration has {} problems:", several.len())?;
                several.iter().try_for_each(|problem| write!(formatter, "\n  {problem}"))
            }
        }
    }
}

impl std::error::Error for ConfigError {}

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem] }
    }
}
