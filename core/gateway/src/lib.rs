//! Paifang: a mobile access gateway and a framework for gateways of one's own.
//!
//! [`Gateway::builder`] makes a gateway out of a YAML config and plugins; the `paifang` binary is
//! one with the built-in plugins only. How a call and a release go through the modules is told in
//! `ARCHITECTURE.md`.
//!
//! ```no_run
//! fn main() -> std::process::ExitCode {
//!     paifang::Gateway::builder().run()
//! }
//! ```
#![forbid(unsafe_code)]

mod access;
mod admin;
mod builder;
mod cache;
mod cli;
mod control;
mod deadlines;
pub mod edge;
pub mod front;
mod handlers;
mod insight;
mod live;
mod metrics;
mod outbound;
mod stores;
mod traces;
mod upgrade;
pub mod upstream;

/// What plugins are written against.
pub use paifang_pipeline as pipeline;

pub use admin::AdminError;
pub use builder::{Builder, Gateway, StartError};
pub use control::{LogControl, ReleaseError};
