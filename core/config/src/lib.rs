//! Config and releases: from YAML files to one immutable snapshot that a gateway can serve.
//!
//! The way of a config through this crate, each stage a module of its own:
//!
//! 1. [`source`] reads the files, follows includes, merges overlays, fills in variables: one tree.
//! 2. [`yaml`] is the tree; every node knows its file, line and column.
//! 3. [`model`] reads the tree into types.
//! 4. [`check`] holds the parts against each other.
//! 5. [`route`] finds the API that a request belongs to.
//!
//! [`load`] does the first four. Then [`compile`] makes a [`snapshot`] of it with the plugins,
//! [`explain`], [`diff`] and [`plans`] tell people about snapshots, [`release`] keeps them on disk.
//!
//! Whatever is wrong at any stage becomes a [`diag::Diagnostic`], all at once. Nothing here knows
//! a transport, reads the process environment, or has state of its own.

#![forbid(unsafe_code)]

pub mod check;
pub mod compile;
pub mod diag;
pub mod diff;
#[cfg(test)]
mod diff_tests;
pub mod endpoints;
pub mod explain;
mod load;
pub mod lock;
pub mod model;
mod module;
pub mod plans;
pub mod release;
pub mod route;
pub mod schema;
pub mod snapshot;
pub mod source;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod testing_wasm;
pub mod watch;
pub mod yaml;

pub use load::{Loaded, load};
