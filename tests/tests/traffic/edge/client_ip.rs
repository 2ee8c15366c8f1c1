//! Who the client is: never what a stranger says of himself.

use super::config;
use paifang_tests::harness::{Message, Recorder, Running, connect_from};

const TRUSTING: &str = "trusted_proxies: [ 127.0.0.2/32, 127.0.0.3/32 ]";
/// One call an hour for each client.
const THROTTLE: &str = "[ throttle: { rate: 1/h, by: client_ip } ]";

/// A GET from an address of this machine with these fields.
async fn get(running: &Running, from: &str, fields: &str) -> Message {
    let mut client = connect_from(from, running.address()).await;
    client.ask(format!("GET / HTTP/1.1\r\nhost: a.example\r\n{fields}\r\n")).await
}

#[tokio::test]
async fn what_a_stranger_says_of_himself_is_dropped() {
    let upstream = Recorder::start().await;
    let running = Running::start(config(upstream.address(), TRUSTING, "[]")).await;
    let forged = "x-forwarded-for: 6.6.6.6\r\nX-FORWARDED-FOR: 7.7.7.7\r\n\
        x-forwarded-proto: https\r\nx-forwarded-host: evil.example\r\nx-forwarded-port: 1\r\n\
        forwarded: for=6.6.6.6\r\n";
    assert_eq!(get(&running, "127.0.0.1", forged).await.status(), 200);
    let seen = upstream.last();
    assert_eq!(seen.headers("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.headers("x-forwarded-proto"), ["http"]);
    assert_eq!(seen.headers("x-forwarded-host"), ["a.example"]);
    assert_eq!(seen.headers("x-forwarded-port"), [running.address().port().to_string()]);
    assert_eq!(seen.header("forwarded"), None);
    running.stop().await;
}

#[tokio::test]
async fn what_a_trusted_proxy_says_is_handed_on() {
    let upstream = Recorder::start().await;
    let running = Running::start(config(upstream.address(), TRUSTING, "[]")).await;
    let said = "x-forwarded-for: 6.6.6.6, 203.0.113.9\r\nx-forwarded-proto: https\r\n";
    get(&running, "127.0.0.2", said).await;
    let seen = upstream.last();
    assert_eq!(seen.headers("x-forwarded-for"), ["6.6.6.6, 203.0.113.9, 127.0.0.2"]);
    assert_eq!(seen.headers("x-forwarded-proto"), ["https"]);
    running.stop().await;
}

#[tokio::test]
async fn strangers_share_no_limit_that_they_forge_and_escape_none() {
    let upstream = Recorder::start().await;
    let running = Running::start(config(upstream.address(), TRUSTING, THROTTLE)).await;
    let from = async |ip: &str, value: &str| {
        get(&running, ip, &format!("x-forwarded-for: {value}\r\n")).await.status()
    };
    // A stranger is one client, whatever he says.
    assert_eq!(from("127.0.0.9", "1.1.1.1").await, 200);
    assert_eq!(from("127.0.0.9", "2.2.2.2").await, 429);
    // And cannot use up another one's calls.
    assert_eq!(from("127.0.0.2", "1.1.1.1").await, 200);
    // Behind trusted proxies the last address that no trusted one has is the client.
    assert_eq!(from("127.0.0.2", "9.9.9.9, 1.1.1.1").await, 429);
    assert_eq!(from("127.0.0.2", "9.9.9.9, 1.1.1.1, 127.0.0.3").await, 429);
    assert_eq!(from("127.0.0.3", "5.5.5.5").await, 200);
    // Several fields are one list.
    let two = "x-forwarded-for: 8.8.8.8\r\nx-forwarded-for: 5.5.5.5\r\n";
    assert_eq!(get(&running, "127.0.0.2", two).await.status(), 429);
    // What cannot be read is the last that can.
    assert_eq!(from("127.0.0.2", "5.5.5.5, nonsense").await, 200, "it is the proxy");
    assert_eq!(from("127.0.0.2", "4.4.4.4, nonsense").await, 429, "and the same one again");
    running.stop().await;
}

#[tokio::test]
async fn only_the_header_that_the_proxies_write_is_read() {
    let upstream = Recorder::start().await;
    let listener = format!("{TRUSTING}, client_header: forwarded");
    let running = Running::start(config(upstream.address(), &listener, THROTTLE)).await;
    let from = async |fields: &str| get(&running, "127.0.0.2", fields).await.status();
    assert_eq!(
        from("forwarded: for=203.0.113.1;proto=https\r\nx-forwarded-for: 1.1.1.1\r\n").await,
        200
    );
    assert_eq!(
        from("forwarded: For=\"203.0.113.1:99\"\r\nx-forwarded-for: 2.2.2.2\r\n").await,
        429
    );
    assert_eq!(from("forwarded: for=\"[2001:db8::1]\"\r\n").await, 200);
    assert_eq!(
        from("forwarded: for=9.9.9.9, for=\"[2001:db8::2]\"\r\n").await,
        429,
        "the same /64"
    );
    running.stop().await;
}
