//! The access front: connections that speak MMTP, their sessions, users and calls (`docs/specs/mmtp.md`).
//!
//! ```text
//! bytes ─> connection ─> mmtp::Session ─> CallFront ─> Host::serve (the pipeline)
//!             │  one task a connection         │
//!             └─ Registry: by device, user <───┴── push, goaway
//! ```
//!
//! It knows neither Pingora nor listeners: a [`Host`] hands it streams of bytes with what it knows of them, admits clients, and serves
//! their calls. A connection and all of its calls are one task, so an answer is written by who made it, without a wake
//! in between.
#![forbid(unsafe_code)]

mod call;
mod client;
mod connection;
mod encoding;
mod form;
mod gathered;
mod guard;
mod host;
mod limits;
mod registry;
mod resume;
mod server;
mod stats;
mod view;

pub use call::{Call, CallFront, Target};
pub use client::{Client, User};
pub use connection::{Handle, NotSent};
pub use encoding::{Encoding, EncodingError, Offered};
pub use form::Form;
pub use gathered::Learnt;
pub use guard::{Door, Guard, Pace, Permit, Rules, Scope};
pub use host::{Admission, Delivery, Denied, Drain, Handshake, Host};
pub use limits::{BodyPace, Limits};
pub use registry::{Pushed, Registry};
pub use resume::Tokens;
pub use server::Server;
pub use stats::{Compressed, FormTotals, Stats, Totals};
pub use view::{Connection, Found, Wanted};
