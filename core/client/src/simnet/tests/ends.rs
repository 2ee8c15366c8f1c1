//! Ends as byte streams: windows, closing, dropping, splitting.

use std::io::ErrorKind;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use super::{got, ms, plain, silent};
use crate::simnet::{Link, Profile, relay};

#[tokio::test(start_paused = true)]
async fn a_writer_waits_for_room_in_the_window() {
    let profile = Profile { window: 10_000, ..Profile::latency(ms(50)) };
    let (mut client, mut server, _) = Link::pair(&profile, 1);
    assert_eq!(client.write(&[1; 9000]).await.unwrap(), 9000);
    assert_eq!(client.write(&[1; 9000]).await.unwrap(), 1000);
    assert!(timeout(ms(60_000), client.write(&[1])).await.is_err());
    let writer = tokio::spawn(async move { client.write(&[1; 9000]).await.unwrap() });
    let (_, _) = got(&mut server, 4000, Instant::now()).await;
    let taken = writer.await.unwrap();
    assert!((1..=4000).contains(&taken), "{taken}");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_comes_after_the_bytes_and_ends_one_way() {
    let (mut client, mut server, _) = plain();
    let start = Instant::now();
    client.write_all(b"last words").await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(client.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    let mut all = Vec::new();
    server.read_to_end(&mut all).await.unwrap();
    assert_eq!((all.as_slice(), start.elapsed()), (b"last words".as_slice(), ms(50)));
    server.write_all(b"answer").await.unwrap();
    assert_eq!(got(&mut client, 6, start).await.1, ms(100));
}

#[tokio::test(start_paused = true)]
async fn who_writes_to_one_who_is_gone_is_reset_after_a_round_trip() {
    let (client, mut server, _) = plain();
    drop(client);
    let start = Instant::now();
    assert_eq!(server.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(start.elapsed(), ms(50));
    server.write_all(b"hello?").await.unwrap();
    tokio::time::sleep(ms(99)).await;
    server.write_all(b"hello?").await.unwrap();
    tokio::time::sleep(ms(2)).await;
    assert_eq!(server.write(b"x").await.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test(start_paused = true)]
async fn bytes_that_nobody_read_are_a_reset_for_their_sender() {
    let (mut client, mut server, _) = plain();
    server.write_all(b"unread").await.unwrap();
    client.write_all(b"bye").await.unwrap();
    drop(client);
    let start = Instant::now();
    assert_eq!(got(&mut server, 3, start).await.0, b"bye");
    assert_eq!(server.read(&mut [0]).await.unwrap(), 0);
    tokio::time::sleep(ms(100)).await;
    assert_eq!(server.write(b"x").await.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test(start_paused = true)]
async fn halves_in_two_tasks_wake_each_other() {
    let profile = Profile { window: 1000, ..Profile::latency(ms(5)) };
    let (client, server, _) = Link::pair(&profile, 1);
    let echo = tokio::spawn(async move {
        let (mut read, mut write) = tokio::io::split(server);
        tokio::io::copy(&mut read, &mut write).await.unwrap();
        write.shutdown().await.unwrap();
    });
    let (mut read, mut write) = tokio::io::split(client);
    let sender = tokio::spawn(async move {
        write.write_all(&[9; 50_000]).await.unwrap();
        write.shutdown().await.unwrap();
        write
    });
    let mut all = Vec::new();
    read.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, [9; 50_000]);
    sender.await.unwrap();
    echo.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_link_before_a_server_carries_both_ways_and_both_ends() {
    let (near, mut server) = tokio::io::duplex(512);
    let profile = Profile { window: 4096, ..Profile::latency(ms(30)) };
    let (mut client, _) = Link::over(near, &profile, 1, Instant::now());
    let start = Instant::now();
    client.write_all(b"question").await.unwrap();
    let mut asked = [0; 8];
    server.read_exact(&mut asked).await.unwrap();
    assert_eq!((&asked, start.elapsed()), (b"question", ms(30)));
    let sender = tokio::spawn(async move {
        server.write_all(&[4; 20_000]).await.unwrap();
        drop(server);
    });
    let mut all = Vec::new();
    client.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, [4; 20_000]);
    sender.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_relay_ends_when_its_client_has_left_a_server_that_still_sends() {
    let (near, mut server) = tokio::io::duplex(512);
    let profile = Profile { window: 2048, ..Profile::latency(ms(30)) };
    let (client, far, _) = Link::pair(&profile, 1);
    let relay = tokio::spawn(relay(far, near));
    let sender = tokio::spawn(async move { server.write_all(&[4; 100_000]).await });
    tokio::time::sleep(ms(200)).await;
    drop(client);
    let ended = timeout(ms(60_000), relay).await.unwrap().unwrap();
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert!(sender.await.unwrap().is_err());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_read_into_no_room() {
    let (mut client, mut server, _) = plain();
    assert_eq!(client.read(&mut []).await.unwrap(), 0);
    assert!(silent(&mut server, ms(1000)).await);
}
