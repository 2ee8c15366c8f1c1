//! The client against a whole gateway behind a middlebox that lets nothing but HTTPS through.

use super::config;
use paifang_client::{
    Client, ClientBuilder, Error, Form, Forms, Network, NetworkKind, State, connect::Tls,
};
use paifang_tests::harness::{Message, Pki, Recorder, Running, Setup, soon};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::rustls::pki_types::{CertificateDer, pem::PemObject};

const HOST: &str = "one.example";
const APIS: &str = "\
apis:
  - { id: echo, operation: echo, upstream: main }
  - { id: host, match: { host: one.example, path: /host }, handlers: [ respond: { body: found } ] }
";

async fn start(pki: &Pki, listener: &str) -> (Recorder, Running) {
    let upstream = Recorder::replying(|request: &Message| {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", request.body.len());
        [head.as_bytes(), &request.body].concat()
    })
    .await;
    let tls = format!(
        "tls: {{ certificates: [ {{ cert: one.pem, key: one.key }} ], early_data: {{}} }}{listener}"
    );
    let pair = pki.server(&[HOST]);
    let running = Setup::new(config(&upstream, APIS).replace("mmtp: { plain: true }", &tls))
        .file("one.pem", pair.cert)
        .file("one.key", pair.key)
        .start()
        .await;
    (upstream, running)
}

/// Hands connections on to `to`, but for those whose first bytes ask for MMTP while it is strict: ALPN can be read by everybody on the way.
async fn middlebox(to: SocketAddr) -> (SocketAddr, Arc<AtomicBool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let strict = Arc::new(AtomicBool::new(true));
    let seen = strict.clone();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let strict = seen.clone();
            tokio::spawn(async move {
                let mut first = [0; 4096];
                let Ok(length) = client.read(&mut first).await else { return };
                let first = &first[..length];
                if strict.load(SeqCst) && first.windows(6).any(|window| window == b"mmtp/1") {
                    return;
                }
                let Ok(mut server) = TcpStream::connect(to).await else { return };
                if server.write_all(first).await.is_ok() {
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                }
            });
        }
    });
    (address, strict)
}

fn client(pki: &Pki, address: SocketAddr, forms: Forms) -> Client {
    let root = CertificateDer::from_pem_slice(pki.ca().as_bytes()).unwrap();
    let tls = Tls::builder().with_roots([root]).server_name(HOST).build().unwrap();
    let builder = ClientBuilder::new("wallet", *b"device").address(&address.to_string());
    builder.forms(forms).build(tls).unwrap()
}

async fn connected(client: &Client, form: Form) {
    let mut states = client.states();
    let is = |state: &State| matches!(state, State::Connected(own) if own.form == form);
    soon(states.wait_for(is)).await.unwrap();
}

#[tokio::test]
async fn where_only_https_comes_through_websocket_is_the_connection() {
    let pki = Pki::default();
    let (upstream, running) = start(&pki, ", mmtp: {}").await;
    let (address, strict) = middlebox(running.address()).await;
    let client = client(&pki, address, Forms::Auto);
    // At once, in whatever form comes first.
    let answer = soon(client.call("echo").body("one").send()).await.unwrap();
    assert_eq!(answer.body(), "one");
    connected(&client, Form::WebSocket).await;
    let large = vec![b'x'; 300_000];
    let answer = soon(client.call("echo").body(large).send()).await.unwrap();
    assert_eq!(answer.body().len(), 300_000);
    let id = answer.head().call_id().to_string();
    assert_eq!(upstream.last().header("idempotency-key"), Some(&*id));
    // Another network, where nothing stands in the way.
    strict.store(false, SeqCst);
    client.set_network(Network { kind: NetworkKind::Wifi, carrier: "".into() });
    connected(&client, Form::Long).await;
    assert_eq!(soon(client.call("echo").body("two").send()).await.unwrap().body(), "two");
    client.close();
    running.stop().await;
}

#[tokio::test]
async fn calls_go_by_post_alone() {
    let pki = Pki::default();
    let (upstream, running) = start(&pki, ", mmtp: {}").await;
    let client = client(&pki, running.address(), Forms::Post);
    // The host of the request is that of its calls.
    let answer = soon(client.request("GET", "/host").send()).await.unwrap();
    assert_eq!((answer.status(), &answer.body()[..]), (200, &b"found"[..]));
    let large = vec![b'x'; 300_000];
    let answer = soon(client.call("echo").body(large).send()).await.unwrap();
    assert_eq!(answer.body().len(), 300_000);
    let calls: Vec<_> = (0..20)
        .map(|number| tokio::spawn(client.call("echo").body(number.to_string()).send()))
        .collect();
    for (number, call) in calls.into_iter().enumerate() {
        let answer = soon(call).await.unwrap().unwrap();
        assert_eq!(answer.body(), number.to_string().as_bytes());
    }
    assert_eq!(soon(client.call("nobody").send()).await.unwrap().status(), 404);
    // Each call has an identity of its own.
    let mut keys: Vec<_> = (0..upstream.count())
        .map(|index| upstream.request(index).header("idempotency-key").map(str::to_owned))
        .collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), upstream.count());
    client.close();
    running.stop().await;
}

