//! A problem by its spans, and the collection that grows while a config is being read.

use super::{Diagnostic, Diagnostics, Place, Related};
use crate::source::SourceMap;
use crate::yaml::Span;

/// One thing that is wrong, at spans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where; [`Span::NONE`] when no file is to blame.
    pub span: Span,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Other places that play a part.
    pub related: Vec<(Span, String)>,
    /// The line must not be shown, because it may hold a secret or cannot be shown as text.
    pub hidden: bool,
}

impl Problem {
    /// Something is wrong at a span.
    #[must_use]
    pub fn new(span: Span, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), help: None, related: Vec::new(), hidden: false }
    }

    /// What to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// What to do about it, if there is an advice.
    #[must_use]
    pub fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    /// Another place that plays a part.
    #[must_use]
    pub fn related(mut self, span: Span, label: impl Into<String>) -> Self {
        self.related.push((span, label.into()));
        self
    }

    /// Without the line's text.
    #[must_use]
    pub const fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }

    /// With files and lines.
    #[must_use]
    pub fn locate(self, sources: &SourceMap) -> Diagnostic {
        let place = |span: Span| {
            let place = sources.place(span)?;
            Some(if self.hidden { Place { text: None, ..place } } else { place })
        };
        Diagnostic {
            place: place(self.span),
            related: self
                .related
                .iter()
                .filter_map(|(span, label)| {
                    Some(Related { place: place(*span)?, label: label.clone() })
                })
                .collect(),
            message: self.message,
            help: self.help,
        }
    }
}

/// All problems found so far.
#[derive(Debug, Default)]
pub struct Problems {
    all: Vec<Problem>,
    /// How many came after there were enough.
    dropped: usize,
}

impl Problems {
    /// More than this many are not told: the rest mostly follows from them.
    pub const MOST: usize = 100;

    /// More than this many are not even kept: a file may be nothing but mistakes.
    pub(crate) const ENOUGH: usize = 10_000;

    /// One more.
    pub fn push(&mut self, problem: Problem) {
        if self.all.len() < Self::ENOUGH {
            self.all.push(problem);
        } else {
            self.dropped += 1;
        }
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.all.len() + self.dropped
    }

    /// Says of all that were pushed since there were `since` that this place plays a part.
    pub(crate) fn relate_since(&mut self, since: usize, span: Span, label: &str) {
        for problem in self.all.iter_mut().skip(since) {
            problem.related.push((span, label.to_owned()));
        }
    }

    /// The value, if nothing is wrong; else everything that is, ordered by file (as loaded), line
    /// and column, each told once.
    ///
    /// # Errors
    /// When there is any problem.
    pub fn finish<T>(mut self, value: T, sources: &SourceMap) -> Result<T, Diagnostics> {
        if self.all.is_empty() {
            return Ok(value);
        }
        self.all.sort_by(|a, b| {
            let key = |problem: &Problem| {
                (sources.rank(problem.span.file), problem.span.line, problem.span.column)
            };
            key(a).cmp(&key(b)).then_with(|| a.message.cmp(&b.message))
        });
        // A step of a chain is built for every API that uses it; its mistake is one.
        self.all
            .dedup_by(|again, first| again.span == first.span && again.message == first.message);
        let left_off = self.all.len().saturating_sub(Self::MOST) + self.dropped;
        self.all.truncate(Self::MOST);
        let mut all: Vec<Diagnostic> =
            self.all.into_iter().map(|problem| problem.locate(sources)).collect();
        if left_off > 0 {
            all.push(Diagnostic {
                place: None,
                message: format!("{left_off} more errors are not shown"),
                help: None,
                related: Vec::new(),
            });
        }
        Err(Diagnostics::from_vec(all))
    }
}

impl Extend<Problem> for Problems {
    fn extend<T: IntoIterator<Item = Problem>>(&mut self, problems: T) {
        problems.into_iter().for_each(|problem| self.push(problem));
    }
}
