//! Listeners that come and go, limits, drains, over real sockets.
#![allow(clippy::unwrap_used)]

use parking_lot::Mutex;

use super::*;
use crate::edge::{ConnInfo, ConnectionHandler, EdgeStream};

/// Fails as told before it accepts.
struct Flaky {
    listener: TcpListener,
    failures: Mutex<Vec<io::Error>>,
}

impl Accept for Flaky {
    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let failure = self.failures.lock().pop();
        match failure {
            Some(error) => Err(error),
            None => TcpListener::accept(&self.listener).await,
        }
    }
}

struct Ignore;

impl ConnectionHandler for Ignore {
    async fn serve(&self, _: Box<EdgeStream>, _: Arc<ConnInfo>, _: watch::Receiver<DrainState>) {}
}

const EMFILE: i32 = 24;
const ECONNABORTED: i32 = 103;

async fn accept_after_failures(failures: &[i32]) -> Arc<ListenerShared> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let failures = failures.iter().rev().map(|code| io::Error::from_raw_os_error(*code));
    let flaky = Flaky { listener, failures: Mutex::new(failures.collect()) };
    let mut spec = ListenerSpec::new("flaky", address);
    spec.h2c = false;
    let shared = Arc::new(ListenerShared::new(address, spec));
    let (say, drain) = watch::channel(DrainState::Running);
    let (say_closed, closed) = oneshot::channel();
    let running =
        tokio::spawn(run(flaky, Arc::clone(&shared), Arc::new(Ignore), drain, say_closed));
    let mut client = TcpStream::connect(address).await.unwrap();
    // The handler drops the connection, which reads as its end: it was accepted.
    let mut byte = [0; 1];
    let read = tokio::io::AsyncReadExt::read(&mut client, &mut byte);
    assert_eq!(tokio::time::timeout(Duration::from_secs(10), read).await.unwrap().unwrap(), 0);
    say.send_replace(DrainState::Draining { until: tokio::time::Instant::now() });
    closed.await.unwrap();
    running.await.unwrap();
    shared
}

#[tokio::test]
async fn a_want_of_descriptors_pauses_the_loop_and_passes() {
    let shared = accept_after_failures(&[EMFILE, EMFILE]).await;
    assert_eq!(shared.stats.accept_errors.get(), 2);
    assert_eq!(shared.stats.served.get(), 1);
}

#[tokio::test]
async fn a_connection_that_broke_in_the_queue_is_skipped() {
    let shared = accept_after_failures(&[ECONNABORTED; 3]).await;
    assert_eq!(shared.stats.accept_errors.get(), 0);
    assert_eq!(shared.stats.served.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn pauses_double_up_to_a_second() {
    let mut pause = Pause::default();
    let mut pauses = Vec::new();
    for failure in 0..9 {
        assert_eq!(pause.begin_or_extend(), failure == 0);
        pauses.push((pause.until.unwrap() - tokio::time::Instant::now()).as_millis());
    }
    assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
}

#[tokio::test(start_paused = true)]
async fn a_pause_does_not_delay_the_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let failures = (0..100).map(|_| io::Error::from_raw_os_error(EMFILE)).collect();
    let flaky = Flaky { listener, failures: Mutex::new(failures) };
    let shared = Arc::new(ListenerShared::new(address, ListenerSpec::new("flaky", address)));
    let (say, drain) = watch::channel(DrainState::Running);
    let (say_closed, closed) = oneshot::channel();
    let running =
        tokio::spawn(run(flaky, Arc::clone(&shared), Arc::new(Ignore), drain, say_closed));
    let began = tokio::time::Instant::now();
    while shared.stats.accept_errors.get() < 9 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // It paused eight times, and pauses for a second now.
    let before = tokio::time::Instant::now();
    assert!(before - began >= Duration::from_millis(2270));
    say.send_replace(DrainState::Draining { until: before });
    closed.await.unwrap();
    running.await.unwrap();
    assert!(before.elapsed() < Duration::from_millis(100));
}
