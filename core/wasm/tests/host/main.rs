//! The host from outside: modules that behave and modules that do not, in chains of the real engine.
//!
//! The handlers are components built by `cargo xtask handlers`; most tests use the testbed, whose
//! config says what it does at each stage (`wasm-handlers/testbed`).
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bombs;
mod breaker;
mod cases;
mod damaged;
mod faults;
mod files;
mod grants;
mod illegal;
mod leaks;
mod limits;
mod lines;
mod made;
mod odd;
mod picture;
mod preview1;
mod preview2;
mod reuse;
mod slots;
mod stages;
mod start;
mod upstreams;
mod verdicts;
mod world;
