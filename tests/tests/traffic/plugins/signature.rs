//! `signature`: what was signed passes, once; nothing else does.

use super::{super::conformance::Door, KEY_ONE, with_apps};
use paifang_tests::harness::{Ask, Recorder, Running};
use ring::{digest, hmac};
use std::{
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::{SystemTime, UNIX_EPOCH},
};

/// A request to be signed by the canonical form of `docs/plugins/signature.md`.
#[derive(Clone)]
pub(super) struct Signed {
    method: &'static str,
    path: &'static str,
    query: Vec<&'static str>,
    body: Vec<u8>,
    /// Seconds from now.
    skew: i64,
    nonce: String,
    key_id: &'static str,
    secret: &'static str,
}

impl Signed {
    pub(super) fn post(body: impl Into<Vec<u8>>) -> Self {
        static NONCES: AtomicU64 = AtomicU64::new(0);
        Self {
            method: "POST",
            path: "/orders",
            query: vec!["b=2", "a=1"],
            body: body.into(),
            skew: 0,
            nonce: format!("nonce-0123456789-{}", NONCES.fetch_add(1, SeqCst)),
            key_id: "key-one",
            secret: KEY_ONE,
        }
    }

    fn authorization(&self) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let timestamp = now.checked_add_signed(self.skew).unwrap();
        let mut query = self.query.clone();
        query.sort_unstable();
        let lines = [
            "PF1-HMAC-SHA256",
            self.method,
            "a.example",
            self.path,
            &query.join("&"),
            self.key_id,
            &timestamp.to_string(),
            &self.nonce,
            &hex(digest::digest(&digest::SHA256, &self.body).as_ref()),
            "content-type:text/plain",
        ];
        let canonical: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.secret.as_bytes());
        let signature = hex(hmac::sign(&key, canonical.as_bytes()).as_ref());
        format!(
            "PF1-HMAC-SHA256 KeyId={}, Timestamp={timestamp}, Nonce={}, \
             SignedHeaders=content-type, Signature={signature}",
            self.key_id, self.nonce
        )
    }

    /// The request as it was signed.
    pub(super) fn ask(&self) -> Ask {
        self.sent(self.path, &self.query, &self.body)
    }

    /// With this signature, and with what may not be what was signed.
    fn sent(&self, path: &str, query: &[&str], body: &[u8]) -> Ask {
        Ask::new(self.method, format!("{path}?{}", query.join("&")))
            .field("authorization", self.authorization())
            .field("content-type", "text/plain")
            .body(body.to_vec())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn status(door: Door, running: &Running, ask: &Ask) -> (u16, String) {
    let reply = door.ask(running.address(), ask).await;
    (reply.status, reply.code())
}

#[tokio::test]
async fn what_was_signed_passes_once() {
    let upstream = Recorder::start().await;
    let running = with_apps(upstream.address(), "[ signature: {} ]").await;
    for door in Door::ALL {
        let signed = Signed::post("to be kept");
        let ask = signed.ask();
        let before = upstream.count();
        assert_eq!(status(door, &running, &ask).await, (200, String::new()), "{door:?}");
        assert_eq!(upstream.last().text(), "to be kept");
        assert_eq!(upstream.last().target(), "/orders?b=2&a=1");
        assert_eq!(upstream.last().header("authorization"), None);
        // The very same bytes again, through either door.
        for again in Door::ALL {
            assert_eq!(status(again, &running, &ask).await, (401, "PF-2014".to_owned()));
        }
        assert_eq!(upstream.count() - before, 1);
    }
    running.stop().await;
}

#[tokio::test]
async fn nonces_are_remembered_over_a_reload() {
    let upstream = Recorder::start().await;
    let running = with_apps(upstream.address(), "[ signature: {} ]").await;
    let ask = Signed::post("once").ask();
    assert_eq!(status(Door::Http1, &running, &ask).await.0, 200);
    running.gateway.reload().await.unwrap();
    assert_eq!(status(Door::Http1, &running, &ask).await, (401, "PF-2014".to_owned()));
    running.stop().await;
}

#[tokio::test]
async fn a_large_body_is_signed_as_a_whole() {
    let upstream = Recorder::start().await;
    let running = with_apps(upstream.address(), "[ signature: {} ]").await;
    let body: Vec<u8> = (0..200 << 10).map(|at| (at % 241) as u8).collect();
    for door in Door::ALL {
        let signed = Signed::post(body.clone());
        assert_eq!(status(door, &running, &signed.ask()).await.0, 200, "{door:?}");
        assert!(upstream.last().body == body);
        let mut other = body.clone();
        other[150_000] ^= 1;
        let signed = Signed::post(body.clone());
        let swapped = signed.sent(signed.path, &signed.query, &other);
        assert_eq!(status(door, &running, &swapped).await, (401, "PF-2013".to_owned()));
    }
    assert_eq!(upstream.count(), 2);
    running.stop().await;
}

#[tokio::test]
async fn what_is_swapped_after_signing_is_refused() {
    let upstream = Recorder::start().await;
    let running = with_apps(upstream.address(), "[ signature: {} ]").await;
    for door in Door::ALL {
        let before = upstream.count();
        let invalid = (401, "PF-2013".to_owned());
        let new = || Signed::post("body");
        let one = new();
        assert_eq!(
            status(door, &running, &one.sent(one.path, &one.query, b"other")).await,
            invalid
        );
        let one = new();
        assert_eq!(
            status(door, &running, &one.sent("/refunds", &one.query, b"body")).await,
            invalid
        );
        let one = new();
        assert_eq!(
            status(door, &running, &one.sent(one.path, &["b=2", "a=9"], b"body")).await,
            invalid
        );
        let one = new();
        assert_eq!(status(door, &running, &one.sent(one.path, &["b=2"], b"body")).await, invalid);
        let mut one = new();
        let signature = one.authorization();
        one.method = "PUT";
        let put = Ask::new("PUT", "/orders?b=2&a=1").field("authorization", signature);
        let put = put.field("content-type", "text/plain").body("body");
        assert_eq!(status(door, &running, &put).await, invalid);
        let mut one = new();
        one.secret = "not the secret of this key, at all";
        assert_eq!(status(door, &running, &one.ask()).await, invalid);
        let mut one = new();
        one.key_id = "unknown-key";
        assert_eq!(status(door, &running, &one.ask()).await, invalid, "keys cannot be probed for");
        for skew in [-301 - 60, 301 + 60] {
            let mut one = new();
            one.skew = skew;
            assert_eq!(status(door, &running, &one.ask()).await, (401, "PF-2012".to_owned()));
        }
        let unsigned = Ask::new("POST", "/orders").body("body");
        assert_eq!(status(door, &running, &unsigned).await, (401, "PF-2010".to_owned()));
        assert_eq!(upstream.count(), before, "a refused call reached the upstream");

        // What does not change what is asked for: the order of the query, the path's spelling.
        let one = new();
        assert_eq!(
            status(door, &running, &one.sent(one.path, &["a=1", "b=2"], b"body")).await.0,
            200
        );
        let one = new();
        let spelt = one.sent("//x/..//%6frders", &one.query, b"body");
        assert_eq!(status(door, &running, &spelt).await.0, 200);
        assert_eq!(upstream.last().target(), "/orders?b=2&a=1");
    }
    running.stop().await;
}

#[tokio::test]
async fn headers_that_must_be_signed_cannot_be_added_afterwards() {
    let upstream = Recorder::start().await;
    let steps = "[ signature: { signed_headers: [ content-type, x-user ] } ]";
    let running = with_apps(upstream.address(), steps).await;
    let ask = Signed::post("body").ask().field("x-user", "root");
    assert_eq!(status(Door::Http1, &running, &ask).await, (400, "PF-2011".to_owned()));
    assert_eq!(upstream.count(), 0);
    running.stop().await;
}
