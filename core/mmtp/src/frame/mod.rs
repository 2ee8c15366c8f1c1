//! Frames: from bytes and to bytes (spec section 3). What TLVs mean is read elsewhere, what a frame does in the session.

mod decode;
mod encode;
#[cfg(test)]
mod tests;

pub use decode::{Split, split};

use crate::{
    code::{CancelCode, CloseCode},
    tlv::Tlvs,
};

/// The most bytes of a frame: its first byte and its length count.
pub const MAX_FRAME: usize = 16_384;

/// What a flag's bit is.
pub(crate) mod flag {
    pub(crate) const MORE: u8 = 1;
    pub(crate) const TLVS: u8 = 2;
    pub(crate) const ZSTD: u8 = 4;
}

/// One frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// Asks for a PONG with the same number.
    Ping(u8),
    /// Answers a PING.
    Pong(u8),
    /// A client's first.
    Hello {
        /// The lowest version that the client speaks.
        lowest: u8,
        /// The highest.
        highest: u8,
        /// Who it is.
        tlvs: Tlvs<'a>,
    },
    /// A server's first.
    Welcome {
        /// The version that is spoken from here on.
        version: u8,
        /// What holds for the connection.
        tlvs: Tlvs<'a>,
    },
    /// A call begins.
    Request {
        /// The number of its operation, 0 for one that is named in the TLVs only.
        operation: u32,
        /// The call.
        part: Part<'a>,
    },
    /// An answer begins.
    Response {
        /// The HTTP status; 200 where the bytes say 0.
        status: u16,
        /// The answer.
        part: Part<'a>,
    },
    /// A message goes on.
    Data(Part<'a>),
    /// A message that nobody acknowledges begins.
    Message(Part<'a>),
    /// A message to be acknowledged begins.
    Delivery(Part<'a>),
    /// Every DELIVERY up to here was taken over.
    Ack {
        /// Its channel.
        channel: u8,
        /// The last one's number.
        sequence: u32,
    },
    /// One call or message ends here.
    Cancel {
        /// Its channel.
        channel: u8,
        /// Its number.
        sequence: u32,
        /// Why.
        code: CancelCode,
    },
    /// The other side may send more.
    Credit {
        /// Where; 0 for the connection.
        channel: u8,
        /// So many bytes more.
        bytes: u32,
    },
    /// The client's user changes.
    Login {
        /// The next user epoch.
        epoch: u32,
        /// The credential; none for a logout.
        tlvs: Tlvs<'a>,
    },
    /// What came of HELLO's or LOGIN's credential.
    User {
        /// Whose.
        epoch: u32,
        /// 0, or the HTTP status that says why not.
        status: u16,
        /// Who it is.
        tlvs: Tlvs<'a>,
    },
    /// Something of what was said first is another now.
    Update {
        /// What.
        tlvs: Tlvs<'a>,
    },
    /// The connection ends soon.
    Goaway {
        /// Why.
        code: CloseCode,
        /// Where to and when.
        tlvs: Tlvs<'a>,
    },
    /// The connection ends.
    Close {
        /// Why.
        code: CloseCode,
        /// Where to and when.
        tlvs: Tlvs<'a>,
    },
    /// A type that means nothing in this version.
    Ignored(u8),
}

/// A piece of a message or call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part<'a> {
    /// Where.
    pub channel: u8,
    /// Of which message or call.
    pub sequence: u32,
    /// Whether more pieces follow.
    pub more: bool,
    /// Whether the message's data is compressed.
    pub zstd: bool,
    /// What stands before the data; without TLVs the block is not there.
    pub tlvs: Tlvs<'a>,
    /// The bytes themselves.
    pub data: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The piece that it carries, and whether a message or call begins with it.
    #[must_use]
    pub const fn part(&self) -> Option<(&Part<'a>, bool)> {
        match self {
            Self::Request { part, .. } | Self::Response { part, .. } => Some((part, true)),
            Self::Message(part) | Self::Delivery(part) => Some((part, true)),
            Self::Data(part) => Some((part, false)),
            _ => None,
        }
    }
}

impl Part<'_> {
    /// What it takes of the credit: the block with its length, and the data.
    #[must_use]
    pub fn cost(&self) -> usize {
        let block = self.tlvs.as_bytes().len();
        let length = if block == 0 { 0 } else { crate::varint::length(block as u64) };
        length + block + self.data.len()
    }
}
