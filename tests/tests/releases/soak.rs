//! Load, with a reload again and again and an upstream that restarts: no client sees a failure.
//!
//! Five seconds with a reload every 250 ms; `PAIFANG_SOAK_SECONDS=60` for a longer one with a reload
//! every second.

use paifang_tests::harness::{Client, Running, Server, soon};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};
use tokio::net::{TcpListener, TcpSocket};

const CALLERS: usize = 8;

/// An upstream that answers every request with its own body.
fn echo(listener: TcpListener) -> Server {
    Server::on(listener, |_, mut client| async move {
        while let Some(request) = client.request().await {
            let body = request.text();
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            if client.try_send(answer).await.is_err() {
                return;
            }
        }
    })
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(256)
}

/// Listens where a server was, as soon as that has let go of its port.
async fn listen_again(address: SocketAddr) -> TcpListener {
    soon(async {
        loop {
            match listen(address) {
                Ok(listener) => return listener,
                Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        }
    })
    .await
}

/// Every release differs from the one before in a step, an API and a listener.
fn config(upstreams: [SocketAddr; 2], number: u64) -> String {
    let [one, two] = upstreams;
    let extra = if number.is_multiple_of(2) {
        "  - { name: extra, address: \"127.0.0.1:0\" }\n"
    } else {
        ""
    };
    format!(
        "version: 1
listeners:
  - {{ name: public, address: \"127.0.0.1:0\" }}
{extra}upstreams:
  up: {{ endpoints: [ {{ address: \"{one}\" }}, {{ address: \"{two}\" }} ], retry_budget: {{ share: 100%, minimum: 1000 }} }}
defaults: {{ retry: {{ attempts: 3 }} }}
apis:
  - id: all
    match: {{ path: / }}
    upstream: up
    handlers:
      - throttle: {{ rate: 1000000/s, by: api }}
      - headers: {{ response: {{ set: {{ x-release: r{number} }} }} }}
  - {{ id: other-{number}, match: {{ path: /other }}, handlers: [ respond: {{ status: 204 }} ] }}
"
    )
}

#[derive(Default)]
struct Counts {
    /// Calls that were answered, by caller.
    calls: [AtomicU64; CALLERS],
    stop: AtomicBool,
}

impl Counts {
    fn now(&self) -> [u64; CALLERS] {
        std::array::from_fn(|caller| self.calls[caller].load(SeqCst))
    }

    fn all(&self) -> u64 {
        self.now().iter().sum()
    }

    /// Waits until no call is in flight that was begun before `then`.
    async fn all_begun_anew_since(&self, then: [u64; CALLERS]) {
        soon(async {
            while self.now().iter().zip(then).any(|(now, then)| *now == then) {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

/// Calls in a closed loop; each answer must be the one to its own call. PUT is idempotent, so the
/// gateway may repeat it on another server.
async fn caller(address: SocketAddr, number: usize, counts: Arc<Counts>) {
    let mut client = Client::connect(address).await;
    let mut call = 0_u64;
    while !counts.stop.load(SeqCst) {
        call += 1;
        let body = format!("caller {number} call {call}");
        let request = format!(
            "PUT / HTTP/1.1\r\nhost: a.example\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = client.ask(request).await;
        assert_eq!((answer.status(), answer.text()), (200, &*body), "{answer:?}");
        assert!(answer.header("x-release").is_some_and(|release| release.starts_with('r')));
        counts.calls[number].fetch_add(1, SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloads_and_restarts_under_load_fail_no_call() {
    let seconds = std::env::var("PAIFANG_SOAK_SECONDS").ok().and_then(|text| text.parse().ok());
    let length = Duration::from_secs(seconds.unwrap_or(5));
    let every = if seconds.is_some() { 1_000 } else { 250 };
    let mut servers: [Option<Server>; 2] =
        std::array::from_fn(|_| Some(echo(listen(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap())));
    let upstreams = [0, 1].map(|index| servers[index].as_ref().unwrap().address);
    let running = Running::start(config(upstreams, 1)).await;
    let counts = Arc::new(Counts::default());
    let callers: Vec<_> = (0..CALLERS)
        .map(|number| tokio::spawn(caller(running.address(), number, counts.clone())))
        .collect();
    let mut ticks = tokio::time::interval(Duration::from_millis(every));
    let (began, mut release, mut restarts, mut restarted) = (Instant::now(), 1, 0, None);
    while began.elapsed() < length {
        ticks.tick().await;
        let before = counts.all();
        release += 1;
        let made = running.reload(config(upstreams, release)).await;
        assert_eq!(made.unwrap(), release);
        // A server goes down in the middle of its calls, and comes back a while later.
        if release % 4 == 0 {
            let index = restarts % 2;
            // Of two servers one is up, for each call: on a slow machine one call could see both of them go down.
            if let Some(then) = restarted.take() {
                counts.all_begun_anew_since(then).await;
            }
            drop(servers[index].take());
            soon(async {
                while counts.all() < before + 50 {
                    tokio::task::yield_now().await;
                }
            })
            .await;
            servers[index] = Some(echo(listen_again(upstreams[index]).await));
            restarted = Some(counts.now());
            restarts += 1;
        }
        if callers.iter().any(tokio::task::JoinHandle::is_finished) {
            break;
        }
    }
    counts.stop.store(true, SeqCst);
    for caller in callers {
        soon(caller).await.expect("a call failed");
    }
    let calls = counts.all();
    println!("{calls} calls, {release} releases, {restarts} restarts in {:?}", began.elapsed());
    assert!(calls > 100 && release > 4 && restarts > 0);
    running.stop().await;
}
