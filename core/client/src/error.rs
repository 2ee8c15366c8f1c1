//! Why a call, a message or a login has no result.

use paifang_mmtp::{
    code::{CancelCode, CloseCode},
    session::CallId,
};

/// Why something asked of a client has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No connection could be had before the deadline; nothing was sent. The text is why the last try failed.
    #[error("no connection: {0}")]
    NotConnected(String),
    /// The server has said that this client shall not come back by itself: see [`CloseCode::advice`].
    #[error("the server ended the connection: {code}{}{detail}", if detail.is_empty() { "" } else { ", " })]
    Ended {
        /// What it said.
        code: CloseCode,
        /// And in words; may be empty.
        detail: String,
    },
    /// The deadline has passed. With an identity the call had been sent, and the server may have done it.
    #[error("the deadline has passed{}", if call_id.is_some() { " after the call was sent" } else { "" })]
    Deadline {
        /// The identity under which it was sent.
        call_id: Option<CallId>,
    },
    /// The connection was lost after the call was sent and before its answer came: the server may have done it or not. It is made
    /// again by itself only where that does no harm ([`Call::idempotent`](crate::Call::idempotent)).
    #[error("unknown outcome of call {call_id}: the connection was lost before its answer")]
    UnknownOutcome {
        /// The call's identity, which its upstream got as `Idempotency-Key`.
        call_id: CallId,
    },
    /// The user has changed before the call was sent; nothing was. It is not made for another user than it was meant for.
    #[error("the user has changed before the call was sent")]
    UserChanged,
    /// The sender of the call's body was dropped before the body's end. The server was told to forget the call, and may have begun it.
    #[error("the body's sender was dropped before its end")]
    BodyDropped,
    /// The server broke the call off.
    #[error("the server broke the call off (code {})", .0.0)]
    Cancelled(CancelCode),
    /// The answer is larger than the call allows.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    /// Fields, parameters and names of the call are larger than a call's head may be, or not legal.
    #[error("the call cannot be sent: {0}")]
    Invalid(String),
    /// As many calls wait or are in flight as the client was built for, or as many bytes of messages wait to be sent as may.
    #[error("too much waits")]
    Busy,
    /// The answer is compressed and cannot be decompressed; the connection was ended for it.
    #[error("the answer cannot be decompressed")]
    Encoded,
    /// The connection ended, or the deadline passed, before a message was acknowledged: the server may have it or not.
    #[error("the message was not acknowledged")]
    NotAcknowledged,
    /// The server refused a credential.
    #[error("the credential was refused with {status}: {detail}")]
    Login {
        /// The HTTP status that says why.
        status: u16,
        /// And in words; may be empty.
        detail: String,
    },
    /// The client was closed.
    #[error("the client is closed")]
    Closed,
}
