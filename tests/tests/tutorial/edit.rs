//! What a reader does in an editor, and what they see there.

use std::{fs, path::Path};

/// Applies a diff without line numbers: what its lines with ` ` and `-` make must stand in the file
/// once, and those with ` ` and `+` take its place.
pub(crate) fn apply(file: &Path, diff: &str) -> Result<(), String> {
    let text = read(file)?;
    let new = applied(&text, diff).map_err(|why| format!("{}: {why}", file.display()))?;
    fs::write(file, new).map_err(|why| format!("{}: {why}", file.display()))
}

fn applied(text: &str, diff: &str) -> Result<String, String> {
    let side = |without: char| -> Result<String, String> {
        let lines = diff.lines().filter(|line| !line.starts_with(without));
        let lines = lines.map(|line| {
            let rest = line.strip_prefix(['+', '-', ' ']);
            rest.map(|rest| format!("{rest}\n"))
                .ok_or_else(|| format!("`{line}` is no line of a diff"))
        });
        lines.collect()
    };
    let (before, after) = (side('+')?, side('-')?);
    match text.matches(&before).count() {
        1 if !before.is_empty() && before != after => Ok(text.replacen(&before, &after, 1)),
        count => Err(format!("this stands there {count} times, not once:\n{before}")),
    }
}

/// Whether a block stands in a file, line by line, indentation apart.
pub(crate) fn stands_in(file: &Path, block: &str) -> Result<(), String> {
    let plain = |text: &str| -> Vec<String> { text.lines().map(|l| l.trim().to_owned()).collect() };
    let (block, text) = (plain(block), plain(&read(file)?));
    let found = !block.is_empty() && text.windows(block.len()).any(|part| part == block);
    if found { Ok(()) } else { Err(format!("this block does not stand in {}", file.display())) }
}

fn read(file: &Path) -> Result<String, String> {
    fs::read_to_string(file).map_err(|why| format!("{}: {why}", file.display()))
}

#[test]
fn a_diff_is_applied_where_it_fits_once() {
    let text = "a\nb\nc\nb\n";
    assert_eq!(applied(text, " a\n-b\n+x\n").as_deref(), Ok("a\nx\nc\nb\n"));
    assert_eq!(applied(text, "-c\n+x\n+y\n").as_deref(), Ok("a\nb\nx\ny\nb\n"));
    for wrong in ["-b\n+x\n", "-d\n+x\n", "+x\n", " a\n", "a\n"] {
        assert!(applied(text, wrong).is_err(), "{wrong}");
    }
}
