//! What is another way in the short form (spec section 1): the other side's last byte is not the connection's end.

use super::{Greeting, Key, Session, calls::Inbound};
use crate::{
    code::{CancelCode, CloseCode},
    frame::Frame,
    greeting::Closing,
};

impl Session {
    /// The other side sends nothing more, and still listens. Calls whose requests are whole go on; others are broken off. Where HELLO is
    /// missing, or the last frame is not whole, the conversation ends (4002).
    pub fn end_input(&mut self) {
        if self.closed {
            return;
        }
        let malformed = |why| Closing::new(CloseCode::MALFORMED).detail(why);
        if matches!(self.greeting, Greeting::Awaited { .. }) {
            return self.close(malformed("it ended before HELLO"));
        }
        if !self.partial.is_empty() {
            return self.close(malformed("it ended within a frame"));
        }
        let open = self.calls.iter().filter(|call| call.inbound == Inbound::Open);
        let open: Vec<Key> = open.map(|call| call.key).collect();
        for key in open {
            let code = CancelCode::BROKEN;
            // As if the other side had said so; that it may be too much for who waits ends the connection like there.
            if self.on_cancel(key, code).is_err() {
                return self.close(Closing::new(CloseCode::TOO_FAST));
            }
            let (channel, sequence) = (key.channel, key.sequence);
            self.put(&Frame::Cancel { channel, sequence, code });
        }
    }

    /// Whether something that was begun is not sent whole, or a control frame waits.
    #[must_use]
    pub fn has_unsent(&self) -> bool {
        let waiting = || self.channels.iter().any(|channel| !channel.waiting.is_empty());
        !self.closed && (!self.control.is_empty() || !self.flowing.is_empty() || waiting())
    }
}
