//! The gateway of this package, started on a free port and called.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{net::SocketAddr, time::Duration};

use own_plugin::Greeting;
use paifang::{Gateway, StartError};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/paifang.yaml");

async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shipped_config_serves_with_the_plugin() {
    let builder = Gateway::builder().plugin(Greeting).config(CONFIG);
    let gateway = builder.environment([("LISTEN", "127.0.0.1:0")]).start().await.unwrap();
    let address = gateway.address("public").unwrap();
    let answer = get(address, "/hello/ada").await;
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    assert!(answer.contains("x-greeting: Welcome, ada!\r\n"), "{answer}");
    assert_eq!(gateway.stop(Duration::from_secs(5)).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_a_name_is_refused_with_the_plugins_own_row() {
    let yaml = r#"
version: 1
listeners: [ { name: public, address: "127.0.0.1:0" } ]
apis:
  - { id: nobody, match: { path: /hello }, handlers: [ greeting: {}, respond: { status: 204 } ] }
"#;
    let gateway = Gateway::builder().plugin(Greeting).yaml(yaml).start().await.unwrap();
    let answer = get(gateway.address("public").unwrap(), "/hello").await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains(r#""code":"PF-9000""#), "{answer}");
    gateway.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_wrong_config_is_told_at_its_place() {
    let yaml = "\
version: 1
listeners: [ { name: public, address: \"127.0.0.1:0\" } ]
apis:
  - { id: hello, match: { path: /a }, handlers: [ greeting: { word: \"\" }, respond: { status: 204 } ] }
";
    let refused = Gateway::builder().plugin(Greeting).yaml(yaml).start().await.unwrap_err();
    let StartError::Release(refused) = refused else { panic!("{refused}") };
    let told = refused.details().unwrap();
    assert!(told.contains("paifang.yaml:4:") && told.contains("1 to 40 visible"), "{told}");
    assert!(told.contains("write word: Hello"), "{told}");
}
