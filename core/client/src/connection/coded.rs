//! Compressed messages on one connection. An answer is decompressed once all of it is there.

use bytes::{Bytes, BytesMut};
use paifang_mmtp::{
    code::CloseCode,
    greeting::Closing,
    session::{Key, Message, NewMessage, Response},
    tlv::{TlvWriter, kind},
};

use super::{Attempt, Chunk, Head, Lost, driver::Driver};
use crate::{call::Called, coding::Encoded};

/// A compressed answer that is not whole.
pub(super) struct Coded {
    response: Response,
    data: BytesMut,
}

impl Driver {
    /// The most bytes of a message, as this side's settings say.
    fn most_message(&self) -> usize {
        self.shared.options.session.settings.max_message as usize
    }

    /// The body of a call in its wire form; `None` when it goes as it is.
    pub(super) fn encoded_body(&self, attempt: &Attempt) -> Option<Encoded> {
        let call = &attempt.call;
        let encoded = || call.fields.iter().any(|(name, _)| &**name == "content-encoding");
        if !self.session.peer_takes_zstd() || call.plain || !attempt.end || encoded() {
            return None;
        }
        let operation = match &call.called {
            Called::Operation(name) => Some(&**name),
            Called::Target(..) => None,
        };
        self.agreed.encode(call.channel, operation, &attempt.body)
    }

    /// A message in the form in which it goes.
    pub(super) fn encoded(&self, channel: u8, message: NewMessage) -> NewMessage {
        let plain = !self.session.peer_takes_zstd() || message.secret || !message.tlvs.is_empty();
        let encoded = if plain { None } else { self.agreed.encode(channel, None, &message.data) };
        let Some(Encoded { data, dictionary }) = encoded else { return message };
        let mut tlvs = Vec::new();
        if let Some(number) = dictionary {
            TlvWriter(&mut tlvs).integer(kind::ENCODED_WITH, u64::from(number));
        }
        NewMessage { tlvs: tlvs.into(), zstd: true, data, ..message }
    }

    /// A message as it was; `None` where it is none, which ends the connection.
    pub(super) fn decoded(&mut self, message: Message) -> Option<Message> {
        if !message.zstd {
            return Some(message);
        }
        match self.agreed.decode(&message.tlvs, &message.data, self.most_message()) {
            Ok(data) => Some(Message { zstd: false, data, ..message }),
            Err(why) => {
                self.end_for(&why);
                None
            }
        }
    }

    /// A compressed answer begins.
    pub(super) fn on_coded(&mut self, mut response: Response) {
        let key = response.key;
        self.session.consumed(key.channel, std::mem::take(&mut response.cost));
        if response.end {
            let data = std::mem::take(&mut response.data);
            self.whole(response, &data, Bytes::new());
        } else if let Some(ongoing) = self.calls.get_mut(&key) {
            let data = BytesMut::from(&std::mem::take(&mut response.data)[..]);
            ongoing.coded = Some(Box::new(Coded { response, data }));
        }
    }

    /// It goes on.
    pub(super) fn on_coded_data(&mut self, key: Key, chunk: Chunk) {
        let most = self.most_message();
        let Some(ongoing) = self.calls.get_mut(&key) else { return };
        let Some(mut coded) = ongoing.coded.take() else { return };
        coded.data.extend_from_slice(&chunk.data);
        if coded.data.len() > most {
            self.fail(key, &Lost::Encoded);
            self.end_for("the answer is longer than what is taken whole");
        } else if chunk.end {
            self.whole(coded.response, &coded.data, chunk.trailers);
        } else {
            ongoing.coded = Some(coded);
        }
    }

    /// All of it is there.
    fn whole(&mut self, mut response: Response, wire: &[u8], trailers: Bytes) {
        let key = response.key;
        match self.agreed.decode(&response.tlvs, wire, self.most_message()) {
            Err(why) => {
                self.fail(key, &Lost::Encoded);
                self.end_for(&why);
            }
            Ok(data) => {
                (response.zstd, response.data, response.end) = (false, data, trailers.is_empty());
                let (head, rest) = Head::new(response, None);
                if let Some(rest) = rest {
                    let data = Bytes::new();
                    // Who takes it is in `head`.
                    let _ = rest.send(Ok(Chunk { data, end: true, trailers, owed: None }));
                }
                if let Some(reply) = self.end(key).and_then(|mut ongoing| ongoing.reply.take()) {
                    // Who has gone does not care.
                    let _ = reply.send(Ok(head));
                }
            }
        }
    }

    /// The server sends what is no message.
    fn end_for(&mut self, why: &str) {
        self.session.close(Closing::new(CloseCode::COMPRESSION).detail(why));
    }
}
