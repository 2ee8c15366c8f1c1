//! GOAWAY and CLOSE: why a connection ends, and where to go (spec section 8).

use bytes::BytesMut;

use super::{hello::put_text, named, push};
use crate::{
    code::CloseCode,
    frame::Frame,
    reader::{Malformed, Reader, text},
    tlv::{TlvWriter, Tlvs, integer, kind},
    varint,
};

/// The end of a connection, soon or now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing {
    /// Why.
    pub code: CloseCode,
    /// Addresses to try instead; best first.
    pub alternates: Vec<Box<str>>,
    /// The row of the error table; 0 for none. Of CLOSE only.
    pub error: u32,
    /// Milliseconds to wait at least before reconnecting.
    pub after: u32,
    /// Milliseconds of which a random part is waited besides.
    pub jitter: u32,
    /// For people. Of CLOSE only.
    pub detail: Box<str>,
    /// Per channel the last call that is answered. Of GOAWAY only.
    pub last: Vec<(u8, u32)>,
}

impl Closing {
    /// Nothing but a reason.
    #[must_use]
    pub fn new(code: CloseCode) -> Self {
        Self {
            code,
            alternates: Vec::new(),
            error: 0,
            after: 0,
            jitter: 0,
            detail: "".into(),
            last: Vec::new(),
        }
    }

    /// With words for people: the first 256 bytes of them, control characters left out.
    #[must_use]
    pub fn detail(mut self, detail: &str) -> Self {
        let mut short: String = detail.chars().filter(|c| !c.is_control()).collect();
        short.truncate(short.floor_char_boundary(256));
        self.detail = short.into();
        self
    }

    /// What the TLVs of GOAWAY or CLOSE say.
    ///
    /// # Errors
    /// When one is not what it should be, or a critical one is unknown.
    pub fn decode(code: CloseCode, tlvs: Tlvs<'_>) -> Result<Self, Malformed> {
        let mut closing = Self::new(code);
        for (kind, value) in tlvs.iter() {
            match kind {
                kind::ALTERNATE => push(&mut closing.alternates, named(value, 255, "ALTERNATE")?)?,
                kind::ERROR => closing.error = integer(value, "ERROR")?,
                kind::AFTER => closing.after = integer(value, "AFTER")?,
                kind::JITTER => closing.jitter = integer(value, "JITTER")?,
                kind::DETAIL => closing.detail = text(value, 256, "DETAIL")?.into(),
                kind::LAST => {
                    let mut reader = Reader::new(value);
                    let channel = u8::try_from(reader.varint("LAST")?);
                    let channel = channel.map_err(|_| Malformed::Value("LAST"))?;
                    push(&mut closing.last, (channel, reader.varint("LAST")?))?;
                    reader.end("LAST")?;
                }
                unknown if unknown & 1 == 1 => return Err(Malformed::Critical(unknown)),
                _ => {}
            }
        }
        Ok(closing)
    }

    /// Writes a CLOSE.
    pub fn encode_close(&self, out: &mut BytesMut) {
        let tlvs = self.tlvs(false);
        Frame::Close { code: self.code, tlvs: Tlvs::trusted(&tlvs) }.encode(out);
    }

    /// Writes a GOAWAY.
    pub fn encode_goaway(&self, out: &mut BytesMut) {
        let tlvs = self.tlvs(true);
        Frame::Goaway { code: self.code, tlvs: Tlvs::trusted(&tlvs) }.encode(out);
    }

    fn tlvs(&self, goaway: bool) -> Vec<u8> {
        let mut tlvs = Vec::new();
        let mut put = TlvWriter(&mut tlvs);
        for alternate in &self.alternates {
            put.bytes(kind::ALTERNATE, alternate.as_bytes());
        }
        let error = if goaway { 0 } else { self.error };
        for (kind, value) in
            [(kind::ERROR, error), (kind::AFTER, self.after), (kind::JITTER, self.jitter)]
        {
            if value != 0 {
                put.integer(kind, u64::from(value));
            }
        }
        if goaway {
            for (channel, sequence) in &self.last {
                let mut rest = Vec::new();
                varint::write(&mut rest, u64::from(*sequence));
                put.numbered(kind::LAST, u64::from(*channel), &rest);
            }
        } else {
            put_text(&mut put, kind::DETAIL, &self.detail);
        }
        tlvs
    }
}
