//! One-way messages: MESSAGE, DELIVERY and ACK (spec section 4).

use std::{any::Any, collections::VecDeque, sync::Arc};

use bytes::{Bytes, BytesMut};

use super::{
    Event, Key, Session,
    calls::own,
    channel::{Carries, Partial, carries, priority},
    event::Message,
    outgoing::{First, Outgoing},
    receive::{Fault, Received},
};
use crate::{
    code::{CancelCode, CloseCode},
    frame::{Frame, Part},
    tlv::{MAX_BLOCK, kind},
};

/// The critical TLVs that mean something in a message.
const KNOWN: &[u32] = &[kind::ENCODED_WITH];

/// A message to be sent.
#[derive(Clone, Debug, Default)]
pub struct NewMessage {
    /// Whether the other side acknowledges it.
    pub delivery: bool,
    /// TLVs, as [`TlvWriter`](crate::tlv::TlvWriter) writes them; at most [`MAX_BLOCK`](crate::tlv::MAX_BLOCK) bytes.
    pub tlvs: Bytes,
    /// Whether `data` is compressed.
    pub zstd: bool,
    /// Whether it is never to be compressed, for what it holds must not show in its length.
    pub secret: bool,
    /// Whether [`Session::shed`] may drop it while it waits.
    pub droppable: bool,
    /// The bytes. They are not copied until they are written, so one message to many costs no memory for each.
    pub data: Bytes,
    /// What is dropped when the message is sent whole, or will never be: for who counts what waits.
    pub held: Option<Arc<dyn Any + Send + Sync>>,
}

impl NewMessage {
    /// The bytes that it takes while it waits: see [`Session::messages_waiting`].
    #[must_use]
    pub fn waiting_bytes(&self) -> usize {
        size_of::<Outgoing>() + self.tlvs.len() + self.data.len()
    }
}

impl Session {
    /// The bytes that messages take which wait to be sent: TLVs, data, and what there is to be known of each. One that was dropped waits
    /// too, until its number is out.
    #[must_use]
    pub fn messages_waiting(&self) -> usize {
        let waiting = self.channels.iter().flat_map(|channel| &channel.waiting);
        waiting.map(|out| size_of::<Outgoing>() + out.tlvs.len() + out.queued).sum()
    }

    /// Sends a message on a message channel. `None`: the channel is none, or worn out, or the connection is closed, or the message
    /// is larger than the other side takes, which would end the connection.
    pub fn message(&mut self, channel: u8, message: NewMessage) -> Option<Key> {
        let large = message.data.len() > self.peer.max_message as usize;
        if self.closed || large || message.tlvs.len() > MAX_BLOCK {
            return None;
        }
        if carries(channel) != Some(Carries::Messages) {
            return None;
        }
        let own = self.open_channel(channel);
        let sequence = own.begun.checked_add(1)?;
        own.begun = sequence;
        let key = Key { channel, sequence };
        let first = if message.delivery { First::Delivery } else { First::Message };
        let mut out = Outgoing::new(key, first, message.tlvs, priority(channel));
        out.zstd = message.zstd;
        out.droppable = message.droppable && !message.delivery;
        out.held = message.held;
        out.end = true;
        out.push(message.data);
        if message.delivery {
            own.delivered = sequence;
            own.unacked.push_back(sequence);
        }
        own.waiting.push_back(out);
        if message.delivery {
            self.reconsider();
        }
        Some(key)
    }

    /// Drops messages that may be dropped and have not begun to be sent; how many. Their numbers are sent with nothing behind them.
    pub fn shed(&mut self) -> usize {
        let waiting = self.channels.iter_mut().flat_map(|channel| &mut channel.waiting);
        let idle = waiting.filter(|out| out.droppable && out.first.is_some());
        let mut dropped = 0;
        for out in idle.filter(|out| out.abandoned.is_none()) {
            out.abandon(CancelCode::UNWANTED);
            dropped += 1;
        }
        dropped
    }

    /// Says that every delivery up to this one was taken over.
    pub fn acknowledge(&mut self, key: Key) {
        let Key { channel, sequence } = key;
        if !self.closed {
            self.put(&Frame::Ack { channel, sequence });
        }
    }

