//! The shop as APISIX has it. There is no APISIX beside it: what it answers is written down from its
//! documentation and its plugins' sources, and the imported config must answer so.

use super::peer::{authz, decoded, echo};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use paifang_config::source::MemoryFiles;
use paifang_import::{Fate, Imported, Options, apisix};
use paifang_tests::{
    harness::{Message, Recorder, Running, Setup, connect_from, until},
    tidy::root,
};
use std::path::Path;

struct Shop {
    gateway: Running,
    _behind: [Recorder; 3],
    copies: Recorder,
}

impl Shop {
    async fn open() -> Self {
        let behind = [echo("one").await, echo("two").await, authz().await];
        let copies = echo("copies").await;
        let imported = import(&behind, &copies);
        let lost: Vec<_> =
            imported.report.entries.iter().filter(|e| e.fate == Fate::NotTaken).collect();
        assert!(
            lost.is_empty() && imported.report.offline.is_empty(),
            "{}",
            imported.report.text()
        );
        let yaml = imported.yaml.replace("\"0.0.0.0:9080\"", "\"127.0.0.1:0\"");
        let gateway = Setup::new(yaml)
            .variable("APISIX_WALLET_KEY", "wallet-0123456789abcdef0123456789")
            .variable("COURIER_TOKENS", SECRET)
            .variable("COURIER_KEY", "courier-0123456789abcdef012345678")
            .variable("APISIX_STAFF_PASSWORD", "open-sesame-0123456789")
            .start()
            .await;
        Self { gateway, _behind: behind, copies }
    }

    async fn ask(&self, from: &str, host: &str, line: &str, fields: &[&str]) -> Message {
        let mut client = connect_from(from, self.gateway.listener("http")).await;
        let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
        client.ask(format!("{line} HTTP/1.1\r\nhost: {host}\r\n{fields}\r\n")).await
    }
}

fn import(behind: &[Recorder; 3], copies: &Recorder) -> Imported {
    let text = std::fs::read_to_string(root().join("tests/data/apisix/apisix.yaml")).unwrap();
    let (one, two) = (behind[0].address(), behind[1].address());
    let text = text
        .replace("@ONE@", &one.to_string())
        .replace("@TWO@", &two.to_string())
        .replace("@AUTHZ@", &behind[2].address().to_string())
        .replace("@COPIES@", &copies.address().to_string())
        .replace("@ONE-HOST@", &one.ip().to_string())
        .replace("@ONE-PORT@", &one.port().to_string())
        .replace("@TWO-HOST@", &two.ip().to_string())
        .replace("@TWO-PORT@", &two.port().to_string());
    let files = MemoryFiles::new([("/a/apisix.yaml", text)]);
    apisix::import(Path::new("/a/apisix.yaml"), &files, Options::default())
        .unwrap_or_else(|f| panic!("{f}"))
}

/// Host, request line, header lines; the status, and texts that the answer's head and body must hold.
type Case = (&'static str, &'static str, &'static [&'static str], u16, &'static [&'static str]);

/// Signs the courier's tokens.
const SECRET: &str = "tokens-0123456789abcdef0123456789";
const BESIDE: &str = "beside.example";
const SHOP: &str = "shop.example";
const PARTNERS: &str = "partners.example";
const INSIDE: &str = "inside.example";
const WALLET: &str = "x-api-key: wallet-0123456789abcdef0123456789";
const COURIER: &str = "x-api-key: courier-0123456789abcdef012345678";
/// `staff:open-sesame-0123456789`.
const STAFF: &str = "authorization: Basic c3RhZmY6b3Blbi1zZXNhbWUtMDEyMzQ1Njc4OQ==";

