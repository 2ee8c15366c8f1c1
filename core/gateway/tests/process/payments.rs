//! `kill -9` with calls in flight: what does no harm twice is made again, of the rest the client hears that it may have happened, and
//! nobody pays twice. The upstream's ledger tells.

use crate::process::{Folder, HANG};
use paifang_client::{Client, ClientBuilder, Error, Response, connect::Plain};
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

/// A server that pays once for each Idempotency-Key, however often it is asked.
#[derive(Clone, Default)]
struct Ledger(Arc<(Mutex<Book>, Condvar)>);

#[derive(Default)]
struct Book {
    /// How often it was asked, and what it has paid, by key.
    keys: BTreeMap<String, Entry>,
    /// Answers are held until then.
    open: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Entry {
    asked: u32,
    paid: u32,
}

impl Ledger {
    fn start() -> (Self, SocketAddr) {
        let ledger = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let own = ledger.clone();
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let own = own.clone();
                std::thread::spawn(move || own.serve(&stream));
            }
        });
        (ledger, address)
    }

    /// Calls of one connection, one after the other.
    fn serve(&self, stream: &TcpStream) {
        let mut lines = BufReader::new(stream);
        loop {
            let (mut key, mut length, mut line) = (None, 0, String::new());
            while lines.read_line(&mut line).is_ok_and(|read| read > 0) && line != "\r\n" {
                let (name, value) = line.split_once(':').unwrap_or_default();
                match name.to_ascii_lowercase().as_str() {
                    "idempotency-key" => key = Some(value.trim().to_owned()),
                    "content-length" => length = value.trim().parse().unwrap(),
                    _ => {}
                }
                line.clear();
            }
            let Some(key) = key else { return };
            lines.read_exact(&mut vec![0; length]).unwrap();
            self.pay(key);
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\npaid";
            if lines.get_mut().write_all(answer).is_err() {
                return;
            }
        }
    }

    /// Pays, where it has not, and holds the answer.
    fn pay(&self, key: String) {
        let mut book = self.0.0.lock().unwrap();
        let entry = book.keys.entry(key).or_default();
        entry.asked += 1;
        if entry.paid == 0 {
            entry.paid += 1;
        }
        self.0.1.notify_all();
        let held = self.0.1.wait_while(book, |book| !book.open);
        drop(held.unwrap_or_else(PoisonError::into_inner));
    }

    /// Waits until it was asked under so many keys.
    fn wait(&self, keys: usize) {
        let book = self.0.0.lock().unwrap();
        let missing = |book: &mut Book| book.keys.len() < keys;
        let (book, waited) = self.0.1.wait_timeout_while(book, HANG, missing).unwrap();
        assert!(!waited.timed_out(), "{:?}", book.keys);
    }

    /// Answers everybody.
    fn open(&self) {
        self.0.0.lock().unwrap().open = true;
        self.0.1.notify_all();
    }

    fn entries(&self) -> BTreeMap<String, Entry> {
        self.0.0.lock().unwrap().keys.clone()
    }
}

/// A port that nobody listens on.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn config(port: u16, upstream: SocketAddr) -> String {
    format!(
        "version: 1\n\
         listeners: [ {{ name: public, address: '127.0.0.1:{port}', mmtp: {{ plain: true }} }} ]\n\
         upstreams: {{ bank: {{ endpoints: [ {{ address: '{upstream}' }} ] }} }}\n\
         apis: [ {{ id: pay, match: {{ method: POST, path: /pay }}, operation: pay, upstream: bank }} ]\n"
    )
}

type Outcome = Result<Response, Error>;

async fn pay(client: Client, own_key: Option<&str>, idempotent: bool) -> Outcome {
    let mut call = client.call("pay").body(r#"{"amount":"12.50"}"#).deadline(HANG);
    if let Some(key) = own_key {
        call = call.field("idempotency-key", key);
    }
    call.idempotent(idempotent).send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_gateway_lets_nobody_pay_twice() {
    let (ledger, upstream) = Ledger::start();
    let port = free_port();
    let folder = Folder::new(&config(port, upstream));
    let gateway = folder.start();
    let builder = ClientBuilder::new("wallet", *b"phone").address(&format!("127.0.0.1:{port}"));
    let builder = builder.backoff(Duration::from_millis(20), Duration::from_millis(200));
    let client = builder.build(Plain).unwrap();
    client.connected(HANG).await.unwrap();

    let safe = tokio::spawn(pay(client.clone(), None, true));
    let unsafe_one = tokio::spawn(pay(client.clone(), None, false));
    let with_key = tokio::spawn(pay(client.clone(), Some("order-77"), false));
    let waiting = ledger.clone();
    tokio::task::spawn_blocking(move || waiting.wait(3)).await.unwrap();
    gateway.signal("KILL");
    gateway.ended();
    // The bank has paid by now; nobody has heard of it.
    ledger.open();

    // What may harm when it is done twice is not: the app hears that it may have happened, and under which identity.
    let Err(Error::UnknownOutcome { call_id }) = unsafe_one.await.unwrap() else { panic!() };
    let told = Error::UnknownOutcome { call_id }.to_string();
    assert!(told.contains("unknown outcome") && told.contains(&call_id.to_string()), "{told}");
    let outcome = with_key.await.unwrap();
    assert!(matches!(outcome, Err(Error::UnknownOutcome { .. })), "{outcome:?}");

    // On the same port another one: the safe call goes on by itself, under its first identity.
    let gateway = folder.start();
    let answer = safe.await.unwrap().unwrap();
    assert_eq!((answer.status(), &answer.body()[..]), (200, &b"paid"[..]));
    // A further one where the dying gateway has still taken a connection; it has asked the bank for nothing.
    assert!((2..=3).contains(&answer.head().attempts()), "{}", answer.head().attempts());
    let safe_id = answer.head().call_id().to_string();

    // The app's own retry, under the key that it has chosen.
    let again = pay(client.clone(), Some("order-77"), false).await.unwrap();
    assert_eq!((again.status(), &again.body()[..]), (200, &b"paid"[..]));

    let entry = |asked| Entry { asked, paid: 1 };
    let wanted =
        [(safe_id, entry(2)), (call_id.to_string(), entry(1)), ("order-77".into(), entry(2))];
    assert_eq!(ledger.entries(), BTreeMap::from(wanted));
    client.close();
    drop(gateway);
}
