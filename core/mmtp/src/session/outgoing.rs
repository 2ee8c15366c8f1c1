//! What waits to be sent, and the choice of the next frame (spec section 7).

use std::{any::Any, collections::VecDeque, sync::Arc};

use bytes::{Bytes, BytesMut};

use super::{Key, Millis, channel::Carries, channel::carries, pieces::Pieces};
use crate::{
    code::CancelCode,
    frame::{Frame, MAX_FRAME, Part},
    tlv::{MAX_BLOCK, TlvWriter, Tlvs, kind},
};

/// Every so many frames the lowest priority has its turn.
const LOWEST_TURN: u32 = 16;
/// First byte, length, channel, sequence, operation, length of the block: the most that stands around block and data.
const OVERHEAD: usize = 1 + 3 + 2 + 5 + 5 + 2;
/// A frame with data is not made for fewer bytes of credit than this, when more wait: small frames cost more than they carry.
const LEAST_DATA: usize = 256;

/// What a message's first frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum First {
    Request(u32),
    Response(u16),
    Message,
    Delivery,
}

/// A call or message on its way out.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) key: Key,
    /// `None` once the first frame is out.
    pub(super) first: Option<First>,
    /// Of the first frame, then of the last.
    pub(super) tlvs: Bytes,
    pub(super) trailers: Bytes,
    pub(super) zstd: bool,
    pub(super) priority: u8,
    data: Pieces,
    /// Bytes in `data`.
    pub(super) queued: usize,
    /// Nothing will be added.
    pub(super) end: bool,
    /// Its driver was told to wait.
    pub(super) full: bool,
    /// Whether it may be dropped for others.
    pub(super) droppable: bool,
    /// What its DEADLINE says, and when that was so.
    pub(super) deadline: Option<(Millis, u32)>,
    /// Dropped with it.
    pub(super) held: Option<Arc<dyn Any + Send + Sync>>,
    /// Why it is not wanted any more; only its number is left to be used.
    pub(super) abandoned: Option<CancelCode>,
}

impl Outgoing {
    pub(super) fn new(key: Key, first: First, tlvs: Bytes, priority: u8) -> Self {
        Self {
            key,
            first: Some(first),
            tlvs,
            trailers: Bytes::new(),
            zstd: false,
            priority: priority.min(7),
            data: Pieces::default(),
            queued: 0,
            end: false,
            full: false,
            droppable: false,
            deadline: None,
            held: None,
            abandoned: None,
        }
    }

    /// It is not wanted any more, and has not begun to be sent.
    pub(super) fn abandon(&mut self, code: CancelCode) {
        self.data = Pieces::default();
        self.queued = 0;
        // A request may be the one that gives its operation a number, which later ones use.
        if !matches!(self.first, Some(First::Request(_))) {
            self.tlvs = Bytes::new();
        }
        self.abandoned = Some(code);
    }

    pub(super) fn push(&mut self, data: Bytes) {
        if !data.is_empty() {
            self.queued += data.len();
            self.data.push_back(data);
        }
    }

    /// Whether there is anything to send at all.
    fn is_ready(&self) -> bool {
        self.first.is_some() || self.queued > 0 || self.end
    }

    /// The block of the next frame, when `last` says that it is the last.
    fn block(&self, last: bool) -> &Bytes {
        match self.first {
            Some(_) => &self.tlvs,
            None if last => &self.trailers,
            None => &EMPTY,
        }
    }

    /// The bytes of data that its next frame may have with so much credit; `None` when there is not enough for a frame.
    fn room(&self, credit: usize, largest: usize, fragment: usize) -> Option<usize> {
        // Trailers need a frame of their own when a first frame has TLVs already, or there is no room.
        let block = match self.first {
            Some(_) => self.tlvs.len(),
            None => self.trailers.len(),
        };
        let block = if block == 0 { 0 } else { block + 2 };
        // Blocks cannot be cut, so one larger than the frames that the other side likes goes all the same.
        let left = credit.min((largest - OVERHEAD).max(block)).checked_sub(block);
        let room = left?.min(fragment).min(self.queued);
        if room == 0 && self.queued > 0 && self.first.is_none() {
            return None;
        }
        if room < self.queued.min(LEAST_DATA) && self.first.is_none() {
            return None;
        }
        Some(room)
    }

