//! MMTP, the mobile transport: frames and the session machine of either side.
//!
//! This crate is a leaf. It opens no socket and reads no clock: it takes bytes and the time, and gives bytes and events. So
//! one machine serves server and client, is tested with simulated pairs, and is fuzzed. Its normative description is
//! `docs/specs/mmtp.md`.
//!
//! [`frame`] turns bytes into frames and back, [`tlv`] reads what they carry,
//! [`greeting`] what connections begin and end with, and
//! [`session`] is the machine. `compress`, which is a feature, makes messages shorter, [`web`] has what MMTP within HTTP needs.
#![forbid(unsafe_code)]

pub mod code;
#[cfg(feature = "compress")]
pub mod compress;
pub mod frame;
pub mod greeting;
mod reader;
pub mod session;
pub mod tlv;
mod varint;
pub mod web;

pub use reader::Malformed;
