//! Calls: REQUEST, RESPONSE and their DATA as they come (spec sections 4 and 5).

use bytes::Bytes;

use super::{
    Event, Key, Session,
    channel::{Carries, carries},
    event::{Called, Request, Response},
    outgoing::{First, Outgoing},
    receive::{Fault, Received},
};
use crate::{
    code::{CancelCode, CloseCode},
    frame::Part,
    tlv::{self, TlvWriter, Tlvs, kind},
};

/// Rows of the error table that a session answers with itself.
pub(crate) mod row {
    pub(crate) const MALFORMED_REQUEST: (u16, u32) = (400, 1000);
    pub(crate) const UNSUPPORTED: (u16, u32) = (501, 1100);
    pub(crate) const NO_OPERATION: (u16, u32) = (400, 1101);
    pub(crate) const TOO_MANY_CALLS: (u16, u32) = (429, 1102);
}

/// A status and a row's number.
type Row = (u16, u32);

/// A call in flight.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) key: Key,
    pub(super) inbound: Inbound,
    /// This side's part has not been sent to its end.
    pub(super) sending: bool,
    pub(super) priority: u8,
}

/// What still comes from the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inbound {
    /// The head of an answer.
    Head,
    /// Data.
    Open,
    /// Data that nobody wants.
    Discarded,
    /// Nothing.
    Ended,
}

/// The TLVs that mean something in a REQUEST, and in a RESPONSE.
const OF_REQUEST: &[u32] = &[
    kind::FIELD,
    kind::ENCODED_WITH,
    kind::OPERATION,
    kind::TARGET,
    kind::PARAM,
    kind::QUERY,
    kind::CALL_ID,
];
const OF_RESPONSE: &[u32] = &[kind::FIELD, kind::ENCODED_WITH];

impl Session {
    pub(super) fn find_call(&self, key: Key) -> Result<usize, usize> {
        // Nearly always the newest.
        match self.calls.last() {
            Some(last) if last.key == key => Ok(self.calls.len() - 1),
            Some(last) if last.key < key => Err(self.calls.len()),
            None => Err(0),
            _ => self.calls.binary_search_by_key(&key, |call| call.key),
        }
    }

    pub(super) fn add_call(&mut self, call: Call) {
        if let Err(place) = self.find_call(call.key) {
            self.calls.insert(place, call);
        }
    }

    pub(super) fn take_call(&mut self, key: Key) -> Option<Call> {
        let call = self.find_call(key).ok().map(|index| self.calls.remove(index));
        if self.calls.is_empty() {
            self.calls = Vec::new();
        }
        call
    }

    /// This side's part of a call, or a message, is out.
    pub(super) fn sent_whole(&mut self, key: Key) {
        let client = self.is_client();
        let Ok(index) = self.find_call(key) else { return };
        let call = &mut self.calls[index];
        call.sending = false;
        if call.inbound == Inbound::Open && !client {
            // An answer before the end of its request: the rest of it is for nobody.
            call.inbound = Inbound::Discarded;
        }
        if call.inbound == Inbound::Ended {
            self.take_call(key);
            self.reconsider();
        }
    }

    /// The sequence of something that the other side begins.
    pub(super) fn check_next(&mut self, key: Key) -> Result<(), Fault> {
        let channel = self.open_channel(key.channel);
        if Some(key.sequence) != channel.received.checked_add(1) {
            return Err(Fault::new(CloseCode::SEQUENCE, "a number was used again or left out"));
        }
        channel.received = key.sequence;
        Ok(())
    }

