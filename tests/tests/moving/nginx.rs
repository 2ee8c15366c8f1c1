//! The requests that the shop's customers make, and others. Each is answered by nginx and by the gateway
//! that the import made; the answers, and what the server behind was asked, must agree.

use super::shop::{Door, Shop};
use paifang_import::Fate;

const CLIENT: &str = "127.0.0.1";
/// `alice:open sesame`.
const ALICE: &str = "authorization: Basic YWxpY2U6b3BlbiBzZXNhbWU=";
/// `alice:wrong`.
const WRONG: &str = "authorization: Basic YWxpY2U6d3Jvbmc=";

/// Door, host, method and target, header lines.
type Case = (Door, &'static str, &'static str, &'static [&'static str]);

use Door::{Http, Https, Inside};

const CASES: &[Case] = &[
    // Clear text: default server, names, and what must not go to TLS.
    (Http, "any.example", "GET /", &[]),
    (Http, "any.example", "GET /a/b?c=d&e", &[]),
    (Http, "any.example", "POST /a", &["content-length: 0"]),
    (Http, "any.example", "GET /.well-known/health", &[]),
    (Http, "any.example", "GET /.well-known/health/more", &[]),
    (Http, "any.example", "GET /.well-known/acme-challenge/token-1", &["x-client: acme"]),
    (Http, "any.example", "GET /.well-known/acme-challenge", &[]),
    (Http, "any.example", "GET /.well-known/acme-challenge?x=1", &[]),
    (Http, "any.example", "GET /.well-known/acme-challengers", &[]),
    (Http, "shop.example", "GET /cart/?x=1", &[]),
    (Http, "www.shop.example", "GET /", &[]),
    (Http, "SHOP.example", "GET /case", &[]),
    (Http, "shop.example", "GET /.well-known/health", &[]),
    // An old name: rewrites that redirect.
    (Http, "old.example", "GET /", &[]),
    (Http, "old.example", "GET /catalogue/shoes/7", &[]),
    (Http, "old.example", "GET /catalogue/shoes/7?size=44", &[]),
    (Http, "old.example", "GET /catalogue/", &[]),
    (Http, "old.example", "GET /catalogue", &[]),
    (Http, "a.b.old.example", "GET /contact.html", &[]),
    (Http, "a.b.old.example", "GET /contact.html.bak", &[]),
    (Http, "notold.example", "GET /contact.html", &[]),
    // The shop: exact, prefixes, expressions.
    (Https, "shop.example", "GET /", &["x-client: exact"]),
    (Https, "shop.example", "GET /?page=2", &[]),
    (Https, "shop.example", "GET /about", &[]),
    (Https, "shop.example", "PUT /about", &["content-length: 0"]),
    (Https, "shop.example", "DELETE /about/us/now", &[]),
    (Https, "shop.example", "OPTIONS /about", &[]),
    (Https, "shop.example", "HEAD /about", &[]),
    (Https, "unknown.example", "GET /about", &[]),
    (Https, "shop.example", "GET /index.php", &[]),
    (Https, "shop.example", "GET /index.php?x=1", &[]),
    (Https, "shop.example", "GET /index.phpx", &[]),
    (Https, "shop.example", "GET /product/42.html", &[]),
    (Https, "shop.example", "GET /product/42.html?ref=a%20b", &[]),
    (Https, "shop.example", "GET /product/xy.html", &[]),
    (Https, "shop.example", "GET /cat/shoes/red", &[]),
    (Https, "shop.example", "GET /cat/shoes/red?drop=me", &[]),
    (Https, "shop.example", "GET /cat/Shoes/red", &[]),
    (Https, "shop.example", "GET /.git/config", &[]),
    (Https, "shop.example", "GET /a/.env", &[]),
    (Https, "shop.example", "GET /products/.htaccess", &[]),
    (Https, "shop.example", "GET /products/raw/.git", &[]),
    (Https, "shop.example", "GET /dump.sql", &[]),
    (Https, "shop.example", "GET /products/DUMP.SQL", &[]),
    (Https, "shop.example", "GET /dump.sql.txt", &[]),
    (Https, "shop.example", "GET /logo.png", &["cookie: a=b"]),
    (Https, "shop.example", "GET /products/1/photo.JPG?w=10", &[]),
    (Https, "shop.example", "GET /search/logo.css", &[]),
    (Https, "shop.example", "GET /products/raw/photo.jpg", &[]),
    (Https, "shop.example", "GET /products/", &[]),
    (Https, "shop.example", "GET /products", &[]),
    (Https, "shop.example", "GET /products/7/reviews?sort=new", &[]),
    (Https, "shop.example", "GET /productsx", &[]),
    (Https, "shop.example", "GET /products/raw/9", &[]),
    (Https, "shop.example", "GET /products/raw", &[]),
    (Https, "shop.example", "GET /search", &[]),
    (Https, "shop.example", "GET /search?q=shoes", &[]),
    (Https, "shop.example", "GET /searching", &[]),
    (Https, "shop.example", "GET /search/deep/er", &[]),
    (Https, "shop.example", "GET /sear", &[]),
    (Https, "shop.example", "GET /static/app.js", &["cookie: a=b", "accept-encoding: gzip"]),
    (Https, "shop.example", "GET /static/", &[]),
    (Https, "shop.example", "GET /static", &[]),
    (Https, "shop.example", "GET /static/x.png", &[]),
    (Https, "shop.example", "GET /users/12/orders", &[]),
    (Https, "shop.example", "GET /users/12/orders?open=1", &[]),
    (Https, "shop.example", "GET /users/x/orders", &[]),
    (Https, "shop.example", "GET /users/12/orders/1", &[]),
    (Https, "shop.example", "GET /legacy/v1/a/b", &[]),
    (Https, "shop.example", "GET /legacy/a/b?c", &[]),
    (Https, "shop.example", "GET /legacy", &[]),
    (Https, "shop.example", "GET /legacyx", &[]),
    (Https, "shop.example", "GET /go/version", &[]),
    (Https, "shop.example", "GET /go/news?from=x", &[]),
    (Https, "shop.example", "GET /go/elsewhere", &[]),
    // Answers of the gateway itself.
    (Https, "shop.example", "GET /robots.txt", &[]),
    (Https, "shop.example", "POST /robots.txt", &["content-length: 0"]),
    (Https, "shop.example", "GET /version", &[]),
    (Https, "shop.example", "GET /version/", &[]),
    (Https, "shop.example", "GET /teapot", &[]),
    (Https, "shop.example", "GET /teapot/lid", &[]),
    (Https, "shop.example", "GET /teapots", &[]),
    (Https, "shop.example", "GET /gone/by", &[]),
    (Https, "shop.example", "GET /gone", &[]),
    (Https, "shop.example", "POST /moved/x", &["content-length: 0"]),
    (Https, "shop.example", "GET /to-query?from=a", &[]),
    // Carts: conditions, methods, sizes.
    (Https, "shop.example", "GET /cart/1", &[]),
    (Https, "shop.example", "HEAD /cart/1", &[]),
    (Https, "shop.example", "DELETE /cart/1", &[]),
    (Https, "shop.example", "PUT /cart/1", &["content-length: 0"]),
    (Https, "shop.example", "GET /cart/1", &["x-blocked: yes"]),
    (Https, "shop.example", "GET /cart/1", &["x-blocked: no"]),
    (Https, "shop.example", "GET /cart/1?debug=1", &[]),
    (Https, "shop.example", "GET /cart/1?debug=2", &[]),
    (Https, "shop.example", "POST /cart/1", &["content-length: 2000", "connection: close"]),
    // Accounts: names, nested locations, identity.
    (Https, "accounts.example", "GET /", &[]),
    (Https, "eu.accounts.example", "GET /profile?x", &[]),
    (Https, "accounts.example", "GET /api/orders/1?full", &["x-api-key: k1"]),
    (Https, "accounts.example", "GET /api", &["x-api-key: k2"]),
    (Https, "accounts.example", "GET /api/internal/keys", &["x-api-key: k3"]),
    (Https, "accounts.example", "GET /api/export/all.csv", &["x-api-key: k4"]),
    (Https, "accounts.example", "GET /api/export/2026/all.csv?x", &["x-api-key: k5"]),
    (Https, "accounts.example", "GET /api/export/all.csv.gz", &["x-api-key: k6"]),
    (Https, "accounts.example", "GET /api/internal/export.csv", &["x-api-key: k7"]),
    (Https, "accounts.example", "GET /admin/users", &[]),
    (Https, "accounts.example", "GET /admin/users", &[ALICE]),
    (Https, "accounts.example", "GET /admin/users", &[WRONG]),
    (Https, "accounts.example", "GET /admin", &[ALICE]),
    (Https, "accounts.example", "GET /admin/ping", &[]),
    (Https, "accounts.example", "GET /office/desk", &[]),
    (Https, "accounts.example", "GET /me/desk?x=1", &[]),
    (Https, "accounts.example", "GET /hidden/file", &[]),
    (Https, "accounts.example", "GET /ws/plain", &[]),
    // Inside.
    (Inside, "inside.example", "GET /", &[]),
    (Inside, "whoever.example", "GET /metrics", &[]),
    (Inside, "inside.example", "GET /metricsx", &[]),
    (Inside, "inside.example", "GET /debug/a/b?c", &["x-ask: why"]),
    (Inside, "inside.example", "GET /debug", &["x-ask: why"]),
    (Inside, "inside.example", "GET /files/a.txt", &[]),
    (Inside, "shop.example", "GET /about", &[]),
];

