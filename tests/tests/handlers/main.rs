//! Handlers in WebAssembly through the whole gateway: called, reloaded, misbehaving.
//!
//! The modules are those of `cargo xtask handlers`.

mod calls;
mod faults;
mod held;
mod reload;
mod shared;
mod shipped;
mod support;
