//! What a driver is asked to do, done.

use std::cmp::Ordering;

use paifang_mmtp::{
    code::{CancelCode, CloseCode},
    greeting::{Closing, Update},
    session::{CallId, Key, NewRequest, Operation, Refusal},
};
use tokio::time::Instant;

use super::{
    Attempt, Command, Lost,
    driver::{Driver, Ongoing},
};
use crate::call::Called;

impl Driver {
    pub(super) fn obey(&mut self, command: Command) {
        match command {
            Command::Call(attempt) => self.begin(attempt),
            Command::Data { ticket, data, end } => self.add(ticket, data, end),
            Command::Cancel { ticket, code } => self.cancel(ticket, code),
            Command::Consumed { channel, cost } => self.session.consumed(channel, cost),
            Command::Message { channel, message, taken } => {
                let message = self.encoded(channel, *message);
                let key = self.session.message(channel, message);
                if let (Some(key), Some(taken)) = (key, taken) {
                    self.deliveries.push_back((key, taken));
                }
            }
            Command::Acknowledge(key) => self.session.acknowledge(key),
            Command::Login { auth, reply } => {
                if let Some(epoch) = self.session.login(auth) {
                    self.epoch = epoch;
                    self.logins.push_back(reply);
                }
                for attempt in self.waiting.drain(..) {
                    // Nobody may wait any more.
                    let _ = attempt.reply.send(Err(Lost::UserChanged));
                }
            }
            Command::Update(update) => {
                self.session.update(&update);
                self.set_heartbeat();
                if update.foreground == Some(true) {
                    // Who looks at the app wants to know that the connection works, or have another one.
                    self.session.probe(self.now());
                }
            }
            Command::Learnt => {
                let dictionaries = self.agreed.renew();
                self.session.update(&Update { dictionaries, ..Update::default() });
            }
            Command::Drain => self.draining = true,
            Command::Close => self.session.close(Closing::new(CloseCode::DONE)),
        }
    }

    fn begin(&mut self, attempt: Box<Attempt>) {
        // Those that wait come first.
        if self.waiting.is_empty() {
            self.try_begin(attempt);
        } else {
            self.waiting.push_back(attempt);
        }
    }

    /// Begins calls that the server had no room for before.
    pub(super) fn begin_waiting(&mut self) {
        while let Some(attempt) = self.waiting.pop_front() {
            if attempt.reply.is_closed() {
                continue;
            }
            if !self.try_begin(attempt) {
                return;
            }
        }
    }

    /// False when the server has no room: it waits then.
    fn try_begin(&mut self, attempt: Box<Attempt>) -> bool {
        if attempt.reply.is_closed() {
            return true;
        }
        let made = match attempt.epoch.cmp(&self.epoch) {
            Ordering::Equal => self.request(&attempt),
            other => {
                let over = other == Ordering::Less;
                let lost = if over { Lost::UserChanged } else { Lost::NotSent };
                let _ = attempt.reply.send(Err(lost));
                return true;
            }
        };
        let key = match made {
            Ok(key) => key,
            Err(Refusal::TooMany) => {
                self.waiting.push_front(attempt);
                return false;
            }
            Err(refusal) => {
                let lost = match refusal {
                    Refusal::Going | Refusal::TooMany => Lost::NotSent,
                    Refusal::Channel | Refusal::TooLarge => Lost::Invalid(refusal.to_string()),
                };
                // Nobody may wait any more.
                let _ = attempt.reply.send(Err(lost));
                return true;
            }
        };
        let Attempt { ticket, body, reply, flow, .. } = *attempt;
        let mut ongoing = Ongoing {
            ticket,
            reply: Some(reply),
            rest: None,
            flow,
            coded: None,
            // What came of a body in pieces while it waited for its turn.
            held: body.len(),
            before: self.emitted,
        };
        ongoing.release();
        self.calls.insert(key, ongoing);
        self.tickets.insert(ticket, key);
        self.call_begun();
        true
    }

    fn request(&mut self, attempt: &Attempt) -> Result<Key, Refusal> {
        let call = &attempt.call;
        let left = attempt.deadline.saturating_duration_since(Instant::now()).as_millis();
        let first = attempt.identity.get();
        let params: Vec<(&str, &str)> =
            call.params.iter().map(|(name, value)| (&**name, &**value)).collect();
        let fields: Vec<(&str, &[u8])> =
            call.fields.iter().map(|(name, value)| (&**name, &**value)).collect();
        let encoded = self.encoded_body(attempt);
        let (zstd, dictionary, data) = match encoded {
            Some(encoded) => (true, encoded.dictionary, encoded.data),
            None => (false, None, attempt.body.clone()),
        };
        let key = self.session.request(NewRequest {
            channel: call.channel,
            operation: match &call.called {
                Called::Operation(name) => Operation::Name(name),
                Called::Target(method, path) => Operation::Target(method, path),
            },
            params: &params,
            query: call.query.as_deref(),
            fields: &fields,
            deadline_ms: Some(u32::try_from(left).unwrap_or(u32::MAX)),
            priority: call.priority,
            call_id: first.map(CallId::as_bytes),
            attempt: attempt.number,
            dictionary,
            zstd,
            data,
            end: attempt.end,
        })?;
        attempt.identity.get_or_init(|| CallId::of(&self.nonce, key));
        Ok(key)
    }

    fn add(&mut self, ticket: u64, data: bytes::Bytes, end: bool) {
        // One that waits is not begun, and its sender has no more permits than its budget: it waits too.
        if let Some(attempt) = self.waiting.iter_mut().find(|attempt| attempt.ticket == ticket) {
            let mut joined = bytes::BytesMut::from(&attempt.body[..]);
            joined.extend_from_slice(&data);
            attempt.body = joined.freeze();
            attempt.end = end;
            return;
        }
        let Some(key) = self.tickets.get(&ticket).copied() else { return };
        let length = data.len();
        let full = self.session.send(key, data, end, bytes::Bytes::new());
        let Some(ongoing) = self.calls.get_mut(&key) else { return };
        ongoing.held += length;
        if !full {
            ongoing.release();
        }
    }

    fn cancel(&mut self, ticket: u64, code: CancelCode) {
        self.spoil();
        let reply = if let Some(key) = self.tickets.remove(&ticket) {
            self.session.cancel(key, code);
            self.calls.remove(&key).and_then(|mut ongoing| ongoing.reply.take())
        } else {
            let waits = self.waiting.iter().position(|attempt| attempt.ticket == ticket);
            waits.and_then(|place| self.waiting.remove(place)).map(|attempt| attempt.reply)
        };
        if let Some(reply) = reply {
            // Who has cancelled it himself does not wait any more.
            let _ = reply.send(Err(Lost::BodyDropped));
        }
    }
}

impl Ongoing {
    /// Lets more of the body come.
    pub(super) fn release(&mut self) {
        let permits = std::mem::take(&mut self.held);
        if let Some(flow) = &self.flow {
            flow.add_permits(permits);
        }
    }
}

impl Drop for Ongoing {
    fn drop(&mut self) {
        // Who still sends its body sees that nobody wants it.
        if let Some(flow) = &self.flow {
            flow.close();
        }
    }
}
