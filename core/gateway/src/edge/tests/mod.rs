//! The edge over real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod drain;
mod early;
mod limits;
mod memory;
mod protocol;
mod proxy;
mod reload;
pub(in crate::edge) mod support;
mod tls;
