//! Compression (spec section 9): what one release says of it, and what a connection has agreed on.

mod codec;
mod forms;
mod worth;

pub(crate) use codec::{Codec, number};
pub(crate) use forms::Forms;
pub(crate) use worth::is_worth_it;

use std::{collections::BTreeSet, fmt, sync::Arc};

use paifang_mmtp::{
    compress::{
        Compressor, Decompressor, Dictionary, DictionaryId, LevelError, Numbered, Pattern, Rules,
        RulesError, Settings,
    },
    greeting::{self, FEATURE_ZSTD, Hello, Welcome},
};

/// A dictionary, and what it is for.
#[derive(Clone, Debug)]
pub struct Offered {
    /// The dictionary.
    pub dictionary: Dictionary,
    /// The channel of its messages.
    pub channel: u8,
    /// Their operation: `orders.create`, `orders.*`, or empty for all of the channel.
    pub operation: Box<str>,
    /// Whether clients that have not got it may fetch it.
    pub public: bool,
}

/// How messages are compressed on the connections that begin while it holds. A connection keeps the one that it began with, so that
/// its dictionaries keep their numbers.
pub struct Encoding {
    compressor: Compressor,
    decompressor: Decompressor,
    numbered: Numbered,
    offered: Box<[Offered]>,
    most_bytes: usize,
}

/// Why there is no such encoding.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodingError {
    /// The level is none.
    #[error(transparent)]
    Level(#[from] LevelError),
    /// An operation is none, or there are too many dictionaries.
    #[error(transparent)]
    Rules(#[from] RulesError),
}

impl Encoding {
    /// Compresses as `settings` say what has at most `most_bytes`, with these dictionaries, the first that a client has. `contexts` idle
    /// contexts are kept each way, about as many as threads work at once: at level 3 each takes at most 1.5 MiB to compress, 230 KiB to
    /// decompress. No connection has one.
    ///
    /// # Errors
    /// When there is no such level, an operation is none, or there are more than
    /// [`MAX_DICTIONARIES`](paifang_mmtp::compress::MAX_DICTIONARIES).
    pub fn new(
        settings: Settings,
        most_bytes: usize,
        contexts: usize,
        offered: impl IntoIterator<Item = Offered>,
    ) -> Result<Self, EncodingError> {
        let offered: Box<[Offered]> = offered.into_iter().collect();
        if offered.len() > greeting::MAX_REPEATS {
            return Err(RulesError::TooMany(offered.len()).into());
        }
        let mut rules = Rules::default();
        for one in &offered {
            let pattern = match &*one.operation {
                "" => Pattern::All,
                named => Pattern::read(named)?,
            };
            rules = rules.add(one.dictionary.clone(), Some(one.channel), [pattern]);
        }
        Ok(Self {
            compressor: Compressor::new(settings, contexts)?,
            decompressor: Decompressor::new(contexts),
            numbered: Numbered::in_order(rules.build()?),
            offered,
            most_bytes,
        })
    }

    /// What a connection begins with: says in WELCOME what there is, and learns from HELLO what the client has.
    pub(crate) fn greet(self: &Arc<Self>, hello: &Hello, welcome: &mut Welcome) -> Codec {
        welcome.features |= FEATURE_ZSTD;
        let takes = hello.features & FEATURE_ZSTD != 0;
        if takes {
            let has: BTreeSet<_> = hello.dictionaries.iter().collect();
            let named = self.offered.iter().filter_map(|one| {
                let id = one.dictionary.id();
                let number = self.numbered.number(id)?;
                (one.public || has.contains(&id.0)).then(|| greeting::Dictionary {
                    number,
                    identity: id.0,
                    channel: one.channel,
                    operation: one.operation.clone(),
                })
            });
            welcome.dictionaries = named.collect();
        }
        Codec::new(self.clone(), takes.then_some(&hello.dictionaries))
    }

    /// The most bytes of a message that is compressed.
    pub(crate) fn most_bytes(&self) -> usize {
        self.most_bytes
    }

    /// The dictionary of this identity, where clients may fetch it.
    pub(crate) fn public(&self, identity: &[u8]) -> Option<&Dictionary> {
        let id = DictionaryId(identity.try_into().ok()?);
        let all = self.offered.iter().filter(|one| one.public);
        all.map(|one| &one.dictionary).find(|dictionary| dictionary.id() == id)
    }
}

impl fmt::Debug for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { offered, most_bytes, .. } = self;
        let settings = self.compressor.settings();
        f.debug_struct("Encoding")
            .field("settings", &settings)
            .field("most_bytes", most_bytes)
            .field("offered", offered)
            .finish_non_exhaustive()
    }
}
