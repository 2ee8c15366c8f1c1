//! The dictionaries that one side has, and which message is compressed with which.

use super::{CompressError, Dictionary, DictionaryId};
use std::collections::HashMap;

/// The most dictionaries in one set.
pub const MAX_DICTIONARIES: usize = 64;

/// Which operations a rule is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// This operation: `orders.create`.
    Exact(Box<str>),
    /// Operations whose names begin with this and a dot: `orders.*` is `Below("orders")`.
    Below(Box<str>),
    /// All of them, and messages that have no operation: `*`.
    All,
}

impl Pattern {
    /// Reads `orders.create`, `orders.*` or `*`.
    ///
    /// # Errors
    ///
    /// When the text is empty or has a `*` elsewhere.
    pub fn read(text: &str) -> Result<Self, RulesError> {
        let pattern = match text.strip_suffix(".*") {
            Some(below) => Self::Below(below.into()),
            None if text == "*" => Self::All,
            None => Self::Exact(text.into()),
        };
        match &pattern {
            Self::Exact(name) | Self::Below(name) if name.is_empty() || name.contains('*') => {
                Err(RulesError::Pattern(text.into()))
            }
            _ => Ok(pattern),
        }
    }
}

/// Why there is no set of these dictionaries.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RulesError {
    /// More than [`MAX_DICTIONARIES`].
    #[error("{0} dictionaries, more than {MAX_DICTIONARIES}")]
    TooMany(usize),
    /// Neither a name, nor a name and `.*`, nor `*`.
    #[error("`{0}` is neither an operation's name, nor the beginning of one and `.*`, nor `*`")]
    Pattern(Box<str>),
}

/// How a message is to be sent.
#[derive(Clone, Copy, Debug)]
pub enum Choice<'a> {
    /// As it is, whatever its length: what it holds must not show in its length.
    Never,
    /// Compressed by itself.
    Alone,
    /// Compressed with this dictionary.
    With(&'a Dictionary),
}

/// Which dictionaries of a set a peer has too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known(u64);

impl Known {
    /// Every one, such as for messages that are kept rather than sent.
    pub const ALL: Self = Self(u64::MAX);

    /// None.
    pub const NONE: Self = Self(0);

    /// These, and those.
    #[must_use]
    pub const fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// Collects dictionaries and what each is for; [`Rules::build`] makes the set.
#[derive(Debug, Default)]
pub struct Rules {
    all: Vec<Dictionary>,
    rules: Vec<(Option<u8>, Pattern, Rule)>,
}

#[derive(Clone, Copy, Debug)]
enum Rule {
    Never,
    With(usize),
}

impl Rules {
    /// Uses `dictionary` for messages on `channel`, or on any channel, with these operations; without any it is only known.
    ///
    /// Several for the same operations are tried in the order in which they were added: a new one first, and the one that clients
    /// have until they got it.
    #[must_use]
    pub fn add(
        mut self,
        dictionary: Dictionary,
        channel: Option<u8>,
        operations: impl IntoIterator<Item = Pattern>,
    ) -> Self {
        let known = self.all.iter().position(|other| other.id() == dictionary.id());
        let index = known.unwrap_or(self.all.len());
        if known.is_none() {
            self.all.push(dictionary);
        }
        let rules = operations.into_iter().map(|pattern| (channel, pattern, Rule::With(index)));
        self.rules.extend(rules);
        self
    }

    /// Compresses no message on `channel`, or on any channel, with these operations.
    #[must_use]
    pub fn never(
        mut self,
        channel: Option<u8>,
        operations: impl IntoIterator<Item = Pattern>,
    ) -> Self {
        let rules = operations.into_iter().map(|pattern| (channel, pattern, Rule::Never));
        self.rules.extend(rules);
        self
    }

    /// The set.
    ///
    /// # Errors
    ///
    /// When there are more than [`MAX_DICTIONARIES`].
    pub fn build(self) -> Result<Dictionaries, RulesError> {
        if self.all.len() > MAX_DICTIONARIES {
            return Err(RulesError::TooMany(self.all.len()));
        }
        let mut set = Dictionaries { all: self.all.into(), ..Dictionaries::default() };
        for (channel, pattern, rule) in self.rules {
            let table = match channel {
                None => &mut set.anywhere,
                Some(channel) => set.channels.entry(channel).or_default(),
            };
            let entry = match pattern {
                Pattern::Exact(name) => table.exact.entry(name).or_default(),
                Pattern::Below(name) => table.below.entry(name).or_default(),
                Pattern::All => &mut table.all,
            };
            match rule {
                Rule::Never => entry.never = true,
                Rule::With(index) => entry.with.push(index),
            }
        }
        Ok(set)
    }
}

/// An immutable set of dictionaries, looked up without a lock and without allocating.
#[derive(Debug, Default)]
pub struct Dictionaries {
    all: Box<[Dictionary]>,
    anywhere: Table,
    channels: HashMap<u8, Table>,
}

/// The rules of one channel, or of all of them.
#[derive(Debug, Default)]
struct Table {
    exact: HashMap<Box<str>, Entry>,
    below: HashMap<Box<str>, Entry>,
    all: Entry,
}

/// What one pattern says: dictionaries by their place in the set, the first that the peer knows; or never.
#[derive(Debug, Default)]
struct Entry {
    never: bool,
    with: Vec<usize>,
}

impl Dictionaries {
    /// The dictionary of this name.
    ///
    /// # Errors
    ///
    /// When it is not in the set.
    pub fn get(&self, id: DictionaryId) -> Result<&Dictionary, CompressError> {
        let found = self.all.iter().find(|dictionary| dictionary.id() == id);
        found.ok_or(CompressError::UnknownDictionary(id))
    }

    /// Every dictionary, in the order in which they were added.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Dictionary> {
        self.all.iter()
    }

    /// Which of them a peer has that names these: worked out once a connection.
    pub fn known(&self, ids: impl IntoIterator<Item = DictionaryId>) -> Known {
        let place = |id| self.all.iter().position(|dictionary| dictionary.id() == id);
        Known(ids.into_iter().filter_map(place).fold(0, |known, place| known | 1 << place))
    }

    /// How a message is to be sent on `channel`, as part of `operation` where it has one, to a peer that knows `known`.
    ///
    /// The nearest rule decides: for the whole name before its beginnings, the longest first, before `*`; for the channel before
    /// any channel. `never` decides before dictionaries do; a rule of which the peer knows no dictionary is passed over.
    #[must_use]
    pub fn choose(&self, channel: u8, operation: Option<&str>, known: Known) -> Choice<'_> {
        let own = self.channels.get(&channel);
        let tables = || own.into_iter().chain([&self.anywhere]);
        let exact = operation
            .into_iter()
            .flat_map(|name| tables().filter_map(move |table| table.exact.get(name)));
        let below = operation.into_iter().flat_map(|name| {
            beginnings(name)
                .flat_map(move |name| tables().filter_map(move |table| table.below.get(name)))
        });
        let all = tables().map(|table| &table.all);
        for entry in exact.chain(below).chain(all) {
            if entry.never {
                return Choice::Never;
            }
            let usable = entry.with.iter().find(|place| known.0 >> **place & 1 == 1);
            if let Some(dictionary) = usable.and_then(|place| self.all.get(*place)) {
                return Choice::With(dictionary);
            }
        }
        Choice::Alone
    }
}

/// `a.b`, `a` of `a.b.c`.
fn beginnings(name: &str) -> impl Iterator<Item = &str> {
    name.rmatch_indices('.').map(|(dot, _)| &name[..dot])
}
