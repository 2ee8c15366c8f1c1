//! What is wrong with a config, told so that it can be mended: file, line, column, the line
//! itself, what to do, and every other place that plays a part.
//!
//! Inside the crate a [`Problem`] names spans; towards its users a [`Diagnostic`] names files and
//! carries the lines it speaks of, so that it can be shown, logged or sent without the files.

mod problem;
mod render;
mod suggest;

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

pub use problem::{Problem, Problems};
pub use suggest::{closest, did_you_mean};

/// A range in a file, with the line's text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The file as it was named: by the command line, an `include` or an overlay.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Line of the end.
    pub end_line: u32,
    /// Column of the end, exclusive.
    pub end_column: u32,
    /// The text of the first line, if it may be shown. Lines beyond 4 KiB are not kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Arc<str>>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// Another place that plays a part, and which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Related {
    /// Where.
    pub place: Place,
    /// What is there, such as `first here`.
    pub label: String,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Where; `None` when no file is to blame, such as a missing root file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// What is wrong, one sentence without a full stop.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Other places that play a part.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<Related>,
}

impl fmt::Display for Diagnostic {
    /// One line: `file:line:column: message (help)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.message)?;
        self.help.iter().try_for_each(|help| write!(f, " ({help})"))
    }
}

/// Everything that is wrong, in the order of the files and their lines; never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(transparent)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// One that stands alone and has no place.
    #[must_use]
    pub fn without_place(message: impl Into<String>, help: Option<String>) -> Self {
        Self(vec![Diagnostic { place: None, message: message.into(), help, related: Vec::new() }])
    }

    pub(crate) const fn from_vec(all: Vec<Diagnostic>) -> Self {
        Self(all)
    }

    /// All of them.
    #[must_use]
    pub fn as_slice(&self) -> &[Diagnostic] {
        &self.0
    }

    /// With snippets and carets, as plain text for a terminal, ending in a count.
    #[must_use]
    pub fn render(&self) -> String {
        render::all(&self.0)
    }
}

impl fmt::Display for Diagnostics {
    /// One line each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            diagnostic.fmt(f)?;
        }
        Ok(())
    }
}
