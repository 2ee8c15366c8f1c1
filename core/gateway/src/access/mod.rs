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
use futures::{Stream, stream};
use paifang_access::Server;
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
    // No async function: it would have room for what it is given beside what it hands on.
    fn serve(
        &self,
        mut stream: Box<EdgeStream>,
        info: Arc<ConnInfo>,
        drain: watch::Receiver<DrainState>,
    ) -> impl Future<Output = ()> + Send {
        let server = &self.0;
        async move {
            // Under TLS it is ALPN that names the protocol.
            if info.tls.is_none() && !preface(&mut stream).await {
                return;
            }
            server.serve(stream, Arc::new(Carrier::long(info)), leave(drain)).await;
        }
    }
}

/// When a listener's connections should come to an end, and again where that is brought forward: by the time over which they say so, half of
/// what is left, so that the other half is there to finish in. It ends when nobody is left who could say more.
fn leave(drain: watch::Receiver<DrainState>) -> impl Stream<Item = Duration> + Send {
    stream::unfold((drain, false), |(mut drain, mut seen)| async move {
        loop {
            if std::mem::replace(&mut seen, true) {
                drain.changed().await.ok()?;
            }
            let until = drain.borrow_and_update().until();
            if let Some(until) = until {
                let left = until.saturating_duration_since(Instant::now());
                return Some(((left / 2).min(SPREAD), (drain, true)));
            }
        }
    })
}

/// Reads what a plain connection begins with; false when it is something else, or does not come.
async fn preface(stream: &mut EdgeStream) -> bool {
    let mut first = [0; PREFACE.len()];
    let read = tokio::time::timeout(PREFACE_DEADLINE, stream.read_exact(&mut first)).await;
    matches!(read, Ok(Ok(_))) && first == *PREFACE
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
            front.0.serve(stream, carrier, leave(drain))
        });
        println!("{outer} bytes around {inner}");
        assert!(outer <= 640 && inner <= 600, "{outer} bytes around {inner}");
    }
}
