//! The admin API: how people and tools look at a running gateway and steer it.
//!
//! It has a listener of its own, on loopback unless the config says other; beyond loopback a token
//! is demanded, which the config loader insists on. `docs/admin.md` lists every path. The console, a web page
//! that asks it, is served beside it (`docs/console.md`).

mod auth;
mod console;
mod origin;
mod releases;
mod reply;
mod routes;
mod server;

pub(crate) use auth::Access;
pub use server::AdminError;
pub(crate) use server::{Admin, AdminChange};
