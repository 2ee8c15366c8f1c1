//! Which forms a client uses, and what it remembers of the network that decides it. `docs/client.md` has the rules.

use std::time::Duration;

use tokio::time::Instant;

/// How long the long form is tried alone before WebSocket is tried beside it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(3);
/// How long a network is remembered as one where the long form does not come through, or the short one is not spoken; and how often the
/// long form is tried beside WebSocket.
pub(crate) const MEMORY: Duration = Duration::from_secs(600);
/// How long a call waits for a connection that is being made before it goes by the short form.
pub(crate) const SHORT_AFTER: Duration = Duration::from_secs(2);
/// Conversations of the short form that are being opened at the same time. A call that finds no room waits for one, or for a connection.
pub(crate) const AT_ONCE: usize = 8;
/// The windows of a short conversation: it cannot give credit, so the server may send this much of answers, and this much is kept.
pub(crate) const SHORT_WINDOW: u32 = 32 << 20;

/// Which forms a client uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Forms {
    /// The long form where it can be had, WebSocket where only HTTPS comes through, the short form for calls while there is no connection.
    #[default]
    Auto,
    /// The long form alone.
    Long,
    /// WebSocket alone.
    WebSocket,
    /// The short form alone: no connection is kept, so there are no messages and no login; the credential that the client was built with goes
    /// with each call.
    Post,
}

/// What a client has found out about its network. Another network begins anew.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Found {
    /// Until when the long form is not tried first.
    within_http: Option<Instant>,
    /// Until when the short form is of no use.
    no_short: Option<Instant>,
}

impl Found {
    fn holds(until: Option<Instant>) -> bool {
        until.is_some_and(|until| until > Instant::now())
    }

    /// Whether WebSocket comes first.
    pub(crate) fn is_within_http(&self) -> bool {
        Self::holds(self.within_http)
    }

    /// The long form has, or has not, come through where WebSocket has.
    pub(crate) fn set_within_http(&mut self, is: bool) {
        self.within_http = is.then(|| Instant::now() + MEMORY);
    }

    /// Whether the short form may be tried.
    pub(crate) fn has_short(&self) -> bool {
        !Self::holds(self.no_short)
    }

    /// Nobody speaks the short form there.
    pub(crate) fn set_no_short(&mut self) {
        self.no_short = Some(Instant::now() + MEMORY);
    }
}
