//! Messages of the server: push, and whatever a component has on its channel.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use paifang_mmtp::{
    session::{Carries, Key, Message, carries, fields},
    tlv::Tlvs,
};
use tokio::sync::{Notify, mpsc};

use crate::{connection::Command, shared::Shared};

type Commands = mpsc::WeakUnboundedSender<Command>;

/// Plain messages that wait for an app that does not take them; the oldest goes first. Deliveries are bounded by the channel's credit.
const WAITING: usize = 1024;

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
    cost: u32,
    /// Nothing when the connection has ended.
    commands: Commands,
}

impl Incoming {
    /// Says that this and every earlier delivery of its channel was taken over. Without a connection any more nothing happens: it will come
    /// again.
    pub fn acknowledge(&self) {
        if self.delivery {
            self.tell(Command::Acknowledge(self.key));
        }
    }

    fn tell(&self, command: Command) {
        if let Some(commands) = self.commands.upgrade() {
            // A connection that has ended sends it again by itself.
            let _ = commands.send(command);
        }
    }

    /// Fields that came with it.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        fields(Tlvs::trusted(&self.tlvs)).filter_map(Result::ok)
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
            if let Some(incoming) = self.inbox.pop() {
                let (channel, cost) = (incoming.channel, incoming.cost);
                incoming.tell(Command::Consumed { channel, cost });
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
    waiting: Mutex<VecDeque<Incoming>>,
    arrived: Notify,
}

impl Inbox {
    fn pop(&self) -> Option<Incoming> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    fn push(&self, incoming: Incoming) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        // A newer connection brings again what was delivered and not acknowledged.
        waiting.retain(|own| !(own.delivery && own.serial < incoming.serial));
        if waiting.len() >= WAITING {
            waiting.pop_front();
        }
        waiting.push_back(incoming);
        self.arrived.notify_waiters();
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

    /// Takes a message in.
    pub(crate) fn push(&self, serial: u64, message: Message, commands: Commands) {
        let Message { key, delivery, tlvs, data, cost, .. } = message;
        let channel = key.channel;
        self.get(channel).push(Incoming {
            channel,
            data,
            delivery,
            tlvs,
            key,
            serial,
            cost,
            commands,
        });
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
