//! What goes wrong by command or by profile: stalls, a NAT that forgets, resets.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use super::{got, ms, plain, silent};
use crate::simnet::{Forgotten, Link, Nat, Profile, Way};

#[tokio::test(start_paused = true)]
async fn a_half_dead_link_moves_the_other_way() {
    let (mut client, mut server, link) = plain();
    link.stall(Way::Up);
    client.write_all(b"lost?").await.unwrap();
    server.write_all(b"heard").await.unwrap();
    let start = Instant::now();
    assert_eq!(got(&mut client, 5, start).await, (b"heard".to_vec(), ms(50)));
    assert!(silent(&mut server, ms(10_000)).await);
    link.restore();
    // The timeout is 300 ms and doubles: tries at 0.3, 0.9, 2.1, 4.5, 9.3, 18.9 s after it was written.
    assert_eq!(got(&mut server, 5, start).await, (b"lost?".to_vec(), ms(18_950)));
}

#[tokio::test(start_paused = true)]
async fn what_had_arrived_before_a_stall_is_read() {
    let (mut client, mut server, link) = plain();
    client.write_all(b"early").await.unwrap();
    tokio::time::sleep(ms(30)).await;
    client.write_all(b"late").await.unwrap();
    tokio::time::sleep(ms(30)).await;
    link.stall(Way::Both);
    let start = Instant::now();
    assert_eq!(got(&mut server, 5, start).await, (b"early".to_vec(), Duration::ZERO));
    assert!(silent(&mut server, ms(60_000)).await);
    drop(client);
    assert!(silent(&mut server, ms(60_000)).await, "an end of the stream came through a stall");
    link.restore();
    let mut rest = Vec::new();
    server.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"late");
}

#[tokio::test(start_paused = true)]
async fn a_stalled_writer_fills_its_window_and_waits() {
    let profile = Profile { window: 1000, ..Profile::latency(ms(10)) };
    let (mut client, mut server, link) = Link::pair(&profile, 1);
    link.stall(Way::Both);
    assert_eq!(client.write(&[1; 5000]).await.unwrap(), 1000);
    assert!(timeout(ms(60_000), client.write(&[1])).await.is_err());
    link.restore();
    got(&mut server, 1000, Instant::now()).await;
    assert_eq!(client.write(&[1; 500]).await.unwrap(), 500);
}

/// A link whose NAT forgets after 30 s.
fn behind_nat(answer: Forgotten) -> (crate::simnet::End, crate::simnet::End, Link) {
    let nat = Some(Nat { idle: ms(30_000), answer });
    Link::pair(&Profile { nat, ..Profile::latency(ms(50)) }, 1)
}

#[tokio::test(start_paused = true)]
async fn a_nat_keeps_what_is_used_and_forgets_what_is_idle() {
    let (mut client, mut server, link) = behind_nat(Forgotten::Silent);
    for _ in 0..5 {
        tokio::time::sleep(ms(29_000)).await;
        client.write_all(b"beat").await.unwrap();
        got(&mut server, 4, Instant::now()).await;
    }
    tokio::time::sleep(ms(31_000)).await;
    server.write_all(b"push").await.unwrap();
    assert!(silent(&mut client, ms(600_000)).await);
    client.write_all(b"beat").await.unwrap();
    assert!(silent(&mut server, ms(600_000)).await);
    link.restore();
    assert!(silent(&mut server, ms(600_000)).await, "what a NAT forgot came back");
}

#[tokio::test(start_paused = true)]
async fn a_nat_that_answers_resets_the_client_and_not_the_server() {
    let (mut client, mut server, _) = behind_nat(Forgotten::Reset);
    tokio::time::sleep(ms(31_000)).await;
    let start = Instant::now();
    client.write_all(b"beat").await.unwrap();
    let failed = client.read(&mut [0]).await.unwrap_err();
    assert_eq!((failed.kind(), start.elapsed()), (ErrorKind::ConnectionReset, ms(100)));
    drop(client);
    assert!(silent(&mut server, ms(600_000)).await);
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_link_loses_what_was_on_its_way() {
    let (mut client, mut server, link) = plain();
    client.write_all(b"going").await.unwrap();
    tokio::time::sleep(ms(20)).await;
    link.forget(Forgotten::Silent);
    assert!(silent(&mut server, ms(60_000)).await);
}

#[tokio::test(start_paused = true)]
async fn a_reset_comes_behind_what_had_arrived() {
    let (mut client, mut server, link) = plain();
    client.write_all(b"in time").await.unwrap();
    tokio::time::sleep(ms(50)).await;
    client.write_all(b"too late").await.unwrap();
    link.reset();
    assert_eq!(got(&mut server, 7, Instant::now()).await.0, b"in time");
    assert_eq!(server.read(&mut [0]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(server.write(b"x").await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(client.write(b"x").await.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test(start_paused = true)]
async fn a_reset_wakes_who_waits() {
    let (mut client, mut server, link) = plain();
    let reader = tokio::spawn(async move { server.read(&mut [0]).await });
    let full = vec![1; 1 << 20];
    let writer = tokio::spawn(async move { client.write_all(&full).await });
    tokio::time::sleep(ms(10)).await;
    link.reset();
    assert_eq!(reader.await.unwrap().unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(writer.await.unwrap().unwrap_err().kind(), ErrorKind::ConnectionReset);
}