const CASES: &[Case] = &[
    (
        SHOP,
        "GET /about",
        &[],
        200,
        &[
            "one GET /about\n",
            "host: shop.example\n",
            "x-real-ip: 127.0.0.1\n",
            "x-forwarded-for: 127.0.0.1\n",
        ],
    ),
    (
        SHOP,
        "GET /about?a=b&c",
        &[],
        200,
        &[
            "one GET /about?a=b&c\n",
            "x-frame-options: SAMEORIGIN",
            "x-content-type-options: nosniff",
        ],
    ),
    (
        "www.shop.example",
        "PUT /about/us",
        &["content-length: 0"],
        200,
        &["one PUT /about/us\n", "host: www.shop.example\n"],
    ),
    ("other.example", "GET /about", &[], 404, &[]),
    (
        SHOP,
        "GET /about",
        &["origin: https://shop.example"],
        200,
        &[
            "access-control-allow-origin: https://shop.example",
            "access-control-allow-credentials: true",
            "access-control-expose-headers: x-request-id",
        ],
    ),
    (
        SHOP,
        "OPTIONS /about",
        &["origin: https://www.shop.example", "access-control-request-method: PUT"],
        204,
        &["access-control-allow-methods: "],
    ),
    (SHOP, "GET /", &[], 200, &["one GET /home\n", "x-section: home\n"]),
    (SHOP, "GET /?page=2", &[], 200, &["one GET /home?page=2\n"]),
    ("www.shop.example", "GET /", &[], 200, &["one GET /\n"]),
    (SHOP, "GET /products/7/reviews?x=1", &[], 200, &["one GET /catalogue/7/reviews?x=1\n"]),
    (SHOP, "GET /products/", &[], 200, &["one GET /catalogue/\n"]),
    // The pattern does not take it without its slash: the shop's own route does.
    (SHOP, "GET /products", &[], 200, &["one GET /products\n", "x-frame-options"]),
    // Another method: the next route that takes it.
    (SHOP, "POST /products/7", &["content-length: 0"], 200, &["one POST /products/7\n"]),
    (
        SHOP,
        "GET /search",
        &[],
        200,
        &["two GET /search\n", "host: accounts.internal\n", "x-search: yes"],
    ),
    (SHOP, "GET /searching", &[], 200, &["two GET /searching\n"]),
    (SHOP, "GET /search/a/b", &[], 200, &["two GET /search/a/b\n"]),
    (SHOP, "GET /find", &[], 200, &["two GET /find\n"]),
    (SHOP, "GET /finding", &[], 200, &["one GET /finding\n"]),
    (SHOP, "GET /sear", &[], 200, &["one GET /sear\n"]),
    (
        SHOP,
        "GET /feature",
        &["x-channel: beta"],
        200,
        &["two GET /feature\n", "host: shop.example\n"],
    ),
    (SHOP, "GET /feature", &["x-channel: Beta"], 200, &["one GET /feature\n"]),
    (SHOP, "GET /feature", &[], 200, &["one GET /feature\n"]),
    (SHOP, "GET /status", &[], 200, &["content-type: application/json", "{\"status\":\"up\"}"]),
    (SHOP, "GET /status/", &[], 200, &["one GET /status/\n"]),
    (SHOP, "GET /gone/by?since=2020", &[], 410, &["gone since 2020"]),
    (SHOP, "GET /moved/a/b?c=d", &[], 301, &["location: https://new.example/moved/a/b?c=d"]),
    (SHOP, "GET /moved/a", &[], 301, &["location: https://new.example/moved/a"]),
    (SHOP, "GET /old-products?x", &[], 302, &["location: /products/"]),
    (SHOP, "GET /old/x", &[], 200, &["one GET /old/x\n"]),
    (
        SHOP,
        "PUT /cart/1",
        &["x-cart: c1", "cookie: a=b", "content-length: 0"],
        200,
        &["one POST /cart/1\n"],
    ),
    (PARTNERS, "GET /orders/7", &[], 401, &[]),
    (PARTNERS, "GET /orders/7", &["x-api-key: wrong"], 401, &[]),
    (
        PARTNERS,
        "GET /orders/7?a=b",
        &[WALLET],
        200,
        &[
            "two GET /orders/7?a=b\n",
            "host: accounts.internal\n",
            "x-consumer-username: wallet\n",
            "x-served-for: partners",
        ],
    ),
    ("eu.partners.example", "GET /orders/", &[COURIER], 200, &["x-consumer-username: courier\n"]),
    (PARTNERS, "GET /orders", &[WALLET], 404, &[]),
    (PARTNERS, "POST /payouts", &["content-length: 0"], 401, &[]),
    (PARTNERS, "POST /payouts", &[COURIER, "content-length: 0"], 403, &[]),
    (PARTNERS, "POST /payouts", &[WALLET, "content-length: 0"], 200, &["two POST /payouts\n"]),
    (PARTNERS, "GET /open", &[], 200, &["come in", "content-type: text/plain"]),
    (INSIDE, "GET /office/desk", &[], 200, &["two GET /office/desk\n"]),
    (INSIDE, "GET /lobby", &[], 200, &["two GET /lobby\n"]),
    (INSIDE, "GET /staff/room", &[], 401, &["www-authenticate: Basic realm=\"basic\""]),
    (
        INSIDE,
        "GET /staff/room",
        &[STAFF],
        200,
        &["two GET /staff/room\n", "x-consumer-username: staff\n"],
    ),
    (INSIDE, "GET /elsewhere", &[], 404, &[]),
];