    pub(super) fn on_request(&mut self, operation: u32, part: &Part<'_>) -> Received {
        let key = Key { channel: part.channel, sequence: part.sequence };
        if carries(key.channel) != Some(Carries::Calls) {
            return Err(Fault::new(CloseCode::MALFORMED, "a call on a channel without calls"));
        }
        self.check_next(key)?;
        let cost = self.spend(part)?;
        if self.is_past_goaway(key) {
            self.consumed(key.channel, cost);
            return Ok(());
        }
        let inbound = if part.more { Inbound::Open } else { Inbound::Ended };
        let busy = self.calls.len() >= self.config.settings.max_calls as usize;
        // Whatever becomes of the call: from this frame on the number means the name.
        let called = self.called(operation, &part.tlvs);
        let looked = if busy { Err(row::TOO_MANY_CALLS) } else { look_at(part, called) };
        match looked {
            Ok(mut request) => {
                self.add_call(Call { key, inbound, sending: true, priority: request.priority });
                request.cost = cost;
                self.tell(Event::Request(Box::new(request)))
            }
            Err((status, error)) => {
                self.consumed(key.channel, cost);
                let inbound = if part.more { Inbound::Discarded } else { Inbound::Ended };
                // Above `max_calls` too the answer needs a place; there are as many more, then it is too much.
                if self.calls.len() >= 2 * self.config.settings.max_calls as usize {
                    return Err(Fault::new(CloseCode::TOO_FAST, "calls beyond max_calls"));
                }
                self.add_call(Call { key, inbound, sending: true, priority: 3 });
                let mut tlvs = Vec::new();
                TlvWriter(&mut tlvs).integer(kind::ERROR, u64::from(error));
                let mut out = Outgoing::new(key, First::Response(status), tlvs.into(), 3);
                out.end = true;
                self.flowing.push(out);
                self.tell(Event::Refused { key, error })
            }
        }
    }

    /// What a request is for. A name for a number is learnt.
    fn called(&mut self, number: u32, tlvs: &Tlvs<'_>) -> Result<Called, Row> {
        let (name, target) = match tlvs.is_empty() {
            true => (None, None),
            false => (tlvs.get(kind::OPERATION), tlvs.get(kind::TARGET)),
        };
        let path_parts = || tlvs.get(kind::PARAM).is_some() || tlvs.get(kind::QUERY).is_some();
        match (name, target) {
            (None, Some(_)) if number == 0 && !path_parts() => Ok(Called::Target),
            (Some(name), None) => {
                let named = crate::reader::text(name, 128, "OPERATION").ok();
                let name = named.filter(|name| !name.is_empty()).ok_or(row::MALFORMED_REQUEST)?;
                let name = self.learn_operation(number, name).ok_or(row::NO_OPERATION)?;
                Ok(Called::Operation(number, name))
            }
            (None, None) => match self.operation(number) {
                Some(name) => Ok(Called::Operation(number, name.clone())),
                None => Err(row::NO_OPERATION),
            },
            _ => Err(row::MALFORMED_REQUEST),
        }
    }

    pub(super) fn on_response(&mut self, status: u16, part: &Part<'_>) -> Received {
        let key = Key { channel: part.channel, sequence: part.sequence };
        let cost = self.spend_for(key, part)?;
        let Ok(index) = self.find_call(key) else {
            return self.late(key, cost);
        };
        let call = &mut self.calls[index];
        if call.inbound != Inbound::Head {
            return Err(Fault::new(CloseCode::SEQUENCE, "a second answer to one call"));
        }
        part.tlvs.check_critical(OF_RESPONSE)?;
        call.inbound = if part.more { Inbound::Open } else { Inbound::Ended };
        let (tlvs, data) = own(part);
        let (zstd, end) = (part.zstd, !part.more);
        self.tell(Event::Response(Box::new(Response {
            key,
            status,
            tlvs,
            zstd,
            data,
            end,
            cost,
        })))?;
        self.settle(key);
        Ok(())
    }

    /// DATA on a call channel.
    pub(super) fn on_call_data(&mut self, part: &Part<'_>) -> Received {
        let key = Key { channel: part.channel, sequence: part.sequence };
        let cost = self.spend_for(key, part)?;
        let Ok(index) = self.find_call(key) else {
            return self.late(key, cost);
        };
        let end = !part.more;
        let call = &mut self.calls[index];
        match call.inbound {
            Inbound::Head | Inbound::Ended => {
                return Err(Fault::new(CloseCode::SEQUENCE, "data where none is due"));
            }
            Inbound::Open | Inbound::Discarded => {}
        }
        let wanted = call.inbound == Inbound::Open;
        if end {
            call.inbound = Inbound::Ended;
        }
        if !part.tlvs.is_empty() && (part.more || part.tlvs.check_critical(&[kind::FIELD]).is_err())
        {
            return Err(Fault::new(CloseCode::MALFORMED, "TLVs that DATA may not have"));
        }
        if part.data.is_empty() && !end {
            // It says nothing, and what costs no credit must not be kept.
            self.consumed(key.channel, cost);
        } else if wanted {
            let (tlvs, data) = own(part);
            self.tell(Event::Data { key, data, end, tlvs, cost })?;
        } else {
            self.consumed(key.channel, cost);
        }
        self.settle(key);
        Ok(())
    }

