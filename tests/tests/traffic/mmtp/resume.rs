//! Resume tokens and devices through whole gateways: over a restart and several gateways, without their store, and from early data.

use super::{KEY, KNOWN, config};
use crate::{
    edge::early::Raw,
    plugins::{jwt_auth::Shifted, shared::status},
};
use bytes::BytesMut;
use paifang_mmtp::{
    code::CloseCode,
    greeting::{Auth, DeviceKey, DeviceKeyKind, Hello, Resumed, Update, Welcome, proof_text},
    session::{Config, Event, Millis, Session},
};
use paifang_tests::harness::{
    MmtpClient, Pki, Recorder, RedisServer, Running, Setup, mmtp_hello, soon,
};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};
use std::sync::Arc;
use tokio::{io::AsyncWriteExt, net::TcpStream};

const HOST: &str = "one.example";

/// A device's key.
pub(super) enum Key {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
}

impl Key {
    fn ed25519() -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::Ed25519(Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap())
    }

    pub(super) fn p256() -> Self {
        let (form, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(form, &random).unwrap();
        Self::P256(EcdsaKeyPair::from_pkcs8(form, pkcs8.as_ref(), &random).unwrap())
    }

    /// A HELLO that proves the key to `host`, and has this token.
    pub(super) fn prove(&self, hello: Hello, host: &str, resume: Option<&[u8]>) -> Hello {
        let text = proof_text(host, &hello.device, &hello.nonce, resume.unwrap_or_default());
        let (kind, key, proof) = match self {
            Self::Ed25519(own) => {
                (DeviceKeyKind::Ed25519, own.public_key().as_ref(), own.sign(&text))
            }
            Self::P256(own) => {
                let proof = own.sign(&SystemRandom::new(), &text).unwrap();
                (DeviceKeyKind::P256, own.public_key().as_ref(), proof)
            }
        };
        Hello {
            device_key: Some(DeviceKey { kind, key: key.into() }),
            proof: Some(proof.as_ref().into()),
            resume: resume.map(Into::into),
            ..hello
        }
    }
}

fn auth() -> Option<Auth> {
    Some(Auth { scheme: "Bearer".into(), credential: KEY.as_bytes().into() })
}

fn token(welcome: &Welcome) -> Vec<u8> {
    welcome.token.as_ref().unwrap().bytes.to_vec()
}

/// The WELCOME of a device that shows this token.
async fn greeted(running: &Running, key: &Key, token: Option<&[u8]>) -> (MmtpClient, Welcome) {
    let hello = key.prove(mmtp_hello(1), "", token);
    let mut client = MmtpClient::connect(running.address(), &hello).await;
    let welcome = client.welcome().await;
    (client, welcome)
}

/// The like of a connection that ends with it.
async fn told(running: &Running, key: &Key, token: Option<&[u8]>) -> Welcome {
    greeted(running, key, token).await.1
}

