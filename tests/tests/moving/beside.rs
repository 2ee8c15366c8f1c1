//! What nginx asks, copies and keeps beside calls, and how it spreads them: the gateway that the import made
//! does the same.

use super::nginx::request;
use super::peer::Seen;
use super::shop::{Door::Inside, Shop};
use paifang_tests::harness::until;

const HOST: &str = "beside.example";
const CLIENT: &str = "127.0.0.1";

/// What both answer, which must be the same.
async fn alike(shop: &Shop, line: &str, fields: &[&str]) -> Seen {
    let [nginx, ours] = shop.ask(Inside, CLIENT, HOST, &request(HOST, line, fields)).await;
    assert_eq!(nginx, ours, "{line} {fields:?}\n{}", shop.log());
    nginx
}

#[tokio::test]
async fn another_server_says_who_may_pass() {
    let shop = Shop::open().await;
    let good = "authorization: Bearer good";
    let mut statuses = Vec::new();
    for (line, fields) in [
        ("GET /guarded/a?b=c", &[][..]),
        ("GET /guarded/a?b=c", &["authorization: Bearer bad"]),
        ("GET /guarded/a?b=c", &[good]),
        // Who the caller is comes from that server, whatever he says of himself.
        ("GET /guarded/a", &[good, "x-who: root", "x-user: root"]),
        ("GET /guarded/secret/a", &[good]),
        ("POST /guarded/a", &[good, "content-length: 0"]),
        ("GET /guarded/open", &[]),
        ("GET /check", &[good]),
    ] {
        let seen = alike(&shop, line, fields).await;
        let named = seen.body.contains("x-user: ada\n");
        assert!(!seen.body.contains("root"), "{}", seen.body);
        assert_eq!(named, seen.status == 200 && fields.contains(&good), "{line} {}", seen.body);
        statuses.push(seen.status);
    }
    assert_eq!(statuses, [401, 403, 200, 200, 403, 200, 200, 404]);
}

#[tokio::test]
async fn answers_are_compressed_alike() {
    let shop = Shop::open().await;
    let mut coded = Vec::new();
    for (line, fields) in [
        ("GET /", &["accept-encoding: gzip"][..]),
        ("GET /", &["accept-encoding: br, gzip;q=0.5"]),
        ("GET /", &["accept-encoding: gzip;q=0"]),
        ("GET /", &["accept-encoding: br"]),
        ("GET /", &[]),
        ("GET /", &["accept-encoding: gzip", "via: 1.1 proxy"]),
        ("HEAD /", &["accept-encoding: gzip"]),
        ("GET /small", &["accept-encoding: gzip"]),
        ("GET /plain/", &["accept-encoding: gzip"]),
    ] {
        let seen = alike(&shop, line, fields).await;
        let said = format!("{seen:?}").contains("\"content-encoding\", \"gzip\"");
        coded.push(said);
    }
    assert_eq!(coded, [true, true, false, false, false, true, true, false, false]);
}

#[tokio::test]
async fn answers_are_kept_alike() {
    let shop = Shop::open().await;
    let mut tellers = Vec::new();
    for (line, fields) in [
        ("GET /kept/a", &["x-client: first"][..]),
        ("GET /kept/a", &["x-client: second"]),
        ("GET /kept/a?b", &["x-client: third"]),
        ("GET /kept/a", &["x-client: fourth", "x-api-key: k"]),
        ("GET /kept/a", &["x-client: fifth", "x-api-key: k"]),
        ("POST /kept/b", &["x-client: sixth", "content-length: 0"]),
        ("GET /a", &["x-client: seventh"]),
        ("GET /a", &["x-client: eighth"]),
    ] {
        let seen = alike(&shop, line, fields).await;
        let teller = seen.body.lines().find_map(|line| line.strip_prefix("x-client: "));
        tellers.push(teller.unwrap_or_default().to_owned());
    }
    let wanted = ["first", "first", "third", "fourth", "fourth", "sixth", "seventh", "eighth"];
    assert_eq!(tellers, wanted);
}

#[tokio::test]
async fn calls_are_copied_alike() {
    let shop = Shop::open().await;
    let fields = ["x-client: a", "cookie: a=b", "content-length: 5", "connection: close"];
    let mut text = request(HOST, "POST /copied/x?y=z", &fields);
    text.push_str("hello");
    let [nginx, ours] = shop.ask(Inside, CLIENT, HOST, &text).await;
    assert_eq!((nginx.status, &nginx), (200, &ours));
    until(|| shop.copies.count() == 2).await;
    for copy in [shop.copies.request(0), shop.copies.request(1)] {
        assert_eq!((copy.method(), copy.target()), ("POST", "/copied/x?y=z"));
        assert_eq!(&*copy.body, b"hello");
        assert_eq!(copy.header("host"), Some("copies.internal"));
        assert_eq!(copy.header("x-copy"), Some("of-the-shop"));
        assert_eq!((copy.header("cookie"), copy.header("x-client")), (None, Some("a")));
    }
    let marked = |index| shop.copies.request(index).header("x-mirrored").is_some();
    assert!(marked(0) != marked(1), "the gateway's copy says what it is");
}

#[tokio::test]
async fn calls_are_spread_alike() {
    let shop = Shop::open().await;
    // All of them, and the reserve of one that is down.
    let seen = alike(&shop, "GET /front/a", &["x-visitor: v1"]).await;
    assert!(seen.body.starts_with("two GET /front/a"), "{}", seen.body);
    for _ in 0..4 {
        let seen = alike(&shop, "GET /reserve/a", &[]).await;
        assert!(seen.body.starts_with("two GET /reserve/a"), "{}", seen.body);
    }
    // Who goes where is another's choice; that callers stay, and how many go, is not.
    let (mut of_nginx, mut of_ours) = (0, 0);
    for visitor in 0..60 {
        let visitor = format!("x-visitor: visitor-{visitor}");
        let text = request(HOST, "GET /half/a", &[&visitor]);
        let first = shop.ask(Inside, CLIENT, HOST, &text).await;
        assert_eq!(first, shop.ask(Inside, CLIENT, HOST, &text).await, "{visitor} was moved");
        of_nginx += i32::from(first[0].body.starts_with("two "));
        of_ours += i32::from(first[1].body.starts_with("two "));
    }
    assert!((12..=36).contains(&of_nginx) && (12..=36).contains(&of_ours), "{of_nginx} {of_ours}");
    let mut servers = std::collections::BTreeSet::new();
    for user in 0..20 {
        let text = request(HOST, &format!("GET /sticky/a?user=u{user}"), &[]);
        let first = shop.ask(Inside, CLIENT, HOST, &text).await;
        assert_eq!(first, shop.ask(Inside, CLIENT, HOST, &text).await, "u{user} was moved");
        servers.insert(first[1].body[..3].to_owned());
    }
    assert_eq!(servers.len(), 2, "all users went to one server");
}
