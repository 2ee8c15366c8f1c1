//! Reading types from nodes: what fits, what does not, and that one mistake hides no other.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Located, read};
use crate::diag::Problems;
use crate::source::SourceMap;
use crate::yaml::{Budget, FileId, Kind, Node, Scalar, Span, Style, parse};

fn node(text: &str) -> Node {
    parse(FileId(0), text.as_bytes(), &Budget::default()).unwrap()
}

/// Messages with their lines and columns.
fn wrong<T: for<'a> Deserialize<'a>>(text: &str) -> (bool, Vec<String>) {
    let node = node(text);
    let mut problems = Problems::default();
    let read = read::<T>(&node, &mut problems).is_some();
    let all = problems.finish((), &SourceMap::default()).map_or_else(
        |all| all.as_slice().iter().map(|one| one.message.clone()).collect(),
        |()| Vec::new(),
    );
    (read, all)
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Outer {
    name: String,
    #[serde(default)]
    count: u8,
    #[serde(default)]
    list: Vec<Inner>,
    #[serde(default)]
    map: BTreeMap<String, Inner>,
    kind: Option<Shape>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Inner {
    port: u16,
    #[serde(default)]
    on: bool,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Shape {
    Round,
    Edges(u8),
    Sized { width: u8 },
}

#[test]
fn what_fits_is_read() {
    let node = node(
        "{ name: 007, count: 0x10, list: [ { port: 1, on: true } ], map: { a: { port: 2 } }, kind: { edges: 4 } }",
    );
    let mut problems = Problems::default();
    let read: Outer = read(&node, &mut problems).unwrap();
    assert!(problems.is_empty());
    assert_eq!((read.name.as_str(), read.count), ("007", 16));
    assert_eq!(read.list, [Inner { port: 1, on: true }]);
    assert_eq!(read.map["a"], Inner { port: 2, on: false });
    assert_eq!(read.kind, Some(Shape::Edges(4)));
}

#[test]
fn nothing_is_an_empty_list_map_or_option() {
    let (read, wrong) = wrong::<Outer>("{ name: x, list: , map: ~, kind: null }");
    assert!(read && wrong.is_empty(), "{wrong:?}");
}

#[test]
fn all_mistakes_are_told_at_once() {
    let (read, wrong) = wrong::<Outer>(
        "{ nam: x, name: x, count: 300, list: [ { port: a }, { prot: 1, port: 1 }, 5, { on: true } ], \
         map: { a: { port: -1 } }, kind: oval }",
    );
    assert!(read, "all of it is optional");
    assert_eq!(
        wrong,
        [
            "unknown key `nam`",
            "expected a whole number from 0 to 255, found `300`",
            "expected a whole number from 0 to 65535, found `a`",
            "unknown key `prot`",
            "expected a map with keys such as port, on, found `5`",
            "the key `port` is missing",
            "expected a whole number from 0 to 65535, found `-1`",
            "expected one of round, edges, sized, found `oval`",
        ]
    );
}

#[test]
fn what_is_missing_because_it_was_wrong_is_told_once() {
    let (read, wrong) = wrong::<Outer>("{ name: [ 1 ] }");
    assert!(!read);
    assert_eq!(wrong, ["expected a text, found a list"]);
    let (read, wrong) = self::wrong::<Outer>("{ count: 1 }");
    assert!(!read);
    assert_eq!(wrong, ["the key `name` is missing"]);
}

#[test]
fn enums_are_names_or_single_keys() {
    for (text, message) in [
        ("{ edges: 300 }", "expected a whole number from 0 to 255, found `300`"),
        ("{ round: 1 }", "`round` takes no value"),
        ("edges", "`edges` needs a value"),
        ("{ edges: 1, round: 1 }", "expected one of round, edges, sized, found a map"),
        ("{ sized: { width: 1, depth: 2 } }", "unknown key `depth`"),
        ("[ round ]", "expected one of round, edges, sized, found a list"),
    ] {
        assert_eq!(wrong::<Shape>(text).1, [message], "{text}");
    }
    assert_eq!(wrong::<Shape>("{ sized: { width: 1 } }"), (true, vec![]));
}

#[test]
fn quoted_numbers_are_texts_unless_they_were_filled_in() {
    let scalar = |style, filled| {
        let scalar = Scalar { text: "7".into(), style, filled };
        Node::new(Span::point(FileId(0), 1, 1), Kind::Scalar(scalar))
    };
    let number = |node: &Node| read::<u8>(node, &mut Problems::default());
    assert_eq!(number(&scalar(Style::Plain, false)), Some(7));
    assert_eq!(number(&scalar(Style::Quoted, false)), None);
    assert_eq!(number(&scalar(Style::Quoted, true)), Some(7));
}

#[test]
fn places_are_kept() {
    let node = node("- a\n- [ bc ]\n");
    let read: (Located<String>, Vec<Located<String>>) =
        read(&node, &mut Problems::default()).unwrap();
    assert_eq!((read.0.span().line, read.0.span().column), (1, 3));
    let inner = &read.1[0];
    assert_eq!((inner.span().line, inner.span().column, inner.span().end_column), (2, 5, 7));
}

#[test]
fn nodes_are_handed_through() {
    #[derive(Deserialize)]
    struct With {
        free: Node,
        after: Located<u8>,
    }
    let read: With =
        read(&node("{ free: { a: [ 1 ] }, after: 3 }"), &mut Problems::default()).unwrap();
    assert_eq!(crate::yaml::to_value(&read.free), serde_json::json!({ "a": [1] }));
    assert_eq!((*read.after, read.after.span().column), (3, 30));
}

#[test]
fn a_flood_of_mistakes_ends() {
    let text = format!("{{ name: x, list: [ {} ] }}", "{ port: a }, ".repeat(5000));
    let (_, wrong) = wrong::<Outer>(&text);
    assert!((1..=100).contains(&wrong.len()));
}
