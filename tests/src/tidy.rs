//! The source tree as text, for the tests that hold its shape: its files, and the fences of its
//! documents.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Folders that hold no source of ours, wherever they stand.
const SKIPPED: &[&str] = &["target", ".git", "artifacts", "corpus", "node_modules"];

/// The workspace's root: the nearest folder above this crate that holds `xtask`.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    match own.ancestors().find(|dir| dir.join("xtask").is_dir()) {
        Some(root) => root.to_path_buf(),
        None => panic!("no workspace above {}", own.display()),
    }
}

/// A file of the tree that is text.
#[derive(Debug)]
pub struct Source {
    /// From the root, with `/`.
    pub path: String,
    /// The whole content.
    pub text: String,
}

impl Source {
    /// The numbered lines that are code: line comments are cut off, and nothing from the first
    /// `#[cfg(test)]` on is kept. Texts that hold `//` are cut short, which the checks can bear.
    pub fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().take_while(|line| line.trim() != "#[cfg(test)]");
        lines.enumerate().map(|(i, line)| (i + 1, line.split("//").next().unwrap_or_default()))
    }
}

/// All text files, in path order, whose name ends in one of `endings`; `""` takes every file.
///
/// # Panics
/// When a folder cannot be read.
#[must_use]
pub fn sources(endings: &[&str]) -> Vec<Source> {
    let root = root();
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(cause) => panic!("{}: {cause}", folder.display()),
        };
        for entry in entries.flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            if path.is_dir() {
                if !SKIPPED.contains(&name.as_ref()) {
                    folders.push(path);
                }
            } else if endings.iter().any(|ending| name.ends_with(ending))
                && let Ok(text) = fs::read_to_string(&path)
            {
                let short = path.strip_prefix(&root).unwrap_or(&path);
                found.push(Source { path: short.to_string_lossy().replace('\\', "/"), text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// A fenced block of a Markdown document.
#[derive(Debug, PartialEq, Eq)]
pub struct Fence {
    /// The line of its opening, from 1.
    pub line: usize,
    /// What stands behind the opening backticks; CONTRIBUTING.md lists what may.
    pub tag: String,
    /// The block, less the indentation of its opening.
    pub text: String,
    /// The last line with something on it before the opening.
    pub before: String,
}

/// The fenced blocks of a document, in order. One that is never closed reaches to the end.
#[must_use]
pub fn fences(markdown: &str) -> Vec<Fence> {
    let mut fences = Vec::new();
    let mut before = "";
    let mut lines = markdown.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let inner = line.trim_start();
        let ticks = inner.len() - inner.trim_start_matches('`').len();
        if ticks < 3 {
            if !inner.is_empty() {
                before = inner;
            }
            continue;
        }
        let (indent, closing) = (line.len() - inner.len(), &inner[..ticks]);
        let mut text = String::new();
        for (_, line) in lines.by_ref() {
            if line.trim() == closing {
                break;
            }
            let blank = line.len() - line.trim_start().len();
            text.push_str(&line[blank.min(indent)..]);
            text.push('\n');
        }
        let tag = inner[ticks..].trim().to_owned();
        fences.push(Fence { line: at + 1, tag, text, before: before.to_owned() });
    }
    fences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fences_know_their_tag_their_line_and_what_stands_before() {
        let page = "# A\n\nWhy.\n\n```sh run\nls\n```\n- b\n  ````text\n  ```\n   x\n  ````\n";
        let fence = |line, tag: &str, text: &str, before: &str| Fence {
            line,
            tag: tag.to_owned(),
            text: text.to_owned(),
            before: before.to_owned(),
        };
        let wanted = [fence(5, "sh run", "ls\n", "Why."), fence(9, "text", "```\n x\n", "- b")];
        assert_eq!(fences(page), wanted);
    }

    #[test]
    fn code_ends_where_tests_begin() {
        let text = "//! a\nlet b = 1; // c\n#[cfg(test)]\nmod tests;\n".to_owned();
        let source = Source { path: String::new(), text };
        assert_eq!(source.code().collect::<Vec<_>>(), [(1, ""), (2, "let b = 1; ")]);
    }
}
