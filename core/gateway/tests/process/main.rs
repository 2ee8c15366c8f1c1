//! The binary as operators meet it: its commands, signals, exit codes, log, and what a killed
//! process leaves behind.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod commands;
mod dict;
mod handler_build;
mod handler_dev;
mod handler_new;
mod killed;
mod load;
mod lock;
mod logs;
mod offline;
mod package;
mod payments;
mod process;
mod signals;
mod sockets;
mod top;
mod upgrade;
mod upgrade_fails;
mod upstream;
