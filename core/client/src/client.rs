//! The handle to a client.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use paifang_mmtp::{
    code::CloseCode,
    greeting::{Heartbeat, Network, Resumed, Update},
    session::NewMessage,
};
use tokio::{
    sync::{oneshot, watch},
    time::{Instant, timeout_at},
};

use crate::{
    call::{Call, Called},
    connect::{EarlyData, Form, Timing},
    connection::{Command, Connection},
    error::Error,
    forms::Found,
    messages::{Messages, is_message_channel},
    said,
    shared::Shared,
};

/// The longest cursor, in bytes.
const MAX_CURSOR: usize = 64;

/// A client. Cheap to clone; when the last clone is dropped the connection is closed and everything that waits ends.
#[derive(Clone, Debug)]
pub struct Client(Arc<Handle>);

#[derive(Debug)]
struct Handle(Arc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Where a client stands.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// Addresses are being tried.
    Connecting,
    /// There is a connection.
    Connected(Connected),
    /// The last try has failed, and the next is at `until`; without a keeper ([`Forms::Post`](crate::Forms::Post)) that of a call that waits.
    Waiting {
        /// When it is tried again.
        until: Instant,
        /// Why there is none.
        why: String,
    },
    /// The server has said not to come back by oneself. Other credentials ([`Client::login`]), another network or
    /// [`Client::reconnect`] end this.
    Ended {
        /// What it said.
        code: CloseCode,
        /// And in words; may be empty.
        detail: String,
    },
    /// None is kept: each call goes by the short form ([`Forms::Post`](crate::Forms::Post)).
    Unconnected,
    /// The client was closed.
    Closed,
}

/// What is known about a connection.
#[derive(Clone, Debug, PartialEq)]
pub struct Connected {
    /// Where it goes.
    pub address: SocketAddr,
    /// In which form: [`Form::Long`] or [`Form::WebSocket`].
    pub form: Form,
    /// Its number in the server's logs.
    pub number: u64,
    /// Counts up over the connections of this client.
    pub serial: u64,
    /// Who the server takes the user for, at its beginning.
    pub user: Option<String>,
    /// What came of the resume token, where one was sent.
    pub resumed: Option<Resumed>,
    /// What the server says of heartbeats.
    pub heartbeat: Option<Heartbeat>,
    /// What became of early data.
    pub early_data: EarlyData,
    /// How long opening it took.
    pub timing: Timing,
}

