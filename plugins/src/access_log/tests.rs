//! Lines of real calls, what they leave out, and wrong configs.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::{AccessLog, Field};
use crate::{
    request_id::RequestId,
    respond::Respond,
    rewrite::Rewrite,
    testing::{built, handler, refuses},
};
use paifang_pipeline::{
    Frame, Handler, OriginEvent, ResponseCall, ResponseVerdict, Stages, TlsFacts,
    ports::TokioSpawn,
    testkit::{Script, TestCall, TestClock, TestFront, TestOrigin},
};
use serde_json::{Value, json};
use std::{path::Path, sync::Arc, time::Duration};

/// A log in a folder of its own.
struct Log {
    dir: tempfile::TempDir,
    plugin: AccessLog,
}

impl Log {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), plugin: AccessLog::default() }
    }

    /// A started step that logs here.
    fn step(&self, mut config: Value) -> Arc<dyn Handler> {
        config["sink"] = json!({ "file": self.dir.path().join("log") });
        let step = handler(&self.plugin, config);
        let spawn: Arc<dyn paifang_pipeline::ports::Spawn> =
            Arc::new(TokioSpawn(tokio::runtime::Handle::current()));
        step.start(&spawn).unwrap();
        step
    }

    /// The lines, once no step is left.
    fn lines(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.dir.path().join("log")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }
}

/// The line of one call.
async fn line(config: Value, call: TestCall, origin: &TestOrigin) -> Value {
    let log = Log::new();
    call.shared_step("access_log", log.step(config)).run(origin).await;
    let mut lines = log.lines();
    assert_eq!(lines.len(), 1);
    lines.remove(0)
}

#[tokio::test]
async fn a_line_tells_of_a_call_as_it_came() {
    let log = Log::new();
    let call = TestCall::post("/v1/a%22b?x=1&token=abc", "12345")
        .shared_step("access_log", log.step(json!({})))
        .shared_step("request_id", handler(&RequestId, json!({})))
        .shared_step("rewrite", handler(&Rewrite, json!({ "path": "/elsewhere" })));
    call.run(&TestOrigin::answering(201, "hello, world")).await;
    let [line] = &log.lines()[..] else { panic!("{:?}", log.lines()) };
    let wanted = json!({
        "time": "2026-01-01T00:00:00.000Z", "api": "test", "client_ip": "127.0.0.1",
        "method": "POST", "host": "api.test", "path": "/v1/a%22b",
        "query": "x=1&token=[redacted]", "request_id": "019b76da-a800-7000-8000-000000000000",
        "status": 201, "termination": "completed", "attempts": 1, "endpoint": "127.0.0.1:80",
        "request_bytes": 5, "response_bytes": 12, "duration_ms": 0.0, "origin_ms": 0.0,
    });
    assert_eq!(line, &wanted);
    // In the order of the docs page.
    let keys: Vec<_> = line.as_object().unwrap().keys().collect();
    let ordered: Vec<_> = wanted.as_object().unwrap().keys().collect();
    assert_eq!(keys, ordered);
}

#[tokio::test]
async fn fields_are_chosen() {
    let call = TestCall::get("/").facts(|facts| {
        facts.tls = Some(Arc::new(TlsFacts {
            version: "TLSv1.3",
            sni: Some("a.test".into()),
            client_cert_sha256: Some("ab12".into()),
            client_cert_subject: None,
        }));
    });
    let fields = json!([
        "listener",
        "front",
        "scheme",
        "peer",
        "tls_version",
        "sni",
        "client_cert_sha256",
        "upgraded"
    ]);
    let got = line(json!({ "fields": fields }), call, &TestOrigin::answering(200, "")).await;
    let wanted = json!({
        "listener": "embedded", "front": "embedded", "scheme": "http", "peer": "127.0.0.1:0",
        "tls_version": "TLSv1.3", "sni": "a.test", "client_cert_sha256": "ab12",
    });
    assert_eq!(got, wanted);
    let key_of = |field: Field| field.key().to_owned();
    assert_eq!(
        (key_of(Field::Time), key_of(Field::OriginMs)),
        ("\"time\":".into(), "\"origin_ms\":".into())
    );
}

