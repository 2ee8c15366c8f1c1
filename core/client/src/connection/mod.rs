//! One connection: the handle to the task that drives it.

mod answers;
mod coded;
mod commands;
mod driver;
mod events;
mod short;
mod silence;

use std::{
    fmt,
    net::SocketAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use paifang_mmtp::{
    code::CancelCode,
    greeting::{Auth, Closing, Hello, Update, UserResult, Welcome},
    session::{CallId, Closed, Key, NewMessage},
};
use tokio::{
    sync::{Semaphore, mpsc, oneshot, watch},
    time::Instant,
};

use crate::{
    call::Prepared,
    connect::{Dialed, EarlyData, Form, Timing},
    shared::Shared,
};
pub(crate) use answers::{Chunk, Head, Owed};
use short::Short;
pub(crate) use short::Way;

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// HELLO is on its way, and WELCOME has not come.
    Greeting,
    /// It works.
    Open,
    /// Something is waited for, and nothing came for a while.
    Suspect,
    /// The server wants it to end, or another one has taken over: it takes no new calls.
    Going,
    /// It is over.
    Closed,
}

/// What is known about a connection.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub(crate) phase: Phase,
    pub(crate) welcome: Option<Arc<Welcome>>,
    /// What GOAWAY said.
    pub(crate) goaway: Option<Arc<Closing>>,
    pub(crate) closed: Option<Arc<Closed>>,
    /// What the server has said of the last change of the user.
    pub(crate) user: Option<Arc<UserResult>>,
    pub(crate) early_data: EarlyData,
}

/// Why a call has no answer from this connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// Nothing of it was written.
    NotSent,
    /// It was written at least in part, and the connection has ended.
    Sent,
    /// The server has said that it did not look at it.
    NotLookedAt,
    /// The server broke it off.
    Cancelled(CancelCode),
    /// Its body's sender was dropped.
    BodyDropped,
    /// It belongs to another user than the connection does now.
    UserChanged,
    /// It cannot be made at all.
    Invalid(String),
    /// Its answer cannot be decompressed.
    Encoded,
}

/// A call as it is made on one connection.
pub(crate) struct Attempt {
    pub(crate) ticket: u64,
    pub(crate) call: Arc<Prepared>,
    pub(crate) body: Bytes,
    /// Whether `body` is all; otherwise [`Command::Data`] follows.
    pub(crate) end: bool,
    /// The identity of the first attempt; it is filled in when this is the first.
    pub(crate) identity: Arc<OnceLock<CallId>>,
    pub(crate) number: u32,
    /// The user's, in which the call was made.
    pub(crate) epoch: u32,
    pub(crate) deadline: Instant,
    pub(crate) reply: oneshot::Sender<Result<Head, Lost>>,
    /// Bytes of the body that may be on their way to the driver.
    pub(crate) flow: Option<Arc<Semaphore>>,
}

/// What a driver is asked to do.
pub(crate) enum Command {
    Call(Box<Attempt>),
    Data {
        ticket: u64,
        data: Bytes,
        end: bool,
    },
    Cancel {
        ticket: u64,
        code: CancelCode,
    },
    Consumed {
        channel: u8,
        cost: u32,
    },
    Message {
        channel: u8,
        message: Box<NewMessage>,
        taken: Option<oneshot::Sender<()>>,
    },
    Acknowledge(Key),
    Login {
        auth: Option<Auth>,
        reply: oneshot::Sender<UserResult>,
    },
    Update(Box<Update>),
    /// The client holds dictionaries that it did not hold before.
    #[cfg_attr(not(feature = "zstd"), allow(dead_code))]
    Learnt,
    /// Takes no new calls and closes once nothing is in flight.
    Drain,
    /// Closes now.
    Close,
}

/// The handle. Clones are the same connection; when the last is dropped the connection is closed.
#[derive(Clone)]
pub(crate) struct Connection(Arc<Inner>);

struct Inner {
    serial: u64,
    sole: bool,
    address: SocketAddr,
    form: Form,
    /// There was another conversation on it before.
    kept: bool,
    /// The user epoch that HELLO had, and the one that it has been told.
    began_with: u32,
    epoch: AtomicU32,
    timing: Timing,
    nonce: [u8; 16],
    tickets: AtomicU64,
    commands: mpsc::UnboundedSender<Command>,
    standing: watch::Receiver<Standing>,
}

/// What a connection begins with.
pub(crate) struct Beginning {
    /// Counts up over the connections of a client.
    pub(crate) serial: u64,
    /// No other address is tried at the same time, so that calls need not wait to see which one wins.
    pub(crate) sole: bool,
    pub(crate) address: SocketAddr,
    pub(crate) form: Form,
    pub(crate) dialed: Dialed,
    pub(crate) hello: Hello,
    /// Of the short form.
    pub(crate) way: Option<Way>,
}

