//! What plans make of chains, what of it is built anew, and which plans are refused.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use crate::explain;
use crate::plans;
use crate::snapshot::Snapshot;
use crate::testing::Workshop;

const CONFIG: &str = "\
defaults: { handlers: [ probe: { name: all } ] }
chains: { c: [ { limit: { rate: 1/s } }, { probe: { name: inner }, id: p } ] }
apis:
  - { id: recs.one, match: { path: /1 }, upstream: orders, handlers: [ { chain: c, id: x }, { probe: { name: slow }, id: personal, when: { method: [ GET ] } } ] }
  - { id: recs.two, match: { path: /2 }, upstream: orders, handlers: [ { probe: { name: slow }, id: personal } ] }
  - { id: pay, match: { path: /3 }, upstream: orders, handlers: [ auth: {} ] }
plans:
  calm:
    about: gives up what is slow
    changes:
      - { apis: 'recs.*', steps: personal, replace: { answer: { status: 204 } } }
      - { steps: { kind: limit }, with: { rate: 7/s } }
  bare: { changes: [ { steps: { kind: probe }, remove: true } ] }
  more: { changes: [ { apis: [ pay ], add: { answer: {}, when: { method: [ GET ] } }, behind: auth }, { apis: [ pay ], add: { probe: { name: n }, id: front }, at: first } ] }
";

/// Ids and kinds of an API's steps; those that are off in brackets.
fn steps(snapshot: &Snapshot, api: &str) -> String {
    let explained = explain::api(snapshot, api).unwrap();
    let steps = explained.steps.iter().map(|step| {
        let text = format!("{}:{}", step.id, step.kind);
        if step.enabled { text } else { format!("({text})") }
    });
    steps.collect::<Vec<_>>().join(" ")
}

fn is_same(one: &Snapshot, other: &Snapshot, api: &str) -> bool {
    Arc::ptr_eq(one.api(api).unwrap(), other.api(api).unwrap())
}

#[test]
fn steps_are_replaced_turned_removed_and_added() {
    let mut shop = Workshop::with(CONFIG);
    let off = shop.build(None).unwrap();
    let plain = "probe:probe x.limit:limit x.p:probe personal:probe";
    assert_eq!(steps(&off, "recs.one"), plain);

    shop.switch(&["calm"]);
    let on = shop.build(Some(&off)).unwrap();
    assert_eq!(steps(&on, "recs.one"), "probe:probe x.limit:limit x.p:probe personal:answer");
    let explained = explain::api(&on, "recs.one").unwrap();
    let (limit, answer) = (&explained.steps[1], &explained.steps[3]);
    assert_eq!(limit.config["rate"], "7/s");
    assert_eq!(limit.overrides[0].at, "gateway.yaml:15");
    assert_eq!(
        (&*limit.plans, &*answer.plans),
        (&["calm".to_owned()][..], &["calm".to_owned()][..])
    );
    assert_eq!(answer.place.as_deref(), Some("gateway.yaml:14"));
    assert!(answer.when.is_some(), "a step's matcher stays with its place");
    assert!(explained.to_string().contains("by plan     calm"), "{explained}");
    // Only what it touches is built anew, and comes back as it was.
    assert_eq!(on.built(), 2);
    assert!(is_same(&off, &on, "pay"));
    assert_ne!(off.hash(), on.hash());
    shop.switch(&[]);
    let again = shop.build(Some(&on)).unwrap();
    assert_eq!((steps(&again, "recs.one"), again.hash()), (plain.to_owned(), off.hash()));

    shop.switch(&["bare", "more"]);
    let both = shop.build(Some(&again)).unwrap();
    assert_eq!(steps(&both, "pay"), "(probe:probe) front:probe auth:auth more.answer:answer");
    assert_eq!(
        steps(&both, "-"),
        "(probe:probe)",
        "what answers no API has its steps changed, too"
    );
    let running = both.api("pay").unwrap().api.chain.steps().iter();
    assert_eq!(running.map(|step| &*step.id).collect::<Vec<_>>(), ["front", "auth", "more.answer"]);
}

#[test]
fn plans_are_applied_in_the_order_of_the_yaml() {
    let yaml = CONFIG.to_owned()
        + "  louder: { changes: [ { apis: [ recs.two ], steps: personal, with: { status: 503 } } ] }\n";
    // Alone it is wrong: the step is no `answer` yet.
    assert!(Workshop::with(&yaml).wrong().contains("unknown key `status`"));
    let yaml = CONFIG.replace(
        "  bare:",
        "  last: { changes: [ { apis: [ pay ], steps: auth, with: { override: true } } ] }\n  bare:",
    );
    let mut shop = Workshop::with(&yaml);
    for order in [["last", "more"], ["more", "last"]] {
        shop.switch(&order);
        let snapshot = shop.build(None).unwrap();
        assert_eq!(steps(&snapshot, "pay"), "probe:probe front:probe auth:auth more.answer:answer");
        assert_eq!(explain::api(&snapshot, "pay").unwrap().steps[2].config["override"], true);
    }
}