    pub(super) fn on_message(&mut self, part: &Part<'_>, delivery: bool) -> Received {
        let key = Key { channel: part.channel, sequence: part.sequence };
        if carries(key.channel) != Some(Carries::Messages) {
            return Err(Fault::new(
                CloseCode::MALFORMED,
                "a message on a channel without messages",
            ));
        }
        self.check_next(key)?;
        let cost = self.spend(part)?;
        let dropped = part.tlvs.check_critical(KNOWN).is_err();
        let channel = self.open_channel(key.channel);
        if channel.partial.is_some() {
            return Err(Fault::new(CloseCode::SEQUENCE, "a message within another"));
        }
        if delivery {
            channel.deliveries = key.sequence;
        }
        let zstd = part.zstd;
        if part.more {
            let tlvs = Bytes::copy_from_slice(part.tlvs.as_bytes());
            let data = BytesMut::from(part.data);
            let partial = Partial { delivery, zstd, tlvs, data, dropped, cost: 0 };
            channel.partial = Some(Box::new(partial));
            self.keep_some(key.channel, cost);
            return Ok(());
        }
        if dropped {
            return self.drop_message(key, delivery, cost);
        }
        let (tlvs, data) = own(part);
        self.tell(Event::Message(Box::new(Message { key, delivery, tlvs, zstd, data, cost })))
    }

    /// A part of a message has come, and more will. Its credit is given back but for a part of the window, so that a message larger than that
    /// can come, and those that nobody takes hold up their channel all the same. All channels together keep less than half of the
    /// connection's: messages that wait for each other's credit would never end.
    fn keep_some(&mut self, number: u8, cost: u32) {
        let settings = self.config.settings;
        let most = (settings.channel_window / 4).min(settings.connection_window / 64);
        let partial = self.channel_mut(number).and_then(|own| own.partial.as_mut());
        let Some(partial) = partial else { return };
        let kept = (partial.cost + cost).min(most);
        let back = partial.cost + cost - kept;
        partial.cost = kept;
        self.consumed(number, back);
    }

    /// DATA on a message channel.
    pub(super) fn on_message_data(&mut self, part: &Part<'_>) -> Received {
        let key = Key { channel: part.channel, sequence: part.sequence };
        if !part.tlvs.is_empty() {
            return Err(Fault::new(CloseCode::MALFORMED, "TLVs that DATA may not have"));
        }
        let cost = self.spend(part)?;
        let most = self.config.settings.max_message as usize;
        let channel = self.open_channel(key.channel);
        if key.sequence != channel.received {
            return Err(Fault::new(CloseCode::SEQUENCE, "data of another message"));
        }
        let Some(partial) = &mut channel.partial else {
            return Err(Fault::new(CloseCode::SEQUENCE, "data where none is due"));
        };
        if partial.data.len() + part.data.len() > most {
            return Err(Fault::new(CloseCode::TOO_LARGE, "a message beyond max_message"));
        }
        if !partial.dropped {
            partial.data.extend_from_slice(part.data);
        }
        if part.more {
            self.keep_some(key.channel, cost);
            return Ok(());
        }
        let Some(whole) = channel.partial.take() else { return Ok(()) };
        let Partial { delivery, zstd, tlvs, data, dropped, cost: kept } = *whole;
        let cost = kept + cost;
        if dropped {
            return self.drop_message(key, delivery, cost);
        }
        let data = data.freeze();
        self.tell(Event::Message(Box::new(Message { key, delivery, tlvs, zstd, data, cost })))
    }

    /// A message that this version does not understand is acknowledged all the same, or it would come again for ever.
    fn drop_message(&mut self, key: Key, delivery: bool, cost: u32) -> Received {
        self.consumed(key.channel, cost);
        if delivery {
            self.acknowledge(key);
        }
        Ok(())
    }

    pub(super) fn on_ack(&mut self, key: Key) -> Received {
        if carries(key.channel) != Some(Carries::Messages) {
            return Err(Fault::new(CloseCode::MALFORMED, "an ACK on a channel without messages"));
        }
        let channel = self.open_channel(key.channel);
        if key.sequence > channel.delivered {
            return Err(Fault::new(CloseCode::SEQUENCE, "an ACK of what was not sent"));
        }
        let acked = channel.unacked.partition_point(|sequence| *sequence <= key.sequence);
        if acked == 0 {
            return Ok(());
        }
        channel.unacked.drain(..acked);
        if channel.unacked.is_empty() {
            channel.unacked = VecDeque::new();
        }
        self.reconsider();
        self.tell(Event::Acked(key))
    }
}
