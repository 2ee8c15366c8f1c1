//! `access_log`: a line for every call, read back from its file, without secrets.

use super::{super::conformance::Door, KEY_ONE, with_apps};
use paifang_tests::harness::{Ask, Recorder, until};
use serde_json::Value;

fn lines(path: &std::path::Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    // The last line may be only half there.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn every_call_has_its_line_and_no_line_a_secret() {
    let upstream = Recorder::answering(
        "HTTP/1.1 200 OK\r\nset-cookie: sid=s3cret\r\nx-kind: a\r\ncontent-length: 2\r\n\r\nok",
    )
    .await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("access.log");
    let steps = format!(
        "[ access_log: {{ sink: {{ file: \"{}\" }}, headers: {{ request: [ user-agent, authorization, x-pin ], \
         response: [ x-kind, set-cookie ] }}, redact: {{ headers: [ x-pin ], query: [ pin ] }} }}, \
         request_id: {{}}, key_auth: {{}} ]",
        file.display()
    );
    let running = with_apps(upstream.address(), &steps).await;
    let mut calls = 0;
    for door in Door::ALL {
        let ask = Ask::new("POST", "/orders?page=1&pin=s3cret&access_token=s3cret")
            .field("user-agent", "test \"agent\"\u{e9}")
            .field("authorization", "Bearer s3cret")
            .field("x-pin", "s3cret")
            .field("x-api-key", KEY_ONE)
            .body("body");
        let reply = door.ask(running.address(), &ask).await;
        assert_eq!(reply.status, 200);
        let refused = door.ask(running.address(), &Ask::new("GET", "/closed")).await;
        assert_eq!(refused.status, 401);
        calls += 2;
        until(|| lines(&file).len() >= calls).await;
        let all = lines(&file);
        let (line, other) = (&all[calls - 2], &all[calls - 1]);
        for (field, value) in [
            ("api", "all"),
            ("client_ip", "127.0.0.1"),
            ("method", "POST"),
            ("host", "a.example"),
            ("path", "/orders"),
            ("app", "one"),
            ("termination", "completed"),
        ] {
            assert_eq!(line[field], value, "{door:?} {field}: {line}");
        }
        assert_eq!(line["request_id"], reply.header("x-request-id"));
        assert_eq!(line["endpoint"], upstream.address().to_string());
        assert_eq!((&line["status"], &line["attempts"]), (&200.into(), &1.into()));
        assert_eq!((&line["request_bytes"], &line["response_bytes"]), (&4.into(), &2.into()));
        assert!(line["duration_ms"].as_f64().unwrap() >= line["origin_ms"].as_f64().unwrap());
        assert_eq!(line["request_headers"]["authorization"], "[redacted]");
        assert_eq!(line["request_headers"]["x-pin"], "[redacted]");
        assert_eq!(line["response_headers"]["x-kind"], "a");
        assert_eq!(line["response_headers"]["set-cookie"], "[redacted]");
        assert_eq!((&other["status"], &other["error"]), (&401.into(), &"PF-2000".into()));
        // What a call does not have is left out.
        assert_eq!((&other["answered_by"], &other["attempts"]), (&"key_auth".into(), &Value::Null));
    }
    running.stop().await;
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains("s3cret") && !text.contains(KEY_ONE), "{text}");
    assert_eq!(lines(&file).len(), calls, "a line too many: {text}");
}

#[tokio::test]
async fn a_file_that_was_moved_away_is_made_anew_and_one_that_cannot_be_opened_fails_the_release() {
    let upstream = Recorder::start().await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("access.log");
    let steps = |file: &std::path::Path| {
        format!("[ access_log: {{ sink: {{ file: \"{}\" }} }} ]", file.display())
    };
    let config = |file| paifang_tests::harness::one_api(upstream.address(), &steps(file));
    let running = paifang_tests::harness::Running::start(config(&file)).await;
    let mut client = running.connect().await;
    client.get("/before").await;
    until(|| lines(&file).len() == 1).await;
    std::fs::rename(&file, directory.path().join("access.log.1")).unwrap();
    let mut asked = 0;
    paifang_tests::harness::soon(async {
        while lines(&file).is_empty() {
            client.get("/after").await;
            asked += 1;
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(lines(&file)[0]["path"], "/after");
    let nowhere = directory.path().join("none").join("access.log");
    let refused = running.reload(config(&nowhere)).await.unwrap_err();
    assert!(refused.to_string().contains("access.log"), "{refused}");
    assert_eq!(client.get("/still").await.status(), 200);
    running.stop().await;
    let moved = lines(&directory.path().join("access.log.1")).len();
    assert_eq!(moved + lines(&file).len(), asked + 2);
}
