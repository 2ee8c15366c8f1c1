//! Bytes to frames.

use super::{Frame, MAX_FRAME, Part, flag};
use crate::{
    code::{CancelCode, CloseCode},
    reader::{Malformed, Reader},
    tlv::{MAX_BLOCK, MAX_COUNT, Tlvs},
    varint::{self, Bad},
};

/// What the front of some bytes is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split<'a> {
    /// A frame, and how many bytes it took.
    Frame(Frame<'a>, usize),
    /// The beginning of one. So many bytes are needed at least.
    Partial(usize),
}

/// Takes a frame off the front of `bytes`. `most` is the largest that is taken, [`MAX_FRAME`] or less; larger ones are refused
/// as soon as their length is there.
///
/// # Errors
/// When the bytes are no frame.
pub fn split(bytes: &[u8], most: usize) -> Result<Split<'_>, Malformed> {
    let Some(&first) = bytes.first() else { return Ok(Split::Partial(1)) };
    let (kind, flags) = (first >> 3, first & 7);
    let rest = &bytes[1..];
    if matches!(kind, 1 | 2) {
        let Some(&number) = rest.first() else { return Ok(Split::Partial(2)) };
        let name = if kind == 1 { "PING" } else { "PONG" };
        allow(flags, 0, name)?;
        let frame = if kind == 1 { Frame::Ping(number) } else { Frame::Pong(number) };
        return Ok(Split::Frame(frame, 2));
    }
    if kind == 0 {
        return Err(Malformed::NoType);
    }
    let (length, taken) = match varint::read(rest, 32) {
        Ok(read) => read,
        Err(Bad::Short) => return Ok(Split::Partial(bytes.len() + 1)),
        Err(Bad::Form) => return Err(Malformed::Integer("length")),
    };
    let whole = (1 + taken) as u64 + length;
    if whole > most.min(MAX_FRAME) as u64 {
        return Err(Malformed::TooLarge(whole));
    }
    let whole = whole as usize;
    match bytes.get(1 + taken..whole) {
        Some(body) => Ok(Split::Frame(body_of(kind, flags, Reader::new(body))?, whole)),
        None => Ok(Split::Partial(whole)),
    }
}

fn allow(flags: u8, allowed: u8, name: &'static str) -> Result<(), Malformed> {
    if flags & !allowed == 0 { Ok(()) } else { Err(Malformed::Flag(name)) }
}

const ALL: u8 = flag::MORE | flag::TLVS | flag::ZSTD;

fn body_of<'a>(kind: u8, flags: u8, mut body: Reader<'a>) -> Result<Frame<'a>, Malformed> {
    let (name, allowed) = match kind {
        3 => ("HELLO", 0),
        4 => ("WELCOME", 0),
        5 => ("REQUEST", ALL),
        6 => ("RESPONSE", ALL),
        7 => ("DATA", flag::MORE | flag::TLVS),
        8 => ("MESSAGE", ALL),
        9 => ("DELIVERY", ALL),
        10 => ("ACK", 0),
        11 => ("CANCEL", 0),
        12 => ("CREDIT", 0),
        13 => ("LOGIN", 0),
        14 => ("USER", 0),
        15 => ("UPDATE", 0),
        16 => ("GOAWAY", 0),
        17 => ("CLOSE", 0),
        reserved => return Ok(Frame::Ignored(reserved)),
    };
    allow(flags, allowed, name)?;
    let body = &mut body;
    match kind {
        3 => {
            let (lowest, highest) = (body.u8("lowest version")?, body.u8("highest version")?);
            if lowest == 0 || lowest > highest {
                return Err(Malformed::Value("range of versions"));
            }
            Ok(Frame::Hello { lowest, highest, tlvs: to_the_end(body)? })
        }
        4 => Ok(Frame::Welcome { version: body.u8("version")?, tlvs: to_the_end(body)? }),
        5 => {
            let (channel, sequence) = place(body)?;
            let operation = body.varint("operation")?;
            Ok(Frame::Request { operation, part: part(body, flags, channel, sequence)? })
        }
        6 => {
            let (channel, sequence) = place(body)?;
            let status = match body.varint("status")? {
                0 => 200,
                status @ 201..=999 => status as u16,
                _ => return Err(Malformed::Value("status")),
            };
            Ok(Frame::Response { status, part: part(body, flags, channel, sequence)? })
        }
        7..=9 => {
            let (channel, sequence) = place(body)?;
            let part = part(body, flags, channel, sequence)?;
            Ok(match kind {
                7 => Frame::Data(part),
                8 => Frame::Message(part),
                _ => Frame::Delivery(part),
            })
        }
        10 => {
            let (channel, sequence) = place(body)?;
            body.end("ACK")?;
            Ok(Frame::Ack { channel, sequence })
        }
        11 => {
            let (channel, sequence) = place(body)?;
            let code = CancelCode(body.varint("code")?);
            body.end("CANCEL")?;
            Ok(Frame::Cancel { channel, sequence, code })
        }
        12 => {
            let (channel, bytes) = (channel(body)?, body.varint("credit")?);
            body.end("CREDIT")?;
            if bytes == 0 {
                return Err(Malformed::Value("credit"));
            }
            Ok(Frame::Credit { channel, bytes })
        }
        13 => Ok(Frame::Login { epoch: body.varint("epoch")?, tlvs: to_the_end(body)? }),
        14 => {
            let epoch = body.varint("epoch")?;
            let status = match body.varint("status")? {
                status @ (0 | 100..=999) => status as u16,
                _ => return Err(Malformed::Value("status")),
            };
            Ok(Frame::User { epoch, status, tlvs: to_the_end(body)? })
        }
        15 => Ok(Frame::Update { tlvs: to_the_end(body)? }),
        16 => Ok(Frame::Goaway { code: CloseCode(body.varint("code")?), tlvs: to_the_end(body)? }),
        _ => Ok(Frame::Close { code: CloseCode(body.varint("code")?), tlvs: to_the_end(body)? }),
    }
}

fn channel(body: &mut Reader<'_>) -> Result<u8, Malformed> {
    u8::try_from(body.varint("channel")?).map_err(|_| Malformed::Value("channel"))
}

fn place(body: &mut Reader<'_>) -> Result<(u8, u32), Malformed> {
    match (channel(body)?, body.varint("sequence")?) {
        (_, 0) => Err(Malformed::Value("sequence")),
        place => Ok(place),
    }
}

fn to_the_end<'a>(body: &mut Reader<'a>) -> Result<Tlvs<'a>, Malformed> {
    Tlvs::new(body.rest(), usize::MAX)
}

fn part<'a>(
    body: &mut Reader<'a>,
    flags: u8,
    channel: u8,
    sequence: u32,
) -> Result<Part<'a>, Malformed> {
    let tlvs = if flags & flag::TLVS == 0 {
        Tlvs::default()
    } else {
        let block = body.string("block of TLVs")?;
        match block.len() {
            0 => return Err(Malformed::Value("block of TLVs")),
            1..=MAX_BLOCK => Tlvs::new(block, MAX_COUNT)?,
            _ => return Err(Malformed::TooManyTlvs),
        }
    };
    let (more, zstd) = (flags & flag::MORE != 0, flags & flag::ZSTD != 0);
    Ok(Part { channel, sequence, more, zstd, tlvs, data: body.rest() })
}
