//! Paifang.
