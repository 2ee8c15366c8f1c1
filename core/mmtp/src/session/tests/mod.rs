//! Simulated pairs of sessions.
#![allow(clippy::unwrap_used)]

mod basics;
mod corners;
mod credit;
mod ends;
mod faults;
mod pair;
mod users;
