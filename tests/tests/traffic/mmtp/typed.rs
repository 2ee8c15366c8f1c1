//! Messages of protocol buffers and JSON through the gateway to upstreams of HTTP/1.1, h2 and gRPC: their bytes are not touched.

use paifang_client::{Client, ClientBuilder, TypedError, connect::Plain};
use paifang_tests::harness::{H2Call, H2Server, Message, Recorder, Running, Setup};
use prost::Message as _;
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

#[derive(Clone, PartialEq, prost::Message)]
struct Order {
    #[prost(string, tag = "1")]
    shop: String,
    #[prost(uint32, repeated, tag = "2")]
    items: Vec<u32>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Receipt {
    #[prost(uint64, tag = "1")]
    number: u64,
    #[prost(message, optional, tag = "2")]
    order: Option<Order>,
}

fn order() -> Order {
    Order { shop: "café 7".into(), items: (0..300).collect() }
}

fn receipt(order: Order) -> Receipt {
    Receipt { number: 1 << 40, order: Some(order) }
}

async fn start(upstream: SocketAddr, protocol: &str) -> (Running, Client) {
    let config = format!(
        "version: 1\n\
         listeners: [ {{ name: public, address: 127.0.0.1:0, mmtp: {{ plain: true }} }} ]\n\
         upstreams: {{ main: {{ protocol: {protocol}, endpoints: [ {{ address: '{upstream}' }} ] }} }}\n\
         apis:\n\
         \x20 - {{ id: create, match: {{ method: POST, path: /shop.Orders/Create }}, operation: orders.create, upstream: main }}\n\
         \x20 - {{ id: page, match: {{ method: POST, path: /page }}, operation: page, handlers: [ respond: {{ status: 200, body: page }} ] }}\n"
    );
    let running = Setup::new(config).start().await;
    let builder = ClientBuilder::new("wallet", *b"phone");
    let client = builder.address(&running.address().to_string()).build(Plain).expect("a client");
    client.connected(Duration::from_secs(20)).await.expect("a connection");
    (running, client)
}

#[tokio::test]
async fn messages_go_to_http1_as_they_are() {
    let upstream = Recorder::replying(|request: &Message| {
        let order = Order::decode(&request.body[..]).expect("an order");
        let body = receipt(order).encode_to_vec();
        let head = format!(
            "HTTP/1.1 201 Created\r\ncontent-type: application/x-protobuf\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), &body].concat()
    })
    .await;
    let (running, client) = start(upstream.address(), "h1").await;
    let got: Receipt = client.call_typed("orders.create", &order()).await.expect("a receipt");
    assert_eq!(got, receipt(order()));
    let seen = upstream.last();
    assert_eq!(seen.start, "POST /shop.Orders/Create HTTP/1.1");
    assert_eq!(seen.header("content-type"), Some("application/protobuf"));
    assert_eq!((seen.header("te"), &seen.body), (None, &order().encode_to_vec()));
    // One that is no protobuf, and one that tells of a failure.
    let refused = client.call("page").send_message::<Receipt>(&order()).await;
    let Err(TypedError::ContentType(kind)) = refused else { panic!("{refused:?}") };
    assert!(kind.starts_with("text/plain"), "{kind}");
    let call = client.call("nothing").send_message::<Receipt>(&order()).await;
    assert!(matches!(call, Err(TypedError::Status(answer)) if answer.status() == 404));
    client.close();
    drop(client);
    running.stop().await;
}

/// What an upstream saw: `te`, `grpc-timeout`, type, body.
type Seen = Arc<Mutex<Vec<(Option<String>, Option<String>, Option<String>, Vec<u8>)>>>;

async fn seen(call: &mut H2Call, kept: &Seen) -> Vec<u8> {
    let (body, _, whole) = call.read().await;
    assert!(whole);
    let field = |name: &str| {
        let value = call.head.headers.get(name)?;
        value.to_str().ok().map(str::to_owned)
    };
    let (te, timeout, kind) = (field("te"), field("grpc-timeout"), field("content-type"));
    kept.lock().expect("no panic").push((te, timeout, kind, body.to_vec()));
    body.to_vec()
}

#[tokio::test]
async fn json_goes_to_h2_as_it_is() {
    let kept = Seen::default();
    let own = kept.clone();
    let upstream = H2Server::start(move |mut call| {
        let own = own.clone();
        async move {
            let body = seen(&mut call, &own).await;
            call.answer(200, body);
        }
    })
    .await;
    let (running, client) = start(upstream.address, "h2").await;
    let text = format!(r#"{{ "shop": "café 7", "items": {:?} }}"#, order().items);
    let call = client.call("orders.create").field("content-type", "application/json");
    let answer = call.body(text.clone()).send().await.expect("an answer");
    assert_eq!((answer.status(), &answer.body()[..]), (200, text.as_bytes()));
    let all = kept.lock().expect("no panic").clone();
    let json = Some("application/json".to_owned());
    assert_eq!(all, [(None, None, json, text.into_bytes())]);
    client.close();
    drop(client);
    running.stop().await;
}

#[tokio::test]
async fn a_call_of_grpc_keeps_its_framing_and_its_status() {
    let kept = Seen::default();
    let own = kept.clone();
    let upstream = H2Server::start(move |mut call| {
        let own = own.clone();
        async move {
            let body = seen(&mut call, &own).await;
            let order = Order::decode(&body[5..]).expect("an order");
            if order.items.is_empty() {
                let head = http::Response::builder()
                    .header("content-type", "application/grpc")
                    .header("grpc-status", "3")
                    .header("grpc-message", "no items%21")
                    .body(());
                call.respond.send_response(head.expect("a head"), true).expect("a stream");
                return;
            }
            let message = receipt(order).encode_to_vec();
            let length = u32::try_from(message.len()).expect("small").to_be_bytes();
            let framed = [&[0][..], &length, &message].concat();
            let head = http::Response::builder().header("content-type", "application/grpc+proto");
            let head = head.body(()).expect("a head");
            let mut stream = call.respond.send_response(head, false).expect("a stream");
            stream.send_data(framed.into(), false).expect("a stream");
            let mut trailers = http::HeaderMap::new();
            trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
            stream.send_trailers(trailers).expect("a stream");
        }
    })
    .await;
    let (running, client) = start(upstream.address, "h2").await;
    let call = client.call("orders.create").deadline(Duration::from_secs(7));
    let got = call.send_grpc::<Receipt>(&order()).await.expect("a receipt");
    assert_eq!((got.message(), got.head().status()), (&receipt(order()), 200));
    let all = kept.lock().expect("no panic").clone();
    let [(te, timeout, kind, body)] = &all[..] else { panic!("{all:?}") };
    assert_eq!(te.as_deref(), Some("trailers"));
    // What is left of the deadline.
    let left = timeout.as_deref().and_then(|left| left.strip_suffix('m')?.parse::<u32>().ok());
    assert!(left.is_some_and(|left| (1..=7000).contains(&left)), "{timeout:?}");
    assert_eq!(kind.as_deref(), Some("application/grpc+proto"));
    assert_eq!((body[0], &body[5..]), (0, &order().encode_to_vec()[..]));

    let empty = Order { items: Vec::new(), ..order() };
    let refused = client.call("orders.create").send_grpc::<Receipt>(&empty).await;
    let Err(TypedError::Grpc { code, message }) = refused else { panic!("{refused:?}") };
    assert_eq!((code, &*message), (3, "no items!"));
    client.close();
    drop(client);
    running.stop().await;
}
