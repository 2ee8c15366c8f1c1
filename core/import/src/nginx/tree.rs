//! Directives as they were read.

use crate::Place;

/// A word of a directive, its quotes and escapes undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) text: String,
    pub(crate) place: Place,
}

/// A directive, with its block where it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Directive {
    pub(crate) name: String,
    pub(crate) args: Vec<Word>,
    pub(crate) place: Place,
    pub(crate) block: Option<Vec<Directive>>,
}

impl Directive {
    /// The argument at this position, or nothing.
    pub(crate) fn arg(&self, at: usize) -> &str {
        self.args.get(at).map_or("", |word| &word.text)
    }

    /// All arguments.
    pub(crate) fn words(&self) -> impl Iterator<Item = &str> {
        self.args.iter().map(|word| word.text.as_str())
    }

    /// What stands in the block.
    pub(crate) fn inner(&self) -> &[Directive] {
        self.block.as_deref().unwrap_or_default()
    }

    /// The directive in one line, as reports show it.
    pub(crate) fn line(&self) -> String {
        let mut line = self.name.clone();
        for word in self.words() {
            line.push(' ');
            line.push_str(word);
        }
        line.push_str(if self.block.is_some() { " {" } else { ";" });
        line
    }
}
