//! Frames to bytes.

use bytes::BufMut;

use super::{Frame, Part, flag};
use crate::varint;

impl Frame<'_> {
    /// Writes the frame. It is the caller's to keep it within the largest size and its fields within their ranges.
    pub fn encode(&self, out: &mut impl BufMut) {
        match *self {
            Self::Ping(number) => out.put_slice(&[1 << 3, number]),
            Self::Pong(number) => out.put_slice(&[2 << 3, number]),
            Self::Hello { lowest, highest, tlvs } => {
                head(out, 3, 0, 2 + tlvs.as_bytes().len());
                out.put_slice(&[lowest, highest]);
                out.put_slice(tlvs.as_bytes());
            }
            Self::Welcome { version, tlvs } => {
                head(out, 4, 0, 1 + tlvs.as_bytes().len());
                out.put_u8(version);
                out.put_slice(tlvs.as_bytes());
            }
            Self::Request { operation, part } => part.encode(out, 5, Some(operation)),
            Self::Response { status, part } => {
                let status = if status == 200 { 0 } else { u32::from(status) };
                part.encode(out, 6, Some(status));
            }
            Self::Data(part) => part.encode(out, 7, None),
            Self::Message(part) => part.encode(out, 8, None),
            Self::Delivery(part) => part.encode(out, 9, None),
            Self::Ack { channel, sequence } => {
                numbers(out, 10, &[u32::from(channel), sequence], &[])
            }
            Self::Cancel { channel, sequence, code } => {
                numbers(out, 11, &[u32::from(channel), sequence, code.0], &[]);
            }
            Self::Credit { channel, bytes } => numbers(out, 12, &[u32::from(channel), bytes], &[]),
            Self::Login { epoch, tlvs } => numbers(out, 13, &[epoch], tlvs.as_bytes()),
            Self::User { epoch, status, tlvs } => {
                numbers(out, 14, &[epoch, u32::from(status)], tlvs.as_bytes());
            }
            Self::Update { tlvs } => numbers(out, 15, &[], tlvs.as_bytes()),
            Self::Goaway { code, tlvs } => numbers(out, 16, &[code.0], tlvs.as_bytes()),
            Self::Close { code, tlvs } => numbers(out, 17, &[code.0], tlvs.as_bytes()),
            Self::Ignored(kind) => head(out, kind, 0, 0),
        }
    }
}

impl Part<'_> {
    /// `number` is what stands between the sequence and the block: an operation or a status.
    fn encode(&self, out: &mut impl BufMut, kind: u8, number: Option<u32>) {
        let block = self.tlvs.as_bytes();
        let mut flags = 0;
        flags |= if self.more { flag::MORE } else { 0 };
        flags |= if self.zstd { flag::ZSTD } else { 0 };
        flags |= if block.is_empty() { 0 } else { flag::TLVS };
        let fixed = varint::length(u64::from(self.channel))
            + varint::length(u64::from(self.sequence))
            + number.map_or(0, |number| varint::length(u64::from(number)));
        head(out, kind, flags, fixed + self.cost());
        varint::write(out, u64::from(self.channel));
        varint::write(out, u64::from(self.sequence));
        if let Some(number) = number {
            varint::write(out, u64::from(number));
        }
        if !block.is_empty() {
            varint::write(out, block.len() as u64);
            out.put_slice(block);
        }
        out.put_slice(self.data);
    }
}

fn head(out: &mut impl BufMut, kind: u8, flags: u8, length: usize) {
    out.put_u8(kind << 3 | flags);
    varint::write(out, length as u64);
}

fn numbers(out: &mut impl BufMut, kind: u8, numbers: &[u32], rest: &[u8]) {
    let fixed: usize = numbers.iter().map(|number| varint::length(u64::from(*number))).sum();
    head(out, kind, 0, fixed + rest.len());
    numbers.iter().for_each(|number| varint::write(out, u64::from(*number)));
    out.put_slice(rest);
}