    /// Writes the next frame with `room` bytes of data; says what it costs and whether it was the last.
    fn write(&mut self, room: usize, now: Millis, out: &mut BytesMut) -> (usize, bool) {
        if let Some((said, left)) = self.deadline.take()
            && now > said
        {
            // It has waited. No longer than the block before, which credit was found for.
            let waited = u32::try_from(now.since(said)).unwrap_or(u32::MAX);
            self.tlvs = with_deadline(&self.tlvs, left.saturating_sub(waited));
        }
        let mut taken = self.data.pop_front().unwrap_or_default();
        let mut joined = BytesMut::new();
        if taken.len() > room {
            let rest = taken.split_off(room);
            self.data.push_front(rest);
        }
        while taken.len() + joined.len() < room {
            // Small pieces go in one frame.
            let Some(mut next) = self.data.pop_front() else { break };
            if joined.is_empty() {
                joined.extend_from_slice(&std::mem::take(&mut taken));
            }
            let missing = room - joined.len();
            if next.len() > missing {
                let rest = next.split_off(missing);
                self.data.push_front(rest);
            }
            joined.extend_from_slice(&next);
        }
        let data: &[u8] = if joined.is_empty() { &taken } else { &joined };
        self.queued -= data.len();
        let all = self.end && self.queued == 0;
        // Trailers stand in a last frame of DATA only.
        let last = all && (self.first.is_none() || self.trailers.is_empty());
        let last = last && self.abandoned.is_none();
        let part = Part {
            channel: self.key.channel,
            sequence: self.key.sequence,
            more: !last,
            zstd: self.zstd && self.first.is_some(),
            tlvs: Tlvs::trusted(self.block(last)),
            data,
        };
        let frame = match self.first {
            Some(First::Request(operation)) => Frame::Request { operation, part },
            Some(First::Response(status)) => Frame::Response { status, part },
            Some(First::Message) => Frame::Message(part),
            Some(First::Delivery) => Frame::Delivery(part),
            None => Frame::Data(part),
        };
        let cost = part.cost();
        out.reserve(cost + OVERHEAD);
        frame.encode(out);
        if self.first.take().is_some() {
            self.tlvs = Bytes::new();
        }
        if let Some(code) = self.abandoned {
            let Key { channel, sequence } = self.key;
            Frame::Cancel { channel, sequence, code }.encode(out);
            return (cost, true);
        }
        (cost, last)
    }
}

/// The block with so many milliseconds left.
fn with_deadline(tlvs: &Bytes, left: u32) -> Bytes {
    let mut block = Vec::with_capacity(tlvs.len());
    let mut put = TlvWriter(&mut block);
    for (kind, value) in Tlvs::trusted(tlvs).iter() {
        match kind {
            kind::DEADLINE => put.integer(kind, u64::from(left)),
            _ => put.bytes(kind, value),
        };
    }
    block.into()
}

static EMPTY: Bytes = Bytes::new();

/// Where the next frame comes from.
#[derive(Clone, Copy, Debug)]
enum Source {
    /// The first that waits on the channel at this index.
    Waiting(usize),
    /// What flows, at this index.
    Flowing(usize),
}

impl super::Session {
    /// Writes frames to `out` until it holds `room` bytes more than before, or nothing can be sent; says whether it wrote any.
    /// Control frames are written whatever `room` is. A driver asks for about as much as the socket takes at once, so that what is
    /// urgent does not wait behind what is written already.
    pub fn poll_transmit(&mut self, out: &mut BytesMut, room: usize) -> bool {
        let before = out.len();
        if self.is_silent() {
            return false;
        }
        if !self.control.is_empty() {
            out.extend_from_slice(&self.control);
            // An idle connection keeps no buffer.
            self.control = BytesMut::new();
        }
        if self.closed {
            return out.len() > before;
        }
        while out.len() - before < room {
            while let Some(login) = self.due_login() {
                out.extend_from_slice(&login);
            }
            let Some((source, data)) = self.choose() else { break };
            self.write_one(source, data, out);
        }
        let wrote = out.len() > before;
        if wrote {
            self.alive.sent(self.now);
        }
        wrote
    }

    /// Adds to a request, or to an answer. `trailers` are TLVs, FIELDs, and go with the end of an answer. True: the call is full, and
    /// the driver waits for [`Event::Drained`](super::Event::Drained) before it adds more. Nothing happens to a call that has ended. Trailers of more than
    /// [`MAX_BLOCK`] bytes break it off.
    pub fn send(&mut self, key: Key, data: Bytes, end: bool, trailers: Bytes) -> bool {
        let full_bytes = self.config.full_bytes;
        let Some(outgoing) = self.outgoing_mut(key) else { return false };
        if outgoing.end {
            return false;
        }
        if trailers.len() > MAX_BLOCK {
            self.cancel(key, CancelCode::TOO_LARGE);
            return false;
        }
        outgoing.push(data);
        outgoing.end = end;
        outgoing.trailers = trailers;
        outgoing.full = !end && outgoing.queued >= full_bytes;
        outgoing.full
    }

