//! What one connection has agreed on.

use std::sync::Arc;

use bytes::Bytes;
use paifang_mmtp::{
    Malformed,
    compress::{CompressError, DictionaryId, Encoded, Known, Plain},
    tlv::{self, Tlvs, kind},
};

use super::Encoding;

/// What one connection has agreed on. It has no context of its own.
#[derive(Clone, Debug)]
pub(crate) struct Codec {
    pub(super) encoding: Arc<Encoding>,
    /// Which dictionaries the client has; `None` where it takes no compressed messages.
    pub(super) known: Option<Known>,
}

impl Codec {
    /// `has` are the dictionaries of a client that takes compressed messages.
    pub(super) fn new(encoding: Arc<Encoding>, has: Option<&Vec<[u8; 16]>>) -> Self {
        let known = has.map(|has| encoding.numbered.set().known(ids(has)));
        Self { encoding, known }
    }

    /// The client has got these too.
    pub(crate) fn learn(&mut self, has: &[[u8; 16]]) {
        let more = self.encoding.numbered.set().known(ids(has));
        self.known = self.known.map(|known| known.and(more));
    }

    pub(crate) fn encoding(&self) -> &Arc<Encoding> {
        &self.encoding
    }

    /// Whether an answer or message of so many bytes may be compressed for this client.
    pub(crate) fn takes(&self, length: usize) -> bool {
        let least = self.encoding.compressor.settings().min_bytes;
        self.known.is_some() && (least..=self.encoding.most_bytes).contains(&length)
    }

    /// The wire form of a message; `None` when it goes as it is.
    pub(crate) fn encode(&self, message: Plain<'_>) -> Option<Encoded> {
        let known = self.known.filter(|_| self.takes(message.data.len()))?;
        self.encoding.numbered.encode(&self.encoding.compressor, known, message)
    }

    /// The message that came as `data`, of at most `limit` bytes.
    pub(crate) fn decode(
        &self,
        dictionary: Option<u32>,
        data: &[u8],
        limit: usize,
    ) -> Result<Bytes, CompressError> {
        self.encoding.numbered.decode(&self.encoding.decompressor, dictionary, data, limit)
    }
}

fn ids(identities: &[[u8; 16]]) -> impl Iterator<Item = DictionaryId> {
    identities.iter().copied().map(DictionaryId)
}

/// The number of the dictionary that a message names.
pub(crate) fn number(tlvs: Tlvs<'_>) -> Result<Option<u32>, Malformed> {
    tlvs.get(kind::ENCODED_WITH).map(|value| tlv::integer(value, "ENCODED_WITH")).transpose()
}
