//! References: each must lead to a place in the description itself, and not in a circle.

use paifang_config::yaml::{Entry, Node as Yaml};

use crate::Fault;
use crate::source::{Source, entries, items, text};

/// So many references may lead to one another.
const HOPS: usize = 32;

/// Looks at every reference of a description.
///
/// # Errors
/// The first that leads to another document, nowhere, or back to itself.
pub(super) fn check(source: &Source, root: &Yaml) -> Result<(), Fault> {
    within(source, root, root)
}

fn within(source: &Source, root: &Yaml, node: &Yaml) -> Result<(), Fault> {
    for entry in entries(node) {
        let key = &*entry.key.text;
        match (key, entry.value.as_text()) {
            ("$ref", Some(reference)) => one(source, root, entry, reference)?,
            // What stands there is data, whatever its keys are called.
            ("example" | "examples" | "default" | "enum" | "const", _) => {}
            (key, _) if key.starts_with("x-") => {}
            _ => within(source, root, &entry.value)?,
        }
    }
    items(Some(node)).iter().try_for_each(|item| within(source, root, item))
}

fn one(source: &Source, root: &Yaml, entry: &Entry, reference: &str) -> Result<(), Fault> {
    let place = || source.place(entry.key.span);
    if !reference.starts_with('#') {
        let message = format!("`{}` is in another document", cut(reference));
        return Err(Fault::new(place(), message)
            .help("put all into one document first: `redocly bundle` and others do that"));
    }
    let mut seen = vec![reference];
    let mut at = reference;
    while seen.len() <= HOPS {
        let target = target(root, at).ok_or_else(|| {
            let message = format!("`{}` leads nowhere", cut(at));
            Fault::new(place(), message).help("look for a name that is written otherwise; `#/…` are keys from the top, with `~1` for a slash")
        })?;
        let Some(next) = text(target, "$ref") else { return Ok(()) };
        if seen.contains(&next) {
            break;
        }
        seen.push(next);
        at = next;
    }
    let way: Vec<String> = seen.iter().take(4).map(|step| cut(step)).collect();
    let message = format!("references lead in a circle: {}", way.join(" -> "));
    Err(Fault::new(place(), message).help("one of them must say what it is"))
}

/// What stands there, or what its `$ref` leads to; references have been checked.
pub(super) fn follow<'n>(root: &'n Yaml, node: &'n Yaml) -> &'n Yaml {
    let mut at = node;
    for _ in 0..=HOPS {
        match text(at, "$ref").and_then(|reference| target(root, reference)) {
            Some(next) => at = next,
            None => break,
        }
    }
    at
}

/// What a JSON pointer (RFC 6901) in a fragment leads to.
pub(super) fn target<'n>(root: &'n Yaml, reference: &str) -> Option<&'n Yaml> {
    let pointer = decoded(reference.strip_prefix('#')?)?;
    let mut at = root;
    for part in pointer.strip_prefix('/').map(|rest| rest.split('/')).into_iter().flatten() {
        let key = part.replace("~1", "/").replace("~0", "~");
        at = match at.as_seq() {
            Some(items) => items.get(key.parse::<usize>().ok()?)?,
            None => at.get(&key)?,
        };
    }
    (pointer.is_empty() || pointer.starts_with('/')).then_some(at)
}

/// A fragment without its escapes; `None` where they are none.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        if byte != b'%' {
            bytes.push(byte);
            rest = tail;
            continue;
        }
        let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
        if digits.starts_with('+') {
            return None;
        }
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &tail[2..];
    }
    String::from_utf8(bytes).ok()
}

fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}
