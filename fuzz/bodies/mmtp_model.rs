//! What two sides of MMTP owe each other, kept by who watches both: every byte that was sent comes, in order, once.

use std::collections::BTreeMap;

use paifang_mmtp::session::Key;

/// The byte at a place of a stream, known to both sides.
pub fn byte(key: Key, up: bool, place: usize) -> u8 {
    let stream = usize::from(key.channel) * 7 + key.sequence as usize * 31 + usize::from(up) * 101;
    (stream + place * 13 + (place >> 8)) as u8
}

/// So many bytes of a stream from a place on.
pub fn bytes(key: Key, up: bool, place: usize, length: usize) -> Vec<u8> {
    (place..place + length).map(|place| byte(key, up, place)).collect()
}

/// One way of a call.
#[derive(Debug, Default)]
pub struct Stream {
    pub sent: usize,
    pub ended: bool,
    pub received: usize,
    pub finished: bool,
}

impl Stream {
    /// Bytes came: they are the next ones, and the end comes where it was set.
    pub fn receive(&mut self, key: Key, up: bool, data: &[u8], end: bool) {
        assert!(!self.finished, "{key:?}: bytes behind the end");
        let wanted = bytes(key, up, self.received, data.len());
        assert!(wanted == data, "{key:?}: other bytes than were sent");
        self.received += data.len();
        assert!(self.received <= self.sent, "{key:?}: more than was sent");
        if end {
            assert!(self.ended && self.received == self.sent, "{key:?}: an end too early");
            self.finished = true;
        }
    }
}

/// A call as both sides see it.
#[derive(Debug, Default)]
pub struct Call {
    pub name: String,
    /// The user epoch that it belongs to.
    pub epoch: u32,
    pub request: Stream,
    pub response: Stream,
    /// The server has seen it; it has begun an answer; the client has seen that.
    pub seen: bool,
    pub answered: bool,
    pub answer_seen: bool,
    pub trailers: bool,
    /// A side does not want it any more, or was told so: no more events of it there.
    pub over_at_client: bool,
    pub over_at_server: bool,
}

impl Call {
    /// Whether the client still waits for something.
    pub fn is_open(&self) -> bool {
        !self.over_at_client && !self.response.finished
    }
}

/// A message on its way.
#[derive(Debug)]
pub struct Sent {
    pub length: usize,
    pub delivery: bool,
    pub cancelled: bool,
    pub epoch: u32,
    pub received: bool,
    pub acked: bool,
}

/// Messages that one side has sent, by channel and number.
#[derive(Debug, Default)]
pub struct Messages(pub BTreeMap<(u8, u32), Sent>);

impl Messages {
    /// A message came whole: all before it on its channel came too, or were broken off.
    pub fn receive(&mut self, key: Key, up: bool, delivery: bool, data: &[u8]) -> u32 {
        for ((channel, number), before) in
            self.0.range((key.channel, 0)..(key.channel, key.sequence))
        {
            assert!(
                before.received || before.cancelled,
                "{channel}/{number} was left out before {key:?}"
            );
        }
        let sent = self.0.get_mut(&(key.channel, key.sequence)).expect("a message that was sent");
        assert!(!sent.received, "{key:?} came twice");
        assert_eq!((sent.delivery, sent.length), (delivery, data.len()), "{key:?}");
        assert!(bytes(key, up, 0, data.len()) == data, "{key:?}: other bytes than were sent");
        sent.received = true;
        sent.epoch
    }

    /// Everything up to here was acknowledged.
    pub fn acked(&mut self, key: Key) {
        for (place, sent) in self.0.range_mut((key.channel, 0)..=(key.channel, key.sequence)) {
            assert!(
                !sent.delivery || sent.received || sent.cancelled,
                "{place:?} acknowledged and never taken"
            );
            sent.acked = true;
        }
    }
}
