//! The binary as operators meet it: its commands, signals, exit codes, log, and what a killed
//! process leaves behind.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod commands;
mod killed;
mod lock;
mod logs;
mod offline;
mod process;
mod signals;
mod upstream;
