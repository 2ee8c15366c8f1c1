//! The admin API: how people and tools look at a running gateway and steer it.
//!
//! It has a listener of its own, on loopback unless the config says other; beyond loopback a token
//! is demanded, which the config loader insists on. `docs/admin.md` lists every path.

mod auth;
mod reply;
mod routes;
mod server;

pub(crate) use auth::Token;
pub use server::AdminError;
pub(crate) use server::{Admin, AdminChange};
