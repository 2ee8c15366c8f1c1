//! Where an app keeps dictionaries from one start to the next.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use paifang_mmtp::compress::{DictionaryId, MAX_DICTIONARY};

/// How the files of a [`DictionaryDir`] end.
const ENDING: &str = "zdict";
/// The most files that are looked at.
const MOST_FILES: usize = 256;

/// Where an app keeps dictionaries from one start to the next. Those that came with the app may be in it too.
pub trait DictionaryStore: Send + Sync + 'static {
    /// All that are kept; the client holds the first 32. It is called once, by who builds the client.
    fn all(&self) -> Vec<Bytes>;

    /// Keeps one that was fetched and is what its name says. It is called where it may block.
    fn keep(&self, id: DictionaryId, bytes: &Bytes);

    /// One that the server names no more has made room for another. It is called where it may block.
    fn forget(&self, id: DictionaryId);
}

/// A folder with a file for each dictionary. What is no dictionary in it is left alone.
#[derive(Clone, Debug)]
pub struct DictionaryDir(PathBuf);

impl DictionaryDir {
    /// This folder, made where it is not there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    fn file(&self, id: DictionaryId) -> PathBuf {
        self.0.join(format!("{id}.{ENDING}"))
    }

    /// Writes beside its place and moves it there, so that nobody reads half a file.
    fn write(&self, id: DictionaryId, bytes: &[u8]) -> io::Result<()> {
        let part = self.0.join(format!("{id}.{}.part", std::process::id()));
        fs::write(&part, bytes)?;
        fs::rename(&part, self.file(id))
    }
}

/// A plain file of a size that a dictionary can have: pipes and devices may never end.
fn read(path: &Path) -> Option<Bytes> {
    let plain = path.extension()?.eq(ENDING) && fs::metadata(path).ok()?.is_file();
    let mut bytes = Vec::new();
    let from = plain.then(|| File::open(path).ok()).flatten()?;
    from.take(MAX_DICTIONARY as u64 + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() <= MAX_DICTIONARY).then(|| bytes.into())
}

impl DictionaryStore for DictionaryDir {
    fn all(&self) -> Vec<Bytes> {
        let Ok(entries) = fs::read_dir(&self.0) else { return Vec::new() };
        let mut paths: Vec<PathBuf> =
            entries.take(MOST_FILES).filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.sort();
        paths.iter().filter_map(|path| read(path)).collect()
    }

    fn keep(&self, id: DictionaryId, bytes: &Bytes) {
        if let Err(why) = self.write(id, bytes) {
            tracing::debug!(%id, %why, "a dictionary was not kept");
        }
    }

    fn forget(&self, id: DictionaryId) {
        // One that came under another name stays; it is only not held any more.
        let _ = fs::remove_file(self.file(id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_there_again() {
        let folder = std::env::temp_dir().join(format!("paifang-zdict-{}", std::process::id()));
        let store = DictionaryDir::new(folder.join("in")).unwrap();
        let one = Bytes::from_static(b"one");
        let id = DictionaryId::of(&one);
        store.keep(id, &one);
        fs::write(folder.join("in/readme.txt"), "no dictionary").unwrap();
        fs::write(folder.join("in/large.zdict"), vec![0; MAX_DICTIONARY + 1]).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink("/dev/zero", folder.join("in/endless.zdict")).unwrap();
        assert_eq!(DictionaryDir::new(folder.join("in")).unwrap().all(), [one]);
        store.forget(id);
        assert!(store.all().is_empty());
        fs::remove_dir_all(folder).unwrap();
    }
}
