//! The front over streams in memory, with a client that is the session machine itself, on a paused clock.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod calls;
mod compression;
mod devices;
mod ends;
mod heartbeats;
mod memory;
mod messages;
mod resume;
mod short;
mod support;
mod users;