#[tokio::test]
async fn secrets_are_never_written_out() {
    let mut head = TestOrigin::head(200);
    for (name, value) in [("set-cookie", "s=secret"), ("x-plain", "1"), ("x-plain", "2")] {
        head.headers.append(name, value.parse().unwrap());
    }
    let end = OriginEvent::Frame(Frame::last("".into()));
    let origin = TestOrigin::scripted([Script::AfterBody(vec![
        Ok(OriginEvent::Head(head, false)),
        Ok(end),
    ])]);
    let names =
        ["authorization", "cookie", "x-api-key", "x-mine", "referer", "user-agent", "absent"];
    let config = json!({
        "fields": ["query"],
        "headers": { "request": names, "response": ["set-cookie", "X-Plain"] },
        "redact": { "headers": ["X-Mine"], "query": ["pin"] },
    });
    let call = TestCall::get("/?a=1&PassWord=secret&b&%74oken=secret&pin=secret&token&=x&pins=2")
        .header("authorization", "Bearer secret")
        .header("cookie", "secret")
        .header("x-api-key", "secret")
        .header("x-mine", "secret")
        .header("referer", "https://a.test/b?code=secret&c=d#frag?sig=kept")
        .header("user-agent", "a\"b\\c");
    let got = line(config, call, &origin).await;
    let hidden = "[redacted]";
    let wanted = json!({
        "query": "a=1&PassWord=[redacted]&b&%74oken=[redacted]&pin=[redacted]&token&=x&pins=2",
        "request_headers": {
            "authorization": hidden, "cookie": hidden, "x-api-key": hidden, "x-mine": hidden,
            "referer": "https://a.test/b?code=[redacted]&c=d#frag?sig=kept", "user-agent": "a\"b\\c",
        },
        "response_headers": { "set-cookie": hidden, "x-plain": "1, 2" },
    });
    assert_eq!(got, wanted);
    assert!(!got.to_string().contains("secret"));
}

#[tokio::test]
async fn hostile_values_make_one_line_of_bounded_length() {
    let long = format!("/{}", "é".repeat(2000).replace('é', "%C3%A9"));
    let mut call = TestCall::get(&long).header("x-a", "tab\there");
    let raw = http::HeaderValue::from_bytes(b"caf\xe9 \xc3\xa9").unwrap();
    call = call.header("x-c", "plain");
    let log = Log::new();
    let step = log.step(json!({ "fields": ["path"], "headers": { "request": ["x-a", "x-b"] } }));
    /// Puts bytes into a header that are no UTF-8.
    struct Raw(http::HeaderValue);
    impl Handler for Raw {
        fn stages(&self) -> Stages {
            Stages::REQUEST
        }
        fn request(
            &self,
            call: &mut paifang_pipeline::RequestCall<'_>,
        ) -> paifang_pipeline::Verdict {
            call.head_mut().headers.insert("x-b", self.0.clone());
            paifang_pipeline::Verdict::Continue
        }
    }
    call.step("raw", Raw(raw))
        .shared_step("access_log", step)
        .run(&TestOrigin::answering(200, ""))
        .await;
    let lines = log.lines();
    let path = lines[0]["path"].as_str().unwrap();
    assert_eq!((lines.len(), path.len(), path.ends_with('…')), (1, 2048 + "…".len(), true));
    assert_eq!(lines[0]["request_headers"], json!({ "x-a": "tab\there", "x-b": "caf\u{FFFD} é" }));
}

/// Asks with each entropy, and says which were logged.
async fn logged(config: Value, status: u16, took: Duration) -> usize {
    /// Takes its time.
    struct Slow(Arc<TestClock>, Duration);
    impl Handler for Slow {
        fn stages(&self) -> Stages {
            Stages::RESPONSE
        }
        fn response(&self, _: &mut ResponseCall<'_>) -> ResponseVerdict {
            self.0.advance(self.1);
            ResponseVerdict::Continue
        }
    }
    let log = Log::new();
    let step = log.step(config);
    for entropy in 0..100u64 {
        let clock = Arc::new(TestClock::new());
        TestCall::get("/")
            .clock(&clock)
            .facts(|facts| facts.entropy = entropy << 40)
            .shared_step("access_log", step.clone())
            .step("slow", Slow(clock, took))
            .run(&TestOrigin::answering(status, ""))
            .await;
    }
    drop(step);
    log.lines().len()
}

#[tokio::test]
async fn the_sample_is_a_share_and_what_matters_is_logged_always() {
    let fast = Duration::ZERO;
    assert_eq!(logged(json!({ "sample": "0%" }), 200, fast).await, 0);
    let some = logged(json!({ "sample": "30%" }), 200, fast).await;
    assert!((10..50).contains(&some), "{some} of 100 at 30%");
    assert_eq!(logged(json!({ "sample": "30%" }), 200, fast).await, some);
    assert_eq!(logged(json!({ "sample": "0%" }), 503, fast).await, 100);
    assert_eq!(logged(json!({ "sample": "0%" }), 404, fast).await, 0);
    let quiet = json!({ "sample": "0%", "always": { "errors": false } });
    assert_eq!(logged(quiet, 503, fast).await, 0);
    let slow = json!({ "sample": "0%", "always": { "slower_than": "1s" } });
    assert_eq!(logged(slow.clone(), 200, Duration::from_millis(1000)).await, 0);
    assert_eq!(logged(slow, 200, Duration::from_millis(1001)).await, 100);
}

