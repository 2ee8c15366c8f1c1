//! Clients that ask without a pause, each in its own way, and count what fails.

use crate::process::HANG;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    thread::JoinHandle,
    time::Instant,
};

/// What the upstream answers.
const BODY: &str = "from the upstream";

/// An upstream that answers at once and keeps its connections.
pub(crate) fn quick_upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            std::thread::spawn(move || answer_all(&stream));
        }
    });
    address
}

fn answer_all(mut stream: &TcpStream) {
    let mut lines = BufReader::new(stream);
    let mut line = String::new();
    while lines.read_line(&mut line).is_ok_and(|read| read > 0) {
        if line == "\r\n" {
            let length = BODY.len();
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{BODY}");
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
        line.clear();
    }
}

/// What all clients of one way have seen.
#[derive(Default)]
struct Seen {
    answered: AtomicU64,
    connections: AtomicU64,
    /// Asked again over another connection, for the first has told that they were not begun.
    repeated: AtomicU64,
    failed: Mutex<Vec<String>>,
}

impl Seen {
    fn note(&self, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => drop(self.answered.fetch_add(1, SeqCst)),
            Err(why) => self.failed.lock().unwrap().push(why),
        }
    }
}

/// Clients of every way at once.
pub(crate) struct Load {
    over: Arc<AtomicBool>,
    ways: Vec<(&'static str, Arc<Seen>)>,
    clients: Vec<JoinHandle<()>>,
}

type Client = fn(SocketAddr, &str, &Seen, &AtomicBool);

impl Load {
    /// Asks `public` for `/quick` and `admin` for `/readyz`.
    pub(crate) fn start(public: SocketAddr, admin: SocketAddr) -> Self {
        let ways: [(&'static str, SocketAddr, &'static str, usize, Client); 4] = [
            ("keep-alive", public, "/quick", 4, keeps_alive),
            ("new connections", public, "/quick", 2, connects_anew),
            ("HTTP/2", public, "/quick", 2, streams),
            ("admin", admin, "/readyz", 1, connects_anew),
        ];
        let over = Arc::new(AtomicBool::new(false));
        let (mut all, mut clients) = (Vec::new(), Vec::new());
        for (name, address, path, count, client) in ways {
            let seen: Arc<Seen> = Arc::default();
            for _ in 0..count {
                let (seen, over) = (seen.clone(), over.clone());
                clients.push(std::thread::spawn(move || client(address, path, &seen, &over)));
            }
            all.push((name, seen));
        }
        let load = Self { over, ways: all, clients };
        load.goes_on();
        load
    }

    /// Waits until clients of every way have had many more answers.
    pub(crate) fn goes_on(&self) {
        let end = Instant::now() + HANG;
        for (name, seen) in &self.ways {
            let before = seen.answered.load(SeqCst);
            while seen.answered.load(SeqCst) < before + 50 {
                let failed = seen.failed.lock().unwrap();
                assert!(failed.is_empty() && Instant::now() < end, "{name}: {:?}", failed.first());
                drop(failed);
                std::thread::yield_now();
            }
        }
    }

