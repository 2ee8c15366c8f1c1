//! The console in a real Chromium: what it shows, what it changes, and who may not.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod changes;
mod foreign;
mod hostile;
mod shows;
mod source;
mod support;
mod tokens;
