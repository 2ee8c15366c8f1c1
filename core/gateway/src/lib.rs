//! Paifang.

pub mod edge;
pub mod front;
pub mod upstream;
