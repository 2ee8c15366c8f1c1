//! The client of MMTP: one long connection that comes back by itself, and calls over it.
//!
//! A [`Client`] is made by a [`ClientBuilder`]; it is a handle, and its clones are the same client. Behind it a task keeps
//! one connection: it dials, races addresses, waits as the server asks, and goes over to another before the old one is gone.
//! Each connection has one task, which drives `paifang_mmtp`'s session machine over what a [`Connect`] has dialled.
//!
//! ```text
//! Client ──call──> Connection ──> driver (Session) ──> Wire (TLS over TCP, or what a test gives)
//!    │                 ^
//!    └──> keeper ──────┘  race, backoff, GOAWAY, half-dead
//! ```
//!
//! `docs/client.md` has the rules: when a call is made again, when a connection is, and what is waited for.
#![forbid(unsafe_code)]

mod builder;
mod call;
mod client;
mod coding;
pub mod connect;
mod connection;
mod device;
mod error;
mod forms;
pub mod heartbeat;
mod keeper;
mod kept;
mod messages;
mod said;
mod shared;
#[cfg(feature = "simnet")]
pub mod simnet;
#[cfg(all(test, feature = "simnet"))]
mod tests;
#[cfg(feature = "prost")]
mod typed;
mod users;

pub use builder::ClientBuilder;
pub use call::{BodySender, Call, CallHead, Intercept, Response, ResponseBody, ResponseHead, body};
pub use client::{Client, Connected, State};
#[cfg(feature = "zstd")]
pub use coding::{Compressed, Compression, DictionaryDir, DictionaryStore};
pub use connect::{Connect, Form};
pub use device::{DeviceIdentity, KeyRejected, Sign};
pub use error::Error;
pub use forms::Forms;
pub use messages::{Incoming, Messages};
#[cfg(feature = "prost")]
pub use typed::{Typed, TypedError};
pub use users::User;

#[cfg(feature = "zstd")]
pub use paifang_mmtp::compress::DictionaryId;
/// What the specification calls things, for those who use the client.
pub use paifang_mmtp::{
    code::{CancelCode, CloseCode},
    greeting::{Auth, Heartbeat, Network, NetworkKind, Settings},
    session::CallId,
};
