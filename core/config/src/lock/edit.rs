//! One hash into one text, by the places that the parser knows.
//!
//! Where YAML leaves several ways to write, each is tried, and taken only when the new text reads
//! as the old one with nothing but the hash changed. So what this module does not foresee is
//! refused, and never damages a file.

use std::ops::Range;

use crate::yaml::{Budget, Digest, Entry, FileId, Node, Span, parse};

/// Why a hash is not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// `${…}` stands in its place.
    Variable,
    /// There is no way that changes nothing else.
    Nowhere,
}

/// The text with this hash in the `wasm` entry `name`: it replaces the one that is there, else it
/// follows `file`.
pub(super) fn write(file: FileId, text: &str, name: &str, sha256: &str) -> Result<String, Refused> {
    let read = |text: &str| parse(file, text.as_bytes(), &Budget::default()).ok();
    let old = read(text).ok_or(Refused::Nowhere)?;
    let entry = entry(&old, name).ok_or(Refused::Nowhere)?;
    let keys = entry.as_map().ok_or(Refused::Nowhere)?;
    let ways = match (keys.entry("sha256"), keys.entry("file")) {
        (Some(written), _) if written.value.as_text().is_some_and(|text| text.contains("${")) => {
            return Err(Refused::Variable);
        }
        (Some(written), _) => replacing(text, written, sha256),
        (None, Some(beside)) => inserting(text, entry, beside, sha256),
        (None, None) => Vec::new(),
    };
    let rest = rest(&old);
    ways.into_iter()
        .map(|(range, with)| format!("{}{with}{}", &text[..range.start], &text[range.end..]))
        .find(|new| {
            read(new).is_some_and(|new| {
                let written = self::entry(&new, name).and_then(|entry| entry.get("sha256"));
                written.and_then(Node::as_text) == Some(sha256) && self::rest(&new) == rest
            })
        })
        .ok_or(Refused::Nowhere)
}

/// What to put in place of which bytes.
type Way = (Range<usize>, String);

fn replacing(text: &str, written: &Entry, sha256: &str) -> Vec<Way> {
    let Some(range) = range(text, written.value.span) else { return Vec::new() };
    let old = &text[range.clone()];
    if written.value.is_null() && !matches!(old, "~" | "null" | "Null" | "NULL") {
        // Nothing stands there, so the place after the colon is all there is.
        let after = self::range(text, written.key.span).map(|key| key.end);
        let colon = after.and_then(|at| Some(at + text[at..].find(':')? + 1));
        return colon.map(|at| (at..at, format!(" {sha256}"))).into_iter().collect();
    }
    let quote = old.chars().next().filter(|first| matches!(first, '"' | '\''));
    let quote = quote.map(String::from).unwrap_or_default();
    vec![(range, format!("{quote}{sha256}{quote}"))]
}

/// After `file`; before it where its end is somewhere else, as that of an alias.
fn inserting(text: &str, entry: &Node, beside: &Entry, sha256: &str) -> Vec<Way> {
    let (Some(key), Some(value)) = (range(text, beside.key.span), range(text, beside.value.span))
    else {
        return Vec::new();
    };
    let flow = offset(text, entry.span.line, entry.span.column)
        .is_some_and(|start| text[start..].starts_with('{'));
    if flow {
        return vec![
            (value.end..value.end, format!(", sha256: {sha256}")),
            (key.start..key.start, format!("sha256: {sha256}, ")),
        ];
    }
    let line = line_end(text, value.end);
    let newline = newline(text, line);
    let indent = " ".repeat(beside.key.span.column.saturating_sub(1) as usize);
    vec![
        (line..line, format!("{newline}{indent}sha256: {sha256}")),
        (key.start..key.start, format!("sha256: {sha256}{newline}{indent}")),
    ]
}

/// Where the line of a place ends, before its line break.
fn line_end(text: &str, at: usize) -> usize {
    let end = text[at..].find('\n').map_or(text.len(), |length| at + length);
    if text[at..end].ends_with('\r') { end - 1 } else { end }
}

/// The line break at a place; that of the first line where the text ends there.
fn newline(text: &str, at: usize) -> &'static str {
    let first = text.find('\n').unwrap_or(text.len());
    let here = if at < text.len() { at } else { first.saturating_sub(1) };
    if text[here..].starts_with("\r\n") { "\r\n" } else { "\n" }
}

/// The bytes of a span, without the blanks after it: the parser counts those behind a quote and the
/// line breaks behind a block.
fn range(text: &str, span: Span) -> Option<Range<usize>> {
    let start = offset(text, span.line, span.column)?;
    let end = offset(text, span.end_line, span.end_column)?;
    let inside = text.get(start..end)?;
    Some(start..start + inside.trim_end().len())
}

/// The byte at a line and a column, both from 1, the column in characters.
fn offset(text: &str, line: u32, column: u32) -> Option<usize> {
    let before: usize =
        text.split_inclusive('\n').take(line.checked_sub(1)? as usize).map(str::len).sum();
    let rest = &text[before..];
    let mut places = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    Some(before + places.nth(column.checked_sub(1)? as usize)?)
}

fn entry<'a>(root: &'a Node, name: &str) -> Option<&'a Node> {
    root.get("wasm")?.get(name)
}

/// All that a file says, but for the hashes of its modules.
fn rest(root: &Node) -> Digest {
    let unlocked =
        |entry: &Node| with(entry, |key, value| (key != "sha256").then(|| value.clone()));
    Digest::of(&with(root, |key, value| match key {
        "wasm" => Some(with(value, |_, entry| Some(unlocked(entry)))),
        _ => Some(value.clone()),
    }))
}

/// A map with other values, or without some; anything else as it is.
fn with(node: &Node, change: impl Fn(&str, &Node) -> Option<Node>) -> Node {
    let Some(map) = node.as_map() else { return node.clone() };
    let entries = map.entries().iter().filter_map(|entry| {
        let value = change(&entry.key.text, &entry.value)?;
        Some(Entry { key: entry.key.clone(), value })
    });
    Node::map(node.span, entries.collect())
}
