//! The built-in plugins, a folder each: its handler in `mod.rs`, its config in `config.rs`, its
//! tests beside them, its page in `docs/plugins/`.
//!
//! What several of them share stands at the top: [`template`]s filled from a call, and whole
//! answers made of them. A plugin knows the pipeline and nothing else: no transport, no config
//! file, no environment.
#![forbid(unsafe_code)]

pub mod access_log;
pub mod acl;
pub mod answer;
mod apps;
pub mod basic_auth;
mod caller;
pub mod circuit_breaker;
pub mod compress;
pub mod cors;
pub mod errors;
mod fields;
pub mod forward_auth;
mod fresh;
pub mod headers;
pub mod ip_filter;
pub mod jwt_auth;
mod kept;
pub mod key_auth;
mod known;
pub mod mirror;
pub mod mock;
mod points;
pub mod redirect;
pub mod request_id;
pub mod respond;
pub mod rewrite;
pub mod shed;
pub mod signature;
pub mod split;
mod standard;
mod strict;
pub mod template;
#[cfg(test)]
mod testing;
pub mod throttle;

pub mod validate;

pub use standard::register;
