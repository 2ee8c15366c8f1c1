//! Compressed calls and messages between the client and the real front, with dictionaries that are fetched.
#![allow(clippy::unwrap_used)]

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Response};
use paifang_access::{
    Admission, Call, Client as Connected, Delivery, Denied, Drain, Encoding, Host, Limits, Offered,
    Server, User,
};
use paifang_client::{
    Auth, Client, ClientBuilder, Compression, DictionaryId, DictionaryStore,
    simnet::{Profile, SimNet},
};
use paifang_mmtp::{
    compress::{Dictionary, Settings},
    greeting::{Closing, Hello},
    session::NewMessage,
};
use paifang_pipeline::{BodySize, Frame, Front, Inbound};
use tokio::sync::watch;

const ADDRESS: &str = "10.0.0.1:443";

/// Answers each call with its body, of a length that is known, and a trailer.
struct Echo {
    encoding: Arc<Encoding>,
    hellos: Mutex<Vec<Hello>>,
    lengths: Mutex<Vec<Option<usize>>>,
    messages: Mutex<Vec<Bytes>>,
}

impl Host for Echo {
    type Transport = ();

    fn limits(&self, (): &()) -> Arc<Limits> {
        Arc::default()
    }

    async fn admit(&self, (): &(), hello: &Hello) -> Result<Admission, Box<Closing>> {
        self.hellos.lock().unwrap().push(hello.clone());
        Ok(Admission { encoding: Some(self.encoding.clone()), ..Admission::default() })
    }

    async fn authenticate(&self, _: &Arc<Connected<()>>, _: &Auth) -> Result<Option<User>, Denied> {
        Ok(None)
    }

    async fn serve<F: Front>(&self, call: Call<()>, front: &mut F) {
        self.lengths.lock().unwrap().push(call.length);
        let mut body = BytesMut::new();
        while !front.body_ended() {
            let Ok(Inbound::Frame(frame)) = front.recv().await else { return };
            body.extend_from_slice(&frame.data);
        }
        let head = Response::new(()).into_parts().0;
        front.send_head(head, BodySize::Exact(body.len() as u64)).await.unwrap();
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", "7".parse().unwrap());
        let (data, trailers) = (body.freeze(), Some(Box::new(trailers)));
        front.send(Frame { data, end: true, trailers }).await.unwrap();
    }

    async fn deliver(&self, _: &Arc<Connected<()>>, delivery: Delivery) -> bool {
        self.messages.lock().unwrap().push(delivery.message.data);
        true
    }
}

struct World {
    net: SimNet,
    host: Arc<Echo>,
    server: Arc<Server<Echo>>,
    _drain: watch::Sender<Drain>,
}

/// A server that offers these for calls and pushes.
fn world(dictionaries: &[Dictionary]) -> World {
    let each = dictionaries.iter().flat_map(|own| {
        [(1, "orders.*"), (2, "")].map(|(channel, operation)| Offered {
            dictionary: own.clone(),
            channel,
            operation: operation.into(),
            public: true,
        })
    });
    let encoding = Arc::new(Encoding::new(Settings::default(), 64 << 10, 2, each).unwrap());
    let host = Arc::new(Echo {
        encoding,
        hellos: Mutex::default(),
        lengths: Mutex::default(),
        messages: Mutex::default(),
    });
    let net = SimNet::new(Profile::latency(Duration::from_millis(30)), 3);
    let (server, drain) = (Arc::new(Server::new(host.clone())), watch::Sender::default());
    let (own, told) = (server.clone(), drain.subscribe());
    net.serve(ADDRESS.parse::<SocketAddr>().unwrap(), move |end| {
        let (server, drain) = (own.clone(), told.clone());
        tokio::spawn(async move { server.serve(end, (), Drain::spreads(drain)).await });
    });
    World { net, host, server, _drain: drain }
}

