//! Listeners and the admin API come, go and move by reload; connections elsewhere live on.

use crate::support::{Patient, ask, raw};
use paifang::ReleaseError;
use paifang_tests::harness::{Client, Running, soon, until};
use std::{net::SocketAddr, time::Duration};
use tokio::net::{TcpListener, TcpStream};

fn config(up: SocketAddr, listeners: &[&str], rest: &str) -> String {
    let listener = |name: &&str| format!("  - {{ name: {name}, address: \"127.0.0.1:0\" }}\n");
    let listeners: String = listeners.iter().map(listener).collect();
    format!(
        "version: 1\nlisteners:\n{listeners}upstreams: {{ up: {{ endpoints: [ {{ address: \"{up}\" }} ] }} }}
apis:
  - {{ id: slow, match: {{ path: /slow }}, upstream: up }}
  - {{ id: quick, match: {{ path: /quick }}, handlers: [ respond: {{ status: 204 }} ] }}
{rest}"
    )
}

const SLOW: &str = "GET /slow HTTP/1.1\r\nhost: a.example\r\n\r\n";

#[tokio::test]
async fn a_new_listener_serves_and_the_others_connections_live_on() {
    let up = Patient::start().await;
    let running = Running::start(config(up.server.address, &["public"], "")).await;
    let before = running.address();
    let mut client = running.connect().await;
    assert_eq!(client.get("/quick").await.status(), 204);
    running.reload(config(up.server.address, &["public", "second"], "")).await.unwrap();
    assert_eq!(running.address(), before, "port 0 is not chosen again");
    assert_eq!(client.get("/quick").await.status(), 204, "on the connection from before");
    let mut second = Client::connect(running.listener("second")).await;
    assert_eq!(second.get("/quick").await.status(), 204);
    running.stop().await;
}

#[tokio::test]
async fn a_call_on_a_removed_listener_ends_within_the_grace() {
    let mut up = Patient::start().await;
    let running = Running::start(config(up.server.address, &["public", "second"], "")).await;
    let gone = running.listener("second");
    let mut stays = running.connect().await;
    assert_eq!(stays.get("/quick").await.status(), 204);
    let (mut idle, mut calling) = (Client::connect(gone).await, Client::connect(gone).await);
    assert_eq!(idle.get("/quick").await.status(), 204);
    calling.send(SLOW).await;
    up.called().await;
    running.reload(config(up.server.address, &["public"], "")).await.unwrap();
    assert!(TcpStream::connect(gone).await.is_err(), "the socket is closed with the reload");
    assert_eq!(idle.rest().await.0, b"", "idle connections close");
    up.answer();
    let answer = calling.answer().await;
    assert_eq!((answer.status(), answer.text()), (200, "patience"));
    assert_eq!(calling.rest().await.0, b"", "and so do those whose call has ended");
    assert_eq!(stays.get("/quick").await.status(), 204);
    running.stop().await;
}

#[tokio::test]
async fn a_call_that_outlasts_the_grace_is_cut() {
    let mut up = Patient::start().await;
    let grace = "shutdown: { grace: 50ms }\n";
    let running = Running::start(config(up.server.address, &["public", "second"], grace)).await;
    let mut calling = Client::connect(running.listener("second")).await;
    calling.send(SLOW).await;
    up.called().await;
    running.reload(config(up.server.address, &["public"], grace)).await.unwrap();
    assert_eq!(calling.rest().await.0, b"");
    running.gateway.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn a_port_that_somebody_else_has_refuses_the_release_as_a_whole() {
    let up = Patient::start().await;
    let running = Running::start(config(up.server.address, &["public"], "")).await;
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let wanted = config(up.server.address, &["public", "free"], "")
        .replace("path: /quick", "path: /new")
        .replace(
            "listeners:\n",
            &format!("listeners:\n  - {{ name: taken, address: \"{address}\" }}\n"),
        );
    let refused = running.reload(wanted.clone()).await.unwrap_err();
    assert!(matches!(&refused, ReleaseError::Listen(_)), "{refused:?}");
    let text = refused.to_string();
    assert!(text.contains("listener taken") && text.contains(&address.to_string()), "{text}");
    assert_eq!(running.gateway.listeners().len(), 1);
    let mut client = running.connect().await;
    assert_eq!(client.get("/quick").await.status(), 204, "the release before serves");
    assert_eq!(client.get("/new").await.status(), 404);
    drop(taken);
    running.reload(wanted).await.unwrap();
    assert_eq!(client.get("/new").await.status(), 204);
    assert_eq!(running.gateway.listeners().len(), 3);
    running.stop().await;
}

fn admin(address: &str, more: &str) -> String {
    format!("admin: {{ address: \"{address}\"{more} }}\n")
}

#[tokio::test]
async fn the_admin_api_moves_with_the_config_and_answers_who_moved_it() {
    let up = Patient::start().await;
    let with = |rest: &str| config(up.server.address, &["public"], rest);
    let running = Running::start(with(&admin("127.0.0.1:0", ""))).await;
    let first = running.gateway.admin_address().unwrap();

    // Another spelling of "any port on loopback" is another address.
    running.files.write("paifang.yaml", with(&admin("[::1]:0", "")));
    let report = ask(&running.gateway, "POST", "/v1/reload").await;
    assert_eq!(report.status, 200, "the answer came from where the API has left: {report:?}");
    let second = running.gateway.admin_address().unwrap();
    assert!(second.is_ipv6() && second != first);
    assert_eq!(ask(&running.gateway, "GET", "/v1/status").await.json["release"], 2);
    until(|| std::net::TcpStream::connect(first).is_err()).await;

    running.reload(with("")).await.unwrap();
    assert_eq!(running.gateway.admin_address(), None);
    until(|| std::net::TcpStream::connect(second).is_err()).await;
    running.reload(with(&admin("127.0.0.1:0", ""))).await.unwrap();
    assert_eq!(ask(&running.gateway, "GET", "/v1/status").await.json["release"], 4);
    running.stop().await;
}

#[tokio::test]
async fn an_admin_port_that_somebody_else_has_refuses_the_release() {
    let up = Patient::start().await;
    let with = |rest: &str| config(up.server.address, &["public"], rest);
    let running = Running::start(with(&admin("127.0.0.1:0", ""))).await;
    let before = running.gateway.admin_address();
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let refused = running.reload(with(&admin(&address, ""))).await.unwrap_err().to_string();
    assert!(refused.contains("admin API") && refused.contains(&address), "{refused}");
    assert_eq!(running.gateway.admin_address(), before);
    assert_eq!(ask(&running.gateway, "GET", "/v1/status").await.json["release"], 1);
    running.stop().await;
}

#[tokio::test]
async fn the_admin_token_follows_its_file() {
    let up = Patient::start().await;
    let yaml =
        config(up.server.address, &["public"], &admin("127.0.0.1:0", ", token: { file: token }"));
    let setup = paifang_tests::harness::Setup::new(yaml).file("token", "first\n");
    let running = setup.start().await;
    let address = running.gateway.admin_address().unwrap();
    let status = async |token: &str| {
        let head =
            format!("GET /v1/status HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}");
        raw(address, &head, "").await.status
    };
    assert_eq!((status("first").await, status("second").await), (200, 401));
    running.files.write("token", "second\n");
    assert_eq!(status("second").await, 401, "not before a reload");
    running.gateway.reload().await.unwrap();
    assert_eq!((status("first").await, status("second").await), (401, 200));
    soon(running.gateway.stop(Duration::ZERO)).await;
}