#[tokio::test]
async fn a_gateway_without_mmtp_has_looked_at_nothing() {
    let pki = Pki::default();
    let (_upstream, running) = start(&pki, "").await;
    for forms in [Forms::Auto, Forms::Post] {
        let client = client(&pki, running.address(), forms);
        let call = client.call("echo").deadline(Duration::from_secs(2));
        let made = soon(call.send()).await;
        assert!(matches!(made, Err(Error::NotConnected(_))), "{forms:?}: {made:?}");
    }
    running.stop().await;
}

/// Counts connections on their way to `to`. Those with numbers below `doomed` end at the next byte of the client, which nobody gets.
#[derive(Clone, Default)]
struct Counted {
    all: Arc<AtomicUsize>,
    doomed: Arc<AtomicUsize>,
}

impl Counted {
    async fn forward(&self, to: SocketAddr) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let counted = self.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let number = counted.all.fetch_add(1, SeqCst);
                tokio::spawn(counted.clone().pass(number, client, to));
            }
        });
        address
    }

    async fn pass(self, number: usize, mut client: TcpStream, to: SocketAddr) {
        let Ok(mut server) = TcpStream::connect(to).await else { return };
        let (mut up, mut down) = ([0; 4096], [0; 4096]);
        loop {
            let passed = tokio::select! {
                read = client.read(&mut up) => match read {
                    Ok(length) if length > 0 && number >= self.doomed.load(SeqCst) => {
                        server.write_all(&up[..length]).await
                    }
                    _ => return,
                },
                read = server.read(&mut down) => match read {
                    Ok(length) if length > 0 => client.write_all(&down[..length]).await,
                    _ => return,
                },
            };
            if passed.is_err() {
                return;
            }
        }
    }

    fn count(&self) -> usize {
        self.all.load(SeqCst)
    }
}

#[tokio::test]
async fn calls_by_post_go_over_connections_that_are_kept() {
    let pki = Pki::default();
    let (_upstream, running) = start(&pki, ", mmtp: {}").await;
    let counted = Counted::default();
    let client = client(&pki, counted.forward(running.address()).await, Forms::Post);
    let (mut calls, mut again) = (0, 0);
    // A connection is there again when the answer has been read to its end, which is a moment after the call has it.
    while again < 10 {
        let before = counted.count();
        let answer = soon(client.call("echo").body(vec![b'x'; 50_000]).send()).await.unwrap();
        assert_eq!((answer.body().len(), answer.head().attempts()), (50_000, 1));
        (calls, again) = (calls + 1, again + usize::from(counted.count() == before));
        assert!(calls < 1000, "{again} of {calls} calls went over a connection that was there");
    }
    // A call that is given up ends its connection, and the others go on.
    let given_up = client.call("echo").body(vec![b'x'; 2_000_000]).open();
    drop(soon(given_up).await.unwrap());
    let many = (0..20).map(|_| tokio::spawn(client.call("echo").body("x").send()));
    for call in many.collect::<Vec<_>>() {
        assert_eq!(soon(call).await.unwrap().unwrap().body(), "x");
    }
    client.close();
    running.stop().await;
}

#[tokio::test]
async fn a_call_on_a_kept_connection_that_was_closed_is_made_again_where_that_does_no_harm() {
    let pki = Pki::default();
    let (upstream, running) = start(&pki, ", mmtp: {}").await;
    let counted = Counted::default();
    let client = client(&pki, counted.forward(running.address()).await, Forms::Post);
    for safe in [true, false] {
        let mut stale = false;
        for _ in 0..1000 {
            soon(client.call("echo").body("x").send()).await.unwrap();
            counted.doomed.store(counted.count(), SeqCst);
            let before = upstream.count();
            let call = client.call("echo").body("y").idempotent(safe);
            // It is on a new connection where the last one is not there again.
            match soon(call.send()).await {
                Ok(answer) => {
                    assert_eq!((answer.body(), upstream.count()), (&"y".into(), before + 1));
                    stale = answer.head().attempts() == 2;
                    assert!(!stale || safe);
                }
                Err(Error::UnknownOutcome { .. }) if !safe => {
                    assert_eq!(upstream.count(), before);
                    stale = true;
                }
                Err(other) => panic!("{other}"),
            }
            if stale {
                break;
            }
        }
        assert!(stale, "no call went over a connection that was kept");
    }
    client.close();
    running.stop().await;
}
