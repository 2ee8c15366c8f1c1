//! Compressed messages: both ways, with dictionaries, and what ends a connection.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use paifang_access::{Encoding, Offered};
use paifang_mmtp::{
    code::CloseCode,
    compress::{
        Compressor, Decompressor, Dictionary, Encoded, Known, Numbered, Pattern, Plain, Rules,
        Settings,
    },
    greeting::{FEATURE_ZSTD, Hello, Update, Welcome},
    session::{Event, NewMessage, NewRequest, Operation, Response},
    tlv::{TlvWriter, Tlvs, kind},
};

use crate::support::{Echo, Peer, Running, hello};

/// An order like the others.
fn order(number: usize) -> String {
    format!(
        r#"{{"order":{number},"shop":"shop-{}","status":"open","items":[{{"sku":"A-{number}","count":2,"price":{{"amount":"12.50","currency":"EUR"}}}}],"note":"{}"}}"#,
        number % 7,
        number * 7919
    )
}

/// Text that repeats itself, but not so much that it would be taken for a bomb.
fn varied(length: usize) -> String {
    let words = (0..length.div_ceil(8)).map(|index| format!("{:08x}", index * index % 65_521));
    let mut text: String = words.collect();
    text.truncate(length);
    text
}

fn dictionary(seed: usize) -> Dictionary {
    let samples: Vec<String> = (seed..seed + 400).map(order).collect();
    let sizes: Vec<usize> = samples.iter().map(String::len).collect();
    let mut bytes = vec![0; 4096];
    let made = zstd_safe::train_from_buffer(&mut bytes[..], samples.concat().as_bytes(), &sizes);
    bytes.truncate(made.unwrap());
    Dictionary::load(bytes, 3).unwrap()
}

fn offered(dictionary: Dictionary, channel: u8, operation: &str, public: bool) -> Offered {
    Offered { dictionary, channel, operation: operation.into(), public }
}

/// A server that has these.
fn server(offered: Vec<Offered>) -> Running {
    let settings = Settings { min_bytes: 32, min_saving: 8, level: 3 };
    let encoding = Encoding::new(settings, 64 << 10, 2, offered).unwrap();
    Running::new(Echo { encoding: Some(Arc::new(encoding)), ..Echo::default() })
}

fn takes(dictionaries: &[&Dictionary]) -> Hello {
    let dictionaries = dictionaries.iter().map(|own| own.id().0).collect();
    Hello { features: FEATURE_ZSTD, dictionaries, ..hello(1) }
}

async fn greeted(running: &Running, hello: &Hello) -> (Peer, Welcome) {
    let mut peer = running.connect(64 * 1024, hello);
    let Event::Welcome(welcome) = peer.event().await else { panic!("no welcome") };
    (peer, *welcome)
}

/// The client's side: one dictionary for all, under this number.
struct Coder {
    numbered: Numbered,
    compressor: Compressor,
    decompressor: Decompressor,
}

impl Coder {
    fn new(dictionary: Option<(&Dictionary, u32)>) -> Self {
        let mut rules = Rules::default();
        for channel in [1, 2, 4] {
            if let Some((own, _)) = dictionary {
                rules = rules.add(own.clone(), Some(channel), [Pattern::All]);
            }
        }
        let number = dictionary.map_or(0, |(_, number)| number);
        let settings = Settings { min_bytes: 1, min_saving: 1, level: 3 };
        Self {
            numbered: Numbered::by(rules.build().unwrap(), |_| number),
            compressor: Compressor::new(settings, 1).unwrap(),
            decompressor: Decompressor::new(1),
        }
    }

    fn encode(&self, data: &[u8]) -> Encoded {
        let plain = Plain { channel: 1, operation: None, data };
        self.numbered.encode(&self.compressor, Known::ALL, plain).unwrap()
    }

    fn decode(&self, answer: &Response) -> String {
        let number = named(answer.tlvs());
        let data = self.numbered.decode(&self.decompressor, number, &answer.data, 1 << 20);
        String::from_utf8(data.unwrap().to_vec()).unwrap()
    }
}

