//! Secrets: references in config, values in memory, never text in logs.

use serde::{Deserialize, Serialize};
use std::{fmt, path::PathBuf, sync::Arc};

/// Where a secret comes from. This is what config files, releases and `explain` contain.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SecretRef {
    /// An environment variable, read when a release is made.
    Env(String),
    /// A file, read again at every reload; one trailing line break is dropped.
    File(PathBuf),
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env {name}"),
            Self::File(path) => write!(f, "file {}", path.display()),
        }
    }
}

/// A secret's bytes. Prints as `***`; compare with a constant-time function.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<[u8]>);

impl Secret {
    /// Wraps the bytes.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// The bytes, for cryptography only.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Turns references into secrets. Config's loader implements it over its own sources.
pub trait Secrets: Send + Sync {
    /// The secret behind `reference`.
    ///
    /// # Errors
    /// A sentence saying what is missing; it never contains a secret.
    fn resolve(&self, reference: &SecretRef) -> Result<Secret, String>;
}
