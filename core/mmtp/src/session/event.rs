//! What a session tells its driver.

use std::sync::Arc;

use bytes::Bytes;

use crate::{
    code::CancelCode,
    greeting::{Closing, Hello, Update, UserChange, UserResult, Welcome},
    reader::Malformed,
    tlv::{self, Tlvs, kind},
};

/// The name of a call or message on its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Its channel.
    pub channel: u8,
    /// Its number there.
    pub sequence: u32,
}

/// Something happened. Where `cost` is given, the driver hands as much to [`Session::consumed`](super::Session::consumed) once it
/// has taken the data; until then the other side can send so much less.
#[derive(Debug, PartialEq)]
pub enum Event {
    /// To a server: a client is there. What it sends is held until [`Session::accept`](super::Session::accept).
    Hello(Box<Hello>),
    /// To a client: the server has accepted it.
    Welcome(Box<Welcome>),
    /// A call begins.
    Request(Box<Request>),
    /// An answer begins.
    Response(Box<Response>),
    /// A request or answer goes on.
    Data {
        /// Of which call.
        key: Key,
        /// The bytes.
        data: Bytes,
        /// Whether they are the last.
        end: bool,
        /// With the last ones: TLVs, the trailers.
        tlvs: Bytes,
        /// What it costs of the credit.
        cost: u32,
    },
    /// A whole message.
    Message(Box<Message>),
    /// Every delivery up to here was taken over by the other side.
    Acked(Key),
    /// A call or message is not wanted or not going on any more. It is forgotten here.
    Cancelled {
        /// Which.
        key: Key,
        /// Why.
        code: CancelCode,
    },
    /// A call that was full has room again.
    Drained(Key),
    /// A call was refused by the session itself, with this row of the error table. For accounts.
    Refused {
        /// Which.
        key: Key,
        /// The row's number.
        error: u32,
    },
    /// To a server: the user changes. What comes after it is held until [`Session::user`](super::Session::user).
    Login(UserChange),
    /// To a client: what came of a change, or of HELLO's credential.
    User(UserResult),
    /// Something of the greeting is another now.
    Update(Box<Update>),
    /// To a client: the server wants the connection to end.
    Goaway(Box<Closing>),
    /// Something is waited for and nothing came for a while: a good time to try another connection.
    Suspect,
    /// The end. Nothing follows.
    Closed(Closed),
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Who ended it.
    pub by: ClosedBy,
    /// Why.
    pub closing: Closing,
}

/// Who ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClosedBy {
    /// This side.
    Us,
    /// The other side, by CLOSE.
    Peer,
    /// The connection went away without one.
    Lost,
}

/// What a call is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Called {
    /// An operation by its name; the number is 0 where it has none.
    Operation(u32, Arc<str>),
    /// A method and path: TARGET.
    Target,
}

/// A call that begins.
#[derive(Debug, PartialEq)]
pub struct Request {
    /// Its name on this connection.
    pub key: Key,
    /// What it is for.
    pub called: Called,
    /// 0 is first, 7 last.
    pub priority: u8,
    /// Milliseconds that are left.
    pub deadline_ms: Option<u32>,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// All TLVs.
    pub tlvs: Bytes,
    /// Whether the data, all of it joined, is compressed.
    pub zstd: bool,
    /// The first bytes.
    pub data: Bytes,
    /// Whether they are all.
    pub end: bool,
    /// What it costs of the credit.
    pub cost: u32,
}

impl Request {
    /// The TLVs, to be looked at.
    #[must_use]
    pub fn tlvs(&self) -> Tlvs<'_> {
        Tlvs::trusted(&self.tlvs)
    }

    /// The fields of this request alone, each in its legal form or not.
    pub fn fields(&self) -> impl Iterator<Item = Result<(&str, &[u8]), Malformed>> {
        fields(self.tlvs())
    }

    /// Method, and path with query, where it is called by those.
    ///
    /// # Errors
    /// When TARGET's parts are no text.
    pub fn target(&self) -> Result<Option<(&str, &str)>, Malformed> {
        let Some(value) = self.tlvs().get(kind::TARGET) else { return Ok(None) };
        let (method, path) = tlv::pair(value, "TARGET")?;
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| Malformed::Text("TARGET"));
        Ok(Some((text(method)?, text(path)?)))
    }

    /// Parameters of the path, by name.
    pub fn params(&self) -> impl Iterator<Item = Result<(&str, &str), Malformed>> {
        let values = self.tlvs().iter().filter(|(found, _)| *found == kind::PARAM);
        values.map(|(_, value)| {
            let (name, value) = tlv::pair(value, "PARAM")?;
            let text = |bytes| std::str::from_utf8(bytes).map_err(|_| Malformed::Text("PARAM"));
            Ok((text(name)?, text(value)?))
        })
    }

    /// The query, as in a URI.
    #[must_use]
    pub fn query(&self) -> Option<&[u8]> {
        self.tlvs().get(kind::QUERY)
    }

    /// The call's identity: its own, or that made of the connection's `nonce` (spec section 5).
    #[must_use]
    pub fn call_id(&self, nonce: &[u8; 16]) -> CallId {
        match self.tlvs().get(kind::CALL_ID) {
            Some(id) => CallId::from_bytes(id).unwrap_or_else(|| CallId::of(nonce, self.key)),
            None => CallId::of(nonce, self.key),
        }
    }
}

