//! Commands that the help and the documents print are commands: their words are parsed, as a shell would hand them over.

use super::args::Arguments;
use clap::{Command, CommandFactory, Parser, error::ErrorKind};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The words of a line up to what a shell takes for something else: a comment, a pipe, another file. In help two spaces end the
/// command, and what it does follows.
fn words(line: &str, in_help: bool) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => word.get_or_insert_default().extend(letters.next()),
            (None, ' ') => {
                words.extend(word.take());
                if in_help && letters.peek() == Some(&' ') {
                    break;
                }
            }
            (None, '#') if word.is_none() => break,
            (None, '>' | '|' | '&' | ';' | ')') => break,
            (_, letter) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

/// Lines of a text that are commands of ours; those that go on are joined.
fn commands(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in text.lines().map(str::trim) {
        let (line, more) = line.strip_suffix('\\').map_or((line, false), |line| (line, true));
        if goes_on {
            found.last_mut().unwrap().push_str(line);
        } else if line.starts_with("paifang ") {
            found.push(line.to_owned());
        }
        goes_on = more && (goes_on || line.starts_with("paifang "));
    }
    found
}

fn helps(command: &Command, all: &mut Vec<String>) {
    let help = [command.get_after_help(), command.get_after_long_help()];
    all.extend(help.into_iter().flatten().flat_map(|text| commands(&text.to_string())));
    command.get_subcommands().for_each(|own| helps(own, all));
}

/// The shell's blocks of a page.
fn blocks(page: &str) -> String {
    let mut inside = false;
    let mut text = String::new();
    for line in page.lines() {
        if line.starts_with("```") {
            inside = line.starts_with("```sh");
        } else if inside {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

fn pages(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("md") => all.push(path),
            _ if path.is_dir() => pages(&path, all),
            _ => {}
        }
    }
}

/// What is wrong with a command, if anything.
fn wrong(command: &str, in_help: bool) -> Option<String> {
    let error = Arguments::try_parse_from(words(command, in_help)).err()?;
    let told = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    (!told).then(|| format!("{command}\n{error}"))
}

#[test]
fn what_help_prints_can_be_typed() {
    let mut all = Vec::new();
    helps(&Arguments::command(), &mut all);
    assert!(all.len() > 50, "{} examples", all.len());
    let wrong: Vec<_> = all.iter().filter_map(|command| wrong(command, true)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_pages_print_can_be_typed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut all = vec![root.join("README.md")];
    pages(&root.join("docs"), &mut all);
    let (mut count, mut bad) = (0, Vec::new());
    for path in all {
        let page = fs::read_to_string(&path).unwrap();
        for command in commands(&blocks(&page)) {
            count += 1;
            bad.extend(wrong(&command, false).map(|why| format!("{}: {why}", path.display())));
        }
    }
    assert!(count > 40, "{count} commands");
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn words_are_as_a_shell_has_them() {
    assert_eq!(
        words(r#"paifang a 'b c' -d "{\"x\":1}" '' # no"#, false),
        ["paifang", "a", "b c", "-d", r#"{"x":1}"#, ""]
    );
    assert_eq!(words("paifang a  what it does", true), ["paifang", "a"]);
    assert_eq!(words("paifang schema > file", false), ["paifang", "schema"]);
    assert!(wrong("paifang call --nonsense", false).is_some());
}