impl World {
    async fn client(&self, builder: ClientBuilder) -> Client {
        let client = builder.build(self.net.clone()).unwrap();
        client.connected(Duration::from_secs(60)).await.unwrap();
        client
    }
}

fn builder() -> ClientBuilder {
    ClientBuilder::new("wallet", *b"device").address(ADDRESS)
}

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<Bytes>>>);

impl DictionaryStore for Kept {
    fn all(&self) -> Vec<Bytes> {
        self.0.lock().unwrap().clone()
    }

    fn keep(&self, id: DictionaryId, bytes: &Bytes) {
        assert_eq!(id, DictionaryId::of(bytes));
        self.0.lock().unwrap().push(bytes.clone());
    }

    fn forget(&self, _: DictionaryId) {}
}

fn order(number: usize) -> String {
    format!(
        r#"{{"order":{number},"shop":"shop-{}","status":"open","lines":[{{"sku":"A-{number}","count":2,"price":{{"amount":"12.50","currency":"EUR"}}}}]}}"#,
        number % 7,
    )
}

fn dictionary(seed: usize) -> Dictionary {
    let samples: Vec<String> = (seed..seed + 400).map(order).collect();
    let sizes: Vec<usize> = samples.iter().map(String::len).collect();
    let mut bytes = vec![0; 4096];
    let made = zstd_safe::train_from_buffer(&mut bytes[..], samples.concat().as_bytes(), &sizes);
    bytes.truncate(made.unwrap());
    Dictionary::load(bytes, 3).unwrap()
}

#[tokio::test(start_paused = true)]
async fn calls_and_messages_go_compressed() {
    let world = world(&[]);
    let client = world.client(builder()).await;
    let body: String = (0..100).map(order).collect();
    let answer = client.call("echo").body(body.clone()).send().await.unwrap();
    assert_eq!(&answer.body()[..], body.as_bytes());
    assert_eq!(answer.trailers().next(), Some(("x-sum", &b"7"[..])));
    let totals = world.server.stats().totals();
    let length = body.len() as u64;
    assert_eq!((totals.zstd_in.plain, totals.zstd_out.plain), (length, length));
    assert!(totals.zstd_in.wire * 4 < length && totals.zstd_out.wire * 4 < length, "{totals:?}");
    assert_eq!(*world.host.lengths.lock().unwrap(), [Some(body.len())]);

    // A body with a secret, one that is encoded already, one in pieces: as they are.
    let secret = client.call("echo").body(body.clone()).compress(false).send().await.unwrap();
    let gzip = client.call("echo").field("content-encoding", "gzip").body(body.clone());
    assert_eq!(secret.body(), gzip.send().await.unwrap().body());
    let (sender, stream) = paifang_client::body::channel();
    let streamed = tokio::spawn(client.call("echo").body_stream(stream).send());
    sender.send(body.clone()).await.unwrap();
    sender.finish().await.unwrap();
    assert_eq!(streamed.await.unwrap().unwrap().body(), secret.body());
    assert_eq!(world.server.stats().totals().zstd_in, totals.zstd_in);

    client.deliver(3, body.clone()).await.unwrap();
    assert_eq!(*world.host.messages.lock().unwrap(), [body.as_bytes()]);
    let mut push = client.messages(2).unwrap();
    let to = world.server.registry().of_device("wallet", b"device");
    let message = NewMessage { data: body.clone().into(), ..NewMessage::default() };
    world.server.push(&to, 2, &message);
    assert_eq!(push.next().await.unwrap().data, body.as_bytes());
    let totals = world.server.stats().totals();
    assert_eq!(totals.zstd_in.plain, 2 * length);
    assert!(totals.zstd_out.plain > 2 * length);
}

