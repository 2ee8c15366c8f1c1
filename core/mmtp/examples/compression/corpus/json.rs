//! The messages in JSON.

use super::Corpus;

const CURRENCIES: [&str; 4] = ["CNY", "EUR", "USD", "SGD"];
const STATES: [&str; 6] = ["CREATED", "PAID", "PACKED", "SHIPPED", "DELIVERED", "CANCELLED"];
const CHANNELS: [&str; 3] = ["android", "ios", "mini_program"];

fn list(count: u64, mut item: impl FnMut() -> String) -> String {
    let items: Vec<_> = (0..count).map(|_| item()).collect();
    format!("[{}]", items.join(","))
}

fn line(corpus: &mut Corpus) -> String {
    let random = &mut corpus.random;
    let (sku, quantity, cents) =
        (random.within(100_000, 999_999), random.within(1, 6), random.within(99, 99_999));
    let title = corpus.text(2, 7);
    format!(
        r#"{{"sku":"SKU-{sku}","title":"{title}","quantity":{quantity},"unit_price":{{"amount":{cents},"currency":"CNY"}}}}"#
    )
}

fn address(corpus: &mut Corpus) -> String {
    let (name, street, city) = (corpus.person(), corpus.text(2, 4), corpus.random.word());
    let (number, code) = (corpus.random.within(1, 400), corpus.random.within(10_000, 99_999));
    format!(
        r#"{{"name":"{name}","street":"{number} {street}","city":"{city}","postal_code":"{code}","country":"CN","phone":"+86138{code}000"}}"#
    )
}

pub(super) fn order_request(corpus: &mut Corpus) -> String {
    let count = corpus.random.within(1, 4);
    let (lines, address) = (list(count, || line(corpus)), address(corpus));
    let coupon = if corpus.random.chance(25) {
        format!("\"{}\"", corpus.random.hex(10))
    } else {
        "null".to_owned()
    };
    let channel = corpus.random.pick(&CHANNELS);
    let note = if corpus.random.chance(20) { corpus.text(3, 12) } else { String::new() };
    format!(
        r#"{{"client_request_id":"{}","lines":{lines},"shipping_address":{address},"coupon":{coupon},"channel":"{channel}","note":"{note}"}}"#,
        corpus.random.uuid()
    )
}

pub(super) fn order(corpus: &mut Corpus) -> String {
    let count = corpus.random.within(1, 4);
    let (lines, address) = (list(count, || line(corpus)), address(corpus));
    let (created, updated) = (corpus.date(), corpus.date());
    let random = &mut corpus.random;
    let (currency, state) = (random.pick(&CURRENCIES), random.pick(&STATES));
    let total = random.within(99, 499_999);
    format!(
        r#"{{"id":"ord_{}","state":"{state}","created_at":"{created}","updated_at":"{updated}","lines":{lines},"shipping_address":{address},"total":{{"amount":{total},"currency":"{currency}"}},"payment":{{"method":"{}","captured":{}}},"links":{{"self":"/v1/orders/{}","cancel":null}}}}"#,
        random.hex(16),
        random.pick(&["balance", "card", "bank_transfer"]),
        random.chance(80),
        random.hex(16),
    )
}

pub(super) fn orders(corpus: &mut Corpus) -> String {
    let count = corpus.random.within(3, 9);
    let entries = list(count, || {
        let (title, date) = (corpus.text(2, 6), corpus.date());
        let picture = corpus.picture("thumb");
        let random = &mut corpus.random;
        let (id, amount) = (random.hex(16), random.within(99, 499_999));
        let state = random.pick(&STATES);
        format!(
            r#"{{"id":"ord_{id}","state":"{state}","created_at":"{date}","title":"{title}","thumbnail":"{picture}","total":{{"amount":{amount},"currency":"CNY"}}}}"#
        )
    });
    format!(
        r#"{{"orders":{entries},"page":{{"next_cursor":"{}","has_more":true}}}}"#,
        corpus.random.hex(32)
    )
}

