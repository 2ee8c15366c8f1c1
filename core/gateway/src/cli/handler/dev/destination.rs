//! Where a module goes: to the file that the gateway's config names.

use super::super::{args::HandlerDev, wrong};
use crate::cli::{Failed, args::Reach};
use paifang_config::source::{ParseCache, RealFiles};
use std::path::{Path, PathBuf};

/// Where the module of a package goes, and which gateway is told.
pub(super) struct Destination {
    name: String,
    entry: Option<String>,
    out: Option<PathBuf>,
    reach: Reach,
}

/// The package's own config, where no other is named.
const OWN: &str = "paifang.yaml";

impl Destination {
    pub(super) fn new(wanted: &HandlerDev, name: String) -> Self {
        let mut reach = wanted.gateway.clone();
        let own = wanted.source.folder.join(OWN);
        // Run from elsewhere, a new package is found with the gateway that it brings.
        if reach.config.config.is_none() && !reach.config.root().is_file() && own.is_file() {
            reach.config.config = Some(own);
        }
        Self { name, entry: wanted.entry.clone(), out: wanted.out.clone(), reach }
    }

    /// The package's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The gateway.
    pub(super) fn reach(&self) -> &Reach {
        &self.reach
    }

    /// The config's files, as far as they are named.
    pub(super) fn configs(&self) -> Vec<PathBuf> {
        let origin = self.reach.config.origin();
        std::iter::once(origin.root).chain(origin.overlays).collect()
    }

    /// The file, absolute or from here.
    ///
    /// # Errors
    /// The config cannot be read, or does not say which it is.
    pub(super) fn file(&self) -> Result<PathBuf, Failed> {
        if let Some(out) = &self.out {
            return Ok(out.clone());
        }
        let origin = self.reach.config.origin();
        let help = "name the gateway's config with --config, or the module's file with --out";
        if !origin.root.is_file() {
            return Err(wrong(&origin.root, format!("no such file; {help}")));
        }
        let environment = |name: &str| std::env::var(name).ok();
        let mut cache = ParseCache::new();
        let loaded = paifang_config::load(&origin, &environment, &RealFiles, &mut cache)
            .map_err(|wrong| Failed::Said(wrong.render()))?;
        let entries = loaded
            .config
            .wasm
            .iter()
            .map(|(name, entry)| (name.to_string(), loaded.tree.sources.resolve(&entry.file)));
        let entries: Vec<(String, PathBuf)> = entries.collect();
        chosen(&entries, &self.name, self.entry.as_deref()).map_err(|why| wrong(&origin.root, why))
    }
}

/// The file of the entry that is meant.
fn chosen(
    entries: &[(String, PathBuf)],
    name: &str,
    entry: Option<&str>,
) -> Result<PathBuf, String> {
    let stem = |file: &Path| file.file_stem().map(|stem| stem.to_string_lossy().replace('_', "-"));
    let same_file = |file: &Path| stem(file) == Some(name.replace('_', "-"));
    let meant = |(called, file): &&(String, PathBuf)| match entry {
        Some(entry) => called == entry,
        None => called == name || same_file(file),
    };
    let mut files: Vec<&PathBuf> = entries.iter().filter(meant).map(|(_, file)| file).collect();
    files.dedup();
    let names = || entries.iter().map(|(name, _)| &**name).collect::<Vec<_>>().join(", ");
    match (files[..].split_first(), entry) {
        (Some((file, [])), _) => Ok((*file).clone()),
        (Some(_), _) => {
            Err(format!("several `wasm` entries may be meant; --entry says which: {}", names()))
        }
        (None, _) if entries.is_empty() => {
            Err("it has no `wasm` entry; the handler's must be there first".to_owned())
        }
        (None, Some(entry)) => Err(format!("no `wasm` entry `{entry}`; there are: {}", names())),
        (None, None) => Err(format!(
            "no `wasm` entry is called {name} or names a file {name}.wasm; --entry says which is \
             meant: {}",
            names()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::chosen;
    use std::path::PathBuf;

    fn entries(of: &[(&str, &str)]) -> Vec<(String, PathBuf)> {
        of.iter().map(|(name, file)| ((*name).to_owned(), PathBuf::from(file))).collect()
    }

    #[test]
    fn the_entry_is_found_by_its_file_or_its_name() {
        let all =
            entries(&[("quota", "h/my_quota.wasm"), ("greet", "h/g.wasm"), ("x", "h/x.wasm")]);
        assert_eq!(chosen(&all, "my-quota", None), Ok("h/my_quota.wasm".into()));
        assert_eq!(chosen(&all, "greet", None), Ok("h/g.wasm".into()));
        assert_eq!(chosen(&all, "greet", Some("x")), Ok("h/x.wasm".into()));
    }

    #[test]
    fn entries_of_one_file_are_one_answer() {
        let all = entries(&[("a", "h/greet.wasm"), ("b", "h/greet.wasm")]);
        assert_eq!(chosen(&all, "greet", None), Ok("h/greet.wasm".into()));
    }

    #[test]
    fn what_is_not_clear_is_asked_for() {
        let all = entries(&[("greet", "h/a.wasm"), ("old", "h/greet.wasm")]);
        let why = |name, entry| chosen(&all, name, entry).unwrap_err();
        assert!(why("greet", None).contains("--entry says which: greet, old"));
        assert!(why("audit", None).contains("or names a file audit.wasm"));
        assert!(why("greet", Some("new")).contains("no `wasm` entry `new`"));
        assert!(chosen(&[], "greet", None).unwrap_err().contains("has no `wasm` entry"));
    }
}
