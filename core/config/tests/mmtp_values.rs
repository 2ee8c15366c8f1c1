//! Wrong values of the section `mmtp` and of `apps.<id>.mmtp`: each is told at its place, which `«…»` marks here.

#![allow(clippy::unwrap_used)]

use paifang_config::source::{MemoryFiles, Origin, ParseCache};

/// The section, the app's, and what is told at the marked place.
const SECTION: [(&str, &str); 73] = [
    ("authenticate: «nope»", "no API has the operation `nope`"),
    ("authenticate: «[ping]»", "expected a name, found a list"),
    ("components: { log: «nope» }", "no API has the operation `nope`"),
    ("components: { sync: «nope» }", "no API has the operation `nope`"),
    ("components: { app: «nope» }", "no API has the operation `nope`"),
    ("components: { «push»: ping }", "unknown key `push`"),
    ("heartbeat: { least: «0s» }", "expected 1s to 1h, found 0s"),
    ("heartbeat: { most: «2h» }", "expected 1s to 1h, found 2h"),
    ("heartbeat: { least: «2m» }", "`least` (2m) is above `initial` (1m)"),
    ("heartbeat: { initial: «6m» }", "`initial` (6m) is above `most` (5m)"),
    ("heartbeat: { least: «1500ms» }", "1s500ms are no whole seconds"),
    ("heartbeat: { most: «300» }", "`300` is no duration"),
    ("heartbeat: «30s»", "expected a map"),
    ("limits: { calls: «63» }", "expected 64 to 10000, found 63"),
    ("limits: { calls: «-1» }", "expected a whole number"),
    ("limits: { calls: «1e3» }", "expected a whole number"),
    ("limits: { operations: «65537» }", "expected 256 to 65536, found 65537"),
    ("limits: { frames: «{ rate: 9/s, burst: 1000 }» }", "less than 10/s"),
    ("limits: { frames: «{ rate: 100/s, burst: 99 }» }", "a burst of 100"),
    ("limits: { frames: { rate: 100/s, burst: «5000000000» } }", "expected 1 to 1000000000"),
    ("limits: { frames: { rate: «0/s» } }", "would let nothing pass"),
    ("limits: { frames: «100/s» }", "expected a map"),
    ("limits: { connections: «0» }", "expected 1 to 10000000, found 0"),
    ("limits: { connection_rate: { rate: 1/s, burst: «0» } }", "expected 1 to 1000000000"),
    ("limits: { connection_rate: «{ burst: 10 }» }", "the key `rate` is missing"),
    ("limits: { connection_rate: { rate: «18446744073709551615/s» } }", "more than the limit"),
    ("limits: { connection_rate: { rate: «1/3650d» } }", "is no rate"),
    ("limits: { per_device: { rate: 1/s, burst: «2000000000» } }", "expected 1 to 1000000000"),
    ("limits: { per_app: { connections: «10000001» } }", "expected 1 to 10000000"),
    ("limits: { per_app: { call_rate: «5» } }", "expected a map"),
    ("limits: { per_app: { call_rate: { rate: 1/s, burst: «0» } } }", "expected 1 to 1000000000"),
    ("limits: { «bytes»: 5 }", "unknown key `bytes`"),
    ("one_per_device: «\"yes\"»", "expected true or false"),
    ("path: «mmtp»", "no path that MMTP can have"),
    ("path: «/»", "no path that MMTP can have"),
    ("path: «/a//b»", "no path that MMTP can have"),
    ("path: «/a/../b»", "no path that MMTP can have"),
    ("path: «/a?b»", "no path that MMTP can have"),
    ("path: «/%61»", "no path that MMTP can have"),
    ("resume: { lifetime: «0s» }", "expected 1s to 90d, found 0s"),
    ("resume: { lifetime: «91d» }", "expected 1s to 90d, found 91d"),
    ("resume: { devices: «10000001» }", "expected 0 to 10000000"),
    ("resume: { store: «nowhere» }", "there is no store `nowhere`"),
    ("alternates: [ «x» ]", "`x` is not a host with a port"),
    ("alternates: [ «\"x:0\"» ]", "`x:0` is not a host with a port"),
    ("alternates: [ «\"x:65536\"» ]", "`x:65536` is not a host with a port"),
    ("alternates: [ «\":443\"» ]", "`:443` is not a host with a port"),
    ("alternates: [ «\"https://x:443\"» ]", "`https://x:443` is not a host with a port"),
    ("alternates: [ «\"1.2.3.4.5:443\"» ]", "is not a host with a port"),
    ("alternates: [ «\"[::1:443\"» ]", "is not a host with a port"),
    ("alternates: «[ \"x:1\", \"y:1\", \"x:1\" ]»", "`x:1` stands here twice"),
    ("alternates: «\"x:443\"»", "expected a list"),
    ("zones: { here: «a», homes: {} }", "`zones` without `authenticate`"),
    ("authenticate: ping, zones: { here: a, homes: { a: «{ upstream: u }» } }", "`a` is `here`"),
    ("authenticate: ping, zones: { here: a, homes: { b: «{}» } }", "needs either"),
    (
        "authenticate: ping, zones: { here: a, homes: { b: «{ upstream: u, moved_to: [ \"x:1\" ] }» } }",
        "needs either",
    ),
    (
        "authenticate: ping, zones: { here: a, homes: { b: «{ moved_to: [ \"x:1\", \"x:1\" ] }» } }",
        "stands here twice",
    ),
    (
        "authenticate: ping, zones: { here: a, homes: { b: { moved_to: [ «x» ] } } }",
        "is not a host with a port",
    ),
    (
        "authenticate: ping, zones: { here: a, homes: { b: { upstream: «v» } } }",
        "there is no upstream `v`",
    ),
    (
        "authenticate: ping, zones: { here: a, shards: [ a, «c» ], homes: {} }",
        "there is no zone `c`",
    ),
    (
        "authenticate: ping, zones: { here: a, header: «\"x zone\"», homes: {} }",
        "is no name of a field",
    ),
    ("authenticate: ping, zones: { here: «\"a b\"», homes: {} }", "is not a name"),
    ("authenticate: ping, zones: «{ homes: {} }»", "the key `here` is missing"),
    ("compression: «true»", "expected `off` or a map"),
    ("compression: { level: «20» }", "expected 1 to 19, found 20"),
    ("compression: { max_size: «2MiB» }", "expected 1KiB to 1MiB, found 2MiB"),
    (
        "compression: { min_size: «2KiB», max_size: 1KiB }",
        "`min_size` (2KiB) is above `max_size` (1KiB)",
    ),
    ("dictionaries: [ { file: a, channel: «0» } ]", "no messages go on channel 0"),
    ("dictionaries: [ { file: a, channel: «300» } ]", "expected a whole number from 0 to 255"),
    ("dictionaries: [ { file: a, operation: «pong» } ]", "no API has the operation `pong`"),
    (
        "dictionaries: [ { file: a, operation: «ping.*» } ]",
        "no API has an operation that begins with `ping.`",
    ),
    ("dictionaries: «a.zdict»", "expected a list"),
    ("«nonsense»: 1", "unknown key `nonsense`"),
];

