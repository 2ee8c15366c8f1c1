//! Secrets on a machine that is not the gateway's: placeholders stand in for those that are not
//! there, so that a config can be checked and explained by whoever must not know them.

use crate::control;
use paifang_config::source::{FileSource, Stamp};
use std::{
    collections::BTreeSet,
    fmt::Display,
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// Long enough for every handler that asks for a length.
const FILLER: &str = "0123456789abcdef0123456789abcdef";

/// Values in place of secrets that are not here, and the list of those. The same name has the same
/// value always; two names never have one.
pub(super) struct Placeholders<'a> {
    files: &'a dyn FileSource,
    absent: Mutex<BTreeSet<String>>,
}

impl<'a> Placeholders<'a> {
    /// Over these files.
    pub(super) fn over(files: &'a dyn FileSource) -> Self {
        Self { files, absent: Mutex::default() }
    }

    /// A variable's value, or a placeholder. Only for `{ env: NAME }`.
    pub(super) fn variable(&self, name: &str, value: Option<String>) -> String {
        match value {
            Some(value) if !value.is_empty() => value,
            _ => self.stand_in("env", name),
        }
    }

    /// What had to be made up.
    pub(super) fn into_absent(self) -> BTreeSet<String> {
        self.absent.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn stand_in(&self, kind: &str, name: impl Display) -> String {
        let mut absent = self.absent.lock().unwrap_or_else(PoisonError::into_inner);
        absent.insert(format!("{kind} {name}"));
        format!("placeholder-for-{kind}-{name}-{FILLER}")
    }
}

/// Files of secrets. Only what is read is ever made up.
impl FileSource for Placeholders<'_> {
    fn stamp(&self, path: &Path) -> io::Result<Stamp> {
        self.files.stamp(path)
    }

    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        match self.files.read(path, limit) {
            Err(error) if control::is_absence(&error) => {
                Ok(self.stand_in("file", path.display()).into_bytes())
            }
            read => read,
        }
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        self.files.canonical(path)
    }

    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        self.files.glob(pattern)
    }
}

/// What is told of secrets, and of files that the config names, that are not here.
pub(super) fn note(absent: &BTreeSet<String>) -> String {
    let what = match absent.len() {
        1 => "1 secret or file".to_owned(),
        count => format!("{count} secrets or files"),
    };
    let names: Vec<&str> = absent.iter().map(String::as_str).collect();
    format!(
        "note: {what} not on this machine, with placeholders in their place: {}\n      (`--secrets require` makes this an error; `paifang run` always does)",
        names.join(", ")
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{Placeholders, note};
    use paifang_config::source::{FileSource, MemoryFiles};
    use std::path::Path;

    #[test]
    fn what_is_there_is_taken_and_what_is_not_is_told() {
        let files = MemoryFiles::new([("keys/a", "real")]);
        let secrets = Placeholders::over(&files);
        assert_eq!(secrets.read(Path::new("keys/a"), 100).unwrap(), b"real");
        assert_eq!(secrets.variable("A", Some("set".to_owned())), "set");
        let one = secrets.read(Path::new("keys/b"), 100).unwrap();
        let other = secrets.variable("B", Some(String::new()));
        assert!(one.len() >= 32 && other.len() >= 32 && one != other.as_bytes());
        assert_eq!(other, secrets.variable("B", None), "the same name has the same value");
        let absent = secrets.into_absent();
        assert!(
            note(&absent).contains("2 secrets or files not on this machine"),
            "{}",
            note(&absent)
        );
        assert!(note(&absent).contains("env B, file keys/b"), "{}", note(&absent));
    }
}
