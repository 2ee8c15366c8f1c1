//! Why a task ended early, and the exit code that says so.

use std::{fmt, io, path::Path};

/// The result of everything in this crate.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// A task's end without success.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A tool is missing and could not be installed; the text holds the one line to type.
    Missing(String),
    /// Something ran and failed; the text says what.
    Failed(String),
}

impl Failure {
    /// The process's exit code.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Missing(_) => 2,
        }
    }

    /// A file could not be read or written.
    pub(crate) fn file(path: &Path, cause: &io::Error) -> Self {
        Self::Failed(format!("{}: {cause}", path.display()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(text) => write!(f, "missing: {text}"),
            Self::Failed(text) => write!(f, "failed: {text}"),
        }
    }
}
