//! Documents: decisions are numbered, links lead somewhere, every plugin has its page, and the
//! changelog has room for what is new.

use std::{collections::BTreeSet, fs, path::Path};

use paifang_tests::tidy::{root, sources};

use crate::no_faults;

/// Folders under plugins/src that hold no plugin, each with what it holds.
const NO_PLUGINS: &[(&str, &str)] = &[
    ("answer", "whole answers that several plugins give"),
    ("template", "the texts that several plugins fill from a call"),
];

/// The documents that a newcomer looks for.
const ROOT: &[&str] =
    &["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "ARCHITECTURE.md", "LICENSE"];

fn names(folder: &str, want: impl Fn(&Path) -> bool) -> BTreeSet<String> {
    let Ok(entries) = fs::read_dir(root().join(folder)) else { return BTreeSet::new() };
    let wanted = entries.flatten().map(|entry| entry.path()).filter(|path| want(path));
    wanted
        .filter_map(|path| path.file_stem().map(|name| name.to_string_lossy().into_owned()))
        .collect()
}

#[test]
fn the_documents_of_the_root_are_there() {
    let missing = ROOT.iter().filter(|name| !root().join(name).is_file());
    let faults: Vec<String> = missing.map(|name| format!("{name}: missing")).collect();
    no_faults(&faults);
}

#[test]
fn decisions_are_numbered_without_gaps() {
    let pages = names("docs/adr", |path| path.extension().is_some_and(|end| end == "md"));
    let mut faults = Vec::new();
    let mut numbers = Vec::new();
    for page in pages.iter().filter(|page| *page != "README") {
        let number = page.split_once('-').filter(|(number, _)| number.len() == 4);
        match number.and_then(|(number, _)| number.parse::<usize>().ok()) {
            Some(number) => numbers.push(number),
            None => {
                faults.push(format!("docs/adr/{page}.md: a name is `0001-what-was-decided.md`"))
            }
        }
    }
    numbers.sort_unstable();
    if numbers.iter().copied().ne(1..=numbers.len()) {
        faults
            .push(format!("docs/adr: numbers run from 1 without gaps, these do not: {numbers:?}"));
    }
    no_faults(&faults);
}

#[test]
fn every_plugin_has_its_page_and_every_page_its_plugin() {
    let folders = names("plugins/src", Path::is_dir);
    let plugins: BTreeSet<&String> =
        folders.iter().filter(|name| !NO_PLUGINS.iter().any(|(no, _)| no == name)).collect();
    let found = names("docs/plugins", |path| path.extension().is_some_and(|end| end == "md"));
    let pages: BTreeSet<&String> = found.iter().filter(|page| *page != "README").collect();
    let mut faults = Vec::new();
    for name in plugins.difference(&pages) {
        faults.push(format!("docs/plugins/{name}.md: missing; plugins/src/{name} needs its page"));
    }
    for name in pages.difference(&plugins) {
        faults.push(format!("docs/plugins/{name}.md: plugins/src/{name} is not there"));
    }
    no_faults(&faults);
}

#[test]
fn the_changelog_has_room_for_what_is_new() {
    let text = fs::read_to_string(root().join("CHANGELOG.md")).unwrap_or_default();
    assert!(text.contains("\n## [Unreleased]\n"), "CHANGELOG.md has no `## [Unreleased]`");
}

#[test]
fn links_lead_to_files() {
    let mut faults = Vec::new();
    for page in sources(&[".md"]) {
        let dir = root().join(&page.path);
        let dir = dir.parent().unwrap_or(&dir);
        for (at, line) in page.text.lines().enumerate() {
            for target in links(line).filter(|target| !dir.join(target).exists()) {
                faults.push(format!("{}:{}: {target} is not there", page.path, at + 1));
            }
        }
    }
    no_faults(&faults);
}

/// The files that a line links to: `](path#part)`, no addresses and no bare parts.
fn links(line: &str) -> impl Iterator<Item = &str> {
    let inner = line.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    inner
        .map(|(target, _)| target.split('#').next().unwrap_or_default())
        .filter(|target| !target.is_empty() && !target.contains(':'))
}

#[test]
fn links_are_found() {
    let line = "[a](x/y.md#z) `b` [c](https://d.example/) [e](#f) [g](h.md)";
    assert_eq!(links(line).collect::<Vec<_>>(), ["x/y.md", "h.md"]);
}
