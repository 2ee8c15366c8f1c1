//! What the session tells, handed to who waits for it.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use paifang_mmtp::{
    code::{CancelCode, CloseCode},
    greeting::Closing,
    session::{Event, Key, Response},
};

use super::{
    Chunk, Head, Lost, Owed, Phase,
    driver::{Driver, Ongoing},
};
use crate::coding::Agreed;

impl Driver {
    /// Takes all events; says whether there were any.
    pub(super) fn take_events(&mut self) -> bool {
        let mut any = false;
        while let Some(event) = self.session.poll_event() {
            any = true;
            self.on_event(event);
        }
        any
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Welcome(welcome) => {
                if self.short.is_none() {
                    self.shared.welcomed(self.serial, self.decided(), &welcome);
                }
                self.agreed = Agreed::begin(&welcome, &self.shared);
                // The connection's time begins with HELLO.
                self.silence.bounds = welcome.heartbeat;
                self.connected();
                let half = Duration::from_millis(self.now().0 / 2);
                self.shared.tell_time(welcome.server_time, half);
                self.standing.send_modify(|standing| {
                    standing.phase = Phase::Open;
                    standing.welcome = Some(Arc::new(*welcome));
                });
            }
            Event::Response(response) => self.on_response(*response),
            Event::Data { key, data, end, tlvs, cost } => {
                let owed = Owed::new(key.channel, cost, &self.own_commands);
                self.on_data(key, Chunk { data, end, trailers: tlvs, owed });
            }
            Event::Message(message) => {
                let Some(message) = self.decoded(*message) else { return };
                let most = self.shared.options.session.settings.max_message;
                if !self.shared.inboxes.push(self.serial, message, &self.own_commands, most) {
                    let why = "more deliveries than are kept wait to be taken";
                    self.session.close(Closing::new(CloseCode::TOO_FAST).detail(why));
                }
            }
            Event::Acked(key) => {
                let is_taken = |(own, _): &(Key, _)| {
                    own.channel == key.channel && own.sequence <= key.sequence
                };
                let all = std::mem::take(&mut self.deliveries);
                let (taken, left) = all.into_iter().partition::<VecDeque<_>, _>(is_taken);
                self.deliveries = left;
                for (_, sender) in taken {
                    // Nobody may wait any more.
                    let _ = sender.send(());
                }
            }
            Event::Cancelled { key, code } => {
                let lost = match code {
                    CancelCode::NOT_LOOKED_AT => Lost::NotLookedAt,
                    code => Lost::Cancelled(code),
                };
                self.fail(key, &lost);
            }
            Event::Drained(key) => {
                if let Some(ongoing) = self.calls.get_mut(&key) {
                    ongoing.release();
                }
            }
            Event::User(result) => {
                self.shared.user(self.serial, &result);
                self.standing.send_modify(|standing| {
                    standing.user = Some(Arc::new(result.clone()));
                });
                if let Some(reply) = self.logins.pop_front() {
                    let _ = reply.send(result);
                }
            }
            Event::Update(update) => {
                self.shared.updated(self.serial, self.decided(), &update);
                if update.heartbeat.is_some() {
                    self.rebound(update.heartbeat);
                }
            }
            Event::Goaway(closing) => self.standing.send_modify(|standing| {
                standing.phase = Phase::Going;
                standing.goaway = Some(Arc::new(*closing));
            }),
            Event::Suspect => {
                self.standing.send_if_modified(|standing| {
                    let open = standing.phase == Phase::Open;
                    if open {
                        standing.phase = Phase::Suspect;
                    }
                    open
                });
            }
            Event::Closed(closed) => {
                self.ended(&closed);
                tracing::debug!(serial = self.serial, by = ?closed.by, code = %closed.closing.code, "closed");
                self.standing.send_modify(|standing| {
                    standing.phase = Phase::Closed;
                    standing.closed = Some(Arc::new(closed));
                });
            }
            // A server's.
            Event::Hello(_) | Event::Request(_) | Event::Login(_) | Event::Refused { .. } => {}
        }
    }

    /// The epoch of the last user on which the server has decided: what it sends is that one's.
    fn decided(&self) -> u32 {
        // There is one for each that waits.
        self.epoch.saturating_sub(self.logins.len() as u32)
    }

    fn on_response(&mut self, response: Response) {
        let key = response.key;
        if response.zstd {
            self.on_coded(response);
            return;
        }
        let owed = if response.end {
            // A frame at most for each call in flight; no need to wake this task again for it.
            self.session.consumed(key.channel, response.cost);
            None
        } else {
            Owed::new(key.channel, response.cost, &self.own_commands)
        };
        let (head, rest) = Head::new(response, owed);
        let end = rest.is_none();
        let Some(ongoing) = self.calls.get_mut(&key) else { return };
        ongoing.rest = rest;
        if let Some(reply) = ongoing.reply.take() {
            // Who has gone cancels the call by itself.
            let _ = reply.send(Ok(head));
        }
        if end {
            self.end(key);
        }
    }

    fn on_data(&mut self, key: Key, chunk: Chunk) {
        let end = chunk.end;
        if self.calls.get(&key).is_some_and(|ongoing| ongoing.coded.is_some()) {
            self.on_coded_data(key, chunk);
            return;
        }
        if let Some(rest) = self.calls.get(&key).and_then(|ongoing| ongoing.rest.as_ref()) {
            // Who has gone cancels the call by himself.
            let _ = rest.send(Ok(chunk));
        }
        if end {
            self.end(key);
        }
    }

    pub(super) fn end(&mut self, key: Key) -> Option<Ongoing> {
        let ongoing = self.calls.remove(&key)?;
        self.tickets.remove(&ongoing.ticket);
        Some(ongoing)
    }

    pub(super) fn fail(&mut self, key: Key, lost: &Lost) {
        let Some(mut ongoing) = self.end(key) else { return };
        // Who has gone does not care.
        if let Some(reply) = ongoing.reply.take() {
            let _ = reply.send(Err(lost.clone()));
        } else if let Some(rest) = &ongoing.rest {
            let _ = rest.send(Err(lost.clone()));
        }
    }

    /// The connection has ended: what is in flight is lost, each call as far as it had come.
    pub(super) fn fail_all(&mut self) {
        // Calls wait at the server until HELLO is accepted, and this one was refused.
        let unheard = {
            let standing = self.standing.borrow();
            let by_peer = standing.closed.as_ref().is_some_and(|closed| closed.is_by_peer());
            let refused = self.short.as_ref().is_some_and(|short| short.refused);
            refused || standing.welcome.is_none() && by_peer
        };
        if !self.calls.is_empty() || !self.waiting.is_empty() {
            self.spoil();
        }
        let all: Vec<(Key, u64)> =
            self.calls.iter().map(|(key, ongoing)| (*key, ongoing.before)).collect();
        for (key, before) in all {
            let lost = match unheard {
                true => Lost::NotLookedAt,
                false if self.emitted == before => Lost::NotSent,
                false => Lost::Sent,
            };
            self.fail(key, &lost);
        }
        for attempt in self.waiting.drain(..) {
            let _ = attempt.reply.send(Err(Lost::NotSent));
        }
        self.logins.clear();
        self.deliveries.clear();
        self.end_commands();
    }
}
