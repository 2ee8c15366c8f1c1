//! The pipeline.
#![forbid(unsafe_code)]
pub mod units;
