//! The messages in protobuf's wire format: no names of fields, so less repeats.

use super::Corpus;

/// A message of protobuf being written.
#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn number(&mut self, field: u64, value: u64) -> &mut Self {
        self.varint(field << 3);
        self.varint(value);
        self
    }

    fn bytes(&mut self, field: u64, value: impl AsRef<[u8]>) -> &mut Self {
        let value = value.as_ref();
        self.varint(field << 3 | 2);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }
}

/// An id of sixteen random bytes.
fn id(corpus: &mut Corpus) -> Vec<u8> {
    [corpus.random.next().to_be_bytes(), corpus.random.next().to_be_bytes()].concat()
}

pub(super) fn order(corpus: &mut Corpus) -> Vec<u8> {
    let mut order = Writer::default();
    let (id, at, name) = (id(corpus), corpus.millis(), corpus.person());
    order.bytes(1, id).number(2, corpus.random.below(6)).number(3, at);
    for _ in 0..corpus.random.within(1, 5) {
        let title = corpus.text(2, 7);
        let mut line = Writer::default();
        let random = &mut corpus.random;
        line.bytes(1, format!("SKU-{}", random.within(100_000, 999_999)))
            .bytes(2, title)
            .number(3, random.within(1, 6))
            .number(4, random.within(99, 99_999))
            .bytes(5, "CNY");
        order.bytes(4, line.0);
    }
    let mut address = Writer::default();
    let (street, city) = (corpus.text(2, 4), corpus.random.word());
    address.bytes(1, name).bytes(2, street).bytes(3, city).bytes(4, "CN");
    order.bytes(5, address.0).number(6, corpus.random.within(99, 499_999)).bytes(7, "CNY");
    order.0
}

pub(super) fn feed(corpus: &mut Corpus) -> Vec<u8> {
    let mut feed = Writer::default();
    for _ in 0..corpus.random.within(1, 8) {
        let mut post = Writer::default();
        let (author, text, at) = (corpus.person(), corpus.text(6, 40), corpus.millis());
        let (avatar, picture) = (corpus.picture("avatar"), corpus.picture("post"));
        post.number(1, corpus.random.within(1 << 50, 1 << 52)).bytes(2, author).bytes(3, avatar);
        post.number(4, at).bytes(5, text);
        if corpus.random.chance(60) {
            post.bytes(6, picture);
        }
        post.number(7, corpus.random.skewed(20_000)).number(8, corpus.random.skewed(900));
        feed.bytes(1, post.0);
    }
    feed.bytes(2, corpus.random.hex(24)).number(3, 30);
    feed.0
}

pub(super) fn profile(corpus: &mut Corpus) -> Vec<u8> {
    let mut profile = Writer::default();
    let (name, bio, avatar, at) =
        (corpus.person(), corpus.text(4, 18), corpus.picture("avatar"), corpus.millis());
    let random = &mut corpus.random;
    profile
        .number(1, random.within(1 << 30, 1 << 33))
        .bytes(2, name)
        .bytes(3, bio)
        .bytes(4, avatar);
    profile.number(5, at).number(6, random.skewed(100_000)).number(7, random.skewed(2_000));
    profile.bytes(8, random.pick(&["zh-CN", "en-US", "de-DE"])).number(9, 1);
    profile.0
}

pub(super) fn event(corpus: &mut Corpus) -> Vec<u8> {
    let mut event = Writer::default();
    let (id, at) = (id(corpus), corpus.millis());
    let random = &mut corpus.random;
    let names = ["screen_view", "button_click", "checkout_start", "checkout_done", "search"];
    event.bytes(1, id).number(2, at).bytes(3, random.pick(&names)).bytes(4, "android");
    event
        .bytes(5, format!("10.{}.{}", random.below(20), random.below(10)))
        .number(6, random.below(60_000));
    event.0
}