    /// Forgets a call of which neither side has more to say; a client also one whose answer is whole.
    fn settle(&mut self, key: Key) {
        let Ok(index) = self.find_call(key) else { return };
        let call = &self.calls[index];
        if call.inbound != Inbound::Ended {
            return;
        }
        if !call.sending {
            self.take_call(key);
        } else if self.is_client() {
            // The server does not want the rest of the request.
            self.break_off(key, CancelCode::UNWANTED);
        }
        self.reconsider();
    }

    /// Something of a call that is over here. Of one that never was it is a fault.
    fn late(&mut self, key: Key, cost: u32) -> Received {
        let client = self.is_client();
        let channel = self.open_channel(key.channel);
        let last = if client { channel.begun } else { channel.received };
        if key.sequence > last {
            return Err(Fault::new(CloseCode::SEQUENCE, "a call that does not exist"));
        }
        self.consumed(key.channel, cost);
        Ok(())
    }

    pub(super) fn on_cancel(&mut self, key: Key, code: CancelCode) -> Received {
        if carries(key.channel) == Some(Carries::Messages) {
            // A message that was broken off in the middle; others are whole already.
            if let Some(channel) = self.channel_mut(key.channel)
                && channel.received == key.sequence
                && let Some(partial) = channel.partial.take()
            {
                self.consumed(key.channel, partial.cost);
            }
            return Ok(());
        }
        if self.take_call(key).is_none() {
            return Ok(());
        }
        self.flowing.retain(|out| out.key != key);
        if let Some(channel) = self.channel_mut(key.channel) {
            for out in channel.waiting.iter_mut().filter(|out| out.key == key) {
                out.abandon(code);
            }
        }
        self.reconsider();
        // What this side concludes by itself is nothing that the other one can say.
        let code = if code == CancelCode::NOT_LOOKED_AT { CancelCode::BROKEN } else { code };
        self.tell(Event::Cancelled { key, code })
    }

    /// The credit of a part on a channel that calls may have.
    fn spend_for(&mut self, key: Key, part: &Part<'_>) -> Result<u32, Fault> {
        if carries(key.channel) != Some(Carries::Calls) {
            return Err(Fault::new(CloseCode::MALFORMED, "a call on a channel without calls"));
        }
        self.spend(part)
    }
}

/// Reads a request for `called`, or says which row refuses it.
fn look_at(part: &Part<'_>, called: Result<Called, Row>) -> Result<Request, Row> {
    let key = Key { channel: part.channel, sequence: part.sequence };
    let (tlvs, data) = own(part);
    let (mut priority, mut deadline_ms, mut attempt) = (3, None, 1);
    if !part.tlvs.is_empty() {
        part.tlvs.check_critical(OF_REQUEST).map_err(|_| row::UNSUPPORTED)?;
        let bad = |_| row::MALFORMED_REQUEST;
        for (kind, value) in part.tlvs.iter() {
            match kind {
                kind::PRIORITY => priority = tlv::byte(value, "PRIORITY").map_err(bad)?.min(7),
                kind::DEADLINE => {
                    deadline_ms = Some(tlv::integer(value, "DEADLINE").map_err(bad)?);
                }
                kind::ATTEMPT => attempt = tlv::integer(value, "ATTEMPT").map_err(bad)?,
                kind::CALL_ID if !(8..=32).contains(&value.len()) => {
                    return Err(row::MALFORMED_REQUEST);
                }
                _ => {}
            }
        }
    }
    Ok(Request {
        key,
        called: called?,
        priority,
        deadline_ms,
        attempt,
        tlvs,
        zstd: part.zstd,
        data,
        end: !part.more,
        cost: 0,
    })
}

/// TLVs and data in memory of their own: one piece for both.
pub(super) fn own(part: &Part<'_>) -> (Bytes, Bytes) {
    let (block, data) = (part.tlvs.as_bytes(), part.data);
    match (block.is_empty(), data.is_empty()) {
        (true, true) => (Bytes::new(), Bytes::new()),
        (true, false) => (Bytes::new(), Bytes::copy_from_slice(data)),
        (false, true) => (Bytes::copy_from_slice(block), Bytes::new()),
        (false, false) => {
            let mut both = Vec::with_capacity(block.len() + data.len());
            both.extend_from_slice(block);
            both.extend_from_slice(data);
            let mut tlvs = Bytes::from(both);
            let data = tlvs.split_off(block.len());
            (tlvs, data)
        }
    }
}
