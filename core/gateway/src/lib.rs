//! Paifang.

pub mod edge;