#[test]
fn plans_are_told() {
    let mut shop = Workshop::with(CONFIG);
    shop.switch(&["calm"]);
    let told = plans::all(&shop.build(None).unwrap());
    let calm = &told[0];
    assert_eq!((&*calm.name, calm.on, calm.since_unix_seconds), ("calm", true, Some(0)));
    assert_eq!(
        calm.changes,
        [
            "recs.*: step personal replaced by answer { status: 204 }",
            "all APIs: all limit steps with { rate: 7/s }",
        ]
    );
    let others: Vec<_> =
        told[1..].iter().map(|plan| (plan.on, plan.apis, &plan.changes[0])).collect();
    let bare = "all APIs: all probe steps removed".to_owned();
    let more = "pay: answer {} added behind auth".to_owned();
    assert_eq!(calm.apis, 2);
    assert_eq!(others, [(false, 3, &bare), (false, 1, &more)]);
}

#[test]
fn what_a_plan_would_break_is_refused_before_it_is_on() {
    let wrong = |plan: &str| {
        let yaml = CONFIG.to_owned() + &format!("  new: {{ changes: [ {plan} ] }}\n");
        Workshop::with(&yaml).build(None).unwrap_err().render()
    };
    for (plan, message, help) in [
        (
            "{ apis: [ recs.thre ], steps: personal, remove: true }",
            "there is no API `recs.thre`",
            "",
        ),
        ("{ apis: 'x.*', steps: personal, remove: true }", "no API's id fits `x.*`", ""),
        (
            "{ steps: personl, remove: true }",
            "no API has a step `personl`",
            "did you mean `personal`?",
        ),
        (
            "{ apis: [ pay ], steps: personal, remove: true }",
            "the API `pay` has no step `personal`",
            "known here: auth, probe",
        ),
        (
            "{ apis: [ 'recs.*', pay ], steps: personal, remove: true }",
            "the API `pay` has no step `personal`",
            "",
        ),
        (
            "{ steps: { kind: prob }, remove: true }",
            "no API has a step of the kind `prob`",
            "did you mean `probe`?",
        ),
        (
            "{ apis: [ pay ], add: { answer: {} }, behind: aut }",
            "the API `pay` has no step `aut`",
            "did you mean `auth`?",
        ),
        (
            "{ steps: x.limit, remove: true }",
            "`limit` protects what stands behind it: no plan takes it out",
            "write `with` to change its config",
        ),
        (
            "{ apis: [ pay ], steps: auth, replace: { answer: {} } }",
            "`auth` protects what stands behind it",
            "",
        ),
        (
            "{ steps: personal, replace: { answer: { status: 7 } } }",
            "expected 200 to 599",
            "say 200",
        ),
        ("{ steps: personal, with: { nme: x } }", "unknown key `nme`", ""),
        (
            "{ apis: [ pay ], add: { auth: {} } }",
            "`auth` and `new.auth` both write the slot `identity`",
            "",
        ),
        (
            "{ apis: [ recs.two ], add: { answer: {}, id: personal } }",
            "two steps have the id `personal`",
            "",
        ),
        ("{ apis: [ recs.two ], add: { chain: c } }", "a plan puts single steps, not chains", ""),
        ("{ add: { gate: {} } }", "`gate` is for connections, not for calls", ""),
    ] {
        let told = wrong(plan);
        assert!(told.contains(&format!("error: {message}")), "{plan}: {told}");
        assert!(help.is_empty() || told.contains(&format!("help: {help}")), "{plan}: {told}");
        assert!(!told.contains("errors\n"), "one mistake, one error: {told}");
    }
    let told = wrong("{ apis: [ pay ], add: { auth: {} } }");
    assert!(
        told.contains("----- with the plan `new` on") || told.contains("with the plan `new` on"),
        "{told}"
    );
}

#[test]
fn a_module_that_says_that_it_protects_nothing_may_go() {
    let yaml = |protects: &str| {
        CONFIG.replace("plans:\n", &format!("wasm: {{ risk: {{ file: risk.wasm{protects} }} }}\nplans:\n  away: {{ changes: [ {{ steps: {{ kind: risk }}, remove: true }} ] }}\n"))
            .replace("auth: {} ]", "auth: {}, risk: {} ]")
    };
    let mut shop = Workshop::with(&yaml(""));
    shop.files.write("risk.wasm", "module");
    assert!(shop.wrong().contains("`risk` protects what stands behind it"), "{}", shop.wrong());
    let mut shop = Workshop::with(&yaml(", protects: false"));
    shop.files.write("risk.wasm", "module");
    shop.build(None).unwrap();
}

