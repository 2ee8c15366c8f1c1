//! A channel's numbers and credit (spec sections 4 and 7).

use std::collections::VecDeque;

use bytes::BytesMut;

use super::outgoing::Outgoing;
use crate::greeting::Settings;

/// What a channel carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carries {
    /// REQUEST, RESPONSE and DATA.
    Calls,
    /// MESSAGE, DELIVERY, ACK and DATA.
    Messages,
}

/// What a channel carries; `None` for those that may not be used.
#[must_use]
pub const fn carries(channel: u8) -> Option<Carries> {
    match channel {
        1 | 16..=31 => Some(Carries::Calls),
        2..=4 | 8..=15 => Some(Carries::Messages),
        _ => None,
    }
}

/// The priority of what a channel carries, where nothing else is said.
pub(super) const fn priority(channel: u8) -> u8 {
    match channel {
        2 => 2,
        3 => 4,
        4 => 6,
        _ => 3,
    }
}

/// How much may still be sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct SendCredit(u32);

impl SendCredit {
    /// What holds before the other side has said more.
    pub(super) fn initial(window: u32) -> Self {
        Self(window)
    }

    pub(super) fn left(self) -> usize {
        self.0 as usize
    }

    pub(super) fn spend(&mut self, bytes: usize) {
        self.0 = self.0.saturating_sub(u32::try_from(bytes).unwrap_or(u32::MAX));
    }

    /// False when there would be more than allowed.
    #[must_use]
    pub(super) fn add(&mut self, bytes: u32) -> bool {
        match self.0.checked_add(bytes) {
            Some(sum) if sum <= Settings::MAX_WINDOW => {
                self.0 = sum;
                true
            }
            _ => false,
        }
    }
}

/// How much the other side may still send.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReceiveCredit {
    /// What it may send.
    left: u32,
    /// What was taken and not given back yet.
    taken: u32,
    window: u32,
}

impl ReceiveCredit {
    pub(super) fn new(window: u32) -> Self {
        Self { left: window, taken: 0, window }
    }

    /// The window becomes larger, by what the other side is told in the greeting.
    pub(super) fn widen(&mut self, window: u32) {
        self.left += window.saturating_sub(self.window);
        self.window = self.window.max(window);
    }

    /// False when more came than was allowed.
    #[must_use]
    pub(super) fn receive(&mut self, bytes: u32) -> bool {
        let enough = bytes <= self.left;
        self.left = self.left.saturating_sub(bytes);
        enough
    }

    /// What was received is taken; says how much credit to give back now. Small amounts wait for others.
    #[must_use]
    pub(super) fn consume(&mut self, bytes: u32) -> Option<u32> {
        // More than was received cannot have been taken.
        let owed = self.window - self.left;
        self.taken = self.taken.saturating_add(bytes).min(owed);
        if self.taken < self.window / 2 {
            return None;
        }
        self.left += self.taken;
        Some(std::mem::take(&mut self.taken))
    }
}

/// One channel. Made when it is first used.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) number: u8,
    /// The last number that this side has given.
    pub(super) begun: u32,
    /// The last one that the other side has.
    pub(super) received: u32,
    /// The last delivery that was sent.
    pub(super) delivered: u32,
    /// Deliveries that are not acknowledged, in order.
    pub(super) unacked: VecDeque<u32>,
    /// The last delivery that came, which an ACK may name.
    pub(super) deliveries: u32,
    pub(super) send: SendCredit,
    pub(super) receive: ReceiveCredit,
    /// What waits to begin, in order; a message stays first until it is sent whole.
    pub(super) waiting: VecDeque<Outgoing>,
    /// A message that comes in pieces.
    pub(super) partial: Option<Box<Partial>>,
}

/// A message that is not whole.
#[derive(Debug)]
pub(super) struct Partial {
    pub(super) delivery: bool,
    pub(super) zstd: bool,
    pub(super) tlvs: bytes::Bytes,
    pub(super) data: BytesMut,
    /// A critical TLV is not known: it is read to its end and dropped.
    pub(super) dropped: bool,
    /// What it costs and was not given back.
    pub(super) cost: u32,
}

impl Channel {
    pub(super) fn new(number: u8, send: u32, receive: u32) -> Self {
        Self {
            number,
            begun: 0,
            received: 0,
            delivered: 0,
            unacked: VecDeque::new(),
            deliveries: 0,
            send: SendCredit::initial(send),
            receive: ReceiveCredit::new(receive),
            waiting: VecDeque::new(),
            partial: None,
        }
    }
}
