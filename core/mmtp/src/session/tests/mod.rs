//! Simulated pairs of sessions.
#![allow(clippy::unwrap_used)]

mod basics;
mod bounds;
mod corners;
mod credit;
mod ends;
mod faults;
mod pair;
mod users;
