//! The files of `wasm` entries: read where the config is read, so that whoever keeps the config
//! keeps them with it.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::diag::Problem;
use crate::model::{Config, Wasm};
use crate::source::{FileSource, SourceMap};
use crate::yaml::Digest;

/// The largest module, in bytes.
const LARGEST: u64 = 64 << 20;

/// A module as it was read.
#[derive(Clone)]
pub(crate) struct ModuleFile {
    /// Its path: that of the config file in which it is named, and the name.
    pub(crate) path: PathBuf,
    pub(crate) bytes: Arc<[u8]>,
    pub(crate) sha256: Digest,
}

/// What became of the file of every entry, in the order of the config.
pub(crate) type ModuleFiles = Vec<Result<ModuleFile, Problem>>;

/// Reads the files of all entries; entries of one file share its bytes. What cannot be read is a
/// problem for whoever wants it.
pub(crate) fn read_all(
    config: &Config,
    sources: &SourceMap,
    files: &dyn FileSource,
) -> ModuleFiles {
    let mut known: HashMap<PathBuf, Result<ModuleFile, String>> = HashMap::new();
    let entries = config.wasm.values().map(|entry| {
        let path = sources.resolve(&entry.file);
        let read = known.entry(path).or_insert_with_key(|path| read(path.clone(), files));
        read.clone().map_err(|why| Problem::new(entry.file.span(), why))
    });
    entries.collect()
}

fn read(path: PathBuf, files: &dyn FileSource) -> Result<ModuleFile, String> {
    let shown = path.display();
    let bytes = match files.read(&path, LARGEST) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(format!("no such file: {shown}"));
        }
        Err(error) => return Err(format!("cannot read {shown}: {error}")),
    };
    if bytes.len() as u64 > LARGEST {
        return Err(format!("{shown} has more than 64MiB"));
    }
    let sha256 = Digest::of_bytes(&bytes);
    Ok(ModuleFile { path, bytes: bytes.into(), sha256 })
}

/// The problem of a file that is not the one that was locked; `None` where it is, or where any may
/// come.
pub(crate) fn unlocked(entry: &Wasm, file: &ModuleFile) -> Option<Problem> {
    let locked = entry.sha256.as_ref().filter(|locked| locked.0 != file.sha256)?;
    let (shown, found) = (file.path.display(), file.sha256);
    Some(
        Problem::new(
            locked.span(),
            format!(
                "{shown} is not the file that was locked: its sha256 is {found}, not {}",
                locked.0
            ),
        )
        .related(entry.file.span(), "the file")
        .help("if the file is meant to be another one, `paifang lock` writes its sha256"),
    )
}

impl fmt::Debug for ModuleFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes, {})", self.path.display(), self.bytes.len(), self.sha256.short())
    }
}