const APP: [(&str, &str); 5] = [
    ("connections: «0»", "expected 1 to 10000000, found 0"),
    ("connection_rate: { rate: 1/s, burst: «0» }", "expected 1 to 1000000000"),
    ("call_rate: { rate: «often» }", "`often` is no rate"),
    ("«per_device»: { rate: 1/s }", "unknown key `per_device`"),
    ("call_rate: «5/s»", "expected a map"),
];

/// What is told of a config with this section and this app's.
fn told(section: &str, app: &str) -> String {
    let text = format!(
        "version: 1\n\
         listeners: [ {{ name: a, address: \"127.0.0.1:0\", mmtp: {{ plain: true }} }} ]\n\
         mmtp: {{ {section} }}\n\
         apps: {{ wallet: {{ keys: [ {{ id: k, secret: {{ env: K }} }} ], mmtp: {{ {app} }} }} }}\n\
         upstreams: {{ u: {{ endpoints: [ {{ address: \"127.0.0.1:1\" }} ] }} }}\n\
         apis: [ {{ id: ping, operation: ping, upstream: u }} ]\n"
    );
    let marked = text.lines().enumerate().find_map(|(line, text)| {
        let column = text.chars().position(|c| c == '«')?;
        Some(format!("--> c.yaml:{}:{}\n", line + 1, column + 1))
    });
    let text = text.replace(['«', '»'], "");
    let files = MemoryFiles::new([("c.yaml".to_owned(), text.into_bytes())]);
    let origin = Origin { root: "c.yaml".into(), overlays: Vec::new() };
    match paifang_config::load(&origin, &|_| Some("k".repeat(32)), &files, &mut ParseCache::new()) {
        Ok(_) => "ok".to_owned(),
        Err(wrong) => {
            let rendered = wrong.render();
            let place = marked.unwrap();
            assert!(rendered.contains(&place), "not at {place}: {rendered}");
            rendered
        }
    }
}

#[test]
fn each_wrong_value_is_told_at_its_place() {
    for (section, wanted) in SECTION {
        let told = told(section, "");
        assert!(told.contains(wanted), "{section}: {told}");
    }
    for (app, wanted) in APP {
        let told = told("", app);
        assert!(told.contains(wanted), "{app}: {told}");
    }
}

#[test]
fn lists_have_an_end() {
    let alternates: Vec<_> = (0..9).map(|n| format!("\"x{n}:1\"")).collect();
    let section = format!("alternates: «[ {} ]»", alternates.join(", "));
    assert!(told(&section, "").contains("9 addresses; there may be 8"));
    let shards = vec!["a"; 4096].join(", ");
    let section =
        format!("authenticate: ping, zones: {{ here: a, shards: [ {shards}, «a» ], homes: {{}} }}");
    assert!(told(&section, "").contains("4097 shards; there may be 4096"));
    let each = vec!["{ file: a }"; 64].join(", ");
    let section = format!("dictionaries: [ {each}, {{ file: «a» }} ]");
    assert!(told(&section, "").contains("65 dictionaries, more than 64"));
}

#[test]
fn what_is_right_is_taken() {
    for section in [
        "authenticate: ping, components: { log: ping }, heartbeat: { least: 1s, initial: 1s, most: 1h }",
        "limits: { calls: 10000, frames: { rate: 600/m, burst: 100 }, connections: 10000000 }",
        "alternates: [ \"[::1]:1\", \"10.0.0.7:65535\", \"xn--a.example:443\" ], path: /a/b.c",
        "authenticate: ping, zones: { here: a, shards: [ b ], homes: { b: { upstream: u } } }",
        "compression: off, dictionaries: [ { file: a, operation: ping }, { file: a, channel: 31 } ]",
    ] {
        assert_eq!(told(section, "connections: 1, call_rate: { rate: 1/s }"), "ok", "{section}");
    }
}
