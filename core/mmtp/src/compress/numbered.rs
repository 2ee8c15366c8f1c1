//! The dictionaries of a connection under the numbers that WELCOME gave them, and messages made with them.

use super::{
    Choice, CompressError, Compressor, Decompressor, Dictionaries, Dictionary, DictionaryId, Known,
};
use bytes::{Bytes, BytesMut};

/// A set of dictionaries with a number for each: what ENCODED_WITH says.
#[derive(Debug, Default)]
pub struct Numbered {
    set: Dictionaries,
    /// By the place in the set.
    numbers: Box<[u32]>,
}

/// A message that is to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Plain<'a> {
    /// Its channel.
    pub channel: u8,
    /// The operation that it is part of, where there is one.
    pub operation: Option<&'a str>,
    /// All of it.
    pub data: &'a [u8],
}

/// A message that became shorter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// Its wire form.
    pub data: Bytes,
    /// What ENCODED_WITH has to say.
    pub dictionary: Option<u32>,
}

impl Numbered {
    /// The numbers from 1 on, in the order of the set: what a server names in WELCOME.
    #[must_use]
    pub fn in_order(set: Dictionaries) -> Self {
        let numbers = (1..).take(set.iter().len()).collect();
        Self { set, numbers }
    }

    /// The numbers that `number` has for each of the set; 0 for one that has none.
    #[must_use]
    pub fn by(set: Dictionaries, number: impl Fn(DictionaryId) -> u32) -> Self {
        let numbers = set.iter().map(|dictionary| number(dictionary.id())).collect();
        Self { set, numbers }
    }

    /// The dictionaries.
    #[must_use]
    pub fn set(&self) -> &Dictionaries {
        &self.set
    }

    /// The number of a dictionary of the set.
    #[must_use]
    pub fn number(&self, id: DictionaryId) -> Option<u32> {
        let place = self.set.iter().position(|dictionary| dictionary.id() == id)?;
        self.numbers.get(place).copied().filter(|number| *number > 0)
    }

    fn named(&self, number: u32) -> Result<&Dictionary, CompressError> {
        let mut all = self.set.iter().zip(&self.numbers);
        let found = all.find(|(_, own)| **own == number && number > 0);
        found.map(|(dictionary, _)| dictionary).ok_or(CompressError::UnknownNumber(number))
    }

    /// The wire form of a message to a side that knows `known`; `None` when it is to be sent as it is.
    #[must_use]
    pub fn encode(
        &self,
        compressor: &Compressor,
        known: Known,
        message: Plain<'_>,
    ) -> Option<Encoded> {
        let Plain { channel, operation, data } = message;
        if data.len() < compressor.settings().min_bytes {
            return None;
        }
        let dictionary = match self.set.choose(channel, operation, known) {
            Choice::Never => return None,
            Choice::Alone => None,
            Choice::With(dictionary) => Some(dictionary),
        };
        let mut out = BytesMut::new();
        let made = compressor.compress(data, dictionary, &mut out)?;
        let dictionary = match made.dictionary {
            None => None,
            Some(id) => Some(self.number(id)?),
        };
        // It was made with room for the worst case, which is not kept while the message waits.
        Some(Encoded { data: Bytes::copy_from_slice(&out), dictionary })
    }

    /// The message that `data` is the wire form of, of at most `limit` bytes. `dictionary` is what ENCODED_WITH says.
    ///
    /// # Errors
    /// When no dictionary has this number, or it is no compressed message, or one beyond a limit.
    pub fn decode(
        &self,
        decompressor: &Decompressor,
        dictionary: Option<u32>,
        data: &[u8],
        limit: usize,
    ) -> Result<Bytes, CompressError> {
        let dictionary = dictionary.map(|number| self.named(number)).transpose()?;
        let mut out = BytesMut::new();
        decompressor.decompress(data, dictionary, limit, &mut out)?;
        Ok(out.freeze())
    }
}
