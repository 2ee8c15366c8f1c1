//! Values that handlers of several gateways share.

use crate::support::{config, module};
use paifang_tests::harness::{RedisServer, Running, Server, Setup};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

async fn start(yaml: &str) -> Running {
    Setup::new(yaml).file("auth.wasm", module("auth")).start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_gateway_has_looked_up_another_remembers() {
    let redis = RedisServer::start(&[]);
    let questions = Arc::new(AtomicUsize::new(0));
    let count = questions.clone();
    let idp = Server::start(move |_, mut client| {
        let count = count.clone();
        async move {
            while client.request().await.is_some() {
                count.fetch_add(1, SeqCst);
                let body = r#"{"active":true,"sub":"alice","exp":4102444800}"#;
                let length = body.len();
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
                client.send(head + body).await;
            }
        }
    })
    .await;
    let yaml = config(
        "  session: { file: auth.wasm, store: shared, grants: [ clock, kv, crypto, identity, { http: [ idp ] } ] }",
        &format!(
            "stores:\n  shared: {{ redis: {{ addresses: [ \"{}\" ], command_timeout: 5s }} }}\n\
             upstreams:\n  idp: {{ endpoints: [ {{ address: \"{}\" }} ] }}\n\
             apis:\n  - id: a\n    match: {{ path: / }}\n    handlers:\n      \
             - session: {{ upstream: idp, path: \"/sessions/{{token}}\" }}\n      \
             - respond: {{ body: \"in\" }}\n",
            redis.address, idp.address
        ),
    );
    for _ in 0..2 {
        let running = start(&yaml).await;
        let mut client = running.connect().await;
        for _ in 0..2 {
            let head = "GET / HTTP/1.1\r\nhost: a.example\r\nauthorization: Bearer tok-1\r\n\r\n";
            let answer = client.ask(head).await;
            assert_eq!((answer.status(), answer.text()), (200, "in"), "{answer:?}");
        }
        drop(client);
        running.stop().await;
    }
    assert_eq!(questions.load(SeqCst), 1, "the second gateway was told by the store");
    let keys = redis.cli(&["keys", "paifang:kv:*:values"]);
    assert_eq!(keys.lines().count(), 1, "{keys}");
}
