//! The store: saving, listing, loading, pinning.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::manifest::contents;
use super::{Manifest, ReleaseFiles, StoreError, write};
use crate::snapshot::{PlanOn, Snapshot};
use crate::source::{FileSource, RealFiles};
use crate::yaml::Digest;

const MANIFEST: &str = "manifest.json";
const LAST_GOOD: &str = "last-good";
const PINNED: &str = "pinned";
/// The largest file that is kept, in bytes: as large as YAML files and modules may be.
const LARGEST: u64 = 64 << 20;
/// Beginning of the name of what is being written.
const UNFINISHED: &str = ".new-";

/// Releases in a directory.
#[derive(Debug, Clone)]
pub struct ReleaseStore {
    directory: PathBuf,
}

/// A release in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Listed {
    /// Its number.
    pub number: u64,
    /// What it says about itself; `None` when it is damaged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Manifest>,
    /// It served last.
    pub last_good: bool,
    /// It was gone back to, and stays until an explicit reload.
    pub pinned: bool,
}

/// A release that was read from disk and is whole.
#[derive(Debug, Clone)]
pub struct Release {
    manifest: Manifest,
    contents: Vec<Vec<u8>>,
}

impl ReleaseStore {
    /// Opens a directory, making it if need be, and clears away what a crash left unfinished.
    ///
    /// # Errors
    /// When it cannot be made or read.
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let store = Self { directory: directory.into() };
        write::directory(&store.directory)?;
        for (name, path) in store.entries()? {
            if name.starts_with(UNFINISHED) {
                fs::remove_dir_all(&path).map_err(StoreError::io("remove", &path))?;
            }
        }
        Ok(store)
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A number greater than that of any release kept; 1 at first.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn next_number(&self) -> Result<u64, StoreError> {
        let last = self.numbers()?.last().copied().unwrap_or(0);
        let good = self.last_good()?.unwrap_or(0);
        Ok(last.max(good).saturating_add(1))
    }

    /// Keeps a snapshot. It is on disk, or it is not there, whatever happens meanwhile.
    ///
    /// # Errors
    /// When something cannot be written, or there is a release of that number.
    pub fn save(&self, snapshot: &Snapshot) -> Result<Manifest, StoreError> {
        let manifest = Manifest::of(snapshot);
        let number = manifest.number;
        let place = self.place(number);
        if place.exists() {
            return Err(StoreError::Exists(number));
        }
        let new = self.directory.join(format!("{UNFINISHED}{number:08}"));
        let written =
            self.write(&new, &manifest, snapshot).and_then(|()| write::rename(&new, &place));
        if written.is_err() {
            // Best effort: the next `open` clears it away.
            let _ = fs::remove_dir_all(&new);
        }
        written.map(|()| manifest)
    }

    fn write(
        &self,
        new: &Path,
        manifest: &Manifest,
        snapshot: &Snapshot,
    ) -> Result<(), StoreError> {
        let files = new.join("files");
        write::directory(&files)?;
        for (index, (_, bytes)) in contents(snapshot).enumerate() {
            write::file(&files.join(format!("{index:04}")), bytes)?;
        }
        write::flush(&files)?;
        let text = serde_json::to_vec_pretty(manifest).map_err(|error| StoreError::Damaged {
            number: manifest.number,
            why: error.to_string(),
        })?;
        write::file(&new.join(MANIFEST), &text)?;
        write::flush(new)
    }

