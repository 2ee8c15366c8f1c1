//! Type, length, value: what frames carry beyond their fixed fields (spec section 3).

use bytes::BufMut;

use crate::{
    reader::{Malformed, Reader},
    varint,
};

/// The most bytes of the TLVs of a REQUEST or RESPONSE.
pub const MAX_BLOCK: usize = 8192;
/// The most TLVs of a REQUEST or RESPONSE.
pub const MAX_COUNT: usize = 64;

/// The types, as in the table of the spec. The lowest bit says that a receiver must know it.
pub mod kind {
    #![allow(missing_docs)]
    pub const FEATURES: u32 = 0x02;
    pub const APP: u32 = 0x03;
    pub const APP_VERSION: u32 = 0x04;
    pub const DEVICE: u32 = 0x05;
    pub const PLATFORM: u32 = 0x06;
    pub const NONCE: u32 = 0x07;
    pub const NETWORK: u32 = 0x08;
    pub const AUTH: u32 = 0x09;
    pub const RESUME: u32 = 0x0a;
    pub const DEVICE_KEY: u32 = 0x0c;
    pub const PROOF: u32 = 0x0e;
    pub const AUTHORITY: u32 = 0x0f;
    pub const DICTIONARIES: u32 = 0x10;
    pub const CURSOR: u32 = 0x12;
    pub const STATE: u32 = 0x14;
    pub const FIELD: u32 = 0x15;
    pub const SETTINGS: u32 = 0x16;
    pub const EPOCH: u32 = 0x17;
    pub const LEARNT: u32 = 0x18;
    pub const SERVER_TIME: u32 = 0x20;
    pub const CONNECTION: u32 = 0x22;
    pub const HEARTBEAT: u32 = 0x24;
    pub const TOKEN: u32 = 0x26;
    pub const RESUMED: u32 = 0x28;
    pub const USER_ID: u32 = 0x2a;
    pub const ALTERNATE: u32 = 0x2c;
    pub const DICTIONARY: u32 = 0x2e;
    pub const ENCODED_WITH: u32 = 0x31;
    pub const OPERATION: u32 = 0x33;
    pub const TARGET: u32 = 0x35;
    pub const PARAM: u32 = 0x37;
    pub const QUERY: u32 = 0x39;
    pub const DEADLINE: u32 = 0x3a;
    pub const PRIORITY: u32 = 0x3c;
    pub const CALL_ID: u32 = 0x3f;
    pub const ATTEMPT: u32 = 0x40;
    pub const ERROR: u32 = 0x42;
    pub const AFTER: u32 = 0x44;
    pub const JITTER: u32 = 0x46;
    pub const DETAIL: u32 = 0x48;
    pub const LAST: u32 = 0x4a;
    pub const EXPIRES: u32 = 0x4c;
    /// Even types from here to [`GREASE_LAST`] are sent now and then, and mean nothing.
    pub const GREASE_FIRST: u32 = 0x3f00;
    pub const GREASE_LAST: u32 = 0x3ffe;
}

/// Whether several TLVs of this type may stand in one frame.
fn repeats(kind: u32) -> bool {
    use kind::{ALTERNATE, CURSOR, DICTIONARY, FIELD, LAST, PARAM};
    matches!(kind, ALTERNATE | CURSOR | DICTIONARY | FIELD | LAST | PARAM)
}

/// TLVs that were looked through: each is whole and in order. What they mean is not looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tlvs<'a> {
    bytes: &'a [u8],
}

impl<'a> Tlvs<'a> {
    /// Looks through `bytes`.
    ///
    /// # Errors
    /// When one is not whole, or they are out of order, repeated, or more than `most`.
    pub fn new(bytes: &'a [u8], most: usize) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let (mut last, mut count) = (None, 0);
        while !reader.is_empty() {
            let kind = reader.varint("TLV's type")?;
            reader.string("TLV's value")?;
            if last.is_some_and(|last| kind < last || kind == last && !repeats(kind)) {
                return Err(Malformed::Order(kind));
            }
            count += 1;
            if count > most {
                return Err(Malformed::TooManyTlvs);
            }
            last = Some(kind);
        }
        Ok(Self { bytes })
    }

    /// What was looked through before, as [`Self::as_bytes`] gave it. Bytes from elsewhere give nothing, or nonsense.
    #[must_use]
    pub fn trusted(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// The bytes, without a length in front.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Type and value of each.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &'a [u8])> + use<'a> {
        let mut reader = Reader::new(self.bytes);
        std::iter::from_fn(move || {
            if reader.is_empty() {
                return None;
            }
            Some((reader.varint("TLV's type").ok()?, reader.string("TLV's value").ok()?))
        })
    }

