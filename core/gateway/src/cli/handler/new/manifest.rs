//! Manifests and lock of a new package, made of those that the kit was tested with.

use super::kit;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

/// The kit's package.
const KIT: &str = "paifang-guest";
/// What a new package depends on.
const OWN: [&str; 2] = [KIT, "serde"];

/// A section of the kit's workspace, its head and comments included, without empty lines at its end.
pub(super) fn section(head: &str) -> &'static str {
    let text = kit::WORKSPACE;
    let Some(start) = text.find(&format!("{head}\n")) else { return "" };
    let rest = &text[start..];
    rest.find("\n[").map_or(rest, |end| &rest[..end]).trim_end()
}

/// The line by which the workspace names a dependency.
pub(super) fn dependency(name: &str) -> &'static str {
    let named = |line: &&str| line.split_once('=').is_some_and(|(key, _)| key.trim() == name);
    section("[workspace.dependencies]").lines().find(named).unwrap_or_default()
}

/// The manifest of the workspace that the kit is, inside a package.
pub(super) fn of_kit() -> String {
    let inherited = kit::FILES.iter().find(|(path, _)| path.ends_with("guest-sdk/Cargo.toml"));
    let inherited = inherited.map_or("", |(_, text)| text).lines();
    let names = inherited.filter_map(|line| line.split_once(".workspace").map(|(name, _)| name));
    let lines: Vec<&str> = names.map(dependency).filter(|line| !line.is_empty()).collect();
    format!(
        "# Paifang's kit for authors of handlers. A workspace of its own, so that it stays as it is.\n\
         [workspace]\nresolver = \"3\"\nmembers = [\"guest-sdk\"]\n\n{}\n\n{}\n\n{}\n\n\
         [workspace.dependencies]\n{}\n",
        section("[workspace.package]"),
        section("[workspace.lints.rust]"),
        section("[workspace.lints.clippy]"),
        lines.join("\n"),
    )
}

/// The lock of a package of this name: of the kit's lock what the package needs, so that it begins
/// with the releases that the kit was tested with.
pub(super) fn lock(name: &str) -> String {
    let mut blocks = kit::LOCK.split("\n[[package]]\n");
    let mut text = blocks.next().unwrap_or_default().trim_end().to_owned() + "\n";
    let known: Vec<&str> = blocks.map(str::trim_end).collect();
    let mut wanted: BTreeSet<&str> = OWN.into();
    let mut open: Vec<&str> = OWN.into();
    let mut kept: BTreeMap<&str, String> = BTreeMap::new();
    while let Some(next) = open.pop() {
        for block in known.iter().filter(|block| block_name(block) == next) {
            kept.insert(next, (*block).to_owned());
            open.extend(needs(block).filter(|needed| wanted.insert(needed)));
        }
    }
    let own: String = OWN.iter().map(|needed| format!(" \"{needed}\",\n")).collect();
    kept.insert(name, format!("name = \"{name}\"\nversion = \"0.1.0\"\ndependencies = [\n{own}]"));
    for block in kept.values() {
        // Writing into a string cannot fail.
        let _ = write!(text, "\n[[package]]\n{block}\n");
    }
    text
}

fn block_name(block: &str) -> &str {
    let line = block.lines().find_map(|line| line.strip_prefix("name = "));
    line.unwrap_or_default().trim_matches('"')
}

/// What a block depends on, by name; a version behind it is dropped.
fn needs<'a>(block: &&'a str) -> impl Iterator<Item = &'a str> {
    let list = block.split_once("dependencies = [").map_or("", |(_, list)| list);
    list.lines().filter_map(|line| {
        let line = line.trim().strip_prefix('"')?;
        line.split(['"', ' ']).next()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kit_s_manifest_has_what_the_kit_takes_from_it() {
        let text = of_kit();
        for line in
            ["version = \"0.1.0\"", "edition = \"2024\"", "serde_json = \"", "wit-bindgen = {"]
        {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("path ="), "{text}");
    }

    #[test]
    fn sections_and_dependencies_are_found() {
        assert!(section("[profile.release]").contains("lto = \"fat\""));
        assert!(dependency("serde").contains("derive"));
        assert_eq!((section("[no]"), dependency("no")), ("", ""));
    }

    #[test]
    fn the_lock_has_what_is_needed_and_nothing_else() {
        let text = lock("zeal");
        let names: Vec<&str> = text.split("[[package]]\n").skip(1).map(block_name).collect();
        for name in ["paifang-guest", "serde", "serde_derive", "syn", "wit-bindgen", "zeal"] {
            assert!(names.contains(&name), "{name} is not in {names:?}");
        }
        for name in ["testbed", "throttle", "hex"] {
            assert!(!names.contains(&name), "{name} is in {names:?}");
        }
        assert!(names.is_sorted());
        assert!(text.starts_with("# This file is automatically"));
    }
}
