//! Handlers for the tests of a host: the config says, stage by stage, what the handler does, so
//! that one binary provokes whatever a test wants to see.
//!
//! ```json
//! {
//!   "reads":   { "request": { "headers": ["x-do"], "facts": ["path"] } },
//!   "writes":  { "slots": ["risk"] },
//!   "request": [ { "set": ["x-seen", "yes"] }, { "if": { "header": "x-do", "is": "panic", "then": ["panic"] } } ],
//!   "log":     [ { "kv_add": { "key": "seen", "delta": 1 } } ]
//! }
//! ```
//!
//! Operations run in order until one of them decides. What they find out, each notes; `tell` answers
//! with the notes as a JSON array. This crate exports nothing: the crates beside it are the handlers,
//! and differ in what they export and import.

mod config;
mod draft;
mod edits;
mod facts;
mod faults;
mod host;
mod memory;
mod net;
mod op;
mod run;
mod stages;
#[cfg(test)]
mod tests;

pub use config::Config;
pub use net::{Net, Offline, Online};
pub use op::Op;
pub use stages::{configure, log, request, request_with_body, response, response_with_body};
