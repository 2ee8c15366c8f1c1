//! A client that takes no compressed messages and sends none.

use std::sync::Arc;

use bytes::Bytes;
use paifang_mmtp::greeting::Welcome;

use super::Encoded;
use crate::shared::Shared;

/// Nothing is kept.
#[derive(Debug, Default)]
pub(crate) struct Coder;

impl Coder {
    pub(crate) fn features(&self) -> u32 {
        0
    }

    pub(crate) fn identities(&self) -> Vec<[u8; 16]> {
        Vec::new()
    }
}

/// Nothing is agreed on.
#[derive(Debug)]
pub(crate) struct Agreed;

impl Agreed {
    /// Before the greeting.
    pub(crate) fn none() -> Self {
        Self
    }

    pub(crate) fn begin(_: &Welcome, _: &Arc<Shared>) -> Self {
        Self
    }

    pub(crate) fn renew(&mut self) -> Vec<[u8; 16]> {
        Vec::new()
    }

    pub(crate) fn encode(&self, _: u8, _: Option<&str>, _: &[u8]) -> Option<Encoded> {
        None
    }

    pub(crate) fn decode(&self, _: &[u8], _: &[u8], _: usize) -> Result<Bytes, String> {
        // The session has ended the connection before: nobody has said that it may be.
        Err("it is compressed".to_owned())
    }
}
