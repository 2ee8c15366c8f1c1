//! Moving in: configs of other gateways, and descriptions of APIs, told in ours.
//!
//! Each source format is a folder that reads its files with places, says of every line what became of it
//! (the [`Report`]), and fills a config: listeners, upstreams, APIs as YAML nodes with comments.
//! What protects and could not be told in ours leaves its API offline. Nothing here knows a transport;
//! files come through [`FileSource`].
//!
//! [`FileSource`]: paifang_config::source::FileSource

#![forbid(unsafe_code)]

pub mod apisix;
mod draft;
mod expression;
mod fault;
mod finish;
pub mod nginx;
pub mod openapi;
pub mod out;
mod report;
mod source;
mod values;
mod vars;

pub use fault::Fault;
pub use report::{Entry, Fate, Place, Report};

/// What an import makes.
#[derive(Debug)]
pub struct Imported {
    /// The config, as YAML with comments.
    pub yaml: String,
    /// How many APIs there are, those that are offline included.
    pub apis: usize,
    /// What became of each line.
    pub report: Report,
}

/// How to import.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Whether an API is online though something that protected it was not taken.
    pub allow_unprotected: bool,
}