pub(super) fn feed(corpus: &mut Corpus) -> String {
    let count = corpus.random.within(1, 8);
    let posts = list(count, || {
        let (author, text, at) = (corpus.person(), corpus.text(6, 40), corpus.millis());
        let (avatar, picture) = (corpus.picture("avatar"), corpus.picture("post"));
        let random = &mut corpus.random;
        let media = match random.chance(60) {
            true => format!(
                r#"[{{"type":"image","url":"{picture}","width":1080,"height":{}}}]"#,
                random.within(600, 1920)
            ),
            false => "[]".to_owned(),
        };
        format!(
            r#"{{"post_id":{},"author":{{"user_id":{},"display_name":"{author}","avatar_url":"{avatar}","verified":{}}},"created_at":{at},"text":"{text}","media":{media},"like_count":{},"comment_count":{},"liked_by_me":{}}}"#,
            random.within(1 << 50, 1 << 52),
            random.within(1 << 30, 1 << 33),
            random.chance(10),
            random.skewed(20_000),
            random.skewed(900),
            random.chance(30),
        )
    });
    format!(r#"{{"items":{posts},"next":"{}","ttl_seconds":30}}"#, corpus.random.hex(24))
}

pub(super) fn profile(corpus: &mut Corpus) -> String {
    let (name, bio, avatar, joined) =
        (corpus.person(), corpus.text(4, 18), corpus.picture("avatar"), corpus.date());
    let random = &mut corpus.random;
    format!(
        r#"{{"user_id":{},"display_name":"{name}","bio":"{bio}","avatar_url":"{avatar}","joined_at":"{joined}","followers":{},"following":{},"level":{},"membership":{{"tier":"{}","points":{},"expires_at":null}},"preferences":{{"language":"{}","notifications":{},"theme":"system"}}}}"#,
        random.within(1 << 30, 1 << 33),
        random.skewed(100_000),
        random.skewed(2_000),
        random.within(1, 60),
        random.pick(&["basic", "silver", "gold"]),
        random.below(50_000),
        random.pick(&["zh-CN", "en-US", "de-DE"]),
        random.chance(70),
    )
}

pub(super) fn error(corpus: &mut Corpus) -> String {
    let causes = [
        (
            "PF-429",
            429,
            "too-many-requests",
            "Too many requests",
            "The limit of this API is reached; try again later.",
        ),
        (
            "PF-401",
            401,
            "not-authenticated",
            "Not authenticated",
            "The session has ended; log in again.",
        ),
        (
            "PF-504",
            504,
            "upstream-timeout",
            "Upstream timeout",
            "The service did not answer in time.",
        ),
        (
            "ORD-1007",
            409,
            "out-of-stock",
            "Out of stock",
            "An item of the order is not in stock any more.",
        ),
        (
            "ORD-1011",
            422,
            "invalid-coupon",
            "Invalid coupon",
            "The coupon is not valid for these items.",
        ),
    ];
    let random = &mut corpus.random;
    let (code, status, kind, title, detail) = causes[random.below(causes.len() as u64) as usize];
    format!(
        r#"{{"type":"https://errors.example.com/{kind}","title":"{title}","status":{status},"detail":"{detail}","code":"{code}","instance":"/v1/orders/{}","request_id":"{}"}}"#,
        random.hex(16),
        random.uuid()
    )
}

pub(super) fn push(corpus: &mut Corpus) -> String {
    let (title, body, at) = (corpus.text(2, 6), corpus.text(5, 20), corpus.millis());
    let random = &mut corpus.random;
    format!(
        r#"{{"message_id":"{}","topic":"{}","title":"{title}","body":"{body}","sent_at":{at},"badge":{},"action":{{"type":"open","url":"app://orders/ord_{}"}}}}"#,
        random.uuid(),
        random.pick(&["order_state", "promotion", "chat", "security"]),
        random.below(12),
        random.hex(16)
    )
}

pub(super) fn settings(corpus: &mut Corpus) -> String {
    let random = &mut corpus.random;
    let flags = [
        "new_checkout",
        "feed_ranking_v2",
        "dark_mode",
        "video_autoplay",
        "short_links",
        "live_chat",
        "map_tiles",
    ];
    let flags: Vec<_> =
        flags.iter().map(|flag| format!(r#""{flag}":{}"#, random.chance(50))).collect();
    format!(
        r#"{{"version":{},"flags":{{{}}},"limits":{{"upload_bytes":10485760,"retry_after_seconds":{}}},"etag":"{}"}}"#,
        random.within(1_000, 9_000),
        flags.join(","),
        random.within(5, 90),
        random.hex(16)
    )
}
