//! docs/specs/errors.md and the code hold the same rows, and no two rows share a number or a label.

use std::collections::{BTreeMap, BTreeSet};

use paifang_pipeline::{ErrorCode, error::TABLE};
use paifang_tests::{
    plugins::standard,
    table::{Table, hold},
};

const PAGE: &str = "docs/specs/errors.md";
const HEAD: [&str; 6] = ["code", "status", "label", "from", "title", "when"];

/// Every row of the gateway, by number, with who may answer with it.
fn rows() -> BTreeMap<u16, (&'static ErrorCode, BTreeSet<String>)> {
    let mut all = BTreeMap::new();
    let registry = standard();
    let of_plugins = registry.iter().flat_map(|(kind, plugin)| {
        plugin.errors().iter().map(move |row| (*row, format!("`{kind}`")))
    });
    let of_gateway = TABLE.iter().map(|row| (*row, "gateway".to_owned()));
    // Each handler in WebAssembly has these, under whatever name its entry gives it.
    let of_wasm = paifang_wasm::errors::ROWS.iter().map(|row| (*row, "`wasm`".to_owned()));
    for (row, from) in of_gateway.chain(of_plugins).chain(of_wasm) {
        let (known, by) = all.entry(row.number).or_insert_with(|| (row, BTreeSet::new()));
        assert_eq!(*known, row, "one number, two rows");
        by.insert(from);
    }
    all
}

#[test]
fn labels_are_unique_and_numbers_are_in_range() {
    let rows = rows();
    let labels: BTreeSet<&str> = rows.values().map(|(row, _)| row.label).collect();
    assert_eq!(labels.len(), rows.len(), "two rows share a label");
    for (number, (row, _)) in &rows {
        assert!((1000..7000).contains(number), "{} is in no range", row.code());
        assert!(row.status.is_client_error() || row.status.is_server_error(), "{}", row.code());
    }
}

#[test]
fn the_page_lists_the_rows_of_the_code() {
    let rows = rows();
    let mut left: BTreeSet<u16> = rows.keys().copied().collect();
    let mut unexplained = Vec::new();
    hold(PAGE, |name, stands| {
        let (first, last) = range(name);
        let when = stands.column("when");
        let mut table = Table::new(&HEAD);
        for (number, (row, from)) in rows.range(first..=last) {
            left.remove(number);
            let code = format!("PF-{number:04}");
            let when = when.get(&code).cloned().unwrap_or_default();
            if when.is_empty() {
                unexplained.push(code.clone());
            }
            let from = from.iter().cloned().collect::<Vec<_>>().join(", ");
            let (status, label) = (row.status.as_u16(), format!("`{}`", row.label));
            table.rows.push(vec![
                code,
                status.to_string(),
                label,
                from,
                row.title.to_owned(),
                when,
            ]);
        }
        table
    });
    assert!(left.is_empty(), "{PAGE} has no table for {left:?}");
    assert!(unexplained.is_empty(), "{PAGE} does not say when: {unexplained:?}");
}

/// `1000-1999` as its two ends.
fn range(name: &str) -> (u16, u16) {
    let ends = name.split_once('-').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    ends.unwrap_or_else(|| panic!("{PAGE}: `{name}` is no range of numbers"))
}