    /// Whether [`Self::poll_transmit`] would write something.
    #[must_use]
    pub fn wants_write(&self) -> bool {
        let waits = || !self.closed && (self.login_is_due() || self.choose().is_some());
        !self.is_silent() && (!self.control.is_empty() || waits())
    }

    /// Whether this is a server that has not accepted the client: nothing of it may come before WELCOME.
    fn is_silent(&self) -> bool {
        !self.greeting_sent() && !self.closed
    }

    /// Whether something is ready to be sent that [`Self::poll_transmit`] has left, for want of the other side's credit.
    #[must_use]
    pub fn awaits_credit(&self) -> bool {
        !self.closed
            && (self.flowing.iter().any(Outgoing::is_ready)
                || self.channels.iter().any(|channel| !channel.waiting.is_empty()))
    }

    /// Frames with data that were sent, modulo 2^32: whether it is another number tells whether any was sent meanwhile.
    #[must_use]
    pub fn frames_sent(&self) -> u32 {
        self.frames_sent
    }

    /// The source of the next frame, and how many bytes of data it may carry.
    fn choose(&self) -> Option<(Source, usize)> {
        let connection = self.send.left();
        let largest = (self.peer.max_frame as usize).min(MAX_FRAME);
        let lowest_turn = self.frames_sent % LOWEST_TURN == LOWEST_TURN - 1;
        let mut best: Option<(u8, Source, usize)> = None;
        let mut look = |outgoing: &Outgoing, credit: usize, source| {
            let credit = credit.min(connection);
            let Some(data) = outgoing.room(credit, largest, self.config.fragment) else { return };
            let rank = if lowest_turn { 7 - outgoing.priority } else { outgoing.priority };
            if best.is_none_or(|(found, ..)| rank < found) {
                best = Some((rank, source, data));
            }
        };
        for (index, channel) in self.channels.iter().enumerate() {
            if let Some(first) = channel.waiting.front()
                && self.login_limit(channel.number).is_none_or(|last| first.key.sequence <= last)
            {
                look(first, channel.send.left(), Source::Waiting(index));
            }
        }
        for (index, flowing) in self.flowing.iter().enumerate() {
            if flowing.is_ready()
                && let Some(channel) = self.channel(flowing.key.channel)
            {
                look(flowing, channel.send.left(), Source::Flowing(index));
            }
        }
        best.map(|(_, source, data)| (source, data))
    }

    fn write_one(&mut self, source: Source, data: usize, out: &mut BytesMut) {
        let now = self.now;
        let outgoing = match source {
            Source::Waiting(index) => self.channels[index].waiting.front_mut(),
            Source::Flowing(index) => self.flowing.get_mut(index),
        };
        let Some(outgoing) = outgoing else { return };
        let key = outgoing.key;
        let begins = outgoing.first.is_some();
        let (cost, last) = outgoing.write(data, now, out);
        let drained = outgoing.full && outgoing.queued <= self.config.full_bytes / 4;
        if drained {
            outgoing.full = false;
        }
        self.frames_sent = self.frames_sent.wrapping_add(1);
        self.send.spend(cost);
        let account = self.traffic.of(key.channel);
        account.sent += u64::from(begins);
        account.bytes_sent += cost as u64;
        if let Some(channel) = self.channel_mut(key.channel) {
            channel.send.spend(cost);
        }
        let calls = carries(key.channel) == Some(Carries::Calls);
        match source {
            Source::Waiting(index) if last || calls => {
                let begun = self.channels[index].waiting.pop_front();
                if !last {
                    self.flowing.extend(begun);
                }
                if self.channels[index].waiting.is_empty() {
                    self.channels[index].waiting = VecDeque::new();
                }
            }
            Source::Waiting(_) => {}
            Source::Flowing(index) if last => {
                self.flowing.remove(index);
            }
            // The others of its priority come before it now.
            Source::Flowing(index) => self.flowing[index..].rotate_left(1),
        }
        if last {
            self.sent_whole(key);
        } else if drained {
            self.events.push_back(super::Event::Drained(key));
        }
        if self.flowing.is_empty() {
            self.flowing = Vec::new();
        }
    }
}
