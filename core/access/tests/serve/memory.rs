//! What an idle connection takes.

use std::{sync::mpsc, time::Duration};

use paifang_access::Drain;
use tokio::io::{DuplexStream, duplex};

use crate::support::{Echo, Peer, Running, hello};

/// Bytes that `count` greeted connections take on the server's side, each after a call; the clients are another thread's. The pipe
/// between them is counted, and what it holds.
fn taken(count: u8) -> usize {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (ours, theirs): (Vec<DuplexStream>, Vec<DuplexStream>) =
        (0..count).map(|_| duplex(4096)).unzip();
    let (over, wait) = mpsc::channel::<()>();
    let clients = std::thread::spawn(move || {
        let runtime = runtime();
        let peers = runtime.block_on(async {
            let mut peers = Vec::new();
            for (index, stream) in (1..).zip(theirs) {
                let mut peer = Peer::new(stream, &hello(index));
                assert!(matches!(peer.event().await, paifang_mmtp::session::Event::Welcome(_)));
                let body = paifang_mmtp::session::Operation::Name("empty");
                let request = paifang_mmtp::session::NewRequest::new(body, "".into());
                peer.session.request(request).unwrap();
                assert_eq!(peer.answer().await.0, 204);
                peers.push(peer);
            }
            peers
        });
        let _ = wait.recv();
        drop(peers);
    });
    let (runtime, running) = (runtime(), Running::new(Echo::default()));
    let mut tasks = Vec::new();
    let used = allocation_counter::measure(|| {
        runtime.block_on(async {
            for stream in ours {
                let (server, drain) = (running.server.clone(), running.drain.subscribe());
                tasks.push(tokio::spawn(async move {
                    server.serve(stream, "test", Drain::spreads(drain)).await
                }));
            }
            while running.server.stats().totals().calls < u64::from(count) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            // The last answer is on its way.
            tokio::time::sleep(Duration::from_millis(20)).await;
        });
    });
    running.drain.send_replace(Drain::Running);
    over.send(()).unwrap();
    clients.join().unwrap();
    usize::try_from(used.bytes_current).unwrap()
}

#[test]
fn an_idle_connection_takes_little() {
    // What is allocated once is in both.
    let (few, many) = (taken(10), taken(110));
    let each = (many - few) / 100;
    assert!(each < 4 * 1024, "{each} bytes");
}