    /// Ends it. Says how many calls were answered, and which failed.
    #[allow(clippy::print_stdout, reason = "the figures of a run")]
    pub(crate) fn end(self) -> (u64, Vec<String>) {
        self.over.store(true, SeqCst);
        self.clients.into_iter().for_each(|client| client.join().unwrap());
        let (mut answered, mut failed) = (0, Vec::new());
        for (name, seen) in &self.ways {
            let (count, connections) = (seen.answered.load(SeqCst), seen.connections.load(SeqCst));
            let repeated = seen.repeated.load(SeqCst);
            println!(
                "{name}: {count} answered over {connections} connections, {repeated} repeated"
            );
            answered += count;
            let theirs = seen.failed.lock().unwrap();
            failed.extend(theirs.iter().map(|why| format!("{name}: {why}")));
        }
        (answered, failed)
    }
}

/// One connection for as long as the gateway keeps it.
fn keeps_alive(address: SocketAddr, path: &str, seen: &Seen, over: &AtomicBool) {
    let mut open = None;
    while !over.load(SeqCst) {
        let outcome = call(&mut open, address, path, "", seen);
        seen.note(outcome);
    }
}

/// A connection each call.
fn connects_anew(address: SocketAddr, path: &str, seen: &Seen, over: &AtomicBool) {
    while !over.load(SeqCst) {
        let outcome = call(&mut None, address, path, "connection: close\r\n", seen);
        seen.note(outcome);
    }
}

/// One call; a connection that may go on stays in `open`.
fn call(
    open: &mut Option<BufReader<TcpStream>>,
    address: SocketAddr,
    path: &str,
    headers: &str,
    seen: &Seen,
) -> Result<(), String> {
    let told = |what: &str, error: std::io::Error| format!("{what}: {error}");
    let mut stream = match open.take() {
        Some(stream) => stream,
        None => {
            let stream = TcpStream::connect(address).map_err(|error| told("connect", error))?;
            stream.set_read_timeout(Some(HANG)).map_err(|error| told("timeout", error))?;
            seen.connections.fetch_add(1, SeqCst);
            BufReader::new(stream)
        }
    };
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n{headers}\r\n");
    let sent = stream.get_mut().write_all(request.as_bytes());
    sent.map_err(|error| told("send", error))?;
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        let read = stream.read_line(&mut head).map_err(|error| told("head", error))?;
        if read == 0 {
            return Err(format!("closed after `{head}`"));
        }
    }
    let head = head.to_ascii_lowercase();
    let length = head.split_once("content-length: ").and_then(|(_, rest)| rest.lines().next());
    let length: usize = length.and_then(|text| text.parse().ok()).ok_or_else(|| head.clone())?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).map_err(|error| told("body", error))?;
    if !head.starts_with("http/1.1 200 ") {
        return Err(head);
    }
    if !head.contains("connection: close") {
        *open = Some(stream);
    }
    Ok(())
}

/// Two HTTP/2 streams at once over one connection, for as long as the gateway keeps it.
fn streams(address: SocketAddr, path: &str, seen: &Seen, over: &AtomicBool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        while !over.load(SeqCst) {
            let connected = async {
                let stream =
                    tokio::net::TcpStream::connect(address).await.map_err(|e| e.to_string())?;
                h2::client::handshake(stream).await.map_err(|e| e.to_string())
            };
            let (client, connection) = match connected.await {
                Ok(connected) => connected,
                Err(why) => {
                    seen.note(Err(why));
                    continue;
                }
            };
            seen.connections.fetch_add(1, SeqCst);
            let driver = tokio::spawn(connection);
            let asked = || asks(client.clone(), address, path, seen, over);
            tokio::join!(asked(), asked());
            drop(client);
            // The connection's end was agreed upon: it is no failure.
            let _ = tokio::time::timeout(HANG, driver).await;
        }
    });
}

/// One call after the other, until the gateway wants the connection to end.
async fn asks(
    mut client: h2::client::SendRequest<bytes::Bytes>,
    address: SocketAddr,
    path: &str,
    seen: &Seen,
    over: &AtomicBool,
) {
    while !over.load(SeqCst) {
        // What was never sent is sent over the next connection.
        let Ok(mut ready) = client.ready().await else { return };
        let request = http::Request::get(format!("http://{address}{path}")).body(()).unwrap();
        let Ok((response, _)) = ready.send_request(request, true) else { return };
        let response = match response.await {
            // GOAWAY has told that it was not begun: it is asked anew, as every client does (RFC 9113 section 6.8).
            Err(error) if was_not_begun(&error) => {
                seen.repeated.fetch_add(1, SeqCst);
                return;
            }
            response => response,
        };
        let whole = async {
            let response = response.map_err(|error| format!("response: {error}"))?;
            let status = response.status();
            let mut body = response.into_body();
            while let Some(chunk) = body.data().await {
                let chunk = chunk.map_err(|error| format!("body: {error}"))?;
                let _ = body.flow_control().release_capacity(chunk.len());
            }
            if status.is_success() { Ok(()) } else { Err(status.to_string()) }
        };
        seen.note(whole.await);
        client = ready;
    }
}

/// Whether a stream is above the last one of a GOAWAY that reports no error: `h2` gives this error to those alone.
fn was_not_begun(error: &h2::Error) -> bool {
    error.is_go_away() && error.is_remote() && error.reason() == Some(h2::Reason::NO_ERROR)
}