impl Client {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self(Arc::new(Handle(shared)))
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.0.0
    }

    /// A call of an operation.
    pub fn call(&self, operation: &str) -> Call {
        Call::new(self.clone(), Called::Operation(operation.into()))
    }

    /// A call by method, and path with query, as in HTTP.
    pub fn request(&self, method: &str, path: &str) -> Call {
        Call::new(self.clone(), Called::Target(method.into(), path.into()))
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.shared().state.borrow().clone()
    }

    /// Where it stands, and each change of that.
    #[must_use]
    pub fn states(&self) -> watch::Receiver<State> {
        self.shared().state.subscribe()
    }

    /// Waits for a connection.
    ///
    /// # Errors
    /// When there is none within `patience`, or there will be none.
    pub async fn connected(&self, patience: Duration) -> Result<Connected, Error> {
        let mut states = self.states();
        let until = Instant::now() + patience;
        loop {
            match &*states.borrow_and_update() {
                State::Connected(connected) => return Ok(connected.clone()),
                State::Ended { code, detail } => {
                    return Err(Error::Ended { code: *code, detail: detail.clone() });
                }
                State::Closed => return Err(Error::Closed),
                State::Unconnected => {
                    return Err(Error::NotConnected("calls go by the short form alone".into()));
                }
                State::Connecting | State::Waiting { .. } => {}
            }
            match timeout_at(until, states.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(Error::Closed),
                Err(_) => {
                    let why = self.shared().why_not();
                    return Err(Error::NotConnected(why.unwrap_or_else(|| "no answer".into())));
                }
            }
        }
    }

    /// The messages of a message channel: 2 for push, 3 for sync, 8 to 15 of the application. What nobody takes waits, and holds up what the
    /// server sends on that channel.
    ///
    /// # Errors
    /// When the channel carries no messages.
    pub fn messages(&self, channel: u8) -> Result<Messages, Error> {
        if !is_message_channel(channel) {
            return Err(Error::Invalid(format!("channel {channel} carries no messages")));
        }
        Ok(Messages::new(self.shared().clone(), channel))
    }

    /// Sends a message that nobody acknowledges.
    ///
    /// # Errors
    /// When there is no connection, the channel carries no messages, the message is larger than the server takes, or 4 MiB wait to be sent
    /// ([`Error::Busy`]).
    pub fn message(&self, channel: u8, data: impl Into<Bytes>) -> Result<(), Error> {
        let data = data.into();
        let connection = self.for_messages(channel, data.len())?;
        let room = self.shared().room_now(data.len()).ok_or(Error::Busy)?;
        let message = NewMessage { data, held: Some(Arc::new(room)), ..NewMessage::default() };
        connection.tell(Command::Message { channel, message: Box::new(message), taken: None });
        Ok(())
    }

    /// Sends a message and waits until the server has taken it over.
    ///
    /// # Errors
    /// When there is no connection, the channel carries no messages, the message is larger than the server takes, 4 MiB wait to be sent all
    /// the time ([`Error::Busy`]), or the connection ended, or the deadline of calls passed, before: then the server may have it, and sending
    /// it again is for the component whose message it is.
    pub async fn deliver(&self, channel: u8, data: impl Into<Bytes>) -> Result<(), Error> {
        let (data, shared) = (data.into(), self.shared());
        self.for_messages(channel, data.len())?;
        let until = Instant::now() + shared.options.deadline;
        let room = timeout_at(until, shared.room(data.len())).await;
        let room = room.ok().flatten().ok_or(Error::Busy)?;
        // Another one may be there now.
        let connection = self.for_messages(channel, data.len())?;
        let held = Some(Arc::new(room) as _);
        let message = Box::new(NewMessage { data, delivery: true, held, ..NewMessage::default() });
        let (taken, acknowledged) = oneshot::channel();
        connection.tell(Command::Message { channel, message, taken: Some(taken) });
        match timeout_at(until, acknowledged).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Error::NotAcknowledged),
        }
    }

    /// The connection for a message of so many bytes.
    fn for_messages(&self, channel: u8, bytes: usize) -> Result<Connection, Error> {
        if !is_message_channel(channel) {
            return Err(Error::Invalid(format!("channel {channel} carries no messages")));
        }
        let current = self.shared().current.borrow().clone();
        let open = current.filter(Connection::takes_messages).ok_or_else(|| {
            let why = self.shared().why_not();
            Error::NotConnected(why.unwrap_or_else(|| "no connection".into()))
        })?;
        let most = open.max_message();
        if bytes > most {
            return Err(Error::Invalid(format!("a message of {bytes} bytes, of at most {most}")));
        }
        Ok(open)
    }

    /// Where a channel's component stands: HELLO of the next connections has it. A change of the user ends all cursors.
    ///
    /// # Errors
    /// When the channel carries no messages, or the cursor has more than 64 bytes.
    pub fn set_cursor(&self, channel: u8, cursor: impl Into<Box<[u8]>>) -> Result<(), Error> {
        let cursor = cursor.into();
        if !is_message_channel(channel) || cursor.len() > MAX_CURSOR {
            let why = format!("a cursor of {} bytes for channel {channel}", cursor.len());
            return Err(Error::Invalid(why));
        }
        self.shared().memory().cursors.insert(channel, cursor);
        Ok(())
    }

    /// Where a channel's component goes on: what the server has restored, or was set.
    #[must_use]
    pub fn cursor(&self, channel: u8) -> Option<Box<[u8]>> {
        self.shared().memory().cursors.get(&channel).cloned()
    }

    /// The device is in another network: the server is told, another connection is opened beside the one that is there, and takes over.
    /// Without a connection one is tried at once.
    pub fn set_network(&self, network: Network) {
        let (shared, network) = (self.shared(), said::network(network));
        let changed = {
            let mut memory = shared.memory();
            let changed = memory.network.replace(network.clone()).as_ref() != Some(&network);
            if changed {
                memory.found = Found::default();
            }
            changed
        };
        if changed {
            shared.heartbeats().enter(Some(&network));
            shared.kept.clear();
            self.update(Update { network: Some(network), ..Update::default() });
            shared.change(|changes| changes.network += 1);
        }
    }

    /// Whether the app is in the foreground. In front a try that waits is made at once.
    pub fn set_foreground(&self, foreground: bool) {
        let shared = self.shared();
        let changed = shared.memory().foreground.replace(foreground) != Some(foreground);
        if changed {
            self.update(Update { foreground: Some(foreground), ..Update::default() });
            if foreground {
                shared.change(|changes| changes.others += 1);
            }
        }
    }

    fn update(&self, update: Update) {
        if let Some(connection) = &*self.shared().current.borrow() {
            connection.tell(Command::Update(Box::new(update)));
        }
    }

    /// Tries at once, whatever is waited for, and even where the server has said not to come back.
    pub fn reconnect(&self) {
        self.shared().change(|changes| changes.others += 1);
    }

    /// What is to be added to this machine's time to have the server's, in milliseconds (spec section 6).
    #[must_use]
    pub fn time_offset(&self) -> Option<i64> {
        self.shared().time_offset()
    }

    /// What was learnt about heartbeats, network by network, for [`ClientBuilder::heartbeats`](crate::ClientBuilder::heartbeats) of
    /// the app's next start.
    #[must_use]
    pub fn heartbeats(&self) -> String {
        self.shared().heartbeats().to_text()
    }

    /// Closes it, for all its clones.
    pub fn close(&self) {
        self.shared().close();
    }
}
