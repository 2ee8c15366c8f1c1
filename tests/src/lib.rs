//! What the tests of this crate share.

pub mod binaries;
pub mod harness;
pub mod http;
pub mod plugins;
pub mod table;
pub mod tidy;
