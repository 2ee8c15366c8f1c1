//! Answers on their way from a driver to who called.

use bytes::Bytes;
use paifang_mmtp::session::{Key, Response};
use tokio::sync::mpsc;

use super::Lost;

/// The beginning of an answer.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) key: Key,
    pub(crate) status: u16,
    pub(crate) tlvs: Bytes,
    pub(crate) data: Bytes,
    /// What `data` costs of the credit and has not been given back.
    pub(crate) cost: u32,
    /// What follows; `None` when `data` is all.
    pub(crate) rest: Option<mpsc::UnboundedReceiver<Result<Chunk, Lost>>>,
}

/// A piece of an answer.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) data: Bytes,
    pub(crate) end: bool,
    pub(crate) trailers: Bytes,
    pub(crate) cost: u32,
}

impl Head {
    /// From the event. The sender is for what follows, where anything does.
    pub(super) fn new(
        response: Response,
    ) -> (Self, Option<mpsc::UnboundedSender<Result<Chunk, Lost>>>) {
        let Response { key, status, tlvs, data, end, cost, .. } = response;
        // Bounded by the channel's credit, which is given back as chunks are taken.
        let (sender, rest) = match end {
            true => (None, None),
            false => {
                let (sender, rest) = mpsc::unbounded_channel();
                (Some(sender), Some(rest))
            }
        };
        let cost = if end { 0 } else { cost };
        (Self { key, status, tlvs, data, cost, rest }, sender)
    }
}
