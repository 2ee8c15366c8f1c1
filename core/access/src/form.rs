//! The forms in which a client speaks (spec section 1), and what is another way in the short one.

use std::sync::Arc;

use paifang_mmtp::greeting::Hello;

use crate::Limits;

/// How long a conversation of the short form may last without a byte from its client, in milliseconds: its requests are there, and how
/// long answers may take is for calls and APIs to say. What comes too slowly is for who reads the request's body.
const SHORT_IDLE_MS: u64 = 24 * 3600 * 1000;

/// In which form a client speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Form {
    /// A connection of its own, TLS or plain.
    #[default]
    Long,
    /// Over WebSocket: as long as a long one.
    WebSocket,
    /// The body of one POST and of its answer. It is no connection of the device: nothing is pushed over it, no heartbeat is sent, it
    /// replaces none, and it ends when all is answered.
    Post,
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Long, Self::WebSocket, Self::Post];

    /// What metrics call it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Long => "long",
            Self::WebSocket => "websocket",
            Self::Post => "post",
        }
    }

    /// Whether it is a connection of the device, to be found by who pushes.
    #[must_use]
    pub const fn is_kept(self) -> bool {
        !matches!(self, Self::Post)
    }

    pub(crate) const fn index(self) -> usize {
        self as usize
    }

    /// The limits of a connection of this form.
    pub(crate) fn limits(self, limits: Arc<Limits>) -> Arc<Limits> {
        if self.is_kept() {
            return limits;
        }
        let mut limits = Limits::clone(&limits);
        limits.session.idle_ms = SHORT_IDLE_MS;
        Arc::new(limits)
    }

    /// Takes out of HELLO what has no meaning in the short form: a resume token, which is good once, is not spent on it.
    pub(crate) fn strip(self, hello: &mut Hello) {
        if !self.is_kept() {
            (hello.resume, hello.proof, hello.device_key) = (None, None, None);
        }
    }
}
