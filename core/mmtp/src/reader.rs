//! A bounded reader over one frame's body, whose errors name the field.

use crate::varint::{self, Bad};

/// Why a frame's body cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The body ends before the field does.
    #[error("the frame ends within its {0}")]
    Short(&'static str),
    /// An integer too wide, or longer than its value needs.
    #[error("the {0} is no integer in its shortest form")]
    Integer(&'static str),
    /// A value outside what the field may have.
    #[error("the {0} has a value that it may not have")]
    Value(&'static str),
    /// Bytes after the last field.
    #[error("there are bytes behind the {0}")]
    Trailing(&'static str),
    /// A text that is not UTF-8 or holds control characters.
    #[error("the {0} is no text")]
    Text(&'static str),
    /// A type of frame that does not exist.
    #[error("there is no frame of type 0")]
    NoType,
    /// A flag that the frame's type does not have.
    #[error("a flag is set that the {0} frame does not have")]
    Flag(&'static str),
    /// TLVs that are not in ascending order, or one that is there twice.
    #[error("TLV {0:#x} is out of order or repeated")]
    Order(u32),
    /// A critical TLV that is not known here.
    #[error("TLV {0:#x} is critical and not known here")]
    Critical(u32),
    /// A TLV that must be there is not.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// More TLVs, or larger ones, than allowed.
    #[error("the TLVs are more than allowed")]
    TooManyTlvs,
    /// A frame above the largest size.
    #[error("a frame of {0} bytes is too large")]
    TooLarge(u64),
}

/// Reads fields from the front of `rest`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn u8(&mut self, field: &'static str) -> Result<u8, Malformed> {
        let (&byte, rest) = self.rest.split_first().ok_or(Malformed::Short(field))?;
        self.rest = rest;
        Ok(byte)
    }

    #[inline]
    pub(crate) fn varint(&mut self, field: &'static str) -> Result<u32, Malformed> {
        // 32 bits were asked for, so the value fits.
        self.integer(32, field).map(|value| value as u32)
    }

    pub(crate) fn varint64(&mut self, field: &'static str) -> Result<u64, Malformed> {
        self.integer(64, field)
    }

    #[inline]
    fn integer(&mut self, bits: u32, field: &'static str) -> Result<u64, Malformed> {
        let (value, length) = varint::read(self.rest, bits).map_err(|bad| match bad {
            Bad::Short => Malformed::Short(field),
            Bad::Form => Malformed::Integer(field),
        })?;
        self.rest = &self.rest[length..];
        Ok(value)
    }

    /// The next `length` bytes.
    pub(crate) fn take(
        &mut self,
        length: usize,
        field: &'static str,
    ) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Malformed::Short(field))?;
        self.rest = rest;
        Ok(taken)
    }

    /// Bytes with their length in front.
    pub(crate) fn string(&mut self, field: &'static str) -> Result<&'a [u8], Malformed> {
        let length = self.varint(field)?;
        self.take(length as usize, field)
    }

    /// Everything that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// Nothing may be left behind `field`.
    pub(crate) fn end(&self, field: &'static str) -> Result<(), Malformed> {
        if self.rest.is_empty() { Ok(()) } else { Err(Malformed::Trailing(field)) }
    }
}

/// `bytes` as text without control characters, of up to `most` bytes.
pub(crate) fn text<'a>(
    bytes: &'a [u8],
    most: usize,
    field: &'static str,
) -> Result<&'a str, Malformed> {
    if bytes.len() > most {
        return Err(Malformed::Value(field));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Malformed::Text(field))?;
    let control = text.bytes().any(|byte| byte < 0x20 || byte == 0x7f);
    if control { Err(Malformed::Text(field)) } else { Ok(text) }
}
