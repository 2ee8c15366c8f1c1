//! Configs of APISIX: whatever they are, the importer ends, with a config or a fault.

use std::path::Path;

use paifang_config::source::MemoryFiles;
use paifang_import::{Options, apisix};

/// `data` is the file.
pub fn run(data: &[u8]) {
    let files = MemoryFiles::new([("/a/apisix.yaml", data.to_vec())]);
    crate::imported::hold(apisix::import(Path::new("/a/apisix.yaml"), &files, Options::default()));
}
