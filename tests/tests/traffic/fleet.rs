//! `paifang fleet` against a gateway: what it counts is what the gateway saw, and its exit code says how it went.

use std::path::Path;

use paifang_tests::{
    binaries,
    harness::{Pki, Recorder, Running, Setup, one_api},
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{process::Command, task::spawn_blocking};

/// A gateway with TLS before an upstream that takes every call, and the folder of its authority's certificate.
struct Scene {
    running: Running,
    upstream: Recorder,
    folder: TempDir,
}

/// What a fleet told.
struct Told {
    code: i32,
    text: String,
    report: Value,
}

impl Scene {
    async fn start(handlers: &str) -> Self {
        let (pki, upstream) = (Pki::default(), Recorder::start().await);
        let config = one_api(upstream.address(), handlers).replace(
            "address: \"127.0.0.1:0\"",
            "address: \"127.0.0.1:0\", tls: { certificates: [ { cert: cert.pem, key: key.pem } ] }, mmtp: {}",
        );
        let pair = pki.server(&["api.example"]);
        let setup = Setup::new(config).file("cert.pem", pair.cert).file("key.pem", pair.key);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), pki.ca()).unwrap();
        Self { running: setup.start().await, upstream, folder }
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Runs a fleet with these words beside its target.
    async fn fleet(&self, words: &[&str]) -> Told {
        let paifang = spawn_blocking(|| binaries::built(&[]).join("paifang")).await.unwrap();
        let (target, json) =
            (format!("https://{}", self.running.address()), self.file("report.json"));
        let mut command = Command::new(paifang);
        command.args(["fleet", "--target", &target, "--ca", &self.file("ca.pem")]);
        command.args(["--host", "api.example", "--report", &json, "--ramp", "100ms"]).args(words);
        let output = command.output().await.unwrap();
        let text = [output.stdout, output.stderr].concat();
        let report = std::fs::read(Path::new(&json)).ok();
        Told {
            code: output.status.code().unwrap(),
            text: String::from_utf8_lossy(&text).into_owned(),
            report: report.map_or(Value::Null, |bytes| serde_json::from_slice(&bytes).unwrap()),
        }
    }
}

fn count(report: &Value, pointer: &str) -> u64 {
    report.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("{pointer}: {report}"))
}

#[tokio::test]
async fn every_call_is_counted_over_both_versions_of_http() {
    for protocol in ["h1", "h2"] {
        let scene = Scene::start("[]").await;
        let html = scene.file("report.html");
        let words = [
            "--protocol",
            protocol,
            "--clients",
            "30",
            "--duration",
            "2s",
            "--think",
            "50ms..150ms",
        ];
        let told = scene
            .fleet(&[&words[..], &["--path", "/a?b", "-d", "{}", "--report", &html]].concat())
            .await;
        assert_eq!(told.code, 0, "{}", told.text);
        let ok = count(&told.report, "/calls/ok");
        assert!(ok >= 30, "{}", told.text);
        assert_eq!(count(&told.report, "/connections/full"), 30, "{}", told.text);
        assert_eq!(count(&told.report, "/connections/peak"), 30, "{}", told.text);
        let buckets = told.report["buckets"].as_array().unwrap();
        assert_eq!(buckets.iter().map(|bucket| bucket[1].as_u64().unwrap()).sum::<u64>(), ok);
        let series = told.report["series"].as_array().unwrap();
        let seconds: u64 = series.iter().map(|second| second["calls"].as_u64().unwrap()).sum();
        assert_eq!(seconds, ok);
        let page = std::fs::read_to_string(html).unwrap();
        assert_eq!(page.matches("<svg ").count(), 4);
        assert!(!page.contains("<script") && !page.contains("src="), "it needs something else");
        assert_eq!(scene.upstream.count() as u64, ok, "what came through the gateway differs");
        let asked = scene.upstream.last();
        assert_eq!((asked.method(), asked.target(), asked.text()), ("POST", "/a?b", "{}"));
    }
}

