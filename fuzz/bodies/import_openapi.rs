//! Descriptions in OpenAPI: whatever they are, the importer ends, with a config or a fault.

use std::path::Path;

use paifang_config::source::MemoryFiles;
use paifang_import::{Options, openapi};

/// `data` is the file.
pub fn run(data: &[u8]) {
    let files = MemoryFiles::new([("/a/api.yaml", data.to_vec())]);
    crate::imported::hold(openapi::import(Path::new("/a/api.yaml"), &files, Options::default()));
}
