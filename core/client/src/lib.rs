//! The client of MMTP: one long connection that comes back by itself, and calls over it.
#![forbid(unsafe_code)]

#[cfg(feature = "simnet")]
pub mod simnet;
