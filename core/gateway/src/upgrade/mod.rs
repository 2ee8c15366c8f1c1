//! Another process takes this one's place, and no client notices (docs/adr/0014-upgrade-by-a-child.md).
//!
//! ```text
//! old                                      new
//! starts it with a socket as its stdin
//! hands over sockets, release, lock   ──>  hello
//!                                          checks, compiles, starts handlers, warms up
//! go                                 <──   ready
//!                                    ──>   accepts; keeps the release on disk
//! stops accepting, lets calls end    <──   serving
//! so many connections are left       ──>   shows it in status and metrics
//! ```
//!
//! Whatever fails before `serving` ends the new process and changes nothing for the old one. Listening sockets are
//! passed themselves (SCM_RIGHTS, unix(7)), so what waits in their queues is lost at no moment.

mod new;
mod old;
mod program;
mod wire;

pub(crate) use new::{Predecessor, Takeover};
pub(crate) use old::{Attempt, Successor, UpgradeError};
pub(crate) use program::Program;
pub(crate) use wire::Manifest;

#[cfg(test)]
mod tests;
