//! Secrets by reference: resolved when asked for, shown never.

use std::path::Path;

use paifang_pipeline::{Secret, SecretRef, Secrets};

use super::{Env, FileSource};

/// The longest secret, in bytes.
const LONGEST: u64 = 64 * 1024;

/// Where secrets are looked up.
#[derive(Clone, Copy)]
pub struct SecretSources<'a> {
    /// For `{ env: NAME }`.
    pub env: Env<'a>,
    /// For `{ file: path }`.
    pub files: &'a dyn FileSource,
}

impl<'a> SecretSources<'a> {
    /// The same, with the directory in which relative paths begin: that of the file in which the
    /// reference stands.
    #[must_use]
    pub const fn within(self, directory: &'a Path) -> SecretsWithin<'a> {
        SecretsWithin { sources: self, directory }
    }
}

/// Secrets as seen from one file.
#[derive(Clone, Copy)]
pub struct SecretsWithin<'a> {
    sources: SecretSources<'a>,
    directory: &'a Path,
}

impl Secrets for SecretsWithin<'_> {
    /// One line end at the end of a file is not part of the secret. Unset and empty variables,
    /// empty files, and more than 64 KiB are refused.
    fn resolve(&self, reference: &SecretRef) -> Result<Secret, String> {
        match reference {
            SecretRef::Env(name) => match (self.sources.env)(name) {
                Some(value) if !value.is_empty() => Ok(Secret::new(value.as_bytes())),
                _ => Err(format!("the variable `{name}` with the secret is not set")),
            },
            SecretRef::File(path) => {
                let path = self.directory.join(path);
                let shown = path.display();
                let bytes = self
                    .sources
                    .files
                    .read(&path, LONGEST)
                    .map_err(|error| format!("cannot read the secret from {shown}: {error}"))?;
                if bytes.len() as u64 > LONGEST {
                    return Err(format!("the secret in {shown} has more than {LONGEST} bytes"));
                }
                let secret = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
                let secret = secret.strip_suffix(b"\r").unwrap_or(secret);
                if secret.is_empty() {
                    return Err(format!("the secret in {shown} is empty"));
                }
                Ok(Secret::new(secret))
            }
        }
    }
}
