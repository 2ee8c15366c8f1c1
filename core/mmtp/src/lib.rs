//! MMTP, the mobile transport: frames and the session machine of either side.
//!
//! This crate is a leaf. It opens no socket and reads no clock: it takes bytes and the time, and gives bytes and events. So
//! one machine serves server and client, is tested with simulated pairs, and is fuzzed. Its normative description is
//! `docs/specs/mmtp.md`.
#![forbid(unsafe_code)]
