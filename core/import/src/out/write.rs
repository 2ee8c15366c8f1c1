//! Writing nodes: short ones without comments on one line, all others as blocks.

use super::{Item, Node};

/// How long a line may become before a map or list is written as a block.
const WIDTH: usize = 110;

/// Writes a map as a YAML document.
#[must_use]
pub fn write(root: &Node) -> String {
    let mut text = String::new();
    if let Node::Map(entries) = root {
        for (key, item) in entries {
            entry(&mut text, 0, key, item, true);
        }
    }
    text
}

/// `key: value` in a block, below its comment. `top`: the keys of a document stand apart as blocks.
fn entry(text: &mut String, indent: usize, key: &str, item: &Item, top: bool) {
    if top && !text.is_empty() && !item.node.is_empty() && is_block(item, indent + key.len() + 2) {
        text.push('\n');
    }
    comment(text, indent, item);
    pad(text, indent);
    scalar(text, key);
    text.push(':');
    value(text, indent, &item.node, key.len() + 2);
}

/// What stands behind a key: on its line, or as a block below.
fn value(text: &mut String, indent: usize, node: &Node, used: usize) {
    if let Some(flow) = flow(node, WIDTH.saturating_sub(indent + used)) {
        text.push(' ');
        text.push_str(&flow);
        text.push('\n');
        return;
    }
    text.push('\n');
    match node {
        Node::Map(entries) => {
            for (key, item) in entries {
                entry(text, indent + 2, key, item, false);
            }
        }
        Node::List(items) => {
            for item in items {
                list_item(text, indent + 2, item);
            }
        }
        Node::Plain(_) | Node::Text(_) => {}
    }
}

fn list_item(text: &mut String, indent: usize, item: &Item) {
    comment(text, indent, item);
    pad(text, indent);
    text.push('-');
    match &item.node {
        Node::Map(entries) if flow(&item.node, WIDTH.saturating_sub(indent + 2)).is_none() => {
            // The first key stands behind the dash; its comment went above the item.
            for (at, (key, value_item)) in entries.iter().enumerate() {
                if at == 0 {
                    text.push(' ');
                    scalar(text, key);
                    text.push(':');
                    value(text, indent + 2, &value_item.node, key.len() + 2);
                } else {
                    entry(text, indent + 2, key, value_item, false);
                }
            }
        }
        node => value(text, indent, node, 2),
    }
}

fn is_block(item: &Item, used: usize) -> bool {
    flow(&item.node, WIDTH.saturating_sub(used)).is_none()
}

fn comment(text: &mut String, indent: usize, item: &Item) {
    for line in &item.comment {
        for line in line.lines() {
            pad(text, indent);
            text.push_str("# ");
            // Whatever a source file says stays in its comment.
            text.extend(line.chars().map(|c| if c.is_control() { ' ' } else { c }));
            text.push('\n');
        }
    }
}

fn pad(text: &mut String, indent: usize) {
    text.extend(std::iter::repeat_n(' ', indent));
}

/// The node on one line, when it has no comments and fits.
fn flow(node: &Node, width: usize) -> Option<String> {
    let mut text = String::new();
    flow_into(&mut text, node, true)?;
    // A scalar cannot be written otherwise.
    (text.len() <= width || matches!(node, Node::Plain(_) | Node::Text(_))).then_some(text)
}

fn flow_into(text: &mut String, node: &Node, top: bool) -> Option<()> {
    match node {
        Node::Plain(plain) => text.push_str(plain),
        Node::Text(value) => scalar(text, value),
        Node::List(items) if items.is_empty() => text.push_str("[]"),
        Node::Map(entries) if entries.is_empty() => text.push_str("{}"),
        Node::List(items) => {
            text.push_str("[ ");
            for (at, item) in items.iter().enumerate() {
                if !item.comment.is_empty() {
                    return None;
                }
                text.push_str(if at == 0 { "" } else { ", " });
                flow_into(text, &item.node, false)?;
            }
            text.push_str(" ]");
        }
        Node::Map(entries) => {
            text.push_str("{ ");
            for (at, (key, item)) in entries.iter().enumerate() {
                if !item.comment.is_empty() {
                    return None;
                }
                text.push_str(if at == 0 { "" } else { ", " });
                scalar(text, key);
                text.push_str(": ");
                flow_into(text, &item.node, false)?;
            }
            text.push_str(" }");
        }
    }
    let _ = top;
    Some(())
}

/// A text as a scalar: plain where nobody can take it for something else, else in double quotes. `${`
/// would be filled from the environment.
fn scalar(text: &mut String, value: &str) {
    if is_plain(value) {
        text.push_str(value);
        return;
    }
    text.push('"');
    let mut chars = value.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\t' => text.push_str("\\t"),
            '\r' => text.push_str("\\r"),
            '$' if chars.peek() == Some(&'{') => text.push_str("$$"),
            c if c.is_control() || c == '\u{feff}' || c == '\u{2028}' || c == '\u{2029}' => {
                text.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => text.push(c),
        }
    }
    text.push('"');
}

fn is_plain(value: &str) -> bool {
    let first = |c: char| c.is_ascii_alphabetic() || c == '/' || c == '_';
    let rest = |c: char| c.is_ascii_alphanumeric() || "/_.-+=;".contains(c);
    let Some(begin) = value.chars().next() else { return false };
    let word = matches!(
        value.to_ascii_lowercase().as_str(),
        "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n"
    );
    first(begin) && value.chars().all(rest) && !word
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_as_it_was_meant() {
        let texts = [
            "plain",
            "a b",
            "",
            "12",
            "true",
            "No",
            "a: b",
            "- x",
            "#",
            "{{ path }}",
            "${HOME}",
            "\"q\" \\ \n\t\u{1}\u{7f}é",
            "*.example.com",
            "::1",
            "10.0.0.1:80",
            "0x1f",
            "~",
            "a #b",
        ];
        let map = texts.iter().fold(Node::map(), |map, text| map.with(text, Node::text(*text)));
        let root = Node::map().with("short", map.clone()).with(
            "list",
            Node::List(vec![map.clone().commented("a comment\nof two lines"), map.into()]),
        );
        let written = write(&root);
        let yaml = format!("{written}\n");
        let parsed = paifang_config::yaml::parse(
            paifang_config::yaml::FileId(0),
            yaml.as_bytes(),
            &paifang_config::yaml::Budget::default(),
        );
        let node = parsed.unwrap_or_else(|problem| panic!("{problem:?}\n{yaml}"));
        let value = paifang_config::yaml::to_value(&node);
        for text in texts {
            // `$${` becomes `${` when variables are filled, which this reader does not do.
            let wanted = text.replace("${", "$${");
            let keyed = &value["short"].as_object().expect("a map");
            let read = keyed.iter().find(|(key, _)| *key == text || **key == wanted);
            assert_eq!(read.unwrap_or_else(|| panic!("{text:?} is lost\n{yaml}")).1, &wanted);
        }
    }
}