#[tokio::test]
async fn a_shop_of_apisix_is_answered_as_documented() {
    let shop = Shop::open().await;
    let mut wrong = Vec::new();
    for (host, line, fields, status, wanted) in CASES {
        let answer = shop.ask("127.0.0.1", host, line, fields).await;
        let mut text = String::new();
        for (name, value) in &answer.fields {
            text.push_str(&format!("{}: {value}\n", name.to_ascii_lowercase()));
        }
        text.push_str(answer.text());
        let missing: Vec<_> = wanted.iter().filter(|wanted| !text.contains(**wanted)).collect();
        if answer.status() != *status || !missing.is_empty() {
            wrong.push(format!(
                "{host} {line} {fields:?}: {} without {missing:?}\n{text}",
                answer.status()
            ));
        }
        // Every request has an id, also one that matches no route.
        assert!(text.contains("x-request-id: "), "{host} {line}\n{text}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn addresses_keys_and_limits_hold() {
    let shop = Shop::open().await;
    let status = async |from: &str, host: &str, line: &str, fields: &[&str]| {
        shop.ask(from, host, line, fields).await.status()
    };
    assert_eq!(status("127.0.0.2", INSIDE, "GET /office/x", &[]).await, 403);
    assert_eq!(status("127.0.0.2", INSIDE, "GET /lobby", &[]).await, 403);
    assert_eq!(status("127.0.0.3", INSIDE, "GET /lobby", &[]).await, 200);
    // The key is hidden from the upstream, the cookie removed.
    let hidden = shop.ask("127.0.0.1", PARTNERS, "GET /orders/1", &[WALLET]).await;
    assert!(!hidden.text().contains("x-api-key"), "{}", hidden.text());
    let cart = shop.ask("127.0.0.1", SHOP, "GET /cart/1", &["x-cart: c2", "cookie: a=b"]).await;
    assert!(!cart.text().contains("cookie"), "{}", cart.text());
    // Three an hour, by consumer.
    let mut payouts = Vec::new();
    for _ in 0..5 {
        payouts.push(
            status("127.0.0.1", PARTNERS, "POST /payouts", &[WALLET, "content-length: 0"]).await,
        );
    }
    assert_eq!(payouts, [200, 200, 200, 429, 429]);
}

/// A token with this payload, signed by the courier's secret.
fn token(payload: &str) -> String {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let head = encode(br#"{"alg":"HS256","typ":"JWT"}"#);
    let text = format!("{head}.{}", encode(payload.as_bytes()));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
    format!("{text}.{}", encode(ring::hmac::sign(&key, text.as_bytes()).as_ref()))
}

#[tokio::test]
async fn servers_and_tokens_say_who_may_pass() {
    let shop = Shop::open().await;
    let get = async |line: &str, fields: &[&str]| shop.ask("127.0.0.1", BESIDE, line, fields).await;
    let stranger = get("GET /guarded/a", &[]).await;
    assert_eq!(stranger.status(), 401);
    assert_eq!(stranger.header("www-authenticate"), Some("Bearer realm=\"shop\""));
    let good = "authorization: Bearer good";
    assert_eq!(get("GET /guarded/a", &["authorization: Bearer bad"]).await.status(), 403);
    assert_eq!(get("GET /guarded/secret/a", &[good]).await.status(), 403);
    let passed = get("GET /guarded/a?b", &[good, "x-who: root"]).await;
    assert!(passed.text().contains("one GET /guarded/a?b\n"), "{}", passed.text());
    assert!(passed.text().contains("x-who: ada\n"), "{}", passed.text());

    let bearer = |payload: &str| format!("authorization: Bearer {}", token(payload));
    let ours = bearer(r#"{"key":"courier-app","exp":4000000000}"#);
    let passed = get("GET /tokens/a", &[&ours]).await;
    assert_eq!(passed.status(), 200, "{}", passed.text());
    assert!(passed.text().contains("x-consumer-username: courier-tokens\n"), "{}", passed.text());
    assert!(!passed.text().contains("authorization"), "{}", passed.text());
    let query = format!("GET /tokens/a?jwt={}", token(r#"{"key":"courier-app"}"#));
    assert_eq!(get(&query, &[]).await.status(), 200);
    for (field, status) in [
        (bearer(r#"{"key":"another"}"#), 403),
        (bearer(r#"{"key":"courier-app","exp":1000000000}"#), 401),
        (format!("{}x", bearer(r#"{"key":"courier-app"}"#)), 401),
        ("x-nothing: here".to_owned(), 401),
    ] {
        assert_eq!(get("GET /tokens/a", &[&field]).await.status(), status, "{field}");
    }
}

#[tokio::test]
async fn answers_are_kept_compressed_and_given_up_on() {
    let shop = Shop::open().await;
    let get = async |line: &str, fields: &[&str]| shop.ask("127.0.0.1", BESIDE, line, fields).await;
    let zipped = get("GET /zipped/a", &["accept-encoding: gzip"]).await;
    assert_eq!(zipped.header("content-encoding"), Some("gzip"));
    assert!(decoded(&zipped.body).starts_with(b"one GET /zipped/a\n"));
    assert_eq!(get("GET /zipped/a", &[]).await.header("content-encoding"), None);
    for (line, client, told) in [
        ("GET /kept/a", "first", "first"),
        ("GET /kept/a", "second", "first"),
        ("GET /kept/a?b", "third", "third"),
    ] {
        let answer = get(line, &[&format!("x-client: {client}")]).await;
        let told = format!("x-client: {told}\n");
        assert!(answer.text().contains(&told), "{line} {}", answer.text());
    }
    // Nobody is there: after two failures nobody is asked.
    let mut codes = Vec::new();
    for _ in 0..4 {
        codes.push(get("GET /broken/a", &[]).await.code());
    }
    assert!(codes[..2].iter().all(|code| code != "PF-4050"), "{codes:?}");
    assert_eq!(codes[2..], ["PF-4050", "PF-4050"]);
}

#[tokio::test]
async fn calls_are_copied_and_spread() {
    let shop = Shop::open().await;
    let get = async |line: &str, fields: &[&str]| shop.ask("127.0.0.1", BESIDE, line, fields).await;
    assert_eq!(get("GET /copied/x?y", &["x-client: a", "cookie: a=b"]).await.status(), 200);
    until(|| shop.copies.count() == 1).await;
    let copy = shop.copies.request(0);
    assert_eq!((copy.target(), copy.header("cookie")), ("/copied/x?y", Some("a=b")));
    let server = async |line: &str, fields: &[&str]| get(line, fields).await.text()[..3].to_owned();
    assert_eq!(server("GET /canary/a", &["x-canary: yes"]).await, "two");
    assert_eq!(server("GET /canary/a", &["x-canary: no"]).await, "one");
    assert_eq!(server("GET /reserve/a", &[]).await, "two");
    let mut servers = std::collections::BTreeSet::new();
    for user in 0..20 {
        let line = format!("GET /sticky/a?user=u{user}");
        let first = server(&line, &[]).await;
        assert_eq!(server(&line, &[]).await, first, "u{user} was moved");
        servers.insert(first);
    }
    assert_eq!(servers.len(), 2, "all users went to one server");
}

#[tokio::test]
async fn requests_are_held_against_schemas() {
    let shop = Shop::open().await;
    let (north, json) = ("x-shop: north", "content-type: application/json");
    for (fields, body, status) in [
        (&[north, json][..], r#"{"name":"a"}"#, 200),
        (&[north, json], r#"{"name":""}"#, 400),
        (&[north, json], "{", 400),
        (&[json], r#"{"name":"a"}"#, 400),
        (&["x-shop: west", json], r#"{"name":"a"}"#, 400),
    ] {
        let mut client = connect_from("127.0.0.1", shop.gateway.listener("http")).await;
        let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
        let length = body.len();
        let head = format!(
            "POST /validated/a HTTP/1.1\r\nhost: {BESIDE}\r\n{fields}content-length: {length}\r\n"
        );
        let answer = client.ask(format!("{head}\r\n{body}")).await;
        assert_eq!(answer.status(), status, "{fields} {body} {}", answer.text());
    }
}
