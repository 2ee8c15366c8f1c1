//! docs/specs/handler.md shows the whole contract as `wasm-handlers/wit/handler.wit` has it, and the
//! limits as docs/config.md has them.

use std::{collections::BTreeMap, fs};

use paifang_tests::{
    table::tables,
    tidy::{fences, root},
};

const PAGE: &str = "docs/specs/handler.md";
const WIT: &str = "wasm-handlers/wit/handler.wit";
/// The tag of the page's blocks, which together are the contract.
const TAG: &str = "wit file=wasm-handlers/wit/handler.wit";
/// Where items belong that stand in a block without the head of their interface.
const TYPES: &str = "interface types";

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|cause| panic!("{path}: {cause}"))
}

/// A contract: each item of an interface or world, by both names, with the comment above it.
type Items = BTreeMap<String, Vec<String>>;

/// Adds the items of a piece of WIT, without indentation, blank lines and the headings between
/// interfaces. An interface may be broken off between two items.
fn add(items: &mut Items, wit: &str) {
    let (mut name, mut inside, mut depth) = (TYPES.to_owned(), 0, 0);
    let mut item: Vec<String> = Vec::new();
    for line in wit.lines().map(str::trim) {
        if line.is_empty() || (line.starts_with("//") && !line.starts_with("///")) {
            continue;
        }
        let begun = depth > inside;
        let head = line.strip_suffix('{').filter(|head| {
            inside == 0 && !begun && (head.starts_with("interface ") || head.starts_with("world "))
        });
        if line == "}" && inside == 1 && !begun {
            (name, inside, depth) = (TYPES.to_owned(), 0, 0);
            continue;
        }
        item.push(line.to_owned());
        if let Some(head) = head {
            (name, inside, depth) = (head.trim().to_owned(), 1, 1);
            put(items, name.clone(), &mut item);
        } else if !line.starts_with("///") {
            depth += line.matches('{').count();
            depth = depth.saturating_sub(line.matches('}').count());
            if depth == inside {
                let first = item.iter().find(|line| !line.starts_with("///"));
                let key = format!("{name}: {}", first.map_or("", |first| first));
                put(items, key, &mut item);
            }
        }
    }
}

fn put(items: &mut Items, key: String, item: &mut Vec<String>) {
    let twice = items.insert(key, std::mem::take(item));
    assert!(twice.is_none(), "it stands there twice: {twice:?}");
}

fn items(wit: &str) -> Items {
    let mut items = Items::new();
    add(&mut items, wit);
    items
}

/// What differs between two contracts, item by item.
fn differences(page: &Items, wit: &Items) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, wanted) in wit {
        let Some(found) = page.get(name) else {
            faults.push(format!("{PAGE} does not show `{name}`"));
            continue;
        };
        let differs =
            (0..wanted.len().max(found.len())).find(|at| wanted.get(*at) != found.get(*at));
        if let Some(at) = differs {
            let line = |lines: &[String]| lines.get(at).cloned().unwrap_or("(its end)".to_owned());
            faults.push(format!("`{name}`:\n  page: {}\n  WIT:  {}", line(found), line(wanted)));
        }
    }
    let unknown = page.keys().filter(|name| !wit.contains_key(*name));
    faults.extend(unknown.map(|name| format!("{WIT} has no `{name}`")));
    faults
}

#[test]
fn the_page_shows_the_contract_as_it_is() {
    let blocks = fences(&text(PAGE)).into_iter().filter(|fence| fence.tag == TAG);
    let mut shown = Items::new();
    blocks.for_each(|fence| add(&mut shown, &fence.text));
    let faults = differences(&shown, &items(&text(WIT)));
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn the_page_has_the_limits_of_the_config() {
    let column = |path: &str, name: &str, column: &str| {
        let found = tables(&text(path)).into_iter().find(|(found, _)| found == name);
        let Some((_, table)) = found else { panic!("{path} has no table `{name}`") };
        table.column(column)
    };
    let config = column("docs/config.md", "WasmLimits", "default");
    assert_eq!(column(PAGE, "limits", "default"), config, "{PAGE}, docs/config.md");
}

#[test]
fn every_difference_is_found() {
    let wit = "/// P.\npackage a:b@0.1.0;\n// ---- x\n/// T.\ninterface types {\n  /// R.\n  \
               record r {\n    a: u8,\n  }\n\n  enum e { x, y }\n}\n\nworld w {\n  import t;\n}\n";
    let right = items(wit);
    assert_eq!(
        right.keys().collect::<Vec<_>>(),
        [
            "interface types",
            "interface types: enum e { x, y }",
            "interface types: package a:b@0.1.0;",
            "interface types: record r {",
            "world w",
            "world w: import t;"
        ]
    );
    let mut pieces = items("enum e { x, y }\n");
    add(&mut pieces, "world w {\n  import t;\n}\n/// P.\npackage a:b@0.1.0;");
    add(&mut pieces, "/// T.\ninterface types {\n/// R.\nrecord r {\na: u8,\n}\n");
    assert_eq!(differences(&pieces, &right), [""; 0]);
    let wrong = [
        wit.replace("a: u8", "a: u16"),
        wit.replace("/// R.", "/// S."),
        wit.replace("/// T.\n", ""),
        wit.replace("    a: u8,\n", ""),
        wit.replace("a: u8,", "a: u8,\nb: u8,"),
        wit.replace("x, y", "y, x"),
        wit.replace("0.1.0", "0.1.1"),
        wit.replace("world w {\n  import t;\n}\n", ""),
        format!("{wit}world v {{\n}}\n"),
    ];
    for text in &wrong {
        assert!(!differences(&items(text), &right).is_empty(), "{text}");
    }
}
