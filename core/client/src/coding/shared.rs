//! What several clients of one process compress with.

use std::sync::Arc;

use super::{Compressed, DictionaryStore, on::Coder};

/// Contexts and dictionaries for compressed messages, once for all clients of a process that are built with it
/// ([`ClientBuilder::share_compression`](crate::ClientBuilder::share_compression)). Clones are the same one.
///
/// It is for processes with many clients of the same gateways, such as load generators and proxies: a context takes up to 1.7 MB, and a
/// dictionary's tables several times its size. A dictionary that one of the clients has fetched is there for all of them.
#[derive(Clone, Debug)]
pub struct Compression(pub(crate) Arc<Coder>);

impl Compression {
    /// One that keeps `contexts` each way, at least one: about as many as threads drive clients. No dictionaries are kept or fetched.
    #[must_use]
    pub fn new(contexts: usize) -> Self {
        Self(Arc::new(Coder::new(contexts, None)))
    }

    /// The same with dictionaries, as [`ClientBuilder::dictionaries`](crate::ClientBuilder::dictionaries) has them.
    #[must_use]
    pub fn with_dictionaries(contexts: usize, store: impl DictionaryStore) -> Self {
        Self(Arc::new(Coder::new(contexts, Some(Arc::new(store)))))
    }

    /// How many dictionaries are held.
    #[must_use]
    pub fn dictionaries(&self) -> usize {
        self.0.identities().len()
    }

    /// What the clients have sent compressed.
    #[must_use]
    pub fn sent(&self) -> Compressed {
        self.0.sent.read()
    }

    /// What has come to them compressed, and was as it should be.
    #[must_use]
    pub fn received(&self) -> Compressed {
        self.0.received.read()
    }
}
