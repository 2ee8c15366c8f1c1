//! Bytes in: frames taken apart and handed to who knows them.

use super::{
    Closed, ClosedBy, Event, Greeting, Key, Millis, Role, Session,
    channel::{Carries, carries},
    pace::counts,
};
use crate::{
    code::CloseCode,
    frame::{Frame, MAX_FRAME, Part, Split, split},
    greeting::{Closing, Update},
    reader::Malformed,
};

/// Why the connection cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    code: CloseCode,
    detail: Detail,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Detail {
    Text(&'static str),
    Malformed(Malformed),
}

/// Milliseconds that a client which was too fast waits, and of which it waits a random part more.
const AFTER_MS: u32 = 1_000;
const JITTER_MS: u32 = 4_000;

pub(super) type Received = Result<(), Fault>;

impl Fault {
    pub(super) fn new(code: CloseCode, detail: &'static str) -> Self {
        Self { code, detail: Detail::Text(detail) }
    }

    /// Who was too fast is also told to wait.
    fn closing(self) -> Closing {
        let closing = Closing::new(self.code);
        match self.code {
            CloseCode::TOO_FAST => Closing { after: AFTER_MS, jitter: JITTER_MS, ..closing },
            _ => closing,
        }
    }
}

impl From<Malformed> for Fault {
    fn from(malformed: Malformed) -> Self {
        let code = match malformed {
            Malformed::TooLarge(_) => CloseCode::TOO_LARGE,
            _ => CloseCode::MALFORMED,
        };
        Self { code, detail: Detail::Malformed(malformed) }
    }
}

impl Session {
    /// Takes bytes from the other side. What is wrong with them ends the connection, with the code that says it.
    pub fn receive(&mut self, mut bytes: &[u8], now: Millis) {
        self.advance(now);
        if bytes.is_empty() || self.closed {
            return;
        }
        self.alive.received(self.now);
        while !bytes.is_empty() && !self.closed {
            if let Err(fault) = self.receive_some(&mut bytes) {
                let closing = fault.closing();
                self.close(match fault.detail {
                    Detail::Text(text) => closing.detail(text),
                    Detail::Malformed(malformed) => closing.detail(&malformed.to_string()),
                });
            }
        }
        if !self.closed {
            self.reconsider();
        }
    }

    /// Takes the next frame, whose beginning may have come before. `max_frame` is a wish: frames that were on their way when the
    /// other side heard of it, and those with a large block, are longer.
    fn receive_some(&mut self, bytes: &mut &[u8]) -> Received {
        if self.partial.is_empty() {
            match split(bytes, MAX_FRAME)? {
                Split::Frame(frame, length) => {
                    *bytes = &bytes[length..];
                    return self.on_frame(&frame);
                }
                Split::Partial(needed) => {
                    self.partial.extend_from_slice(bytes);
                    self.needed = needed;
                    *bytes = &[];
                    return Ok(());
                }
            }
        }
        let missing = self.needed.saturating_sub(self.partial.len()).min(bytes.len());
        let (taken, rest) = bytes.split_at(missing);
        self.partial.extend_from_slice(taken);
        *bytes = rest;
        if self.partial.len() < self.needed {
            return Ok(());
        }
        let whole = std::mem::take(&mut self.partial);
        match split(&whole, MAX_FRAME)? {
            // It needed no more than what was taken, so nothing is behind it.
            Split::Frame(frame, _) => self.on_frame(&frame),
            Split::Partial(needed) => {
                self.needed = needed;
                self.partial = whole;
                Ok(())
            }
        }
    }

    fn on_frame(&mut self, frame: &Frame<'_>) -> Received {
        if let Some(rate) = self.config.frames
            && counts(frame)
            && !self.pace.take(rate, self.now)
        {
            return Err(Fault::new(CloseCode::TOO_FAST, "frames come faster than they may"));
        }
        if let Some((part, begins)) = frame.part()
            && carries(part.channel).is_some()
        {
            let account = self.traffic.of(part.channel);
            account.received += u64::from(begins);
            account.bytes_received += part.cost() as u64;
        }
        match *frame {
            Frame::Ping(number) => {
                self.after_greeting()?;
                self.put(&Frame::Pong(number));
                Ok(())
            }
            Frame::Pong(number) => {
                self.after_greeting()?;
                self.alive.pong(number, self.now);
                Ok(())
            }
            Frame::Ignored(_) => Ok(()),
            Frame::Hello { lowest, highest, tlvs } => self.on_hello(lowest, highest, tlvs),
            Frame::Welcome { version, tlvs } => self.on_welcome(version, tlvs),
            Frame::Request { operation, ref part } => {
                self.after_greeting()?;
                self.only(!self.is_client(), "REQUEST")?;
                self.on_request(operation, part)
            }
            Frame::Response { status, ref part } => {
                self.after_greeting()?;
                self.only(self.is_client(), "RESPONSE")?;
                self.on_response(status, part)
            }
            Frame::Data(ref part) => {
                self.after_greeting()?;
                match carries(part.channel) {
                    Some(Carries::Calls) => self.on_call_data(part),
                    Some(Carries::Messages) => self.on_message_data(part),
                    None => Err(Fault::new(CloseCode::MALFORMED, "a channel that is reserved")),
                }
            }
            Frame::Message(ref part) => {
                self.after_greeting().and_then(|()| self.on_message(part, false))
            }
            Frame::Delivery(ref part) => {
                self.after_greeting().and_then(|()| self.on_message(part, true))
            }
            Frame::Ack { channel, sequence } => {
                self.after_greeting()?;
                self.on_ack(Key { channel, sequence })
            }
            Frame::Cancel { channel, sequence, code } => {
                self.after_greeting()?;
                if carries(channel).is_none() {
                    return Err(Fault::new(CloseCode::MALFORMED, "a channel that is reserved"));
                }
                self.on_cancel(Key { channel, sequence }, code)
            }
            Frame::Credit { channel, bytes } => {
                self.after_greeting()?;
                self.on_credit(channel, bytes)
            }
            Frame::Login { epoch, tlvs } => {
                self.after_greeting()?;
                self.on_login(epoch, tlvs)
            }
            Frame::User { epoch, status, tlvs } => {
                self.after_greeting()?;
                self.on_user(epoch, status, tlvs)
            }
            Frame::Update { tlvs } => {
                self.after_greeting()?;
                let update = Update::decode(tlvs)?;
                if self.is_client()
                    && let Some(heartbeat) = update.heartbeat
                {
                    self.config.heartbeat_ms = u64::from(heartbeat.initial) * 1000;
                }
                self.tell(Event::Update(Box::new(update)))
            }
            Frame::Goaway { code, tlvs } => {
                self.after_greeting()?;
                self.only(self.is_client(), "GOAWAY")?;
                self.on_goaway(Closing::decode(code, tlvs)?)
            }
            Frame::Close { code, tlvs } => {
                // Whatever else it says, the code counts.
                let closing = Closing::decode(code, tlvs).unwrap_or_else(|_| Closing::new(code));
                self.end(ClosedBy::Peer, closing);
                Ok(())
            }
        }
    }

    /// Nothing but the greeting may come first.
    fn after_greeting(&self) -> Received {
        match self.greeting {
            Greeting::Awaited { .. } => {
                Err(Fault::new(CloseCode::EARLY_FRAME, "a frame before the greeting"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn only(&self, allowed: bool, what: &'static str) -> Received {
        if allowed { Ok(()) } else { Err(Fault::new(CloseCode::MALFORMED, what)) }
    }

    /// Takes a part's cost from the credit that the other side was given.
    pub(super) fn spend(&mut self, part: &Part<'_>) -> Result<u32, Fault> {
        if part.zstd && !self.takes_zstd {
            // Nobody here would decompress it, so it would pass for data.
            return Err(Fault::new(
                CloseCode::COMPRESSION,
                "compressed, and nobody has said that it may be",
            ));
        }
        // A frame has no more than 16,384 bytes.
        let cost = part.cost() as u32;
        let channel = self.open_channel(part.channel).receive.receive(cost);
        if self.receive.receive(cost) && channel {
            Ok(cost)
        } else {
            Err(Fault::new(CloseCode::FLOW_CONTROL, "more than the credit allows"))
        }
    }

    fn on_credit(&mut self, channel: u8, bytes: u32) -> Received {
        let added = match channel {
            0 => self.send.add(bytes),
            _ if carries(channel).is_some() => self.open_channel(channel).send.add(bytes),
            _ => return Err(Fault::new(CloseCode::MALFORMED, "a channel that is reserved")),
        };
        if added { Ok(()) } else { Err(Fault::new(CloseCode::FLOW_CONTROL, "too much credit")) }
    }

    /// Hands an event on, or holds it while a greeting or a change of user is being decided.
    pub(super) fn tell(&mut self, event: Event) -> Received {
        match &mut self.role {
            Role::Server(server) if server.holds() => {
                if server.hold(event, self.config.held_events) {
                    Ok(())
                } else {
                    Err(Fault::new(CloseCode::TOO_FAST, "too much waits for the user's change"))
                }
            }
            _ => {
                self.events.push_back(event);
                Ok(())
            }
        }
    }
}

impl Closed {
    /// Whether the other side said so.
    #[must_use]
    pub fn is_by_peer(&self) -> bool {
        self.by == ClosedBy::Peer
    }
}
