//! Answers on their way from a driver to who called.

use bytes::Bytes;
use paifang_mmtp::session::{Key, Response};
use tokio::sync::mpsc;

use super::{Command, Lost};

/// Credit that data here costs. Dropped, with the data or when that is taken, it is given back: whoever drops what he was sent, and wherever
/// it waits, loses none.
#[derive(Debug)]
pub(crate) struct Owed {
    channel: u8,
    cost: u32,
    /// Nothing when the connection has ended.
    commands: mpsc::WeakUnboundedSender<Command>,
}

impl Owed {
    /// To the driver behind `commands`; none where nothing is owed.
    pub(crate) fn new(
        channel: u8,
        cost: u32,
        commands: &mpsc::WeakUnboundedSender<Command>,
    ) -> Option<Self> {
        (cost > 0).then(|| Self { channel, cost, commands: commands.clone() })
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        if let Some(commands) = self.commands.upgrade() {
            // A connection that has ended wants none.
            let _ = commands.send(Command::Consumed { channel: self.channel, cost: self.cost });
        }
    }
}

/// The beginning of an answer.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) key: Key,
    pub(crate) status: u16,
    pub(crate) tlvs: Bytes,
    pub(crate) data: Bytes,
    /// What `data` costs.
    pub(crate) owed: Option<Owed>,
    /// What follows; `None` when `data` is all.
    pub(crate) rest: Option<mpsc::UnboundedReceiver<Result<Chunk, Lost>>>,
}

/// A piece of an answer.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) data: Bytes,
    pub(crate) end: bool,
    pub(crate) trailers: Bytes,
    pub(crate) owed: Option<Owed>,
}

impl Head {
    /// From the event. The sender is for what follows, where anything does.
    pub(super) fn new(
        response: Response,
        owed: Option<Owed>,
    ) -> (Self, Option<mpsc::UnboundedSender<Result<Chunk, Lost>>>) {
        let Response { key, status, tlvs, data, end, .. } = response;
        // Bounded by the channel's credit, which is given back as chunks are taken.
        let (sender, rest) = match end {
            true => (None, None),
            false => {
                let (sender, rest) = mpsc::unbounded_channel();
                (Some(sender), Some(rest))
            }
        };
        (Self { key, status, tlvs, data, owed, rest }, sender)
    }
}
