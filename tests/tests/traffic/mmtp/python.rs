//! A second client, in Python (`tests/python`), written from the page of the protocol alone: whatever the page does not say
//! and the Rust sides agree on by chance fails here.

use super::{KEY, KNOWN, config};
use paifang_mmtp::{
    code::{CancelCode, CloseCode},
    greeting::{Closing, Welcome},
    session::{Config, Event, Millis, NewMessage, Session},
};
use paifang_tests::harness::{Message, MmtpClient, Pki, Recorder, Running, Setup, mmtp_hello};
use std::{net::SocketAddr, process::Stdio};
use tokio::{io::AsyncReadExt, net::TcpListener, process::Command};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python");
/// Beside those that know a user.
const APIS: &str = "\
\x20 - { id: echo, match: { method: POST, path: '/echo/{name}' }, operation: echo, upstream: main }
  - { id: ping, operation: ping, handlers: [ respond: { status: 200, body: pong } ] }
";

/// Answers with the body that came.
async fn echo() -> Recorder {
    Recorder::replying(|request: &Message| {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", request.body.len());
        [head.as_bytes(), &request.body].concat()
    })
    .await
}

/// What it printed; it must end well.
async fn python(arguments: &[&str]) -> String {
    let ran = Command::new("python3")
        .arg("-B")
        .args(arguments)
        .current_dir(FOLDER)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .expect("python3 is there");
    let errors = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{errors}{}", String::from_utf8_lossy(&ran.stdout));
    String::from_utf8(ran.stdout).expect("text")
}

/// Runs a script that has the client's names, with the port that it is to use.
async fn script(address: SocketAddr, lines: &str) -> String {
    let script = format!(
        "from mmtp_client import *\nPORT, KEY = {}, '{KEY}'\n{lines}\nprint('done')",
        address.port()
    );
    python(&["-c", &script]).await
}

async fn start(upstream: &Recorder) -> Running {
    Setup::new(config(upstream, &[KNOWN, APIS].concat())).variable("KEY_ONE", KEY).start().await
}

#[tokio::test]
async fn its_codec_agrees_with_the_vectors() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/specs/mmtp-vectors.json");
    let all: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let count = |list: &serde_json::Value| list.as_array().unwrap().len();
    let wanted = [
        ("frames", count(&all["frames"])),
        ("refused", count(&all["refused"]["vectors"])),
        ("answered", count(&all["answered"])),
        ("proofs", count(&all["proofs"])),
        ("call_ids", count(&all["call_ids"])),
    ]
    .map(|(name, count)| format!("{name} {count}\n"));
    assert_eq!(python(&["mmtp_client.py", "vectors", path]).await, wanted.concat());
}

#[tokio::test]
async fn its_calls_go_in_one_post() {
    let upstream = echo().await;
    let running = start(&upstream).await;
    let lines = "
client = Client.post('127.0.0.1', PORT, auth=('Bearer', KEY))
calls = [client.begin('ping'), client.begin('echo', b'x' * 50000, params=[('name', 'a')]), client.begin('mine')]
one, two, three = [client.wait(call) for call in calls]
assert (one.status, one.body) == (200, b'pong'), one.body
assert (two.status, len(two.body)) == (200, 50000), two.status
assert three.status == 200
try:
    client.receive()
    raise AssertionError('no end')
except Closed as closed:
    assert closed.code == 1000, closed";
    assert_eq!(script(running.address(), lines).await, "done\n");
    assert_eq!(upstream.count(), 2);
    running.stop().await;
}

#[tokio::test]
async fn its_calls_are_answered() {
    let upstream = echo().await;
    let running = start(&upstream).await;
    let lines = "
client = Client.plain('127.0.0.1', PORT)
for _ in range(3):
    answer = client.call('ping')
    assert (answer.status, bytes(answer.body)) == (200, b'pong'), vars(answer)
assert client.welcome['version'] == 1
answer = client.call('echo', b'hi', params=[('name', 'caf\\u00e9 7')], query='a=1',
                     fields=[('content-type', 'text/plain')], deadline=10, priority=1)
assert (answer.status, bytes(answer.body)) == (200, b'hi'), vars(answer)
assert answer.fields.get('content-length') is None
# Longer than every window, both ways; a small one beside it.
large = bytes(range(256)) * 1200
first = client.begin('echo', large, target=('POST', '/echo/large'))
second = client.begin('ping')
assert bytes(client.wait(second).body) == b'pong'
assert bytes(client.wait(first).body) == large
# Refused: by the chain, by the routes.
answer = client.call('mine')
assert (answer.status, answer.error) == (401, 2000), vars(answer)
answer = client.call('nothing')
assert answer.status == 404 and answer.error == 1103, vars(answer)
# Refused before its body was sent: the connection goes on.
assert client.call('mine', large).status == 401
client.ping()
client.deliver(4, b'a crash')
client.deliver(4, b'another')
assert client.call('ping').status == 200
client.close()";
    assert_eq!(script(running.address(), lines).await, "done\n");
    assert_eq!(upstream.request(0).start, "POST /echo/caf%C3%A9%207?a=1 HTTP/1.1");
    assert_eq!(upstream.request(1).body.len(), 307_200);
    assert_eq!(upstream.last().header("x-mmtp-channel"), Some("4"));
    assert_eq!(upstream.last().body, b"another");
    running.stop().await;
}

