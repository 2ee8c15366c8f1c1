//! What became of each line of the source.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::sync::Arc;

use serde::Serialize;

/// A place in a source file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// Which of the files it is, in the order in which they were read.
    #[serde(skip)]
    pub order: u32,
    /// The file, as it was named.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// What became of a line; the greater is the worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It says nothing that a gateway would do otherwise: comments on nginx's own process and the like.
    NoEffect,
    /// It is told in ours, and means the same.
    Taken,
    /// It is told in ours, and means something near; the note says what differs.
    Approximated,
    /// It is not told in ours; the note says why, and what to do.
    NotTaken,
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fate::NoEffect => "no effect",
            Fate::Taken => "taken",
            Fate::Approximated => "approximated",
            Fate::NotTaken => "NOT TAKEN",
        })
    }
}

/// What became of one line or directive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Where it stands.
    #[serde(flatten)]
    pub place: Place,
    /// What stands there, cut after 100 characters.
    pub source: String,
    /// What became of it.
    pub fate: Fate,
    /// As what it was taken, how it differs, or why it was not.
    pub notes: Vec<String>,
    /// Whether it keeps somebody out or something small.
    pub protects: bool,
}

/// The fates of all lines.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// In the order of files and lines.
    pub entries: Vec<Entry>,
    /// APIs that are offline because something that protected them was not taken, or nothing answers
    /// them here: id and reason.
    pub offline: Vec<(String, String)>,
}

impl Report {
    /// How many entries have this fate.
    #[must_use]
    pub fn count(&self, fate: Fate) -> usize {
        self.entries.iter().filter(|entry| entry.fate == fate).count()
    }

    /// For people: a line for each entry, notes below it, counts at the end.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for entry in &self.entries {
            let Place { file, line, .. } = &entry.place;
            let _ = writeln!(text, "{file}:{line}: {}: {}", entry.fate, entry.source);
            for note in &entry.notes {
                let _ = writeln!(text, "    {note}");
            }
        }
        for (api, why) in &self.offline {
            let _ = writeln!(text, "OFFLINE: {api}: {why}");
        }
        let _ = writeln!(text, "{}", self.summary());
        text
    }

    /// The counts in one line.
    #[must_use]
    pub fn summary(&self) -> String {
        let count = |fate| self.count(fate);
        format!(
            "{} taken, {} approximated, {} not taken, {} without effect; {} APIs offline",
            count(Fate::Taken),
            count(Fate::Approximated),
            count(Fate::NotTaken),
            count(Fate::NoEffect),
            self.offline.len()
        )
    }
}

/// Collects fates while a source is read; one place may be told of several times, and the worst counts.
#[derive(Debug, Default)]
pub(crate) struct Book {
    entries: BTreeMap<Place, Entry>,
    pub(crate) offline: Vec<(String, String)>,
}

impl Book {
    /// Notes that this stands there; its fate follows, or it is not known.
    pub(crate) fn open(&mut self, place: &Place, source: &str, unknown: &str) {
        let mut cut: String = source.chars().take(100).collect();
        if cut.len() < source.len() {
            cut.push('…');
        }
        let entry = Entry {
            place: place.clone(),
            source: cut,
            fate: Fate::NotTaken,
            notes: vec![unknown.to_owned()],
            protects: false,
        };
        self.entries.insert(place.clone(), entry);
    }

    /// Says what became of what stands there. A first word replaces what [`Book::open`] said.
    pub(crate) fn say(
        &mut self,
        place: &Place,
        fate: Fate,
        note: impl Into<String>,
        unknown: &str,
    ) {
        let Some(entry) = self.entries.get_mut(place) else { return };
        let note = note.into();
        if entry.notes.first().is_some_and(|first| first == unknown) {
            entry.notes.clear();
            entry.fate = fate;
        }
        entry.fate = entry.fate.max(fate);
        if !note.is_empty() && !entry.notes.contains(&note) && entry.notes.len() < 8 {
            entry.notes.push(note);
        }
    }

    /// Whether nothing was said of what stands there.
    pub(crate) fn unsaid(&self, place: &Place, unknown: &str) -> bool {
        let entry = self.entries.get(place);
        entry.is_some_and(|entry| entry.notes.first().is_some_and(|first| first == unknown))
    }

    /// Marks what keeps somebody out.
    pub(crate) fn protects(&mut self, place: &Place) {
        if let Some(entry) = self.entries.get_mut(place) {
            entry.protects = true;
        }
    }

    pub(crate) fn finish(self) -> Report {
        Report { entries: self.entries.into_values().collect(), offline: self.offline }
    }
}
