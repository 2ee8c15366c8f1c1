//! One message to many: compressed once for all that know the same dictionary.

use std::sync::Arc;

use bytes::Bytes;
use paifang_mmtp::{
    compress::{Choice, DictionaryId, Plain},
    session::NewMessage,
    tlv::{MAX_BLOCK, TlvWriter, Tlvs, kind},
};

use super::{Codec, Encoding};

/// The forms that a message has had so far.
pub(crate) struct Forms<'a> {
    channel: u8,
    message: &'a NewMessage,
    made: Vec<Form>,
}

/// A message as it goes to those who know one dictionary, or none, of one release's encoding.
struct Form {
    encoding: Arc<Encoding>,
    dictionary: Option<DictionaryId>,
    /// `None` where it goes as it is.
    encoded: Option<NewMessage>,
}

impl<'a> Forms<'a> {
    pub(crate) fn new(channel: u8, message: &'a NewMessage) -> Self {
        Self { channel, message, made: Vec::new() }
    }

    /// How many bytes it has as it is.
    pub(crate) fn plain(&self) -> usize {
        self.message.data.len()
    }

    /// The message for a connection that has agreed on `codec`.
    pub(crate) fn of(&mut self, codec: Option<&Codec>) -> NewMessage {
        let plain = self.message;
        let takes = |codec: &&Codec| !(plain.secret || plain.zstd) && codec.takes(plain.data.len());
        let Some(codec) = codec.filter(takes) else { return plain.clone() };
        let set = codec.encoding.numbered.set();
        let dictionary = match set.choose(self.channel, None, codec.known.unwrap_or_default()) {
            Choice::Never => return plain.clone(),
            Choice::Alone => None,
            Choice::With(dictionary) => Some(dictionary.id()),
        };
        let same = |form: &&Form| {
            form.dictionary == dictionary && Arc::ptr_eq(&form.encoding, &codec.encoding)
        };
        let form = match self.made.iter().position(|form| same(&form)) {
            Some(index) => &self.made[index],
            None => {
                let encoded = encoded(codec, self.channel, plain);
                let encoding = codec.encoding.clone();
                self.made.push(Form { encoding, dictionary, encoded });
                &self.made[self.made.len() - 1]
            }
        };
        form.encoded.as_ref().unwrap_or(plain).clone()
    }
}

/// The message compressed, where it becomes shorter.
fn encoded(codec: &Codec, channel: u8, plain: &NewMessage) -> Option<NewMessage> {
    let made = codec.encode(Plain { channel, operation: None, data: &plain.data })?;
    let tlvs = match made.dictionary {
        None => plain.tlvs.clone(),
        Some(number) => with_number(&plain.tlvs, number)?,
    };
    Some(NewMessage { tlvs, zstd: true, data: made.data, ..plain.clone() })
}

/// The TLVs with ENCODED_WITH in its place; `None` when there is one already or no room.
fn with_number(tlvs: &Bytes, number: u32) -> Option<Bytes> {
    let (mut out, mut due) = (Vec::with_capacity(tlvs.len() + 8), true);
    let mut put = TlvWriter(&mut out);
    for (own, value) in Tlvs::trusted(tlvs).iter() {
        if own == kind::ENCODED_WITH {
            return None;
        }
        if due && own > kind::ENCODED_WITH {
            put.integer(kind::ENCODED_WITH, u64::from(number));
            due = false;
        }
        put.bytes(own, value);
    }
    if due {
        put.integer(kind::ENCODED_WITH, u64::from(number));
    }
    (out.len() <= MAX_BLOCK).then(|| out.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_its_place_among_others() {
        let mut tlvs = Vec::new();
        TlvWriter(&mut tlvs).integer(kind::DEADLINE - 1, 1).integer(kind::EXPIRES, 9);
        let kinds =
            |tlvs: &Bytes| -> Vec<u32> { Tlvs::trusted(tlvs).iter().map(|(own, _)| own).collect() };
        let tlvs = Bytes::from(tlvs);
        let with = with_number(&tlvs, 3).unwrap();
        assert_eq!(kinds(&with), [kind::ENCODED_WITH, kind::DEADLINE - 1, kind::EXPIRES]);
        assert_eq!(Tlvs::trusted(&with).get(kind::ENCODED_WITH), Some(&[3][..]));
        assert_eq!(kinds(&with_number(&Bytes::new(), 3).unwrap()), [kind::ENCODED_WITH]);
        assert_eq!(with_number(&with, 4), None);
    }
}
