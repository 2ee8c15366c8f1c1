//! Every fenced block of a document says by its tag how it is held to the truth. The convention is in
//! CONTRIBUTING.md; the blocks that must be run or loaded are run and loaded by the `docs` test.

use std::fs;

use paifang_tests::tidy::{Fence, fences, root, sources};

use crate::no_faults;

/// Blocks that the `docs` test runs or loads.
const TRIED: &[&str] = &["sh run", "yaml load", "yaml steps"];
/// Blocks that only show something, and whose page must say why right above:
/// `<!-- shown only: the reason -->`.
const SHOWN: &[&str] = &["sh show", "yaml part"];
/// Blocks that cannot be wrong by themselves: pictures, output, messages.
const FREE: &[&str] = &["text", "json", "http"];
/// Each line of such a block is run by .ci/run itself.
const CI: &str = "sh ci";
/// Pages that the `tutorial` test runs, which refuses what it does not know: every block is of its kinds.
const TUTORIALS: &[&str] = &["docs/tutorial-handler.md"];

#[test]
fn every_fence_is_tagged_and_true_to_its_tag() {
    let script = fs::read_to_string(root().join(".ci/run")).unwrap_or_default();
    let mut faults = Vec::new();
    let pages = sources(&[".md"]).into_iter();
    for page in pages.filter(|page| !TUTORIALS.contains(&page.path.as_str())) {
        for fence in fences(&page.text) {
            if let Err(fault) = check(&fence, &script) {
                faults.push(format!("{}:{}: {fault}", page.path, fence.line));
            }
        }
    }
    no_faults(&faults);
}

fn check(fence: &Fence, script: &str) -> Result<(), String> {
    let tag = fence.tag.as_str();
    if TRIED.contains(&tag) || FREE.contains(&tag) {
        return Ok(());
    }
    if SHOWN.contains(&tag) {
        let reason = fence.before.strip_prefix("<!-- shown only: ");
        return reason.map(|_| ()).ok_or_else(|| format!("`{tag}` without its reason above"));
    }
    if tag == CI {
        let lines = fence.text.lines().filter(|line| !line.trim().is_empty());
        let mut missing = lines.filter(|line| !script.contains(line.trim()));
        return missing.next().map_or(Ok(()), |line| Err(format!(".ci/run does not run `{line}`")));
    }
    if let Some((_, path)) = tag.split_once(" file=") {
        return stands_in(&fence.text, path);
    }
    Err(format!("the tag `{tag}` is none of CONTRIBUTING.md's"))
}

/// Whether a block stands in a file, line by line, indentation apart.
fn stands_in(block: &str, path: &str) -> Result<(), String> {
    let text = fs::read_to_string(root().join(path)).map_err(|e| format!("{path}: {e}"))?;
    let plain = |text: &str| -> Vec<String> { text.lines().map(|l| l.trim().to_owned()).collect() };
    let (block, text) = (plain(block), plain(&text));
    let found = !block.is_empty() && text.windows(block.len()).any(|part| part == block);
    if found { Ok(()) } else { Err(format!("this block does not stand in {path}")) }
}

#[test]
fn wrong_fences_are_found() {
    let fence = |tag: &str, text: &str, before: &str| Fence {
        line: 1,
        tag: tag.to_owned(),
        text: text.to_owned(),
        before: before.to_owned(),
    };
    let script = "part cargo xtask test\n";
    let right = [
        fence("yaml load", "version: 1", ""),
        fence("sh ci", "cargo xtask test\n", ""),
        fence("sh show", "reboot", "<!-- shown only: it stops the machine -->"),
        fence("sh file=.ci/run", "set -euo pipefail\n", ""),
    ];
    for fence in &right {
        assert_eq!(check(fence, script), Ok(()), "{fence:?}");
    }
    let wrong = [
        fence("", "", ""),
        fence("sh", "ls", ""),
        fence("bash run", "ls", ""),
        fence("sh ci", "cargo xtask fly\n", ""),
        fence("sh show", "reboot", "Some text."),
        fence("sh file=.ci/run", "set -e\n", ""),
        fence("rust file=no/such/file.rs", "fn a() {}", ""),
    ];
    for fence in &wrong {
        assert!(check(fence, script).is_err(), "{fence:?}");
    }
}
