//! What a TLS connection that says nothing takes of memory: its task, session and facts.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream as Blocking};
use std::sync::mpsc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::support::*;
use crate::edge::tls::{SessionLimits, TlsConfig, TlsSpec};
use crate::edge::*;

/// Bytes that `count` connections of `alpn` take, each after an exchange of some bytes; the clients are another thread's.
fn taken(count: usize, alpn: &'static str) -> usize {
    let pki = Pki::new();
    let client = pki.client(&[alpn], None);
    let mut tls = TlsSpec::new(vec![server_certificate(&pki, &["a.example"])]);
    tls.alpn = vec![tls::Alpn::Mmtp, tls::Alpn::Http1];
    tls.sessions = Some(SessionLimits {
        count: 16,
        bytes: 1 << 20,
        lifetime: std::time::Duration::from_secs(60),
    });
    let mut spec = plain("a");
    spec.tls = Some(TlsConfig::build(&tls).unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut edge = runtime.block_on(TestEdge::with(vec![spec]));
    let address = edge.address("a");
    let (ready, told) = mpsc::channel();
    let clients = std::thread::spawn(move || {
        let held: Vec<_> = (0..count).map(|_| exchange(&client, address)).collect();
        let _ = told.recv();
        drop(held);
    });
    let mut held: Vec<Served> = Vec::with_capacity(count);
    let used = allocation_counter::measure(|| {
        runtime.block_on(async {
            for _ in 0..count {
                let mut served = edge.served().await;
                served.stream.read_exact(&mut [0; 100]).await.unwrap();
                served.stream.write_all(&[0; 100]).await.unwrap();
                served.stream.flush().await.unwrap();
                held.push(served);
            }
        });
    });
    ready.send(()).unwrap();
    clients.join().unwrap();
    usize::try_from(used.bytes_current).unwrap()
}

/// A connection of a client that blocks, after an exchange.
fn exchange(
    client: &TlsClient,
    address: SocketAddr,
) -> tokio_rustls::rustls::StreamOwned<tokio_rustls::rustls::ClientConnection, Blocking> {
    let socket = Blocking::connect(address).unwrap();
    let mut stream = tokio_rustls::rustls::StreamOwned::new(client.session("a.example"), socket);
    stream.write_all(&[0; 100]).unwrap();
    stream.read_exact(&mut [0; 100]).unwrap();
    stream
}

#[test]
fn an_idle_tls_connection_takes_little() {
    for alpn in ["mmtp/1", "http/1.1"] {
        // What is allocated once, and grows by doubling, is in both.
        let (few, many) = (taken(10, alpn), taken(110, alpn));
        let each = (many - few) / 100;
        assert!(each < 6 * 1024, "{alpn}: {each} bytes");
    }
}
