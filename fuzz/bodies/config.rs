//! Reading a config: whatever the bytes are, it ends, without a panic, in a config that holds
//! together or in diagnostics that point into the file.

use std::path::PathBuf;

use paifang_config::source::{MemoryFiles, Origin, ParseCache};

/// `data` is the root file; after a line `=====` it is an overlay, and after another one a file
/// that is included as `more.yaml`.
pub fn run(data: &[u8]) {
    let mut parts = split(data).into_iter();
    let root = parts.next().unwrap_or_default();
    let overlay = parts.next();
    let more = parts.next().unwrap_or_default();
    let overlays: Vec<PathBuf> = overlay.iter().map(|_| "over.yaml".into()).collect();
    let files = MemoryFiles::new([
        ("root.yaml", root.to_vec()),
        ("over.yaml", overlay.unwrap_or_default().to_vec()),
        ("more.yaml", more.to_vec()),
    ]);
    let origin = Origin { root: "root.yaml".into(), overlays };
    let env = |name: &str| (name != "UNSET").then(|| "7".to_owned());
    let mut cache = ParseCache::new();
    let read = |cache: &mut ParseCache| paifang_config::load(&origin, &env, &files, cache);
    match read(&mut cache) {
        Ok(loaded) => {
            // Names are unique, references lead somewhere: the compiler counts on it.
            for api in &loaded.config.apis {
                if let Some(upstream) = &api.upstream {
                    assert!(loaded.config.upstreams.contains_key(upstream.value()));
                }
            }
            assert!(!loaded.config.listeners.is_empty());
        }
        Err(diagnostics) => {
            assert!(!diagnostics.as_slice().is_empty());
            for diagnostic in diagnostics.as_slice() {
                if let Some(place) = &diagnostic.place {
                    assert!(place.line >= 1 && place.column >= 1, "{diagnostic}");
                    assert!(place.end_line >= place.line, "{diagnostic}");
                }
            }
            let shown = diagnostics.render();
            assert!(shown.ends_with("error\n") || shown.ends_with("errors\n"));
            // The cache answers as the first reading did.
            assert_eq!(read(&mut cache).err().as_ref(), Some(&diagnostics));
        }
    }
}

fn split(data: &[u8]) -> Vec<&[u8]> {
    let mark = b"\n=====\n";
    let mut parts = Vec::new();
    let mut rest = data;
    while let Some(at) = rest.windows(mark.len()).position(|window| window == mark) {
        parts.push(&rest[..=at]);
        rest = &rest[at + mark.len()..];
    }
    parts.push(rest);
    parts
}