#[test]
fn plans_that_contradict_each_other_are_refused_together_only() {
    let yaml = CONFIG.to_owned()
        + "  one: { changes: [ { apis: [ pay ], add: { probe: { name: n }, id: extra } } ] }
  other: { changes: [ { apis: [ pay ], add: { answer: {}, id: extra, when: { method: [ GET ] } } } ] }
";
    let mut shop = Workshop::with(&yaml);
    shop.switch(&["one"]);
    let one = shop.build(None).unwrap();
    shop.switch(&["one", "other"]);
    let told = shop.build(Some(&one)).unwrap_err().render();
    assert!(told.contains("two steps have the id `extra`"), "{told}");
    assert!(
        told.contains("with the plan `one` on") && told.contains("with the plan `other` on"),
        "{told}"
    );
}

#[test]
fn what_one_plan_puts_there_to_protect_another_does_not_take_away() {
    let yaml = CONFIG.to_owned()
        + "  strict: { changes: [ { apis: [ recs.two ], steps: personal, replace: { limit: { rate: 1/s } } } ] }
  gone: { changes: [ { apis: [ recs.two ], steps: personal, remove: true } ] }
";
    let mut shop = Workshop::with(&yaml);
    for alone in ["strict", "gone"] {
        shop.switch(&[alone]);
        shop.build(None).unwrap();
    }
    shop.switch(&["gone", "strict"]);
    let told = shop.build(None).unwrap_err().render();
    assert!(told.contains("`limit` protects what stands behind it"), "{told}");
}

#[test]
fn another_word_in_a_plan_that_is_on_builds_what_it_touches() {
    let mut shop = Workshop::with(CONFIG);
    shop.switch(&["calm"]);
    let first = shop.build(None).unwrap();
    for (old, new, built) in [
        ("gives up what is slow", "another text", 0),
        ("status: 204", "status: 203", 2),
        ("rate: 7/s", "rate: 8/s", 1),
        ("bare: { changes: [ { steps: { kind: probe }", "bare: { changes: [ { steps: personal", 0),
    ] {
        let mut later = Workshop::with(&CONFIG.replace(old, new));
        std::mem::swap(&mut shop.files, &mut later.files);
        assert_eq!(shop.build(Some(&first)).unwrap().built(), built, "{new}");
    }
}

#[test]
fn a_plan_that_makes_steps_share_and_differ_is_refused() {
    let yaml = "chains: { c: [ { limit: { rate: 1/s, share: all } } ] }
apis:
  - { id: a, match: { path: /a }, upstream: orders, handlers: [ chain: c ] }
  - { id: b, match: { path: /b }, upstream: orders, handlers: [ chain: c ] }
plans:
  half: { changes: [ { apis: [ a ], steps: limit, with: { rate: 9/s } } ] }
  whole: { changes: [ { steps: limit, with: { rate: 9/s } } ] }
";
    let told = Workshop::with(yaml).build(None).unwrap_err().render();
    assert!(told.contains("steps share `all` and differ"), "{told}");
    assert!(
        told.contains("with the plan `half` on") && !told.contains("plan `whole` on"),
        "{told}"
    );
}

#[test]
fn a_plan_that_is_on_must_be_there() {
    let mut shop = Workshop::with(CONFIG);
    shop.switch(&["clam"]);
    let told = shop.build(None).unwrap_err().render();
    assert!(told.contains("the plan `clam` is on, and the config has no such plan"), "{told}");
    assert!(told.contains("is it `calm` now?") && told.contains("paifang plan off clam"), "{told}");
}

#[test]
fn what_was_found_good_is_not_built_again_until_it_changes() {
    let mut shop = Workshop::with(&CONFIG.replace("auth: {} ]", "auth: { secret: { env: S } } ]"));
    shop.env.insert("S".into(), "secret".into());
    let yaml = "  by_secret: { changes: [ { apis: [ recs.two ], add: { auth: { secret: { env: T } } } } ] }\n";
    let text = String::from_utf8(
        crate::source::FileSource::read(&shop.files, "gateway.yaml".as_ref(), 1 << 20).unwrap(),
    )
    .unwrap();
    shop.files.write("gateway.yaml", text + yaml);
    shop.env.insert("T".into(), "secret".into());
    let first = shop.build(None).unwrap();
    let second = shop.build(Some(&first)).unwrap();
    assert_eq!(second.built(), 0);
    // The plan is off, and its secret is gone: it would fail when it is needed.
    shop.env.remove("T");
    let told = shop.build(Some(&second)).unwrap_err().render();
    assert!(told.contains('T') && told.contains("with the plan `by_secret` on"), "{told}");
}
