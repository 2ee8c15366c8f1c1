//! Moving in: what another gateway answered, the imported config answers too.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod apisix;
mod beside;
mod command;
mod nginx;
mod openapi;
mod peer;
mod shop;