#[tokio::test(start_paused = true)]
async fn dictionaries_are_fetched_once_and_used_from_then_on() {
    let own = dictionary(0);
    let world = world(std::slice::from_ref(&own));
    let kept = Kept::default();
    let client = world.client(builder().dictionaries(kept.clone())).await;
    let small = || world.server.stats().totals();
    // Fetched in the background; the calls meanwhile do without.
    let before = small();
    for _ in 0..1000 {
        if !kept.0.lock().unwrap().is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(*kept.0.lock().unwrap(), [own.bytes().clone()]);
    assert_eq!(before.zstd_in.plain, 0);
    let body = order(12_345);
    let ratio = |client: Client, operation: &'static str| {
        let (world, body) = (&world, body.clone());
        async move {
            let before = world.server.stats().totals();
            let answer = client.call(operation).body(body.clone()).send().await.unwrap();
            assert_eq!(&answer.body()[..], body.as_bytes());
            let after = world.server.stats().totals();
            let wire = |before: u64, after: u64| body.len() as u64 / (after - before).max(1);
            (
                wire(before.zstd_in.wire, after.zstd_in.wire),
                wire(before.zstd_out.wire, after.zstd_out.wire),
            )
        }
    };
    let (up, down) = ratio(client.clone(), "orders.create").await;
    assert!(up >= 3 && down >= 3, "{up} {down}");
    // The next start has it, and names it.
    client.close();
    let again = world.client(builder().dictionaries(kept.clone())).await;
    assert_eq!(world.host.hellos.lock().unwrap()[1].dictionaries, [own.id().0]);
    let (up, down) = ratio(again.clone(), "orders.create").await;
    assert!(up >= 3 && down >= 3, "{up} {down}");
    assert_eq!(kept.0.lock().unwrap().len(), 1);
    assert!(world.host.lengths.lock().unwrap().len() == 2, "no call but those reached the host");
    // A push in the same words.
    let mut push = again.messages(2).unwrap();
    let to = world.server.registry().of_device("wallet", b"device");
    let message = NewMessage { data: body.clone().into(), ..NewMessage::default() };
    world.server.push(&to, 2, &message);
    assert_eq!(push.next().await.unwrap().data, body.as_bytes());
}

#[tokio::test(start_paused = true)]
async fn clients_that_share_fetch_a_dictionary_once_and_all_use_it() {
    let own = dictionary(0);
    let world = world(std::slice::from_ref(&own));
    let kept = Kept::default();
    let common = Compression::with_dictionaries(2, kept.clone());
    let device = |name: &str| {
        ClientBuilder::new("wallet", name.as_bytes()).address(ADDRESS).share_compression(&common)
    };
    // Both learn of it before either has it: one fetches, the other hears of it.
    let builders = ["one", "two"].map(|name| device(name).build(world.net.clone()).unwrap());
    for client in &builders {
        client.connected(Duration::from_secs(60)).await.unwrap();
    }
    for _ in 0..1000 {
        if common.dictionaries() > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // For what the waiting one is told to reach its connection.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let body = order(12_345);
    for (number, client) in (1..).zip(&builders) {
        let before = (common.sent(), common.received());
        let answer = client.call("orders.create").body(body.clone()).send().await.unwrap();
        assert_eq!(&answer.body()[..], body.as_bytes());
        let (sent, received) = (common.sent(), common.received());
        assert_eq!(
            (sent.messages, received.messages),
            (before.0.messages + 1, before.1.messages + 1)
        );
        assert_eq!(sent.bytes, number * body.len() as u64);
        // Without the dictionary it would not become a third.
        assert!((sent.wire_bytes - before.0.wire_bytes) * 3 < body.len() as u64, "{sent:?}");
        assert!(
            (received.wire_bytes - before.1.wire_bytes) * 3 < body.len() as u64,
            "{received:?}"
        );
    }
    assert_eq!(*kept.0.lock().unwrap(), [own.bytes().clone()], "it was fetched once");
    world.client(device("three")).await;
    assert_eq!(world.host.hellos.lock().unwrap()[2].dictionaries, [own.id().0]);
}
