//! see