pub(crate) fn request(host: &str, line: &str, fields: &[&str]) -> String {
    let mut text = format!("{line} HTTP/1.1\r\nhost: {host}\r\n");
    for field in fields {
        text.push_str(field);
        text.push_str("\r\n");
    }
    text + "\r\n"
}

#[tokio::test]
async fn a_shop_answers_as_before() {
    let shop = Shop::open().await;
    let lost: Vec<_> = shop.report.entries.iter().filter(|e| e.fate == Fate::NotTaken).collect();
    assert!(lost.is_empty() && shop.report.offline.is_empty(), "{}", shop.report.text());
    let mut differ = Vec::new();
    for (door, host, line, fields) in CASES {
        let [nginx, ours] = shop.ask(*door, CLIENT, host, &request(host, line, fields)).await;
        if nginx != ours {
            differ.push(format!(
                "{door:?} {host} {line} {fields:?}\n  nginx {nginx:?}\n  ours  {ours:?}"
            ));
        }
    }
    assert!(CASES.len() >= 80);
    assert!(
        differ.is_empty(),
        "{} of {} differ:\n{}\n{}",
        differ.len(),
        CASES.len(),
        differ.join("\n"),
        shop.log()
    );
}

#[tokio::test]
async fn addresses_and_proxies_are_told_apart_as_before() {
    let shop = Shop::open().await;
    let asked = [
        // Whom a trusted proxy names, and whom anyone claims to be.
        ("127.0.0.9", "accounts.example", "GET /", "x-forwarded-for: 203.0.113.5"),
        ("127.0.0.9", "accounts.example", "GET /", "x-forwarded-for: 203.0.113.5, 10.0.0.3"),
        ("127.0.0.9", "accounts.example", "GET /office/x", "x-forwarded-for: 10.1.2.3, 127.0.0.9"),
        ("127.0.0.9", "accounts.example", "GET /office/x", "x-forwarded-for: 203.0.113.5"),
        ("127.0.0.9", "accounts.example", "GET /office/x", "x-client: a"),
        ("127.0.0.1", "accounts.example", "GET /office/x", "x-client: a"),
        ("127.0.0.2", "accounts.example", "GET /office/x", "x-client: a"),
        ("127.0.0.5", "accounts.example", "GET /api/internal/x", "x-api-key: p1"),
        ("127.0.0.6", "accounts.example", "GET /api/internal/x", "x-api-key: p2"),
        ("127.0.0.9", "accounts.example", "GET /api/internal/x", "x-forwarded-for: 203.0.113.5"),
    ];
    let mut statuses = Vec::new();
    for (from, host, line, field) in asked {
        let [nginx, ours] = shop.ask(Https, from, host, &request(host, line, &[field])).await;
        assert_eq!(nginx, ours, "{from} {line} {field}\n{}", shop.log());
        statuses.push(format!("{nginx:?}").contains("status: 403"));
    }
    // Both kinds were there: a comparison of refusals alone would say little.
    assert_eq!(statuses, [false, false, false, true, true, false, true, true, false, true]);
}

#[tokio::test]
async fn as_many_pass_as_before() {
    let shop = Shop::open().await;
    for (line, field) in [
        ("GET /login", "x-client: a"),
        ("GET /api/x", "x-api-key: one"),
        ("GET /api/y", "x-api-key: two"),
    ] {
        let mut passed = [0, 0];
        for _ in 0..6 {
            let host = "accounts.example";
            let answers = shop.ask(Https, CLIENT, host, &request(host, line, &[field])).await;
            for (passed, answer) in passed.iter_mut().zip(&answers) {
                let text = format!("{answer:?}");
                assert!(text.contains("status: 200") || text.contains("status: 429"), "{text}");
                *passed += i32::from(text.contains("status: 200"));
            }
        }
        // A minute's rate: nothing grows back within this test.
        assert_eq!(passed[0], passed[1], "{line} {field}");
        assert!((1..6).contains(&passed[0]), "{line}: {passed:?}");
    }
}
