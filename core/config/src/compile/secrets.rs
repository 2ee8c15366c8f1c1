//! Secrets during one compilation: each looked up once, and noted for whoever used it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use paifang_pipeline::{Secret, SecretRef, Secrets};

use crate::source::SecretSources;

type Key = (SecretRef, PathBuf);

/// A secret that something was built with.
#[derive(Debug, Clone, PartialEq)]
pub struct SecretUse {
    reference: SecretRef,
    directory: PathBuf,
    value: Secret,
}

impl SecretUse {
    /// The file it was read from, if it was one.
    pub(crate) fn file(&self) -> Option<PathBuf> {
        match &self.reference {
            SecretRef::File(path) => Some(self.directory.join(path)),
            SecretRef::Env(_) => None,
        }
    }
}

/// Secrets that have been looked up.
pub(super) struct SecretCache<'a> {
    sources: SecretSources<'a>,
    known: Mutex<HashMap<Key, Result<Secret, String>>>,
}

impl<'a> SecretCache<'a> {
    pub(super) fn new(sources: SecretSources<'a>) -> Self {
        Self { sources, known: Mutex::default() }
    }

    /// Secrets as seen from a file in this directory, noting what is used.
    pub(super) fn within<'c>(&'c self, directory: &'c Path) -> Recorder<'c> {
        Recorder { cache: self, directory, used: Mutex::default() }
    }

    /// Whether every secret is still what it was.
    pub(super) fn unchanged(&self, used: &[SecretUse]) -> bool {
        used.iter()
            .all(|used| self.resolve(&used.reference, &used.directory).as_ref() == Ok(&used.value))
    }

    fn resolve(&self, reference: &SecretRef, directory: &Path) -> Result<Secret, String> {
        let key = (reference.clone(), directory.to_owned());
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .entry(key)
            .or_insert_with(|| self.sources.within(directory).resolve(reference))
            .clone()
    }
}

/// Secrets as seen from one file.
pub(super) struct Recorder<'c> {
    cache: &'c SecretCache<'c>,
    directory: &'c Path,
    used: Mutex<Vec<SecretUse>>,
}

impl Recorder<'_> {
    /// What was looked up.
    pub(super) fn into_used(self) -> Vec<SecretUse> {
        self.used.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Secrets for Recorder<'_> {
    fn resolve(&self, reference: &SecretRef) -> Result<Secret, String> {
        let value = self.cache.resolve(reference, self.directory)?;
        self.used.lock().unwrap_or_else(PoisonError::into_inner).push(SecretUse {
            reference: reference.clone(),
            directory: self.directory.to_owned(),
            value: value.clone(),
        });
        Ok(value)
    }
}