#[tokio::test]
async fn its_user_comes_and_goes() {
    let upstream = echo().await;
    let running = start(&upstream).await;
    let lines = "
client = Client.plain('127.0.0.1', PORT)
assert client.call('mine').status == 401
user = client.login('Bearer', 'wrong')
assert user['status'] == 401 and tlv(user, 0x42) >= 2000, user
user = client.login('Bearer', KEY)
assert user['status'] == 0 and tlv(user, 0x2a) == 'key-one', user
assert client.call('mine').status == 200
assert tlv(client.login(), 0x2a) is None
assert client.call('mine').status == 401
client.close()
client = Client.plain('127.0.0.1', PORT, auth=('Bearer', KEY))
assert client.call('mine').status == 200
assert tlv(client.welcome, 0x2a) == 'key-one'
client.close()
try:
    Client.plain('127.0.0.1', PORT, auth=('Bearer', 'wrong')).call('ping')
except Closed as closed:
    assert closed.code == 3000 and closed.frame, closed
else:
    raise AssertionError('a bad credential got a connection')";
    assert_eq!(script(running.address(), lines).await, "done\n");
    running.stop().await;
}

#[tokio::test]
async fn it_speaks_tls_from_its_command_line() {
    let (pki, upstream) = (Pki::default(), echo().await);
    let own = pki.server(&["api.example.com"]);
    let tls = "tls: { certificates: [ { cert: s.pem, key: s.key } ] }, mmtp: {}";
    let files = tempfile::tempdir().unwrap();
    let ca = files.path().join("ca.pem");
    std::fs::write(&ca, pki.ca()).unwrap();
    let running = Setup::new(
        config(&upstream, &[KNOWN, APIS].concat()).replace("mmtp: { plain: true }", tls),
    )
    .variable("KEY_ONE", KEY)
    .file("s.pem", own.cert)
    .file("s.key", own.key)
    .start()
    .await;
    let address = running.address().to_string();
    let (ca, call) = (ca.to_str().unwrap(), ["call", "mine", "over TLS"]);
    let to = ["mmtp_client.py", "--tls", &address, "--ca", ca, "--name", "api.example.com"];
    assert_eq!(python(&[&to[..], &["--bearer", KEY], &call].concat()).await, "over TLS");
    running.stop().await;
}

/// The other side of a connection is the server's machine itself: it does what gateways do when something is pushed.
#[tokio::test]
async fn it_takes_deliveries_keeps_deadlines_and_hears_a_goaway() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut preface = [0; 6];
        stream.read_exact(&mut preface).await.unwrap();
        assert_eq!(&preface, b"MMTP/\x01");
        let mut server = MmtpClient::over(stream, &mmtp_hello(1));
        server.session = Session::server(Config::default(), Millis(0));
        let Event::Hello(hello) = server.event().await else { panic!() };
        assert_eq!(&*hello.app, "python");
        server.session.accept(Welcome::default(), 0);
        let mut sent = Vec::new();
        for data in ["first".to_owned(), "x".repeat(300_000)] {
            let data = data.into_bytes().into();
            let message = NewMessage { delivery: true, data, ..NewMessage::default() };
            sent.push(server.session.message(2, message).unwrap());
        }
        let mut acked = Vec::new();
        while acked.last() != sent.last() {
            let Event::Acked(key) = server.event().await else { panic!() };
            acked.push(key);
        }
        // A call that nobody answers is given up by the client.
        let Event::Request(slow) = server.event().await else { panic!() };
        let cancelled = Event::Cancelled { key: slow.key, code: CancelCode::DEADLINE };
        assert_eq!(server.event().await, cancelled);
        server.session.goaway(Closing::new(CloseCode::DRAINING));
        let Event::Closed(closed) = server.event().await else { panic!() };
        assert!(closed.is_by_peer(), "{closed:?}");
    };
    let lines = "
came = []
client = Client.plain('127.0.0.1', PORT, on_delivery=lambda channel, data: came.append((channel, data)))
while len(came) < 2:
    client.receive()
try:
    client.call('slow', b'', deadline=0.1)
except DeadlinePassed:
    pass
else:
    raise AssertionError('nobody answered')
while not client.goaway:
    client.receive()
assert came == [(2, b'first'), (2, b'x' * 300000)]
assert client.goaway['code'] == 1001
try:
    client.begin('ping')
except Closed as closed:
    assert closed.code == 1001
else:
    raise AssertionError('a call behind a GOAWAY')
client.close()";
    let ((), printed) = tokio::join!(server, script(address, lines));
    assert_eq!(printed, "done\n");
}
