//! What became of a call: the account that the `log` stage and the statistics read.

use crate::{error::ErrorCode, ports::Nanos};
use http::StatusCode;
use std::net::SocketAddr;

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Termination {
    /// The whole response went out.
    Completed,
    /// The client went away first.
    ClientGone,
    /// The response broke off after its head had gone out, by the origin's fault.
    OriginBrokeOff,
    /// The response broke off after its head had gone out, by a handler's verdict or fault.
    HandlerBrokeOff,
    /// The response broke off after the origin had begun to answer: the API that the call began
    /// with had long been replaced, and its calls were recalled ([`crate::Recall`]).
    Superseded,
    /// The task was dropped: shutdown, or a panic in the front.
    #[default]
    Dropped,
}

impl Termination {
    /// The name in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::ClientGone => "client_gone",
            Self::OriginBrokeOff => "origin_broke_off",
            Self::HandlerBrokeOff => "handler_broke_off",
            Self::Superseded => "superseded",
            Self::Dropped => "dropped",
        }
    }
}

/// The account of one call.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Status of the final head that went out, if one did.
    pub status: Option<StatusCode>,
    /// The row of the error table, where the gateway made the answer for an error.
    pub error: Option<&'static ErrorCode>,
    /// More about the error, for logs only.
    pub error_detail: Option<String>,
    /// Id of the step that answered or broke the call off.
    pub answered_by: Option<std::sync::Arc<str>>,
    /// How the call ended.
    pub termination: Termination,
    /// Bytes of request body read from the client.
    pub request_bytes: u64,
    /// Bytes of response body sent to the client.
    pub response_bytes: u64,
    /// How many times an origin was tried.
    pub attempts: u32,
    /// The endpoint of the last attempt.
    pub endpoint: Option<SocketAddr>,
    /// From opening the last attempt to its response head, in nanoseconds.
    pub origin_head_nanos: Option<u64>,
    /// When the latest attempt had been sent all of the request; the attempt's beginning, where
    /// nothing had to be read from the client any more. `None` as long as it has not.
    pub request_sent: Option<Nanos>,
    /// How long the latest attempt's response head was waited for once all of the request had been
    /// sent, in nanoseconds: what the origin took, however slowly the client sent its body. Zero
    /// where the head came before that.
    pub origin_wait_nanos: Option<u64>,
    /// What the cache had found, where the API has one: `hit`, `miss`, and so on.
    pub cache: Option<&'static str>,
    /// From the arrival of the request head to the end of the call, in nanoseconds.
    pub total_nanos: u64,
    /// Whether the connection was switched to another protocol (101).
    pub upgraded: bool,
}
