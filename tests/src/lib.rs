//! What the tests of this crate share.

pub mod http;
pub mod plugins;
pub mod table;
pub mod tidy;