#[tokio::test]
async fn clients_that_come_back_resume_their_sessions_unless_they_are_cold() {
    let scene = Scene::start("[]").await;
    let words =
        ["--clients", "5", "--duration", "2s", "--think", "100ms", "--calls-per-connection", "1"];
    let told = scene.fleet(&words).await;
    assert_eq!(told.code, 0, "{}", told.text);
    assert_eq!(count(&told.report, "/connections/full"), 5, "{}", told.text);
    assert!(count(&told.report, "/connections/resumed") >= 10, "{}", told.text);
    let told = scene.fleet(&[&words[..], &["--cold"]].concat()).await;
    assert_eq!(count(&told.report, "/connections/resumed"), 0, "{}", told.text);
    assert!(count(&told.report, "/connections/full") >= 15, "{}", told.text);
}

#[tokio::test]
async fn clients_of_mmtp_keep_their_connection_and_come_back_with_a_call() {
    let scene = Scene::start("[]").await;
    let words = ["--protocol", "mmtp", "--clients", "10", "--duration", "2s", "--think", "100ms"];
    let words = [&words[..], &["--path", "/a?b", "--method", "POST", "-d", "{}"]].concat();
    let told = scene.fleet(&words).await;
    assert_eq!(told.code, 0, "{}", told.text);
    assert_eq!(scene.upstream.count() as u64, count(&told.report, "/calls/ok"), "{}", told.text);
    assert_eq!(count(&told.report, "/connections/full"), 10, "{}", told.text);
    let asked = scene.upstream.last();
    assert_eq!((asked.method(), asked.target(), asked.text()), ("POST", "/a?b", "{}"));
    let told = scene.fleet(&[&words[..], &["--calls-per-connection", "1"]].concat()).await;
    assert_eq!(told.code, 0, "{}", told.text);
    assert!(count(&told.report, "/connections/resumed") >= 10, "{}", told.text);
}

#[tokio::test]
async fn a_simulated_network_is_between() {
    let scene = Scene::start("[]").await;
    let words = ["--clients", "5", "--duration", "6s", "--think", "200ms", "--network", "3g"];
    let told = scene.fleet(&[&words[..], &["--heartbeat", "100ms"]].concat()).await;
    assert_eq!(told.code, 0, "{}", told.text);
    // 150 ms a way: a call takes a round trip, a connection two.
    let fastest = told.report["percentiles"][0][1].as_f64().unwrap();
    assert!(fastest >= 300.0, "{}", told.text);
    assert!(told.report["connect_ms"]["p50"].as_f64().unwrap() >= 600.0, "{}", told.text);
    assert!(count(&told.report, "/connections/heartbeats") > 0, "{}", told.text);
}

#[tokio::test]
async fn what_fails_is_told_by_kind_and_by_the_exit_code() {
    let scene = Scene::start("[ { respond: { status: 429 } } ]").await;
    let words = ["--clients", "3", "--duration", "1s", "--think", "100ms"];
    let told = scene.fleet(&words).await;
    assert_eq!(told.code, 1, "{}", told.text);
    assert_eq!(told.report["troubles"][0]["kind"], "status 429");
    assert_eq!(count(&told.report, "/troubles/0/count"), count(&told.report, "/calls/failed"));
}

#[tokio::test]
async fn wrong_words_are_told_before_anything_is_done() {
    let scene = Scene::start("[]").await;
    for (words, told) in [
        (["--network", "5g"], "no network profile is called"),
        (["--think", "3s..1s"], "ends before it begins"),
        (["--path", "here"], "--path"),
        (["--report", "figures.pdf"], "neither in .html nor in .json"),
        (["--clients", "100001"], "100001"),
        (["--data", "@/nowhere/at/all"], "/nowhere/at/all"),
        (["--call", "orders.create"], "has no operations"),
        (["--idempotent", "--cold"], "repeat nothing"),
    ] {
        let done = scene.fleet(&words).await;
        assert_eq!(done.code, 2, "{}", done.text);
        assert!(done.text.contains(told), "{words:?}: {}", done.text);
    }
}
