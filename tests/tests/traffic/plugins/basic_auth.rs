//! `basic_auth`: who knows a user's password passes, and the password goes no further.

use super::{super::conformance::Door, with_apps};
use paifang_tests::harness::{Ask, Recorder, Setup, one_api};

/// Of `open sesame`.
const HASH: &str = "$2b$04$ABCDEFGHIJKLMNOPQRSTUuXlOVb3PDy87bJj.2/rDgxA8mYD/FbSS";
/// `alice:open sesame`.
const ALICE: &str = "Basic YWxpY2U6b3BlbiBzZXNhbWU=";
/// `bob:open sesame`.
const BOB: &str = "Basic Ym9iOm9wZW4gc2VzYW1l";
/// `alice:open sesamf`.
const WRONG: &str = "Basic YWxpY2U6b3BlbiBzZXNhbWY=";

#[tokio::test]
async fn users_pass_by_their_password_and_it_goes_no_further() {
    let upstream = Recorder::start().await;
    let steps = format!(
        "[ basic_auth: {{ realm: orders, users: [ \
           {{ name: alice, hash: \"{HASH}\", app: one, claims: {{ role: admin }} }}, \
           {{ name: carol, hash: \"{HASH}\" }} ] }}, \
         acl: {{ allow: [ {{ app: [ one ], claims: {{ role: [ admin ] }} }} ] }}, \
         headers: {{ request: {{ set: {{ x-who: \"{{{{ identity }}}} {{{{ app }}}}\" }} }} }} ]"
    );
    let running = with_apps(upstream.address(), &steps).await;
    let get = || Ask::new("GET", "/");
    for door in Door::ALL {
        let ask = async |ask: Ask| {
            let reply = door.ask(running.address(), &ask).await;
            (reply.status, reply.code())
        };
        let before = upstream.count();
        // The second time it is remembered.
        for _ in 0..2 {
            let passes = (200, String::new());
            assert_eq!(ask(get().field("authorization", ALICE)).await, passes, "{door:?}");
            let seen = upstream.last();
            assert_eq!(seen.header("authorization"), None);
            assert_eq!(seen.header("x-who"), Some("alice one"));
        }
        assert_eq!(upstream.count() - before, 2);
        for (field, status, code) in [
            (WRONG, 401, "PF-2041"),
            (BOB, 401, "PF-2041"),
            ("Bearer YWxpY2U6b3BlbiBzZXNhbWU=", 401, "PF-2040"),
            ("Basic YWxpY2U6b3BlbiBzZXNhbWU", 400, "PF-2042"),
            // `carol:open sesame`: known, and not allowed below.
            ("Basic Y2Fyb2w6b3BlbiBzZXNhbWU=", 403, "PF-2031"),
        ] {
            let told = ask(get().field("authorization", field)).await;
            assert_eq!(told, (status, code.to_owned()), "{door:?} {field}");
        }
        assert_eq!(ask(get()).await, (401, "PF-2040".to_owned()), "{door:?}");
        assert_eq!(upstream.count() - before, 2, "a refused call reached the upstream");
    }
    let mut client = running.connect().await;
    let refused = client.get("/").await;
    let challenge = "Basic realm=\"orders\", charset=\"UTF-8\"";
    assert_eq!(refused.header("www-authenticate"), Some(challenge));
    assert_eq!(refused.header("cache-control"), Some("no-store"));
    running.stop().await;
}

#[tokio::test]
async fn a_password_that_is_taken_away_passes_no_more() {
    let upstream = Recorder::start().await;
    let config = |name: &str| {
        let step = format!("[ basic_auth: {{ users: [ {{ name: {name}, hash: \"{HASH}\" }} ] }} ]");
        one_api(upstream.address(), &step)
    };
    let running = Setup::new(config("alice")).start().await;
    let ask = Ask::new("GET", "/").field("authorization", ALICE);
    let status = async || Door::ALL[0].ask(running.address(), &ask).await.status;
    assert_eq!((status().await, status().await), (200, 200));
    running.reload(config("bob")).await.unwrap();
    assert_eq!(status().await, 401);
    running.reload(config("alice")).await.unwrap();
    assert_eq!(status().await, 200);
    assert_eq!(upstream.count(), 3);
    running.stop().await;
}
