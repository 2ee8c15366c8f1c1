//! Messages of the server: push, and whatever a component has on its channel.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use paifang_mmtp::{
    session::{Carries, Key, Message, carries, fields},
    tlv::Tlvs,
};
use tokio::sync::{Notify, mpsc};

use crate::{
    connection::{Command, Owed},
    shared::Shared,
};

type Commands = mpsc::WeakUnboundedSender<Command>;

/// Plain messages of one channel that wait for an app that does not take them; the oldest goes first.
const MOST_PLAIN: usize = 1024;
/// What waits of one channel, in messages of the largest size. Credit bounds it before, but for many small ones and such as were compressed.
const MOST_LARGE: usize = 8;
/// What a message that waits takes beside its bytes, about.
const BESIDE: usize = 128;

/// The messages of one channel. Two of them for the same channel share what comes.
#[derive(Debug)]
pub struct Messages {
    shared: Arc<Shared>,
    inbox: Arc<Inbox>,
}

/// A message of the server.
#[derive(Debug)]
pub struct Incoming {
    /// Its channel.
    pub channel: u8,
    /// The bytes.
    pub data: Bytes,
    /// Whether the server waits for [`Incoming::acknowledge`], and sends it again on another connection without.
    pub delivery: bool,
    tlvs: Bytes,
    key: Key,
    serial: u64,
    owed: Option<Owed>,
    /// Nothing when the connection has ended.
    commands: Commands,
}

impl Incoming {
    /// Says that this and every earlier delivery of its channel was taken over. Without a connection any more nothing happens: it will come
    /// again.
    pub fn acknowledge(&self) {
        if let (true, Some(commands)) = (self.delivery, self.commands.upgrade()) {
            // A connection that has ended sends it again by itself.
            let _ = commands.send(Command::Acknowledge(self.key));
        }
    }

    /// Fields that came with it.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        fields(Tlvs::trusted(&self.tlvs)).filter_map(Result::ok)
    }

    fn size(&self) -> usize {
        self.data.len() + self.tlvs.len() + BESIDE
    }
}

impl Messages {
    pub(crate) fn new(shared: Arc<Shared>, channel: u8) -> Self {
        let inbox = shared.inboxes.get(channel);
        Self { shared, inbox }
    }

    /// The next message; `None` once the client is closed. Taking one gives the server credit for more.
    pub async fn next(&mut self) -> Option<Incoming> {
        loop {
            let arrived = self.inbox.arrived.notified();
            tokio::pin!(arrived);
            arrived.as_mut().enable();
            if let Some(mut incoming) = self.inbox.lock().pop() {
                incoming.owed = None;
                return Some(incoming);
            }
            if self.shared.is_closed() {
                return None;
            }
            arrived.await;
        }
    }
}

/// What waits to be taken, of one channel.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    waiting: Mutex<Waiting>,
    arrived: Notify,
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
struct Waiting {
    queue: VecDeque<Incoming>,
    /// How many of them are no deliveries.
    plain: usize,
    /// What they take, in bytes.
    size: usize,
    /// The newest connection that anything came from.
    newest: u64,
}

impl Waiting {
    fn pop(&mut self) -> Option<Incoming> {
        self.queue.pop_front().inspect(|first| self.left(first))
    }

    /// One of them has left.
    fn left(&mut self, one: &Incoming) {
        self.plain -= usize::from(!one.delivery);
        self.size -= one.size();
    }

    /// A newer connection brings again what was delivered and not acknowledged.
    fn renew(&mut self, serial: u64) {
        if serial > self.newest {
            self.newest = serial;
            let size = &mut self.size;
            self.queue.retain(|own| {
                let old = own.delivery && own.serial < serial;
                *size -= if old { own.size() } else { 0 };
                !old
            });
        }
    }

    /// Takes one in. False where so many deliveries wait that there is no room for another one: it cannot be left out, for an
    /// acknowledgement of a later one would stand for it too.
    fn push(&mut self, incoming: Incoming, most: usize) -> bool {
        self.renew(incoming.serial);
        let (size, plain) = (incoming.size(), usize::from(!incoming.delivery));
        while self.plain > 0 && (self.size + size > most || self.plain + plain > MOST_PLAIN) {
            let oldest = self.queue.iter().position(|own| !own.delivery);
            let Some(gone) = oldest.and_then(|oldest| self.queue.remove(oldest)) else { break };
            self.left(&gone);
        }
        let fits = self.queue.is_empty() || self.size + size <= most;
        if fits {
            self.plain += plain;
            self.size += size;
            self.queue.push_back(incoming);
        }
        fits || plain > 0
    }
}

/// The inboxes of a client, made as they are needed.
#[derive(Debug, Default)]
pub(crate) struct Inboxes(Mutex<HashMap<u8, Arc<Inbox>>>);

impl Inboxes {
    fn get(&self, channel: u8) -> Arc<Inbox> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(channel).or_default().clone()
    }

    /// Takes a message in. False where more wait than are kept, and one of them would be lost.
    pub(crate) fn push(
        &self,
        serial: u64,
        message: Message,
        commands: &Commands,
        max_message: u32,
    ) -> bool {
        let Message { key, delivery, tlvs, data, cost, .. } = message;
        let channel = key.channel;
        let owed = Owed::new(channel, cost, commands);
        let commands = commands.clone();
        let incoming = Incoming { channel, data, delivery, tlvs, key, serial, owed, commands };
        let inbox = self.get(channel);
        let taken = inbox.lock().push(incoming, MOST_LARGE * max_message as usize);
        inbox.arrived.notify_waiters();
        taken
    }

    /// Wakes those who wait: nothing will come any more.
    pub(crate) fn close(&self) {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.values().for_each(|inbox| inbox.arrived.notify_waiters());
    }
}

/// Whether a channel carries messages.
pub(crate) fn is_message_channel(channel: u8) -> bool {
    carries(channel) == Some(Carries::Messages)
}
