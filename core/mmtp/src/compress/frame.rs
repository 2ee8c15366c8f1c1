//! What a compressed message must look like, held before any of it is decoded (RFC 8878, section 3.1.1).

use super::CompressError;

/// The largest window that a frame may want, in bytes: what a device with little memory can give.
pub const MAX_WINDOW: u64 = 128 << 10;
/// How many times longer than on the wire a message may become, beyond [`FREE_GROWTH`].
pub const MAX_RATIO: u64 = 256;
/// Up to this many bytes a message may become, however short it is on the wire: with a dictionary a dozen bytes honestly say
/// some thousands.
pub const FREE_GROWTH: u64 = 16 << 10;

/// What a whole frame begins with, and the wire form does not.
pub(super) const MAGIC: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();
/// The largest block (RFC 8878, section 3.1.1.2.4).
const MAX_BLOCK: u64 = 128 << 10;

/// Whether a message of `content` bytes may come as `wire` bytes. Both sides hold themselves to it, so a sender sends a message
/// that shrinks more as it is.
#[must_use]
pub const fn allowed(content: u64, wire: usize) -> bool {
    content <= FREE_GROWTH || content <= MAX_RATIO.saturating_mul(wire as u64)
}

/// Walks over `bytes`, one frame without its magic number, and says how long its content is.
///
/// After it the frame is one, ends where the bytes end, and is worth the memory of its content: at most `limit` bytes.
pub(super) fn check(bytes: &[u8], limit: usize) -> Result<usize, CompressError> {
    let mut rest = Reader(bytes);
    let (content, window) = header(&mut rest)?;
    let length = usize::try_from(content).ok().filter(|length| *length <= limit);
    let length = length.ok_or(CompressError::TooLong { content, limit })?;
    if window > MAX_WINDOW {
        return Err(CompressError::Window(window));
    }
    if !allowed(content, bytes.len()) {
        return Err(CompressError::GrowsTooMuch { content, wire: bytes.len() });
    }
    blocks(&mut rest, window.min(MAX_BLOCK))?;
    match rest.0.len() {
        0 => Ok(length),
        more => Err(CompressError::Trailing(more)),
    }
}

/// The frame's header: its content's length, and the window that it wants.
fn header(rest: &mut Reader<'_>) -> Result<(u64, u64), CompressError> {
    let descriptor = rest.number(1)?;
    if descriptor & 0b0001_1000 != 0 {
        return Err(CompressError::Malformed("reserved bits of the frame's header are set"));
    }
    if descriptor & 0b0000_0100 != 0 {
        return Err(CompressError::Malformed("it has a checksum"));
    }
    if descriptor & 0b0000_0011 != 0 {
        return Err(CompressError::Malformed("it has a dictionary id of its own"));
    }
    let single = descriptor & 0b0010_0000 != 0;
    let window = match single {
        true => None,
        false => {
            let byte = rest.number(1)?;
            let base = 1_u64 << (10 + (byte >> 3));
            Some(base + base / 8 * (byte & 7))
        }
    };
    let content = match descriptor >> 6 {
        0 if single => rest.number(1)?,
        0 => return Err(CompressError::Malformed("it does not say how long its content is")),
        1 => rest.number(2)? + 256,
        2 => rest.number(4)?,
        _ => rest.number(8)?,
    };
    Ok((content, window.unwrap_or(content)))
}

/// The blocks up to the last one.
fn blocks(rest: &mut Reader<'_>, most: u64) -> Result<(), CompressError> {
    loop {
        let block = rest.number(3)?;
        let (last, kind, size) = (block & 1 == 1, block >> 1 & 3, block >> 3);
        if size > most {
            return Err(CompressError::Malformed("a block is larger than the window"));
        }
        rest.skip(match kind {
            0 | 2 => size,
            1 => 1,
            _ => return Err(CompressError::Malformed("a block is of the reserved type")),
        })?;
        if last {
            return Ok(());
        }
    }
}

/// What is left to be looked at.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    /// A number of `width` bytes, at most eight, the least byte first.
    fn number(&mut self, width: usize) -> Result<u64, CompressError> {
        let (bytes, rest) = self.0.split_at_checked(width).ok_or(CompressError::Truncated)?;
        self.0 = rest;
        Ok(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn skip(&mut self, bytes: u64) -> Result<(), CompressError> {
        let bytes = usize::try_from(bytes).map_err(|_| CompressError::Truncated)?;
        self.0 = self.0.get(bytes..).ok_or(CompressError::Truncated)?;
        Ok(())
    }
}
