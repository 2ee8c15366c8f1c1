//! Plans: switched under load, kept over everything that replaces a release, rehearsed without
//! effect, remembered.

use crate::support::{Folder, HEAD, Told, ask, says, send};
use paifang::Gateway;
use paifang_tests::harness::Client;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

const GRACE: Duration = Duration::from_secs(30);

/// Two APIs and three plans; the API at `/` answers this text.
fn config(text: &str) -> String {
    format!(
        "{HEAD}releases: {{ directory: kept }}
apis:
  - {{ id: hello, match: {{ path: / }}, handlers: [ respond: {{ status: 200, body: \"{text}\" }} ] }}
  - {{ id: other, match: {{ path: /other }}, handlers: [ respond: {{ status: 204 }} ] }}
plans:
  sale:
    about: a share gives way
    changes: [ {{ apis: [ hello ], add: {{ shed: {{ share: 30%, retry_after: 7s }} }}, at: first }} ]
  hush:
    changes: [ {{ apis: [ hello ], add: {{ respond: {{ status: 200, body: hushed }} }}, at: first }} ]
"
    )
}

async fn switch(gateway: &Gateway, plan: &str, to: &str) -> Told {
    let told = ask(gateway, "POST", &format!("/v1/plans/{plan}/{to}")).await;
    assert_eq!(told.status, 200, "{told:?}");
    told
}

/// Names of the plans that are on.
async fn on(gateway: &Gateway) -> Vec<String> {
    let plans = ask(gateway, "GET", "/v1/plans").await;
    let items = plans.json["items"].as_array().unwrap().iter();
    let on: Vec<_> = items.filter(|plan| plan["on"] == true).map(name).collect();
    let status = ask(gateway, "GET", "/v1/status").await;
    let told: Vec<_> = status.json["plans"].as_array().unwrap().iter().map(text).collect();
    assert_eq!(on, told, "{}", status.json);
    for plan in &on {
        assert!(status.text().contains(&format!("the plan {plan} is on")), "{}", status.text());
    }
    on
}

fn name(plan: &Value) -> String {
    text(&plan["name"])
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// How often `/` answered each status in so many calls.
async fn calls(gateway: &Gateway, count: usize) -> BTreeMap<u16, usize> {
    let mut client = Client::connect(gateway.address("public").unwrap()).await;
    let mut seen = BTreeMap::new();
    for _ in 0..count {
        let answer = client.get("/").await;
        if answer.status() == 503 {
            assert_eq!((&*answer.code(), answer.header("retry-after")), ("PF-3010", Some("7")));
        }
        *seen.entry(answer.status()).or_default() += 1;
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_under_load_fails_no_call_but_those_of_the_share() {
    let folder = Folder::new(&config("hi"));
    let gateway = Arc::new(folder.start().await);
    let stop = Arc::new(AtomicBool::new(false));
    let load: Vec<_> = (0..3)
        .map(|_| {
            let (gateway, stop) = (gateway.clone(), stop.clone());
            tokio::spawn(async move {
                let mut seen = BTreeMap::<u16, usize>::new();
                while !stop.load(Relaxed) {
                    for (status, count) in calls(&gateway, 20).await {
                        *seen.entry(status).or_default() += count;
                    }
                }
                seen
            })
        })
        .collect();
    for _ in 0..5 {
        let report = switch(&gateway, "sale", "on").await;
        assert_eq!((&report.json["apis_built"], &report.json["apis"]), (&1.into(), &2.into()));
        switch(&gateway, "sale", "off").await;
    }
    stop.store(true, Relaxed);
    for task in load {
        let seen = task.await.unwrap();
        assert!(seen.keys().all(|status| [200, 503].contains(status)), "{seen:?}");
    }
    assert_eq!(calls(&gateway, 50).await, BTreeMap::from([(200, 50)]), "off is as before");

    switch(&gateway, "sale", "on").await;
    let seen = calls(&gateway, 1000).await;
    assert!((299..=301).contains(&seen[&503]), "{seen:?}");
    assert_eq!(seen.values().sum::<usize>(), 1000);
    let metrics = ask(&gateway, "GET", "/metrics").await;
    let metrics = String::from_utf8_lossy(&metrics.message.body);
    for line in ["paifang_plan_on{plan=\"sale\"} 1\n", "paifang_plan_on{plan=\"hush\"} 0\n"] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    let shed = "paifang_shed_calls_total{api=\"hello\",result=\"shed\",step=\"sale.shed\"}";
    assert!(metrics.contains(shed), "{metrics}");
    let explained = ask(&gateway, "GET", "/v1/apis/hello").await;
    assert!(explained.text().contains("by plan     sale"), "{}", explained.text());
    switch(&gateway, "sale", "off").await;
    assert_eq!(calls(&gateway, 20).await, BTreeMap::from([(200, 20)]));
}

#[tokio::test]
async fn a_switch_takes_nothing_of_files_that_are_half_written() {
    let folder = Folder::new(&config("live"));
    let gateway = folder.start().await;
    for files in [config("never released"), "version: [".to_owned()] {
        folder.write("paifang.yaml", &files);
        assert_eq!(switch(&gateway, "sale", "on").await.json["apis_built"], 1);
        assert_eq!(calls(&gateway, 10).await, BTreeMap::from([(200, 7), (503, 3)]));
        switch(&gateway, "sale", "off").await;
        assert_eq!(says(&gateway).await, "live");
    }
    // Nor does a rehearsal.
    assert_eq!(ask(&gateway, "GET", "/v1/plans/sale/rehearsal").await.status, 200);
    gateway.reload().await.unwrap_err();
    let status = ask(&gateway, "GET", "/v1/status").await;
    assert!(status.json["last_failure"].is_string());
    switch(&gateway, "hush", "on").await;
    let status = ask(&gateway, "GET", "/v1/status").await;
    assert!(status.json["last_failure"].is_string(), "the files are as broken as before");
    assert_eq!(says(&gateway).await, "hushed");
    gateway.stop(GRACE).await;
}

#[tokio::test]
async fn plans_stay_on_over_reloads_restarts_and_broken_files() {
    let folder = Folder::new(&config("one"));
    let gateway = folder.start().await;
    switch(&gateway, "hush", "on").await;
    let since =
        ask(&gateway, "GET", "/v1/plans").await.json["items"][1]["since_unix_seconds"].clone();
    assert!(since.is_u64());
    let status = ask(&gateway, "GET", "/v1/status").await;
    assert_eq!(status.json["cause"], serde_json::json!({ "plan_on": "hush" }));
    let releases = ask(&gateway, "GET", "/v1/releases").await;
    assert!(releases.text().contains("{\"plan_on\":\"hush\"}"), "{}", releases.text());
    folder.write("paifang.yaml", &config("two"));
    gateway.reload().await.unwrap();
    assert_eq!(
        (says(&gateway).await, on(&gateway).await),
        ("hushed".into(), vec!["hush".to_owned()])
    );
    gateway.stop(GRACE).await;

    let gateway = folder.start().await;
    assert_eq!(
        (says(&gateway).await, on(&gateway).await),
        ("hushed".into(), vec!["hush".to_owned()])
    );
    let again = &ask(&gateway, "GET", "/v1/plans").await.json["items"][1]["since_unix_seconds"];
    assert_eq!(*again, since);
    gateway.stop(GRACE).await;

    folder.write("paifang.yaml", &config("three").replace("respond:", "repsond:"));
    let gateway = folder.start().await;
    let status = ask(&gateway, "GET", "/v1/status").await;
    assert_eq!(status.json["cause"], "recovery");
    assert_eq!(
        (says(&gateway).await, on(&gateway).await),
        ("hushed".into(), vec!["hush".to_owned()])
    );
    // In that hour, too, plans can be switched, and what is off stays off.
    switch(&gateway, "hush", "off").await;
    assert_eq!(says(&gateway).await, "two");
    gateway.stop(GRACE).await;
    let gateway = folder.start().await;
    assert_eq!((says(&gateway).await, on(&gateway).await), ("two".into(), Vec::new()));
    gateway.stop(GRACE).await;
}

#[tokio::test]
async fn a_rollback_brings_back_the_plans_that_were_on_and_stays_pinned_over_switches() {
    let folder = Folder::new(&config("one"));
    let gateway = folder.start().await;
    switch(&gateway, "hush", "on").await;
    folder.write("paifang.yaml", &config("two"));
    gateway.reload().await.unwrap();
    assert_eq!(switch(&gateway, "hush", "off").await.json["release"], 4);
    assert_eq!(says(&gateway).await, "two");
    for (release, text) in [(2, "hushed"), (1, "one"), (3, "hushed"), (1, "one")] {
        let rollback = format!("/v1/releases/{release}/rollback");
        assert_eq!(ask(&gateway, "POST", &rollback).await.status, 200);
        assert_eq!(says(&gateway).await, text, "release {release}");
    }
    // A switch changes nothing of what was gone back to but the plans, and it stays.
    let report = switch(&gateway, "sale", "on").await;
    let number = report.json["release"].as_u64().unwrap();
    assert_eq!(ask(&gateway, "GET", "/v1/status").await.json["pinned"], number);
    gateway.stop(GRACE).await;
    let gateway = folder.start().await;
    assert_eq!(ask(&gateway, "GET", "/v1/status").await.json["pinned"], number);
    assert_eq!(on(&gateway).await, ["sale"]);
    let seen = calls(&gateway, 10).await;
    assert_eq!(seen, BTreeMap::from([(200, 7), (503, 3)]));
    switch(&gateway, "sale", "off").await;
    assert_eq!(says(&gateway).await, "one");
    gateway.reload().await.unwrap();
    assert_eq!(says(&gateway).await, "two");
    gateway.stop(GRACE).await;
}

#[tokio::test]
async fn files_without_a_plan_that_is_on_are_no_release() {
    let folder = Folder::new(&config("one"));
    let gateway = folder.start().await;
    switch(&gateway, "hush", "on").await;
    let without = config("two").replace("  hush:", "  hush2:");
    folder.write("paifang.yaml", &without);
    let refused = ask(&gateway, "POST", "/v1/reload").await;
    assert_eq!(refused.status, 422, "{refused:?}");
    let details = refused.json["details"].as_str().unwrap();
    assert!(details.contains("paifang plan off hush") && details.contains("`hush2`"), "{details}");
    assert_eq!(says(&gateway).await, "hushed");
    gateway.stop(GRACE).await;
    // A restart goes on with what was on, and says so.
    let gateway = folder.start().await;
    assert_eq!(says(&gateway).await, "hushed");
    assert!(ask(&gateway, "GET", "/v1/status").await.text().contains("THE FILES ARE BROKEN"));
    switch(&gateway, "hush", "off").await;
    gateway.reload().await.unwrap();
    assert_eq!(says(&gateway).await, "two");
    gateway.stop(GRACE).await;
}

#[tokio::test]
async fn plans_that_contradict_each_other_are_refused_where_they_meet() {
    let more =
        "  first: { changes: [ { apis: [ hello ], add: { shed: { share: 1% }, id: extra } } ] }
  second: { changes: [ { apis: [ hello ], add: { request_id: {}, id: extra } } ] }
";
    let folder = Folder::new(&(config("hi") + more));
    let gateway = folder.start().await;
    switch(&gateway, "first", "on").await;
    let refused = ask(&gateway, "POST", "/v1/plans/second/on").await;
    assert_eq!(refused.status, 422, "{refused:?}");
    let details = refused.json["details"].as_str().unwrap();
    assert!(details.contains("two steps have the id `extra`"), "{details}");
    assert!(details.contains("with the plan `second` on"), "{details}");
    assert_eq!(ask(&gateway, "GET", "/v1/plans/second/rehearsal").await.status, 422);
    let status = ask(&gateway, "GET", "/v1/status").await;
    assert_eq!((&status.json["release"], &status.json["last_failure"]), (&2.into(), &Value::Null));
    assert_eq!((says(&gateway).await, on(&gateway).await), ("hi".into(), vec!["first".to_owned()]));
    gateway.stop(GRACE).await;
}

#[tokio::test]
async fn what_cannot_be_switched_is_told_and_what_is_so_already_makes_no_release() {
    let folder = Folder::new(&config("hi"));
    let gateway = folder.start().await;
    for path in ["/v1/plans/sal/on", "/v1/plans/sal/off"] {
        let told = ask(&gateway, "POST", path).await;
        let error = told.json["error"].as_str().unwrap();
        assert_eq!((told.status, error.contains("did you mean `sale`?")), (404, true), "{error}");
    }
    assert_eq!(ask(&gateway, "GET", "/v1/plans/sal/rehearsal").await.status, 404);
    for wrong in ["{ \"why\": \"x\" }", "{", "{ \"reason\": \"a\\nb\" }"] {
        assert_eq!(send(&gateway, "POST", "/v1/plans/sale/on", wrong).await.status, 400, "{wrong}");
    }
    let told = switch(&gateway, "sale", "off").await;
    assert!(told.text().contains("the plan sale is off already"), "{}", told.text());
    switch(&gateway, "sale", "on").await;
    assert_eq!(switch(&gateway, "sale", "on").await.json["release"], 2);
    let plans = ask(&gateway, "GET", "/v1/plans").await;
    assert_eq!(plans.json["history"].as_array().unwrap().len(), 1, "{}", plans.json);
    // A plan that would not work is no release, though it is off.
    folder.write("paifang.yaml", &config("hi").replace("share: 30%", "share: 300%"));
    let refused = ask(&gateway, "POST", "/v1/reload").await;
    assert_eq!(refused.status, 422);
    assert!(refused.json["details"].as_str().unwrap().contains("300%"), "{refused:?}");
    gateway.stop(GRACE).await;
}

#[tokio::test]
async fn what_was_done_is_remembered_with_who_and_why() {
    let folder = Folder::new(&config("hi"));
    let gateway = folder.start().await;
    let body = "{ \"reason\": \"the sale begins\" }";
    assert_eq!(send(&gateway, "POST", "/v1/plans/sale/on", body).await.status, 200);
    assert_eq!(ask(&gateway, "GET", "/v1/plans/hush/rehearsal").await.status, 200);
    switch(&gateway, "sale", "off").await;
    let history = async |gateway: &Gateway| {
        let plans = ask(gateway, "GET", "/v1/plans").await;
        assert!(plans.text().contains("sale on, release 2, by 127.0.0.1:"), "{}", plans.text());
        assert!(plans.text().contains(": the sale begins"), "{}", plans.text());
        plans.json["history"].clone()
    };
    let told = history(&gateway).await;
    let entries: Vec<_> = told
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (text(&entry["action"]), entry["release"].as_u64().unwrap()))
        .collect();
    assert_eq!(entries, [("off".into(), 3), ("rehearsed".into(), 2), ("on".into(), 2)]);
    assert_eq!(told[2]["reason"], "the sale begins");
    let written = fs::read_to_string(folder.path("kept/plans.log")).unwrap();
    assert_eq!(written.lines().count(), 3);
    let first: Value = serde_json::from_str(written.lines().next().unwrap()).unwrap();
    assert_eq!(first, told[2]);
    gateway.stop(GRACE).await;
    let gateway = folder.start().await;
    assert_eq!(history(&gateway).await, told);
    gateway.stop(GRACE).await;
}

/// Everything that is counted, but what looking at it counts.
async fn counted(gateway: &Gateway) -> String {
    let told = ask(gateway, "GET", "/metrics").await;
    String::from_utf8_lossy(&told.message.body).into_owned()
}

#[tokio::test]
async fn a_rehearsal_tells_what_would_be_and_changes_nothing() {
    let folder = Folder::new(&config("hi"));
    let gateway = folder.start().await;
    calls(&gateway, 40).await;
    let before = counted(&gateway).await;
    let end = Instant::now() + Duration::from_secs(20);
    // Rates come with the next tick.
    let told = loop {
        let told = ask(&gateway, "GET", "/v1/plans/sale/rehearsal").await;
        assert_eq!(told.status, 200, "{told:?}");
        if told.json["effects"][0]["rate"].as_f64().unwrap() > 0.0 {
            break told;
        }
        assert!(Instant::now() < end, "{}", told.json);
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let effect = &told.json["effects"][0];
    assert_eq!(
        (&told.json["plan"], &told.json["to"], &effect["api"]),
        (&"sale".into(), &"on".into(), &"hello".into())
    );
    let (rate, shed) = (effect["rate"].as_f64().unwrap(), effect["shed_rate"].as_f64().unwrap());
    assert!((shed - 0.3 * rate).abs() < 0.01, "{effect}");
    assert_eq!(
        (&effect["steps"][0]["what"], &effect["steps"][0]["kind"]),
        (&"added".into(), &"shed".into())
    );
    assert_eq!(told.json["effects"].as_array().unwrap().len(), 1, "it touches one API");
    let fields = told.json["diff"]["changes"][0]["fields"].to_string();
    assert!(fields.contains("steps.sale.shed"), "{fields}");
    assert!(told.text().contains("switching sale on would touch 1 APIs"), "{}", told.text());

    assert_eq!(counted(&gateway).await, before);
    assert_eq!(ask(&gateway, "GET", "/v1/status").await.json["release"], 1);
    assert_eq!(calls(&gateway, 20).await, BTreeMap::from([(200, 20)]));
    switch(&gateway, "sale", "on").await;
    let told = ask(&gateway, "GET", "/v1/plans/sale/rehearsal").await;
    assert_eq!((&told.json["to"], &told.json["shed_rate"]), (&"off".into(), &0.0.into()));
    gateway.stop(GRACE).await;
}

#[tokio::test]
async fn steps_are_replaced_and_knobs_turned_in_what_ships() {
    let conf = paifang_tests::tidy::root().join("conf/plans.yaml");
    let yaml = fs::read_to_string(conf)
        .unwrap()
        .replace("127.0.0.1:8080", "127.0.0.1:0")
        .replace("127.0.0.1:9900", "127.0.0.1:0");
    let gateway = Folder::new(&yaml).start().await;
    let step = async |api: &str, id: &str| {
        let told = ask(&gateway, "GET", &format!("/v1/apis/{api}")).await;
        let steps = told.json["steps"].as_array().unwrap().clone();
        steps.into_iter().find(|step| step["id"] == id).unwrap_or_default()
    };
    let log = step("feed", "access_log").await;
    assert_eq!(log["config"]["sample"], Value::Null, "{log}");
    // What answers requests that match no API is told, and counted nowhere as one.
    let told = ask(&gateway, "GET", "/v1/plans/big_sale/rehearsal").await.json;
    let listed = ask(&gateway, "GET", "/v1/plans").await.json;
    assert_eq!((&told["apis"], &listed["items"][0]["apis"]), (&3.into(), &3.into()));
    assert_eq!(told["effects"].as_array().unwrap().len(), 4, "{told}");
    switch(&gateway, "big_sale", "on").await;
    let log = step("feed", "access_log").await;
    assert_eq!(log["config"]["sample"], "1%", "{log}");
    assert_eq!(step("feed", "compress").await["config"]["levels"]["br"], 1);
    assert_eq!(step("feed", "big_sale.shed").await["kind"], "shed");
    let mut client = Client::connect(gateway.address("public").unwrap()).await;
    let answer = client.get("/recs/for-you").await;
    assert_eq!((answer.status(), answer.text()), (200, "[]"));
    switch(&gateway, "big_sale", "off").await;
    assert_eq!(step("feed", "big_sale.shed").await, Value::Null);
    gateway.stop(GRACE).await;
}
