//! MMTP on this gateway: what the access front asks of its host, answered by the pipeline.
//!
//! A call becomes a head as HTTP has it and passes the same routes and chains. A credential is looked at by an API of the
//! operator's choice: its chain says who it is. Messages of a component go to the operation that is configured for it.

mod carrier;
mod host;
mod memory;
mod resume;
mod rules;
mod web;
mod zones;

pub(crate) use carrier::Carrier;
pub(crate) use host::AccessHost;
pub(crate) use web::HttpDoors;

use crate::edge::{ConnInfo, ConnectionHandler, DrainState, EdgeStream};
use paifang_access::{Drain, Server};
use std::{sync::Arc, time::Duration};
use tokio::{io::AsyncReadExt, sync::watch, time::Instant};

/// The most of a drain's time over which clients are told to go.
const SPREAD: Duration = Duration::from_secs(30);

/// What a plain connection begins with: the protocol and its version (spec section 1).
const PREFACE: &[u8; 6] = b"MMTP/\x01";
/// How long it may take; the front's own deadline begins behind it.
const PREFACE_DEADLINE: Duration = Duration::from_secs(10);

/// Hands connections to the access front.
pub(crate) struct AccessFront(pub(crate) Arc<Server<AccessHost>>);

impl ConnectionHandler for AccessFront {
    async fn serve(
        &self,
        mut stream: EdgeStream,
        info: Arc<ConnInfo>,
        drain: watch::Receiver<DrainState>,
    ) {
        // Under TLS it is ALPN that names the protocol.
        if info.tls.is_none() && !preface(&mut stream).await {
            return;
        }
        let (said, told) = watch::channel(Drain::Running);
        let carrier = Arc::new(Carrier::long(info));
        // Both boxed: a future has room for what it is given, and again for what it hands on. A connection lives for hours.
        let served = Box::pin(self.0.serve(Box::new(stream), carrier, told));
        drain_of(served, drain, &said).await;
    }
}

/// Serves a connection, and tells it by `said` what its listener's state means for it.
async fn drain_of(
    mut served: impl Future<Output = ()> + Unpin,
    mut drain: watch::Receiver<DrainState>,
    said: &watch::Sender<Drain>,
) {
    said.send_replace(stage(*drain.borrow_and_update()));
    loop {
        tokio::select! {
            biased;
            () = &mut served => return,
            changed = drain.changed() => {
                if changed.is_err() {
                    return served.await;
                }
                said.send_replace(stage(*drain.borrow_and_update()));
            }
        }
    }
}

/// Reads what a plain connection begins with; false when it is something else, or does not come.
async fn preface(stream: &mut EdgeStream) -> bool {
    let mut first = [0; PREFACE.len()];
    let read = tokio::time::timeout(PREFACE_DEADLINE, stream.read_exact(&mut first)).await;
    matches!(read, Ok(Ok(_))) && first == *PREFACE
}

/// What a listener's state means for its connections. They are told over half of the time that is left, so that the other half is
/// there to finish in.
fn stage(state: DrainState) -> Drain {
    match state.until() {
        None => Drain::Running,
        Some(until) => {
            let left = until.saturating_duration_since(Instant::now());
            Drain::Draining { spread: (left / 2).min(SPREAD) }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_preface_that_does_not_come_whole_is_not_waited_for_for_ever() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        for said in [&b"MMTP/"[..], b""] {
            let mut client = std::net::TcpStream::connect(address).unwrap();
            std::io::Write::write_all(&mut client, said).unwrap();
            let (server, _) = listener.accept().await.unwrap();
            let mut stream = EdgeStream::plain(server, bytes::Bytes::new());
            let began = Instant::now();
            assert!(!preface(&mut stream).await);
            assert!(began.elapsed() >= PREFACE_DEADLINE);
        }
    }

    /// Bytes of the future that a function gives.
    fn size<A, B, C, D, F>(_: impl FnOnce(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn the_futures_of_a_connection_are_small() {
        type Fronts = &'static AccessFront;
        let outer = size(|front: Fronts, stream, info, drain| front.serve(stream, info, drain));
        let inner = size(|front: Fronts, stream: Box<EdgeStream>, carrier, drain| {
            front.0.serve(stream, carrier, drain)
        });
        println!("{outer} bytes around {inner}");
        assert!(outer <= 1536 && inner <= 1536, "{outer} bytes around {inner}");
    }
}