/// What ENCODED_WITH says; numbers below 128.
fn named(tlvs: Tlvs<'_>) -> Option<u32> {
    tlvs.get(kind::ENCODED_WITH).map(|value| u32::from(value[0]))
}

fn request<'a>(name: &'a str, encoded: &Encoded) -> NewRequest<'a> {
    let (dictionary, data) = (encoded.dictionary, encoded.data.clone());
    NewRequest { dictionary, zstd: true, ..NewRequest::new(Operation::Name(name), data) }
}

async fn response(peer: &mut Peer) -> Response {
    match peer.event().await {
        Event::Response(response) => *response,
        other => panic!("{other:?}"),
    }
}

/// The code of the CLOSE that comes.
async fn closed(peer: &mut Peer) -> CloseCode {
    match peer.event().await {
        Event::Closed(closed) => closed.closing.code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn requests_and_answers_go_with_a_dictionary_that_both_have() {
    let own = dictionary(0);
    let running = server(vec![offered(own.clone(), 1, "exact", true)]);
    let (mut peer, welcome) = greeted(&running, &takes(&[&own])).await;
    assert_eq!(welcome.features & FEATURE_ZSTD, FEATURE_ZSTD);
    let [named_one] = &welcome.dictionaries[..] else { panic!("{welcome:?}") };
    assert_eq!((named_one.number, named_one.identity), (1, own.id().0));
    assert_eq!((named_one.channel, &*named_one.operation), (1, "exact"));

    let coder = Coder::new(Some((&own, 1)));
    let body = order(10_000);
    let encoded = coder.encode(body.as_bytes());
    assert_eq!(encoded.dictionary, Some(1));
    peer.session.request(request("exact", &encoded)).unwrap();
    let answer = response(&mut peer).await;
    assert!(answer.zstd && answer.end && answer.data.len() * 2 < body.len(), "{answer:?}");
    assert_eq!((named(answer.tlvs()), coder.decode(&answer)), (Some(1), body.clone()));

    // A call that comes as it is, and whose answer is not to be compressed.
    let call = NewRequest::new(Operation::Name("secret"), body.clone().into());
    peer.session.request(call).unwrap();
    assert_eq!(peer.answer().await, (200, body.clone().into_bytes()));
    let totals = running.server.stats().totals();
    assert_eq!(
        (totals.zstd_in.plain, totals.zstd_out.plain),
        (body.len() as u64, body.len() as u64)
    );
    assert_eq!(totals.zstd_in.wire, encoded.data.len() as u64);
    assert!(totals.zstd_out.wire * 2 < totals.zstd_out.plain);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_to_be_compressed_is_not() {
    let running = server(vec![]);
    let coder = Coder::new(None);
    let long = "a".repeat(400);
    // A client that takes none.
    let (mut peer, _) = greeted(&running, &hello(1)).await;
    peer.session.request(NewRequest::new(Operation::Name("exact"), long.clone().into())).unwrap();
    let answer = response(&mut peer).await;
    assert!(!answer.zstd && answer.data.len() == 400);
    // One that takes them: a secret, something short, something of more than the bound.
    let (mut peer, _) = greeted(&running, &takes(&[])).await;
    for (name, body, zstd) in [
        ("exact", long.clone(), true),
        ("secret", long.clone(), false),
        ("exact", "a".repeat(31), false),
        ("exact", varied((64 << 10) + 1), false),
    ] {
        let encoded = coder.encode(body.as_bytes());
        peer.session.request(request(name, &encoded)).unwrap();
        let mut answer = response(&mut peer).await;
        assert_eq!(answer.zstd, zstd, "{name} {}", body.len());
        peer.session.consumed(1, answer.cost);
        if zstd {
            assert_eq!(coder.decode(&answer), body);
            continue;
        }
        let mut whole = answer.data.to_vec();
        while !answer.end {
            let Event::Data { data, end, cost, .. } = peer.event().await else { panic!() };
            whole.extend_from_slice(&data);
            (answer.end, answer.cost) = (end, 0);
            peer.session.consumed(1, cost);
        }
        assert!(whole == body.as_bytes());
    }
}

#[tokio::test(start_paused = true)]
async fn a_dictionary_is_fetched_and_used_once_the_client_says_that_it_has_it() {
    let (own, hidden) = (dictionary(0), dictionary(5000));
    let offers = vec![offered(own.clone(), 1, "", true), offered(hidden.clone(), 2, "", false)];
    let running = server(offers);
    let (mut peer, welcome) = greeted(&running, &takes(&[])).await;
    assert_eq!(welcome.dictionaries.len(), 1, "one that is not public is named to nobody new");
    let fetch =
        |id: &[u8]| NewRequest::new(Operation::Name("mmtp.dictionary"), Bytes::copy_from_slice(id));
    for (id, status, error) in [
        (&hidden.id().0[..], 404, 1106),
        (&[9; 16], 404, 1106),
        (&own.id().0[..15], 400, 1000),
        (&[9; 17], 400, 1000),
        (&[], 400, 1000),
    ] {
        peer.session.request(fetch(id)).unwrap();
        let answer = response(&mut peer).await;
        assert_eq!(answer.status, status);
        let said = answer
            .tlvs()
            .get(kind::ERROR)
            .map(|two| u32::from(two[0] & 0x7f) | u32::from(two[1]) << 7);
        assert_eq!(said, Some(error));
    }
    peer.session.request(fetch(&own.id().0)).unwrap();
    assert_eq!(peer.answer().await, (200, own.bytes().to_vec()));
    assert!(running.host.calls.lock().is_empty(), "the host is not asked");

    let coder = Coder::new(Some((&own, 1)));
    let body = order(1);
    for (update, number) in [(false, None), (true, Some(1))] {
        if update {
            peer.session.update(&Update { dictionaries: vec![own.id().0], ..Update::default() });
        }
        let call = NewRequest::new(Operation::Name("exact"), body.clone().into());
        peer.session.request(call).unwrap();
        let answer = response(&mut peer).await;
        assert_eq!((answer.zstd, named(answer.tlvs())), (true, number));
        assert_eq!(coder.decode(&answer), body);
    }
}

#[tokio::test(start_paused = true)]
async fn messages_are_compressed_both_ways() {
    let own = dictionary(0);
    let running =
        server(vec![offered(own.clone(), 2, "", true), offered(own.clone(), 4, "", true)]);
    let (mut with, _) = greeted(&running, &takes(&[&own])).await;
    let (mut without, _) = greeted(&running, &Hello { device: [2].into(), ..takes(&[]) }).await;
    let (mut plain, _) = greeted(&running, &hello(3)).await;
    let registry = running.server.registry();
    let to: Vec<_> = (1..=3u8).flat_map(|device| registry.of_device("a", &[device])).collect();
    let body = order(3).repeat(2);
    let mut tlvs = Vec::new();
    TlvWriter(&mut tlvs).integer(kind::EXPIRES, 1000);
    let (tlvs, data) = (Bytes::from(tlvs), Bytes::from(body.clone()));
    let message = NewMessage { tlvs, data, ..NewMessage::default() };
    assert_eq!(running.server.push(&to, 2, &message).sent, 3);
    let coder = Coder::new(Some((&own, 1)));
    for (peer, zstd, number) in
        [(&mut with, true, Some(1)), (&mut without, true, None), (&mut plain, false, None)]
    {
        let Event::Message(news) = peer.event().await else { panic!() };
        assert_eq!((news.zstd, named(news.tlvs())), (zstd, number));
        assert!(news.tlvs().get(kind::EXPIRES).is_some());
        let data = match zstd {
            true => {
                coder.numbered.decode(&coder.decompressor, number, &news.data, 1 << 20).unwrap()
            }
            false => news.data.clone(),
        };
        assert_eq!(data, body.as_bytes());
    }
    let secret = NewMessage { secret: true, ..message };
    running.server.push(&to[..1], 2, &secret);
    let Event::Message(news) = with.event().await else { panic!() };
    assert_eq!((news.zstd, &news.data[..]), (false, body.as_bytes()));

    let encoded = coder.encode(body.as_bytes());
    let mut tlvs = Vec::new();
    TlvWriter(&mut tlvs).integer(kind::ENCODED_WITH, 1);
    let log = NewMessage {
        delivery: true,
        zstd: true,
        tlvs: tlvs.into(),
        data: encoded.data,
        ..NewMessage::default()
    };
    let key = with.session.message(4, log).unwrap();
    assert_eq!(with.event().await, Event::Acked(key));
    assert_eq!(*running.host.messages.lock(), [body.as_bytes()]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_decompressed_ends_the_connection() {
    let own = dictionary(0);
    let coder = Coder::new(Some((&own, 1)));
    let good = coder.encode(order(5).as_bytes());
    let unknown = Encoded { dictionary: Some(2), ..good.clone() };
    let none = Encoded { dictionary: Some(0), ..good.clone() };
    let cut = Encoded { data: good.data.slice(..good.data.len() - 1), ..good.clone() };
    let behind = Encoded { data: [&good.data[..], b"x"].concat().into(), ..good.clone() };
    let empty = Encoded { data: Bytes::new(), dictionary: None };
    // Single segment, 4 bytes of content size: 512 KiB, all of one byte.
    let bomb: &[u8] = &[0xa0, 0, 0, 8, 0, 0x03, 0, 0x10, b'a'];
    let bomb = Encoded { data: Bytes::from_static(bomb), dictionary: None };
    // The same that says that it is as long as 4 GiB.
    let large: &[u8] = &[0xa0, 0xff, 0xff, 0xff, 0xff, 0x03, 0, 0x10, b'a'];
    let large = Encoded { data: Bytes::from_static(large), dictionary: None };
    for (what, encoded) in [
        ("a number that nobody has", unknown),
        ("the number 0", none),
        ("cut short", cut),
        ("something behind", behind),
        ("nothing", empty),
        ("a bomb", bomb),
        ("a large one", large),
    ] {
        let running = server(vec![offered(own.clone(), 1, "", true)]);
        let (mut peer, _) = greeted(&running, &takes(&[&own])).await;
        peer.session.request(request("exact", &encoded)).unwrap();
        assert_eq!(closed(&mut peer).await, CloseCode::COMPRESSION, "{what}");
        assert!(running.host.calls.lock().is_empty(), "{what} reached the host");

        let (mut peer, _) = greeted(&running, &takes(&[&own])).await;
        let mut tlvs = Vec::new();
        if let Some(number) = encoded.dictionary {
            TlvWriter(&mut tlvs).integer(kind::ENCODED_WITH, u64::from(number));
        }
        let (tlvs, data) = (tlvs.into(), encoded.data.clone());
        let message = NewMessage { zstd: true, tlvs, data, ..NewMessage::default() };
        peer.session.message(4, message).unwrap();
        assert_eq!(closed(&mut peer).await, CloseCode::COMPRESSION, "{what}");
        assert!(running.host.messages.lock().is_empty(), "{what} reached the host");
    }
    // A server that compresses nothing, and a first flight.
    let running = Running::new(Echo::default());
    let mut peer = running.greeted().await;
    peer.session.request(request("exact", &good)).unwrap();
    assert_eq!(closed(&mut peer).await, CloseCode::COMPRESSION);
    let running = server(vec![]);
    let mut peer = running.connect(64 * 1024, &takes(&[]));
    peer.session.request(request("exact", &good)).unwrap();
    assert_eq!(closed(&mut peer).await, CloseCode::COMPRESSION);
}

#[tokio::test(start_paused = true)]
async fn what_one_connection_may_hold_of_compressed_requests_is_bounded() {
    let running = server(vec![]);
    let (mut peer, _) = greeted(&running, &takes(&[])).await;
    let coder = Coder::new(None);
    let encoded = coder.encode(varied(960_000).as_bytes());
    for _ in 0..4 {
        peer.session.request(request("wait", &encoded)).unwrap();
        assert!(peer.event_within(Duration::from_millis(10)).await.is_none());
    }
    // Four have room; the fifth would be beyond 4 MiB.
    let fifth = peer.session.request(request("wait", &encoded)).unwrap();
    let refused = response(&mut peer).await;
    assert_eq!((refused.key, refused.status), (fifth, 429));
    for _ in 0..4 {
        running.host.go.notify_one();
        let answer = response(&mut peer).await;
        assert_eq!(answer.status, 200);
        peer.session.cancel(answer.key, paifang_mmtp::code::CancelCode::UNWANTED);
    }
    peer.session.request(request("wait", &encoded)).unwrap();
    running.host.go.notify_one();
    assert_eq!(response(&mut peer).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn what_is_collected_of_answers_is_bounded() {
    let running = server(vec![]);
    let (mut peer, _) = greeted(&running, &takes(&[])).await;
    // 60,000 bytes each: 17 are within a mebibyte, the one behind them goes as it comes.
    let call = || NewRequest::new(Operation::Name("halves"), Bytes::new());
    let keys: Vec<_> = (0..18).map(|_| peer.session.request(call()).unwrap()).collect();
    let begun = response(&mut peer).await;
    assert_eq!((begun.key, begun.zstd, begun.end), (keys[17], false, false));
    peer.session.consumed(1, begun.cost);
    let mut pieces = begun.data.len();
    while let Some(event) = peer.event_within(Duration::from_millis(10)).await {
        let Event::Data { key, data, cost, .. } = event else { panic!("{event:?}") };
        assert_eq!(key, keys[17]);
        peer.session.consumed(1, cost);
        pieces += data.len();
    }
    assert_eq!(pieces, 30_000);
    running.host.go.notify_waiters();
    let (mut coded, mut ended) = (0, 0);
    while ended < 18 {
        let (cost, end) = match peer.event().await {
            Event::Response(answer) => {
                coded += usize::from(answer.zstd);
                (answer.cost, answer.end)
            }
            Event::Data { end, cost, .. } => (cost, end),
            other => panic!("{other:?}"),
        };
        peer.session.consumed(1, cost);
        ended += usize::from(end);
    }
    assert_eq!(coded, 17);
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_unknown_length_is_compressed_when_all_of_it_is_there_at_once() {
    let own = dictionary(0);
    let running = server(vec![offered(own.clone(), 1, "open", true)]);
    let (mut peer, _) = greeted(&running, &takes(&[&own])).await;
    let coder = Coder::new(Some((&own, 1)));
    let body = order(10_000);
    peer.session.request(request("open", &coder.encode(body.as_bytes()))).unwrap();
    let answer = response(&mut peer).await;
    assert!(answer.zstd && answer.end && answer.data.len() < body.len() / 2);
    assert_eq!(coder.decode(&answer), body);
    // One that is longer than what is compressed goes as it is, and so does one that comes little by little, as it comes.
    let long = varied(100_000);
    peer.session.request(request("open", &coder.encode(long.as_bytes()))).unwrap();
    assert_eq!(peer.answer().await, (200, long.into_bytes()));
    peer.session.request(request("drips", &coder.encode(body.as_bytes()))).unwrap();
    let first = response(&mut peer).await;
    assert!(!first.zstd && !first.end);
    assert_eq!(&first.data[..], &body.as_bytes()[..body.len() / 2]);
    assert!(peer.event_within(Duration::from_secs(5)).await.is_none());
    running.host.go.notify_one();
    let Event::Data { data, .. } = peer.event().await else { panic!() };
    assert_eq!(&data[..], &body.as_bytes()[body.len() / 2..]);
}

#[tokio::test(start_paused = true)]
async fn what_was_kept_of_answers_of_unknown_length_is_forgotten_with_their_calls() {
    let running = server(Vec::new());
    let (mut peer, _) = greeted(&running, &takes(&[])).await;
    let coder = Coder::new(None);
    let body = coder.encode(order(1).repeat(10).as_bytes());
    // Broken off in the middle; more often than there would be room for what is kept.
    for _ in 0..40 {
        let key = peer.session.request(request("drips", &body)).unwrap();
        assert!(!response(&mut peer).await.zstd);
        peer.session.cancel(key, paifang_mmtp::code::CancelCode::UNWANTED);
        running.host.go.notify_one();
        assert!(peer.event_within(Duration::from_millis(10)).await.is_none());
    }
    peer.session.request(request("open", &body)).unwrap();
    assert!(response(&mut peer).await.zstd);
}