impl Connection {
    /// Starts the task.
    pub(crate) fn start(beginning: Beginning, shared: &Arc<Shared>) -> Self {
        let Beginning { serial, sole, address, form, dialed, hello, way } = beginning;
        // Bounded by the number of calls that a client may have, and by the credit of what they carry.
        let (commands, taken) = mpsc::unbounded_channel();
        let (standing, seen) = watch::channel(Standing {
            phase: Phase::Greeting,
            welcome: None,
            goaway: None,
            closed: None,
            user: None,
            early_data: dialed.wire.early_data(),
        });
        let inner = Inner {
            serial,
            sole,
            address,
            form,
            kept: way.as_ref().is_some_and(|way| way.kept),
            began_with: hello.epoch,
            epoch: AtomicU32::new(hello.epoch),
            timing: dialed.timing,
            nonce: hello.nonce,
            tickets: AtomicU64::new(0),
            commands,
            standing: seen,
        };
        let commands = (inner.commands.downgrade(), taken);
        let short = way.map(Short::new);
        let driver =
            driver::Driver::new((serial, short), dialed.wire, &hello, commands, standing, shared);
        tokio::spawn(driver.run());
        Self(Arc::new(inner))
    }

    /// Counts up over the connections of a client.
    pub(crate) fn serial(&self) -> u64 {
        self.0.serial
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.address
    }

    pub(crate) fn form(&self) -> Form {
        self.0.form
    }

    /// Whether there was another conversation on it before.
    pub(crate) fn is_kept(&self) -> bool {
        self.0.kept
    }

    /// The user epoch that HELLO had.
    pub(crate) fn began_with(&self) -> u32 {
        self.0.began_with
    }

    /// The user epoch that it has been told.
    pub(crate) fn epoch(&self) -> u32 {
        self.0.epoch.load(Ordering::Relaxed)
    }

    /// Tells it the next user; what the server says of it comes back. Who calls this holds the client's memory.
    pub(crate) fn login(&self, auth: Option<Auth>) -> oneshot::Receiver<UserResult> {
        let (reply, result) = oneshot::channel();
        self.0.epoch.fetch_add(1, Ordering::Relaxed);
        self.tell(Command::Login { auth, reply });
        result
    }

    pub(crate) fn timing(&self) -> Timing {
        self.0.timing
    }

    pub(crate) fn nonce(&self) -> [u8; 16] {
        self.0.nonce
    }

    /// A number for a new attempt.
    pub(crate) fn ticket(&self) -> u64 {
        self.0.tickets.fetch_add(1, Ordering::Relaxed)
    }

    /// Tells the driver. Nothing happens when it has ended; who waits for an answer sees that then.
    pub(crate) fn tell(&self, command: Command) {
        // A driver that has ended drops what it is told.
        let _ = self.0.commands.send(command);
    }

    pub(crate) fn standing(&self) -> watch::Receiver<Standing> {
        self.0.standing.clone()
    }

    pub(crate) fn phase(&self) -> Phase {
        self.0.standing.borrow().phase
    }

    /// Whether messages may be sent on it.
    pub(crate) fn takes_messages(&self) -> bool {
        match self.phase() {
            Phase::Open | Phase::Suspect => true,
            Phase::Greeting => self.0.sole,
            Phase::Going | Phase::Closed => false,
        }
    }

    /// The largest message that the server takes, in bytes.
    pub(crate) fn max_message(&self) -> usize {
        let standing = self.0.standing.borrow();
        let said = standing.welcome.as_ref().map(|welcome| welcome.settings);
        said.unwrap_or_default().max_message as usize
    }

    /// Whether a call may begin on it: one that does no harm when it is made again may do so before WELCOME has come, and any when
    /// this is the only connection that is being opened.
    pub(crate) fn takes(&self, safe: bool) -> bool {
        match self.phase() {
            Phase::Open => true,
            // It revives, dies or is followed by another one within seconds; what is lost on it has an unknown outcome.
            Phase::Suspect => safe,
            Phase::Greeting => safe || self.0.sole,
            Phase::Going | Phase::Closed => false,
        }
    }
}

/// Waits until a connection stands otherwise; for ever without one.
pub(crate) async fn changed(standing: &mut Option<watch::Receiver<Standing>>) {
    let told = match standing {
        Some(standing) => standing.changed().await.is_ok(),
        None => false,
    };
    if !told {
        // No connection, or one that has ended for good.
        std::future::pending().await
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { serial, address, .. } = &*self.0;
        f.debug_struct("Connection").field("serial", serial).field("address", address).finish()
    }
}
