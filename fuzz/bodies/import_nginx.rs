//! Configs of nginx: whatever they are, the importer ends, and what it makes is YAML that is read as a config,
//! or a fault with a place.

use std::path::Path;

use paifang_config::source::MemoryFiles;
use paifang_import::{Options, nginx};

/// `data` is two files, parted by a zero byte: the root, and one that it may include.
pub fn run(data: &[u8]) {
    let mut parts = data.splitn(2, |&byte| byte == 0);
    let root = parts.next().unwrap_or_default().to_vec();
    let other = parts.next().unwrap_or_default().to_vec();
    let files = MemoryFiles::new([("/n/nginx.conf", root), ("/n/other.conf", other)]);
    match nginx::import(Path::new("/n/nginx.conf"), &files, Options::default()) {
        Ok(imported) => {
            let budget = paifang_config::yaml::Budget::default();
            let file = paifang_config::yaml::FileId(0);
            let read = paifang_config::yaml::parse(file, imported.yaml.as_bytes(), &budget);
            assert!(read.is_ok(), "{read:?}\n{}", imported.yaml);
            // Every line that was read is told of, and none twice.
            let mut places: Vec<_> =
                imported.report.entries.iter().map(|entry| &entry.place).collect();
            let count = places.len();
            places.dedup();
            assert_eq!(count, places.len());
        }
        Err(fault) => {
            assert!(fault.place.line >= 1 && fault.place.column >= 1);
            assert!(!fault.message.is_empty());
        }
    }
}
