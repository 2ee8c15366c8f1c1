//! gzip (RFC 1952): one member or several, each with its checksum.

use super::{DecodeError, Sink};
use flate2::{Decompress, FlushDecompress, Status};

/// DEFLATE's window, as a power of two.
const WINDOW: u8 = 15;

#[derive(Default)]
pub(super) struct Gzip {
    /// The member that is being read; `None` between members.
    member: Option<Decompress>,
    /// At least one member is whole.
    some: bool,
}

impl Gzip {
    pub(super) fn feed(
        &mut self,
        mut input: &[u8],
        scratch: &mut [u8],
        sink: &mut Sink,
    ) -> Result<(), DecodeError> {
        loop {
            if input.is_empty() && self.member.is_none() {
                return Ok(());
            }
            let member = self.member.get_or_insert_with(|| Decompress::new_gzip(WINDOW));
            let (before_in, before_out) = (member.total_in(), member.total_out());
            let status = member
                .decompress(input, scratch, FlushDecompress::None)
                .map_err(|_| DecodeError::Malformed("it is no gzip"))?;
            let made = (member.total_out() - before_out) as usize;
            let taken = (member.total_in() - before_in) as usize;
            input = &input[taken..];
            sink.push(&scratch[..made])?;
            match status {
                Status::StreamEnd => (self.member, self.some) = (None, true),
                // There is more to come as long as it fills what it is given.
                _ if made == scratch.len() => {}
                _ if input.is_empty() => return Ok(()),
                _ if made == 0 && taken == 0 => {
                    return Err(DecodeError::Malformed("it is no gzip"));
                }
                _ => {}
            }
        }
    }

    pub(super) fn is_whole(&self) -> bool {
        self.some && self.member.is_none()
    }
}
