//! How much YAML one file may hold.

/// The limits of one file. They are there to refuse what was made to hurt; a config of
/// 100,000 APIs in one file passes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Bytes of the file. Default 64 MiB.
    pub file_bytes: u64,
    /// Maps, lists and scalars of the file, aliases counted as what they stand for.
    /// Default 8,000,000.
    pub nodes: u64,
    /// Nodes that aliases alone may add. Default 100,000.
    pub alias_nodes: u64,
    /// Maps and lists inside each other. Default 48.
    pub depth: usize,
    /// Bytes of one scalar. Default 1 MiB.
    pub scalar_bytes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            file_bytes: 64 << 20,
            nodes: 8_000_000,
            alias_nodes: 100_000,
            depth: 48,
            scalar_bytes: 1 << 20,
        }
    }
}