    /// The value of the first of a type.
    #[must_use]
    pub fn get(&self, kind: u32) -> Option<&'a [u8]> {
        self.iter()
            .take_while(|(found, _)| *found <= kind)
            .find(|(found, _)| *found == kind)
            .map(|(_, value)| value)
    }

    /// A critical one that is not among `known`, which the frame must be refused for.
    ///
    /// # Errors
    /// [`Malformed::Critical`] with its type.
    pub fn check_critical(&self, known: &[u32]) -> Result<(), Malformed> {
        match self.iter().find(|(kind, _)| kind & 1 == 1 && !known.contains(kind)) {
            Some((kind, _)) => Err(Malformed::Critical(kind)),
            None => Ok(()),
        }
    }
}

/// Writes TLVs; the caller keeps them in ascending order.
#[derive(Debug)]
pub struct TlvWriter<'a, B: BufMut>(pub &'a mut B);

impl<B: BufMut> TlvWriter<'_, B> {
    /// One with these bytes as its value.
    pub fn bytes(&mut self, kind: u32, value: &[u8]) -> &mut Self {
        varint::write(self.0, u64::from(kind));
        varint::write(self.0, value.len() as u64);
        self.0.put_slice(value);
        self
    }

    /// One whose value is an integer.
    pub fn integer(&mut self, kind: u32, value: u64) -> &mut Self {
        varint::write(self.0, u64::from(kind));
        varint::write(self.0, varint::length(value) as u64);
        varint::write(self.0, value);
        self
    }

    /// One whose value is `first` with its length in front, then `second`.
    pub fn pair(&mut self, kind: u32, first: &[u8], second: &[u8]) -> &mut Self {
        let front = varint::length(first.len() as u64) + first.len();
        varint::write(self.0, u64::from(kind));
        varint::write(self.0, (front + second.len()) as u64);
        varint::write(self.0, first.len() as u64);
        self.0.put_slice(first);
        self.0.put_slice(second);
        self
    }

    /// One whose value is `number`, then `rest`.
    pub fn numbered(&mut self, kind: u32, number: u64, rest: &[u8]) -> &mut Self {
        varint::write(self.0, u64::from(kind));
        varint::write(self.0, (varint::length(number) + rest.len()) as u64);
        varint::write(self.0, number);
        self.0.put_slice(rest);
        self
    }
}

/// The value of a TLV that holds one integer and nothing else.
///
/// # Errors
/// When it holds something else. `field` is what the error calls it.
pub fn integer(value: &[u8], field: &'static str) -> Result<u32, Malformed> {
    let mut reader = Reader::new(value);
    let number = reader.varint(field)?;
    reader.end(field)?;
    Ok(number)
}

/// Like [`integer`], of 64 bits.
pub(crate) fn integer64(value: &[u8], field: &'static str) -> Result<u64, Malformed> {
    let mut reader = Reader::new(value);
    let number = reader.varint64(field)?;
    reader.end(field)?;
    Ok(number)
}

/// The value of a TLV that holds one byte.
pub(crate) fn byte(value: &[u8], field: &'static str) -> Result<u8, Malformed> {
    match value {
        [byte] => Ok(*byte),
        _ => Err(Malformed::Value(field)),
    }
}

/// The parts of a value that [`TlvWriter::pair`] wrote.
///
/// # Errors
/// When the first part is longer than the value.
pub fn pair<'a>(value: &'a [u8], field: &'static str) -> Result<(&'a [u8], &'a [u8]), Malformed> {
    let mut reader = Reader::new(value);
    let first = reader.string(field)?;
    Ok((first, reader.rest()))
}

/// The parts of a value that [`TlvWriter::numbered`] wrote.
pub(crate) fn numbered<'a>(
    value: &'a [u8],
    field: &'static str,
) -> Result<(u32, &'a [u8]), Malformed> {
    let mut reader = Reader::new(value);
    Ok((reader.varint(field)?, reader.rest()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn order_repeats_and_wholeness() {
        let mut good = Vec::new();
        TlvWriter(&mut good)
            .pair(kind::FIELD, b"a", b"1")
            .pair(kind::FIELD, b"b", b"")
            .integer(kind::DEADLINE, 300)
            .bytes(kind::GREASE_FIRST, b"??");
        let tlvs = Tlvs::new(&good, 4).unwrap();
        assert_eq!(tlvs.iter().count(), 4);
        assert_eq!(integer(tlvs.get(kind::DEADLINE).unwrap(), "deadline"), Ok(300));
        assert_eq!(tlvs.get(kind::PRIORITY), None);
        assert_eq!(Tlvs::new(&good, 3), Err(Malformed::TooManyTlvs));
        assert_eq!(tlvs.check_critical(&[]), Err(Malformed::Critical(kind::FIELD)));
        assert_eq!(tlvs.check_critical(&[kind::FIELD]), Ok(()));
        for cut in 1..good.len() {
            let whole = Tlvs::new(&good[..cut], 9).map(|tlvs| tlvs.iter().count());
            assert!(whole.is_err() || whole.unwrap() < 4, "{cut}");
        }
        for bad in [&[4u8, 0, 2, 0][..], &[2, 0, 2, 0]] {
            assert_eq!(Tlvs::new(bad, 9), Err(Malformed::Order(2)), "{bad:?}");
        }
    }
}
