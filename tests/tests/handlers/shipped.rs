//! The shipped config of handlers, laid over that of the demo.

use crate::support::module;
use paifang_tests::harness::{Server, Setup};
use std::{fs, path::Path};

#[tokio::test]
async fn the_overlay_of_handlers_serves() {
    let conf = |name: &str| {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conf").join(name);
        fs::read_to_string(file).unwrap()
    };
    let echo = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nup").await;
    let demo = conf("demo.yaml")
        .replace("127.0.0.1:8080", "127.0.0.1:0")
        .replace("127.0.0.1:9900", "127.0.0.1:0")
        .replace("127.0.0.1:7001", &echo.address.to_string());
    let running = Setup::new(demo)
        .file("handlers.yaml", conf("handlers.yaml"))
        .file("handlers/risk-score.wasm", module("risk-score"))
        .file("handlers/throttle.wasm", module("throttle"))
        .variable("DEMO_WALLET_KEY", "k")
        .variable("DEMO_WALLET_SECRET", "a secret that is long enough to sign with")
        .build(|builder| builder.overlay("handlers.yaml"))
        .start()
        .await;
    let mut client = running.connect().await;
    for (body, status) in [
        (r#"{"amount":5}"#, 200),
        (r#"{"amount":50000,"device":{"new":true}}"#, 403),
        (r#"{"amount":50000}"#, 200),
    ] {
        let length = body.len();
        let answer = client
            .ask(format!(
                "POST /transfers HTTP/1.1\r\nhost: a.example\r\nx-api-key: k\r\ncontent-length: {length}\r\n\r\n{body}"
            ))
            .await;
        assert_eq!(answer.status(), status, "{body}: {answer:?}");
    }
    running.stop().await;
}
