//! Mappings, one by one.
#![allow(clippy::unwrap_used, clippy::expect_used)]
