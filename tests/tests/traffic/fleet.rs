//! `paifang fleet` against a gateway: what it counts is what the gateway saw, and its exit code says how it went.

use std::{path::Path, process::Stdio};

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
        let output = self.command(words).await.output().await.unwrap();
        let text = [output.stdout, output.stderr].concat();
        let report = std::fs::read(self.file("report.json")).ok().filter(|all| !all.is_empty());
        Told {
            code: output.status.code().unwrap(),
            text: String::from_utf8_lossy(&text).into_owned(),
            report: report.map_or(Value::Null, |bytes| serde_json::from_slice(&bytes).unwrap()),
        }
    }

    /// The command with these words beside its target, which they may name themselves.
    async fn command(&self, words: &[&str]) -> Command {
        let paifang = spawn_blocking(|| binaries::built(&[]).join("paifang")).await.unwrap();
        let mut command = Command::new(paifang);
        command.args(["fleet", "--report", &self.file("report.json"), "--ramp", "100ms"]);
        if !words.contains(&"--target") {
            let target = format!("https://{}", self.running.address());
            command.args(["--target", &target, "--ca", &self.file("ca.pem")]);
        }
        if !words.contains(&"--host") {
            command.args(["--host", "api.example"]);
        }
        command.args(words).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
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
async fn clients_of_mmtp_compress_what_they_send() {
    let scene = Scene::start("[]").await;
    let body = scene.file("body.json");
    let sent = "{\"what\":\"the same\"},".repeat(50);
    std::fs::write(&body, &sent).unwrap();
    let (data, dict) = (format!("@{body}"), scene.file("dict"));
    let words = [
        "--protocol",
        "mmtp",
        "--clients",
        "5",
        "--duration",
        "2s",
        "--think",
        "100ms",
        "-d",
        &data,
    ];
    let plain = scene.fleet(&words).await;
    assert_eq!((plain.code, plain.report.get("zstd")), (0, None), "{}", plain.text);
    for more in [&["--zstd"][..], &["--dict", &dict]] {
        let told = scene.fleet(&[&words[..], more].concat()).await;
        assert_eq!(told.code, 0, "{}", told.text);
        assert_eq!(scene.upstream.last().text(), sent, "it comes as it was");
        let messages = count(&told.report, "/zstd/sent/messages");
        assert!(messages > 0 && told.text.contains("compressed   "), "{}", told.text);
        assert_eq!(count(&told.report, "/zstd/sent/bytes"), messages * sent.len() as u64);
        assert!(count(&told.report, "/zstd/sent/wire_bytes") < messages * 200, "{}", told.text);
        let up = |told: &Told| told.report["bytes"]["up_per_call"].as_f64().unwrap();
        assert!(up(&told) * 3.0 < up(&plain), "{}", told.text);
    }
    assert!(Path::new(&dict).is_dir());
}

#[tokio::test]
async fn a_target_that_cannot_be_reached_is_told_with_its_reason() {
    let scene = Scene::start("[]").await;
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gone = format!("http://{gone}");
    for (protocol, words, told) in [
        ("h2", &["--target", &gone][..], "refused"),
        ("mmtp", &["--target", &gone], "refused"),
        ("h2", &["--host", "other.example"], "other.example"),
        ("mmtp", &["--host", "other.example"], "other.example"),
    ] {
        let words = [&["--protocol", protocol, "--clients", "2", "--duration", "2s"][..], words];
        let done = scene
            .fleet(&[&words.concat()[..], &["--think", "500ms", "--timeout", "1s"]].concat())
            .await;
        assert_eq!(done.code, 3, "{protocol}: {}", done.text);
        assert!(
            done.text.contains("no client could connect") && done.text.contains(told),
            "{}",
            done.text
        );
        assert_eq!(count(&done.report, "/connections/dropped"), 0, "{}", done.text);
    }
    let done = scene.fleet(&["--target", "http://nowhere.invalid:1"]).await;
    assert_eq!(done.code, 3, "{}", done.text);
}

#[tokio::test]
async fn a_fleet_that_is_stopped_reports() {
    for signal in ["INT", "TERM"] {
        let scene = Scene::start("[]").await;
        let report = scene.file("report.json");
        let mut child =
            scene.command(&["--clients", "2", "--duration", "10m", "--think", "50ms"]).await;
        let mut child = child.spawn().unwrap();
        let number = child.id().unwrap().to_string();
        while scene.upstream.count() == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        let sent = Command::new("kill").args(["-s", signal, &number]).status().await.unwrap();
        assert!(sent.success());
        assert_eq!(child.wait().await.unwrap().code(), Some(0), "{signal}");
        let report: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
        assert_eq!(report["interrupted"], true, "{signal}");
        assert!(count(&report, "/calls/ok") > 0);
    }
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
        (["--zstd", "--cold"], "no compressed messages"),
        (["--protocol=mmtp", "--call="], "1 to 128 bytes"),
        (["--timeout", "0s"], "in no time"),
        (["--data", "@/dev/zero"], "more than 64MiB"),
        (["--report", "/nowhere/at/all.json"], "/nowhere/at/all.json"),
    ] {
        let done = scene.fleet(&words).await;
        assert_eq!(done.code, 2, "{}", done.text);
        assert!(done.text.contains(told), "{words:?}: {}", done.text);
    }
}
