//! What the front asks of who runs it.

use std::{future::Future, sync::Arc, time::Duration};

use futures::{Stream, stream};
use http::HeaderMap;
use paifang_mmtp::{
    greeting::{Auth, Closing, Hello, Welcome},
    session::Message,
};
use paifang_pipeline::Front;
use tokio::sync::watch;

use crate::{BodyPace, Call, Client, Encoding, Limits, Permit, Tokens, User};

/// Runs the front: admits clients, recognises users, serves calls.
pub trait Host: Send + Sync + 'static {
    /// What it knows of a transport.
    type Transport: Clone + Send + Sync + 'static;

    /// What holds for a connection that begins now.
    fn limits(&self, transport: &Self::Transport) -> Arc<Limits>;

    /// Whether a client may connect; its credential is looked at afterwards. Refused with the CLOSE that it gets.
    fn admit(
        &self,
        transport: &Self::Transport,
        hello: &Hello,
    ) -> impl Future<Output = Result<Admission, Box<Closing>>> + Send;

    /// Who a credential is; `None` where nobody is recognised and that is no fault. It is called for HELLO and LOGIN
    /// alike, never without a credential.
    fn authenticate(
        &self,
        client: &Arc<Client<Self::Transport>>,
        auth: &Auth,
    ) -> impl Future<Output = Result<Option<User>, Denied>> + Send;

    /// How slowly the body of a call that begins now may come. It is asked of those whose body is not there yet.
    fn body_pace(&self, transport: &Self::Transport) -> BodyPace {
        let _ = transport;
        BodyPace::default()
    }

    /// Serves one call to its end.
    fn serve<F: Front>(
        &self,
        call: Call<Self::Transport>,
        front: &mut F,
    ) -> impl Future<Output = ()> + Send;

    /// Takes a message over; its component is known by its channel. Those of one channel come one after the other, in order. True: it is
    /// taken, and a delivery is acknowledged.
    fn deliver(
        &self,
        client: &Arc<Client<Self::Transport>>,
        delivery: Delivery,
    ) -> impl Future<Output = bool> + Send;

    /// Waits until the transport's handshake is over, where what came before could have been sent by somebody else (TLS
    /// early data); false when the connection has ended before. HELLO and calls are handed on before; resume tokens, changes of the user
    /// and the end of the device's older connections wait for it.
    fn confirmed(&self, transport: &Self::Transport) -> impl Future<Output = bool> + Send {
        let _ = transport;
        std::future::ready(true)
    }

    /// How the transport's handshake began.
    fn handshake(&self, transport: &Self::Transport) -> Handshake {
        let _ = transport;
        Handshake::None
    }

    /// The name that TLS was told, in lower case; devices sign it.
    fn server_name<'a>(&self, transport: &'a Self::Transport) -> Option<&'a str> {
        let _ = transport;
        None
    }

    /// What gives resume tokens; nothing does where it is `None`.
    fn tokens(&self, transport: &Self::Transport) -> Option<Arc<Tokens>> {
        let _ = transport;
        None
    }
}

/// How a transport's handshake began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handshake {
    /// There is none: plain text.
    None,
    /// A full one.
    Full,
    /// An earlier session was resumed.
    Resumed,
    /// The like, with data in the first flight that was taken.
    Early,
}

impl Handshake {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::None, Self::Full, Self::Resumed, Self::Early];

    /// What metrics call it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        ["none", "full", "resumed", "early"][self as usize]
    }
}

/// A message to be taken over, with what held when it came.
#[derive(Debug)]
pub struct Delivery {
    /// The message.
    pub message: Message,
    /// The connection's user then.
    pub user: Option<Arc<User>>,
    /// The fields that a call would have had then: those of HELLO, and the credential.
    pub headers: HeaderMap,
}

/// What an admitted client is told besides what the front itself knows.
#[derive(Clone, Debug, Default)]
pub struct Admission {
    /// Features, cursors, token, alternates. The rest is filled in.
    pub welcome: Welcome,
    /// The client's place among the connections, where they are counted. It is given back when the client is gone.
    pub permit: Option<Permit>,
    /// How messages are compressed; `None`: they are not, either way.
    pub encoding: Option<Arc<Encoding>>,
}

/// Why a credential is not good, or cannot be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// The HTTP status: 401, 403, 503 …
    pub status: u16,
    /// The row of the error table; 0 for none.
    pub error: u32,
    /// For people.
    pub detail: Box<str>,
    /// Addresses where the user is at home: the credential is good, but not here. The client is sent there (3002).
    pub moved_to: Vec<Box<str>>,
}

impl Denied {
    /// Nothing but a reason.
    #[must_use]
    pub fn new(status: u16, error: u32, detail: &str) -> Self {
        Self { status, error, detail: detail.into(), moved_to: Vec::new() }
    }
}

/// Whether connections should come to an end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Drain {
    /// No.
    #[default]
    Running,
    /// Yes: each says GOAWAY at a random moment within `spread`, finishes what is in flight, and closes.
    Draining {
        /// Over how long.
        spread: Duration,
    },
}

impl Drain {
    /// What [`Server::serve`](crate::Server::serve) follows, of a channel that says how it stands. It ends when nobody is left who
    /// could say more.
    pub fn spreads(state: watch::Receiver<Self>) -> impl Stream<Item = Duration> + Send {
        stream::unfold((state, false), |(mut state, mut seen)| async move {
            loop {
                if std::mem::replace(&mut seen, true) {
                    state.changed().await.ok()?;
                }
                let now = *state.borrow_and_update();
                if let Self::Draining { spread } = now {
                    return Some((spread, (state, true)));
                }
            }
        })
    }
}
