//! Configs of nginx: whatever they are, the importer ends, with a config or a fault.

use std::path::Path;

use paifang_config::source::MemoryFiles;
use paifang_import::{Options, nginx};

/// `data` is two files, parted by a zero byte: the root, and one that it may include.
pub fn run(data: &[u8]) {
    let mut parts = data.splitn(2, |&byte| byte == 0);
    let root = parts.next().unwrap_or_default().to_vec();
    let other = parts.next().unwrap_or_default().to_vec();
    let files = MemoryFiles::new([("/n/nginx.conf", root), ("/n/other.conf", other)]);
    crate::imported::hold(nginx::import(Path::new("/n/nginx.conf"), &files, Options::default()));
}
