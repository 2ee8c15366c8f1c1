//! Which dictionary a message gets.

use super::super::{
    Choice, Dictionaries, DictionaryId, Known, MAX_DICTIONARIES, Pattern, Rules, RulesError,
};
use super::*;

const RPC: u8 = 1;
const PUSH: u8 = 2;

fn patterns(texts: &[&str]) -> Vec<Pattern> {
    texts.iter().map(|text| Pattern::read(text).unwrap()).collect()
}

/// Small dictionaries that differ.
fn several(count: u64) -> Vec<Dictionary> {
    (0..count).map(|seed| Dictionary::load(train(100 + seed, 2048), 1).unwrap()).collect()
}

fn name(choice: Choice<'_>) -> String {
    match choice {
        Choice::Never => "never".to_owned(),
        Choice::Alone => "alone".to_owned(),
        Choice::With(dictionary) => dictionary.id().to_string(),
    }
}

#[test]
fn the_nearest_rule_decides() {
    let all = several(5);
    let [exact, orders, rpc, old, push] = &all[..] else { unreachable!() };
    let set = Rules::default()
        .add(exact.clone(), None, patterns(&["orders.create"]))
        .add(orders.clone(), None, patterns(&["orders.*"]))
        .add(rpc.clone(), Some(RPC), patterns(&["*"]))
        .add(old.clone(), Some(RPC), patterns(&["*"]))
        .add(push.clone(), Some(PUSH), patterns(&["orders.create", "*"]))
        .never(None, patterns(&["auth.*", "orders.internal.keys"]))
        .build()
        .unwrap();
    let chosen = |channel, operation, known| name(set.choose(channel, operation, known));
    for (channel, operation, wanted) in [
        (RPC, Some("orders.create"), exact),
        (RPC, Some("orders.get"), orders),
        (RPC, Some("orders.items.list"), orders),
        (RPC, Some("orders"), rpc),
        (RPC, Some("ordersx.get"), rpc),
        (RPC, None, rpc),
        (PUSH, Some("orders.create"), push),
        (PUSH, Some("orders.get"), orders),
        (PUSH, None, push),
    ] {
        let got = chosen(channel, operation, Known::ALL);
        assert_eq!(got, wanted.id().to_string(), "{channel} {operation:?}");
    }
    assert_eq!(chosen(3, Some("feed.get"), Known::ALL), "alone");
    assert_eq!(chosen(3, None, Known::ALL), "alone");
    assert_eq!(chosen(RPC, Some("auth.login"), Known::ALL), "never");
    assert_eq!(chosen(PUSH, Some("orders.internal.keys"), Known::ALL), "never");

    // A peer that has only the older one gets that one, and one that has none gets none.
    let older = set.known([old.id(), DictionaryId([7; 16])]);
    assert_eq!(chosen(RPC, Some("orders.create"), older), old.id().to_string());
    assert_eq!(chosen(PUSH, Some("orders.create"), older), "alone");
    assert_eq!(chosen(RPC, Some("auth.login"), Known::NONE), "never");
    assert_eq!(chosen(RPC, None, set.known([])), "alone");
    assert!(set.known([]).is_empty() && !older.is_empty());
}

#[test]
fn a_set_finds_its_dictionaries_by_name() {
    let all = several(2);
    let set = Rules::default()
        .add(all[0].clone(), None, [])
        .add(all[1].clone(), None, patterns(&["a"]))
        .add(all[0].clone(), None, patterns(&["b"]))
        .build()
        .unwrap();
    let ids: Vec<_> = set.iter().map(Dictionary::id).collect();
    assert_eq!(ids, [all[0].id(), all[1].id()]);
    assert_eq!(set.get(all[1].id()).unwrap().id(), all[1].id());
    assert_eq!(name(set.choose(RPC, Some("b"), Known::ALL)), all[0].id().to_string());
    let stranger = DictionaryId([9; 16]);
    assert_eq!(set.get(stranger).unwrap_err(), CompressError::UnknownDictionary(stranger));
    assert_eq!(Dictionaries::default().iter().len(), 0);
}

#[test]
fn patterns_are_names_beginnings_or_everything() {
    assert_eq!(Pattern::read("*").unwrap(), Pattern::All);
    assert_eq!(Pattern::read("a.b.*").unwrap(), Pattern::Below("a.b".into()));
    assert_eq!(Pattern::read("a.b").unwrap(), Pattern::Exact("a.b".into()));
    for wrong in ["", ".*", "a*", "*.a", "a.*.b", "**", "*.*"] {
        assert_eq!(Pattern::read(wrong), Err(RulesError::Pattern(wrong.into())));
    }
}

#[test]
fn a_set_has_an_end() {
    let bytes = train(1, 2048);
    let load = |number: usize| {
        // The content at the end may be anything, so each is another dictionary.
        let mut bytes = bytes.clone();
        let end = bytes.len() - 1;
        bytes[end] = number as u8;
        Dictionary::load(bytes, 1).unwrap()
    };
    let rules = |count| (0..count).fold(Rules::default(), |rules, n| rules.add(load(n), None, []));
    let full = rules(MAX_DICTIONARIES).build().unwrap();
    assert_eq!(full.known(full.iter().map(Dictionary::id)), Known::ALL);
    let more = rules(MAX_DICTIONARIES + 1).build().unwrap_err();
    assert_eq!(more, RulesError::TooMany(MAX_DICTIONARIES + 1));
}