async fn upstream() -> Recorder {
    Recorder::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_good_at_any_gateway_and_after_a_restart_and_its_store_is_not_needed() {
    let mut server = RedisServer::start(&[]);
    let upstream = upstream().await;
    let rest = format!(
        "admin: {{ address: '127.0.0.1:0' }}\n\
         stores: {{ shared: {{ redis: {{ addresses: [ '{}' ], command_timeout: 5s }} }} }}\n\
         mmtp: {{ resume: {{ store: shared }} }}\n\
         apis: [ {{ id: a, operation: a, upstream: main }} ]\n",
        server.address
    );
    let config = config(&upstream, &rest);
    let start = || async {
        let running = Setup::new(config.clone()).start().await;
        status(&running, "store shared: up").await;
        running
    };
    let key = Key::p256();
    let (one, two) = (start().await, start().await);
    let welcome = told(&one, &key, None).await;
    let first = token(&welcome);
    one.stop().await;
    let one = start().await;
    let welcome = told(&two, &key, Some(&first)).await;
    assert_eq!(welcome.resumed, Some(Resumed::Yes));
    let second = token(&welcome);
    // Once more, and never again, wherever.
    let welcome = told(&one, &key, Some(&first)).await;
    assert_eq!(welcome.resumed, Some(Resumed::Yes));
    let welcome = told(&two, &key, Some(&first)).await;
    assert_eq!(welcome.resumed, Some(Resumed::Used));
    let welcome = told(&one, &Key::ed25519(), Some(&second)).await;
    assert_eq!(welcome.resumed, Some(Resumed::Foreign));

    server.kill();
    let (mut client, welcome) = greeted(&one, &key, Some(&second)).await;
    assert_eq!((welcome.resumed, welcome.token), (Some(Resumed::Unknown), None));
    assert_eq!(client.call("a", "").await.body, b"ok");
    drop(client);
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn a_token_expires_and_survives_a_reload() {
    let upstream = upstream().await;
    let rest = "\
mmtp: { resume: { lifetime: 1h } }
apis: [ { id: a, operation: a, upstream: main } ]
";
    let clock = Shifted::default();
    let ours = Arc::new(clock.clone());
    let config = config(&upstream, rest);
    let running = Setup::new(config.clone()).build(|builder| builder.clock(ours)).start().await;
    let key = Key::ed25519();
    let welcome = told(&running, &key, None).await;
    assert_eq!(welcome.token.as_ref().unwrap().lifetime, 3600);
    running.reload(config.replace("1h", "2h")).await.unwrap();
    let welcome = told(&running, &key, Some(&token(&welcome))).await;
    assert_eq!(welcome.resumed, Some(Resumed::Yes));
    clock.advance(2 * 3600);
    let welcome = told(&running, &key, Some(&token(&welcome))).await;
    assert_eq!(welcome.resumed, Some(Resumed::Expired));
    running.reload(config.replace("lifetime: 1h", "devices: 0")).await.unwrap();
    let welcome = told(&running, &key, Some(&token(&welcome))).await;
    assert_eq!((welcome.resumed, welcome.token), (Some(Resumed::Unknown), None));
    running.stop().await;
}

/// HELLO as the bytes of a first flight, and the machine that sent it.
fn flight(hello: &Hello) -> (Session, Vec<u8>) {
    let mut session = Session::client(Config::default(), hello, Millis(0));
    let mut bytes = BytesMut::new();
    while session.poll_transmit(&mut bytes, 16_384) {}
    (session, bytes.to_vec())
}

async fn event(raw: &mut Raw, session: &mut Session) -> Event {
    loop {
        if let Some(event) = session.poll_event() {
            return event;
        }
        let bytes = raw.read().await.expect("the end came first");
        session.receive(&bytes, Millis(0));
    }
}

#[tokio::test]
async fn early_data_takes_nothing_from_a_device_until_the_handshake_has_ended() {
    let (pki, upstream) = (Pki::default(), upstream().await);
    let pair = pki.server(&[HOST]);
    let tls =
        "tls: { certificates: [ { cert: one.pem, key: one.key } ], early_data: {} }, mmtp: {}";
    let rest =
        KNOWN.replace("operation: session.check,", "operation: session.check, early_data: true,");
    let config = config(&upstream, &rest).replace("mmtp: { plain: true }", tls);
    let running = Setup::new(config)
        .file("one.pem", pair.cert)
        .file("one.key", pair.key)
        .variable("KEY_ONE", KEY)
        .start()
        .await;
    let key = Key::p256();
    let client = pki.client(&["mmtp/1"], None).early();
    let known = || Hello { auth: auth(), epoch: 1, ..mmtp_hello(1) };
    let stream = client.connect(running.address(), HOST).await.unwrap();
    let mut older = MmtpClient::over(stream, &key.prove(known(), HOST, None));
    let first = token(&older.welcome().await);

    let hello = key.prove(Hello { nonce: [9; 16], ..known() }, HOST, Some(&first));
    let (mut session, bytes) = flight(&hello);
    let (mut raw, recorded) = Raw::early(&running, &client, &bytes).await;
    let Event::Welcome(welcome) = event(&mut raw, &mut session).await else { panic!() };
    assert!(raw.session.is_early_data_accepted());
    assert_eq!(welcome.user.as_deref(), Some("key-one"));
    assert!(welcome.resumed.is_none() && welcome.token.is_none());
    // Who has recorded the flight and sends it gets as far as that at most.
    let mut replay = TcpStream::connect(running.address()).await.unwrap();
    replay.write_all(&recorded).await.unwrap();
    drop(replay);
    // The older connection is there still, and works.
    assert_eq!(older.call("mine", "").await.status, 200);

    raw.finish("").await;
    let Event::Update(update) = event(&mut raw, &mut session).await else { panic!() };
    let Update { resumed, token, .. } = *update;
    assert_eq!(resumed, Some(Resumed::Yes));
    assert!(token.is_some());
    let Event::Goaway(closing) = older.event().await else { panic!() };
    assert_eq!(closing.code, CloseCode::REPLACED);
    drop((raw, older));
    running.stop().await;
}

#[tokio::test]
async fn a_stranger_that_knows_app_and_device_leaves_the_device_alone() {
    let upstream = upstream().await;
    let running = Setup::new(config(&upstream, KNOWN)).variable("KEY_ONE", KEY).start().await;
    let hello = Hello { auth: auth(), epoch: 1, ..mmtp_hello(1) };
    let mut own = MmtpClient::connect(running.address(), &hello).await;
    own.welcome().await;
    let mut strangers = Vec::new();
    for _ in 0..8 {
        let mut stranger = MmtpClient::connect(running.address(), &mmtp_hello(1)).await;
        stranger.welcome().await;
        strangers.push(stranger);
    }
    assert_eq!(own.call("mine", "").await.status, 200);
    assert!(!own.session.is_closed());
    // Those of the strangers that are too many go, the oldest first.
    let Event::Goaway(closing) = strangers[0].event().await else { panic!() };
    assert_eq!(closing.code, CloseCode::REPLACED);
    // The device itself takes over.
    let mut newer = MmtpClient::connect(running.address(), &hello).await;
    newer.welcome().await;
    let Event::Goaway(closing) = soon(own.event()).await else { panic!() };
    assert_eq!(closing.code, CloseCode::REPLACED);
    drop((own, newer, strangers));
    running.stop().await;
}
