//! The edge: listening sockets and what a connection goes through before HTTP.
//!
//! ```text
//! accept -> limits -> PROXY header -> client limit -> gate -> TLS -> protocol -> ConnectionHandler
//! ```
//!
//! The loop and the runtime are ours, not those of Pingora's server: listeners come and go by reload while
//! connections of the others live on ([`Edge::prepare`], [`Prepared::commit`]), many edges fit in one process, and
//! dropping one closes what it opened. Limits come before TLS, so a refusal costs no handshake. Whatever
//! a peer says about the client is believed only from [`TrustedProxies`].
//!
//! Nothing here knows routes or handlers; a served connection's way goes on in the HTTP front.

mod accept;
mod address;
mod chunks;
mod client_ip;
mod gather;
mod handler;
mod info;
mod limits;
mod listener;
pub mod proxy_protocol;
mod settings;
mod setup;
mod sniff;
mod sockets;
mod stats;
mod stream;
pub mod tls;
mod transport;

#[cfg(test)]
mod tests;

pub use address::{ClientKey, TrustedProxies};
pub use chunks::ChunkCheck;
pub use client_ip::{ForwardedHeader, MAX_HOPS, client_ip};
pub use handler::{AcceptGate, ConnectionHandler, DrainState};
pub use info::{ClientCertificate, ConnInfo, Protocol, TlsInfo};
pub use listener::{Edge, ListenError, ListenerStatus, Prepared};
pub use settings::{Deadlines, Limits, ListenerSpec, ProxyProtocol, Trust};
pub use sockets::{Handed, Listening, Role, Sockets};
pub use stats::{Counter, EdgeStats, Refusal};
pub use stream::EdgeStream;