/// The FIELDs among some TLVs.
pub fn fields<'a>(
    tlvs: Tlvs<'a>,
) -> impl Iterator<Item = Result<(&'a str, &'a [u8]), Malformed>> + use<'a> {
    tlvs.iter()
        .filter(|(found, _)| *found == kind::FIELD)
        .map(|(_, value)| crate::greeting::field(value))
}

/// What a call is known by over all its attempts: 8 to 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CallId {
    bytes: [u8; 32],
    length: u8,
}

impl CallId {
    /// That of the first attempt of a call.
    #[must_use]
    pub fn of(nonce: &[u8; 16], key: Key) -> Self {
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(nonce);
        let mut rest = &mut bytes[16..];
        crate::varint::write(&mut rest, u64::from(key.channel));
        crate::varint::write(&mut rest, u64::from(key.sequence));
        let length = 32 - rest.len() as u8;
        Self { bytes, length }
    }

    /// One that was carried; `None` for less than 8 bytes or more than 32.
    #[must_use]
    pub fn from_bytes(id: &[u8]) -> Option<Self> {
        if !(8..=32).contains(&id.len()) {
            return None;
        }
        let mut bytes = [0; 32];
        bytes[..id.len()].copy_from_slice(id);
        Some(Self { bytes, length: id.len() as u8 })
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// Lower-case hex, as `Idempotency-Key` has it, written into `buffer`.
    #[must_use]
    pub fn hex<'a>(&self, buffer: &'a mut [u8; 64]) -> &'a str {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        for (byte, digits) in self.as_bytes().iter().zip(buffer.chunks_exact_mut(2)) {
            digits[0] = DIGITS[usize::from(byte >> 4)];
            digits[1] = DIGITS[usize::from(byte & 15)];
        }
        std::str::from_utf8(&buffer[..2 * usize::from(self.length)]).unwrap_or_default()
    }
}

impl std::fmt::Display for CallId {
    /// As [`Self::hex`].
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.hex(&mut [0; 64]))
    }
}

impl std::fmt::Debug for CallId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// An answer that begins.
#[derive(Debug, PartialEq)]
pub struct Response {
    /// To which call.
    pub key: Key,
    /// The HTTP status.
    pub status: u16,
    /// All TLVs.
    pub tlvs: Bytes,
    /// Whether the data, all of it joined, is compressed.
    pub zstd: bool,
    /// The first bytes.
    pub data: Bytes,
    /// Whether they are all.
    pub end: bool,
    /// What it costs of the credit.
    pub cost: u32,
}

impl Response {
    /// The TLVs, to be looked at.
    #[must_use]
    pub fn tlvs(&self) -> Tlvs<'_> {
        Tlvs::trusted(&self.tlvs)
    }
}

impl Message {
    /// The TLVs, to be looked at.
    #[must_use]
    pub fn tlvs(&self) -> Tlvs<'_> {
        Tlvs::trusted(&self.tlvs)
    }
}

/// A whole message.
#[derive(Debug, PartialEq)]
pub struct Message {
    /// Its name on this connection.
    pub key: Key,
    /// Whether the sender waits for it to be acknowledged: [`Session::acknowledge`](super::Session::acknowledge).
    pub delivery: bool,
    /// All TLVs.
    pub tlvs: Bytes,
    /// Whether the data is compressed.
    pub zstd: bool,
    /// The data.
    pub data: Bytes,
    /// What it costs of the credit.
    pub cost: u32,
}
