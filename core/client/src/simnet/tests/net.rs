//! The network of a device: dialling, refusals, losing the network.

use std::io::ErrorKind;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use super::{both, got, ms, silent};
use crate::simnet::{Answer, Forgotten, Lane, Link, Profile, SimNet, Way};

const SERVER: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 443);

/// A network with an echo at [`SERVER`], 40 ms each way.
fn with_echo() -> SimNet {
    let net = SimNet::new(Profile::latency(ms(40)), 1);
    net.serve(SERVER, |end| {
        tokio::spawn(async move {
            let (mut read, mut write) = tokio::io::split(end);
            let _ended = tokio::io::copy(&mut read, &mut write).await;
        });
    });
    net
}

async fn failure(net: &SimNet) -> ErrorKind {
    net.connect(SERVER).await.unwrap_err().kind()
}

#[tokio::test(start_paused = true)]
async fn a_connection_takes_a_round_trip_and_then_carries() {
    let net = with_echo();
    let start = Instant::now();
    let mut client = net.connect(SERVER).await.unwrap();
    assert_eq!(start.elapsed(), ms(80));
    client.write_all(b"hello").await.unwrap();
    assert_eq!(got(&mut client, 5, start).await, (b"hello".to_vec(), ms(160)));
    assert_eq!((net.links().len(), net.links_to(SERVER).len()), (1, 1));
    drop(client);
    tokio::time::sleep(ms(1000)).await;
    assert!(net.links().is_empty());
}

#[tokio::test(start_paused = true)]
async fn nobody_there_and_a_refusal_take_a_round_trip() {
    let net = SimNet::new(Profile::latency(ms(40)), 1);
    let start = Instant::now();
    assert_eq!(failure(&net).await, ErrorKind::ConnectionRefused);
    assert_eq!(start.elapsed(), ms(80));
    let net = with_echo();
    net.answer(SERVER, Answer::Refuse);
    assert_eq!(failure(&net).await, ErrorKind::ConnectionRefused);
    net.answer(SERVER, Answer::Open);
    assert!(net.connect(SERVER).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_silent_address_never_answers() {
    let net = with_echo();
    net.answer(SERVER, Answer::Silent);
    assert!(timeout(ms(600_000), net.connect(SERVER)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_lost_opening_is_repeated_after_a_second() {
    let lane = Lane { latency: ms(40), loss: 0.4, ..Lane::CLEAR };
    let net = SimNet::new(both(lane), 9);
    net.serve(SERVER, drop);
    let mut late = 0;
    for _ in 0..50 {
        let start = Instant::now();
        drop(net.connect(SERVER).await.unwrap());
        let took = start.elapsed();
        assert_eq!(took.as_millis() % 1000, 80, "{took:?}");
        late += usize::from(took > ms(1000));
    }
    assert!((20..=44).contains(&late), "{late}");
}

#[tokio::test(start_paused = true)]
async fn without_a_network_dialling_fails_and_connections_stall() {
    let net = with_echo();
    let mut client = net.connect(SERVER).await.unwrap();
    net.offline();
    assert_eq!(failure(&net).await, ErrorKind::NetworkUnreachable);
    client.write_all(b"x").await.unwrap();
    assert!(silent(&mut client, ms(5000)).await);
    net.restore();
    assert_eq!(got(&mut client, 1, Instant::now()).await.0, b"x");
    assert!(net.connect(SERVER).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn commands_reach_every_connection() {
    let net = with_echo();
    let mut clients = [net.connect(SERVER).await.unwrap(), net.connect(SERVER).await.unwrap()];
    net.stall(Way::Down);
    for client in &mut clients {
        client.write_all(b"x").await.unwrap();
        assert!(silent(client, ms(1000)).await);
    }
    net.restore();
    for client in &mut clients {
        assert_eq!(got(client, 1, Instant::now()).await.0, b"x");
    }
    net.cut();
    for client in &mut clients {
        assert_eq!(client.read(&mut [0]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    }
    let mut last = net.connect(SERVER).await.unwrap();
    net.forget(Forgotten::Silent);
    last.write_all(b"x").await.unwrap();
    assert!(silent(&mut last, ms(60_000)).await);
}

#[tokio::test(start_paused = true)]
async fn an_address_may_have_a_path_of_its_own() {
    let net = with_echo();
    let far: SocketAddr = "10.0.0.1:443".parse().unwrap();
    net.serve(far, drop);
    net.path_to(far, Profile::latency(ms(200)));
    let start = Instant::now();
    net.connect(far).await.unwrap();
    assert_eq!(start.elapsed(), ms(400));
    net.become_like(Profile::latency(ms(10)));
    let start = Instant::now();
    net.connect(SERVER).await.unwrap();
    assert_eq!(start.elapsed(), ms(20));
    assert_eq!(net.links().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_real_server_is_dialled_over_a_path() {
    let start = Instant::now();
    let (near, mut server) = tokio::io::duplex(64);
    let profile = Profile::latency(ms(40));
    let dialled = Link::dial(&profile, 1, start, async { Ok(near) }).await;
    let (mut client, _) = dialled.unwrap();
    assert_eq!(start.elapsed(), ms(80));
    server.write_all(b"hello").await.unwrap();
    assert_eq!(got(&mut client, 5, start).await, (b"hello".to_vec(), ms(120)));
    let nobody = async { Err::<tokio::io::DuplexStream, _>(ErrorKind::ConnectionRefused.into()) };
    let refused = Link::dial(&profile, 1, start, nobody).await.unwrap_err();
    assert_eq!((refused.kind(), start.elapsed()), (ErrorKind::ConnectionRefused, ms(200)));
}