#[tokio::test]
async fn durations_are_milliseconds_with_three_digits() {
    let log = Log::new();
    let clock = Arc::new(TestClock::new());
    let call = TestCall::get("/").clock(&clock);
    clock.advance(Duration::from_micros(1_234_056));
    call.shared_step("access_log", log.step(json!({ "fields": ["duration_ms"] })))
        .run(&TestOrigin::answering(200, ""))
        .await;
    let text = std::fs::read_to_string(log.dir.path().join("log")).unwrap();
    assert_eq!(text, "{\"duration_ms\":1234.056}\n");
}

#[tokio::test]
async fn calls_that_end_early_are_logged_with_their_end() {
    let fields =
        || json!({ "fields": ["status", "error", "error_detail", "answered_by", "termination"] });
    // A step above answers: the call never comes to the log's own step.
    let log = Log::new();
    let above = handler(&Respond, json!({ "status": 403 }));
    let call = TestCall::get("/").shared_step("respond", above);
    call.shared_step("access_log", log.step(fields())).run(&TestOrigin::default()).await;
    let wanted = json!({ "status": 403, "answered_by": "respond", "termination": "completed" });
    assert_eq!(log.lines(), [wanted]);
    // The client goes away while its body is awaited.
    let call = TestCall::post("/", "never sent").front(|front| {
        *front = TestFront { gone: true, ..TestFront::sending([]) };
    });
    let got = line(fields(), call, &TestOrigin::answering(200, "")).await;
    assert_eq!(got, json!({ "termination": "client_gone" }));
    // The gateway answers for want of an upstream.
    let log = Log::new();
    let call = TestCall::get("/").shared_step("access_log", log.step(fields()));
    call.run(&paifang_pipeline::NoOrigin).await;
    let wanted = json!({
        "status": 502, "error": "PF-4008", "error_detail": "the API has no origin",
        "termination": "completed",
    });
    assert_eq!(log.lines(), [wanted]);
}

#[tokio::test]
async fn steps_of_one_file_share_a_writer_and_its_counts() {
    let log = Log::new();
    for _ in 0..2 {
        let call = TestCall::get("/").shared_step("one", log.step(json!({})));
        call.shared_step("two", log.step(json!({}))).run(&TestOrigin::answering(200, "")).await;
    }
    assert_eq!(log.lines().len(), 4);
    let counters = paifang_pipeline::Plugin::counters(&log.plugin);
    let path = log.dir.path().join("log").display().to_string();
    let wanted =
        [("paifang_access_log_lines_total", 4), ("paifang_access_log_lost_lines_total", 0)];
    for (counter, (name, value)) in counters.iter().zip(wanted) {
        assert_eq!((counter.name, counter.value), (name, value));
        assert_eq!(counter.label, Some(("sink", path.clone())));
    }
    assert_eq!(counters.len(), 2);
}

#[test]
fn building_opens_nothing() {
    let config = json!({ "sink": { "file": "/no/such/folder/log" } });
    let step = built(&AccessLog::default(), &config).unwrap().handler;
    assert_eq!(step.stages(), Stages::REQUEST.and(Stages::LOG));
    assert!(!Path::new("/no/such/folder").exists());
}

#[test]
fn wrong_configs_are_refused_with_their_place() {
    let many: Vec<_> = (0..33).map(|n| format!("x-{n}")).collect();
    refuses(
        &AccessLog::default(),
        &[
            (
                json!({ "sink": "syslog" }),
                "/sink",
                "unknown variant `syslog`, expected one of `stdout`, `stderr`, `file`",
                "",
            ),
            (json!({ "sink": { "file": "" } }), "/sink/file", "a file without a name", ""),
            (
                json!({ "fields": [], "headers": { "request": [] } }),
                "/fields",
                "the lines would be empty",
                "",
            ),
            (
                json!({ "headers": { "request": ["a", "b c"] } }),
                "/headers/request/1",
                "`b c` is no header's name",
                "",
            ),
            (
                json!({ "headers": { "response": many } }),
                "/headers/response",
                "more than 32 headers",
                "",
            ),
            (
                json!({ "redact": { "headers": [""] } }),
                "/redact/headers/0",
                "`` is no header's name",
                "",
            ),
            (
                json!({ "sample": 0.1 }),
                "/sample",
                "invalid type: floating point `0.1`, expected a share such as `10%` or `0.5%`",
                "",
            ),
            (
                json!({ "always": { "slower_than": 1 } }),
                "/always/slower_than",
                "invalid type: integer `1`, expected a duration with its unit, such as `500ms`, `3s`, `5m` or `1m30s`",
                "",
            ),
            (
                json!({ "always": "errors" }),
                "/always",
                "invalid type: string \"errors\", expected struct Always",
                "",
            ),
        ],
    );
}