    /// Notes that a release went live and serves well.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn mark_good(&self, number: u64) -> Result<(), StoreError> {
        write::replace(&self.directory.join(LAST_GOOD), format!("{number}\n").as_bytes())
    }

    /// The release that served last.
    ///
    /// # Errors
    /// When the note cannot be read.
    pub fn last_good(&self) -> Result<Option<u64>, StoreError> {
        self.note(LAST_GOOD)
    }

    /// Pins a release that was gone back to, or, with `None`, lets go of it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn pin(&self, number: Option<u64>) -> Result<(), StoreError> {
        let path = self.directory.join(PINNED);
        match number {
            Some(number) => write::replace(&path, format!("{number}\n").as_bytes()),
            None => write::remove(&path),
        }
    }

    /// The release that is pinned.
    ///
    /// # Errors
    /// When the note cannot be read.
    pub fn pinned(&self) -> Result<Option<u64>, StoreError> {
        self.note(PINNED)
    }

    /// All releases, the newest first; damaged ones too.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn list(&self) -> Result<Vec<Listed>, StoreError> {
        let (good, pinned) = (self.last_good()?, self.pinned()?);
        let numbers = self.numbers()?.into_iter().rev();
        Ok(numbers
            .map(|number| Listed {
                number,
                manifest: self.manifest(number).ok(),
                last_good: good == Some(number),
                pinned: pinned == Some(number),
            })
            .collect())
    }

    /// Reads a release and makes sure that it is what was written.
    ///
    /// # Errors
    /// When it is not there, cannot be read, or is damaged.
    pub fn load(&self, number: u64) -> Result<Release, StoreError> {
        let manifest = self.manifest(number)?;
        let damaged = |why: String| StoreError::Damaged { number, why };
        let files = self.place(number).join("files");
        let mut contents = Vec::with_capacity(manifest.files.len());
        for (index, file) in manifest.files.iter().enumerate() {
            let bytes = RealFiles
                .read(&files.join(format!("{index:04}")), LARGEST)
                .map_err(|error| damaged(format!("{}: {error}", file.path.display())))?;
            // One that was cut off here has another digest, too.
            if Digest::of_bytes(&bytes).to_string() != file.digest {
                return Err(damaged(format!("{} was changed", file.path.display())));
            }
            contents.push(bytes);
        }
        Ok(Release { manifest, contents })
    }

    /// The plans that were on in a release.
    ///
    /// # Errors
    /// When it is not there, or what it says about itself cannot be read.
    pub fn plans(&self, number: u64) -> Result<Vec<PlanOn>, StoreError> {
        Ok(self.manifest(number)?.plans)
    }

    /// Removes the oldest releases beyond `keep`; never the last good one, the pinned one, nor
    /// `current`. Gives the numbers that were removed.
    ///
    /// # Errors
    /// When one cannot be removed.
    pub fn prune(&self, keep: usize, current: u64) -> Result<Vec<u64>, StoreError> {
        let (good, pinned) = (self.last_good()?, self.pinned()?);
        let numbers = self.numbers()?;
        let most = numbers.len().saturating_sub(keep.max(1));
        let mut removed = Vec::new();
        for number in numbers.into_iter().take(most) {
            if number == current || Some(number) == good || Some(number) == pinned {
                continue;
            }
            // Under another name first, so that a half-removed one is never taken for a release.
            let doomed = self.directory.join(format!("{UNFINISHED}old-{number:08}"));
            write::rename(&self.place(number), &doomed)?;
            fs::remove_dir_all(&doomed).map_err(StoreError::io("remove", &doomed))?;
            removed.push(number);
        }
        Ok(removed)
    }

    fn place(&self, number: u64) -> PathBuf {
        self.directory.join(format!("{number:08}"))
    }

    fn manifest(&self, number: u64) -> Result<Manifest, StoreError> {
        let path = self.place(number).join(MANIFEST);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error)
                if error.kind() == std::io::ErrorKind::NotFound && !self.place(number).exists() =>
            {
                return Err(StoreError::Missing(number));
            }
            Err(error) => return Err(StoreError::Damaged { number, why: error.to_string() }),
        };
        let manifest: Manifest = serde_json::from_slice(&text)
            .map_err(|error| StoreError::Damaged { number, why: format!("{MANIFEST}: {error}") })?;
        if manifest.number != number || manifest.format != 1 {
            let why = format!("{MANIFEST} is of another release or version");
            return Err(StoreError::Damaged { number, why });
        }
        Ok(manifest)
    }

    /// Numbers of all releases, the oldest first.
    fn numbers(&self) -> Result<Vec<u64>, StoreError> {
        let mut numbers: Vec<u64> =
            self.entries()?.into_iter().filter_map(|(name, _)| name.parse().ok()).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn entries(&self) -> Result<Vec<(String, PathBuf)>, StoreError> {
        let read =
            fs::read_dir(&self.directory).map_err(StoreError::io("read", &self.directory))?;
        read.map(|entry| {
            let entry = entry.map_err(StoreError::io("read", &self.directory))?;
            Ok((entry.file_name().to_string_lossy().into_owned(), entry.path()))
        })
        .collect()
    }

    fn note(&self, name: &str) -> Result<Option<u64>, StoreError> {
        let path = self.directory.join(name);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text.trim().parse().ok()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("read", &path)(error)),
        }
    }
}

impl Release {
    /// What it says about itself.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Its files, to load it with [`crate::load`] from [`Manifest::origin`]; `beneath` are today's,
    /// for secrets and certificates. Use a parse cache of its own.
    #[must_use]
    pub fn files<'a>(&self, beneath: &'a dyn FileSource) -> ReleaseFiles<'a> {
        ReleaseFiles::new(&self.manifest, self.contents.iter().cloned(), beneath)
    }

    #[cfg(test)]
    pub(super) fn contents(&self) -> Vec<Vec<u8>> {
        self.contents.clone()
    }
}
