//! Users at home in another zone: sent there, or served from there through another gateway.

use super::KEY;
use paifang_mmtp::{
    code::CloseCode,
    greeting::{Auth, Hello},
    session::{Event, NewMessage, NewRequest, Operation},
};
use paifang_tests::harness::{MmtpClient, Recorder, Running, Setup, mmtp_hello};
use std::net::SocketAddr;

const SECOND_KEY: &str = "two-0123456789abcdef0123456789abcdef";
const ACCEPTED: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// A gateway of a zone, with the same APIs as all; `zones` is its section, `who` says who lives where.
async fn gateway(zones: &str, who: SocketAddr, main: SocketAddr, west: SocketAddr) -> Running {
    let text = format!(
        "version: 1\n\
         listeners: [ {{ name: public, address: 127.0.0.1:0, mmtp: {{ plain: true }} }} ]\n\
         apps: {{ one: {{ keys: [ {{ id: anna, secret: {{ env: KEY_ONE }} }}, {{ id: bert, secret: {{ env: KEY_TWO }} }} ] }} }}\n\
         chains: {{ known: [ key_auth: {{ from: [ {{ scheme: Bearer }} ] }} ] }}\n\
         upstreams:\n  \
           who: {{ endpoints: [ {{ address: '{who}' }} ] }}\n  \
           main: {{ endpoints: [ {{ address: '{main}' }} ] }}\n  \
           west: {{ endpoints: [ {{ address: '{west}' }} ] }}\n\
         mmtp:\n  authenticate: who\n  components: {{ log: logs }}\n  {zones}\n\
         apis:\n  \
         - {{ id: who, operation: who, handlers: [ key_auth: {{ from: [ {{ scheme: Bearer }} ], hide: false }} ], upstream: who }}\n  \
         - {{ id: mine, operation: mine, match: {{ path: '/mine/{{id}}' }}, handlers: [ chain: known ], upstream: main }}\n  \
         - {{ id: logs, operation: logs, match: {{ path: /logs }}, handlers: [ chain: known ], upstream: main }}\n"
    );
    Setup::new(text).variable("KEY_ONE", KEY).variable("KEY_TWO", SECOND_KEY).start().await
}

/// Knows that Bert lives in the west.
async fn who() -> Recorder {
    Recorder::replying(|request| {
        let bert = request.header("authorization").is_some_and(|auth| auth.contains("two-"));
        let zone = if bert { "west" } else { "east" };
        format!("HTTP/1.1 200 OK\r\nx-zone: {zone}\r\ncontent-length: 0\r\n\r\n").into_bytes()
    })
    .await
}

fn auth(key: &str) -> Option<Auth> {
    Some(Auth { scheme: "Bearer".into(), credential: key.as_bytes().into() })
}

async fn connect(address: SocketAddr, key: &str) -> MmtpClient {
    let hello = Hello { auth: auth(key), epoch: 1, ..mmtp_hello(key.as_bytes()[0]) };
    MmtpClient::connect(address, &hello).await
}

fn mine() -> NewRequest<'static> {
    NewRequest { params: &[("id", "7")], ..NewRequest::new(Operation::Name("mine"), "x".into()) }
}

#[tokio::test]
async fn calls_of_users_who_live_elsewhere_go_to_their_gateway() {
    let (who, nowhere) = (who().await, "127.0.0.1:1".parse().unwrap());
    let (east_up, west_up) =
        (Recorder::answering(ACCEPTED).await, Recorder::answering(ACCEPTED).await);
    let west =
        gateway("zones: { here: west, homes: {} }", who.address(), west_up.address(), nowhere)
            .await;
    let zones = "zones: { here: east, homes: { west: { upstream: west } } }";
    let east = gateway(zones, who.address(), east_up.address(), west.address()).await;

    let mut anna = connect(east.address(), KEY).await;
    assert_eq!(anna.welcome().await.user.as_deref(), Some("anna"));
    let key = anna.request(mine());
    assert_eq!(anna.answer(key).await.status, 200);
    assert_eq!((east_up.count(), west_up.count()), (1, 0));

    let mut bert = connect(east.address(), SECOND_KEY).await;
    assert_eq!(bert.welcome().await.user.as_deref(), Some("bert"));
    let key = bert.request(mine());
    assert_eq!(bert.answer(key).await.status, 200);
    assert_eq!((east_up.count(), west_up.count()), (1, 1));
    let seen = west_up.last();
    assert_eq!((seen.method(), seen.target()), ("POST", "/mine/7"));
    // His credential went along, though the chain here takes it out: the other gateway has looked at it itself, and taken it out too.
    assert_eq!(seen.header("authorization"), None);
    assert_eq!(seen.header("cdn-loop"), Some("paifang-east"));
    let sent = bert.session.message(4, NewMessage { delivery: true, ..NewMessage::default() });
    assert_eq!(bert.event().await, Event::Acked(sent.unwrap()));
    assert_eq!((west_up.count(), west_up.last().target()), (2, "/logs"));

    // The user of a connection changes, and with it where calls go.
    bert.session.login(auth(KEY));
    assert!(matches!(bert.event().await, Event::User(_)));
    let key = bert.request(mine());
    assert_eq!(bert.answer(key).await.status, 200);
    assert_eq!((east_up.count(), west_up.count()), (2, 2));
    drop((anna, bert));
    east.stop().await;
    west.stop().await;
}

#[tokio::test]
async fn who_has_moved_is_told_where() {
    let (who, nowhere) = (who().await, "127.0.0.1:1".parse().unwrap());
    let zones = "zones: { here: east, homes: { west: { moved_to: [ \"w.example:443\", \"192.0.2.1:443\" ] } } }\n  \
                 alternates: [ \"e2.example:443\" ]";
    let east = gateway(zones, who.address(), nowhere, nowhere).await;
    let mut bert = connect(east.address(), SECOND_KEY).await;
    let Event::Closed(closed) = bert.event().await else { panic!() };
    assert_eq!(closed.closing.code, CloseCode::MOVED);
    assert_eq!(closed.closing.alternates, ["w.example:443", "192.0.2.1:443"].map(Box::from));
    // So is who becomes somebody who lives elsewhere.
    let mut anna = connect(east.address(), KEY).await;
    assert_eq!(anna.welcome().await.alternates, [Box::from("e2.example:443")]);
    anna.session.login(auth(SECOND_KEY));
    let Event::Closed(closed) = anna.event().await else { panic!() };
    assert_eq!((closed.is_by_peer(), closed.closing.code), (true, CloseCode::MOVED));
    east.stop().await;
}

#[tokio::test]
async fn a_call_that_comes_back_is_refused() {
    let (who, nowhere) = (who().await, "127.0.0.1:1".parse().unwrap());
    let zones = "zones: { here: east, homes: { west: { upstream: west } } }";
    let east = gateway(zones, who.address(), nowhere, nowhere).await;
    let mut client = east.connect().await;
    let request = "GET /mine/7 HTTP/1.1\r\nhost: a\r\ncdn-loop: cdn.example, paifang-east\r\n\r\n";
    let answer = client.ask(request).await;
    assert_eq!((answer.status(), answer.code().as_str()), (508, "PF-1014"));
    let request = "GET /mine/7 HTTP/1.1\r\nhost: a\r\ncdn-loop: paifang-west\r\n\r\n";
    assert_eq!(client.ask(request).await.status(), 401, "not refused for its hops");
    east.stop().await;
}
