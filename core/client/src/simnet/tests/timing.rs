//! When bytes arrive: latency, bandwidth, jitter, loss, outages.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use super::{both, got, ms, plain};
use crate::simnet::retransmit::Sender;
use crate::simnet::{Lane, Link, Outages, Profile};

#[tokio::test(start_paused = true)]
async fn a_byte_takes_the_latency_each_way() {
    let (mut client, mut server, _) = plain();
    let start = Instant::now();
    client.write_all(b"ping").await.unwrap();
    assert_eq!(got(&mut server, 4, start).await, (b"ping".to_vec(), ms(50)));
    server.write_all(b"pong").await.unwrap();
    assert_eq!(got(&mut client, 4, start).await, (b"pong".to_vec(), ms(100)));
}

#[tokio::test(start_paused = true)]
async fn bandwidth_spreads_what_is_written_at_once() {
    let lane = Lane { bandwidth: Some(100_000), ..Lane::CLEAR };
    let (mut client, mut server, _) = Link::pair(&both(lane), 1);
    let start = Instant::now();
    client.write_all(&[7; 100_000]).await.unwrap();
    let (_, first) = got(&mut server, 1, start).await;
    let (_, all) = got(&mut server, 99_999, start).await;
    // A segment of 1480 bytes with its headers; then 71 of them, the last one short.
    assert_eq!(first, ms(15));
    assert!(all >= ms(1036) && all <= ms(1038), "{all:?}");
}

#[tokio::test(start_paused = true)]
async fn jitter_and_loss_keep_order_and_lose_nothing() {
    let lane = Lane { latency: ms(20), jitter: ms(200), bandwidth: Some(1 << 20), loss: 0.3 };
    let (mut client, mut server, link) = Link::pair(&both(lane), 5);
    let sent: Vec<u8> = (0..400_000u32).map(|at| (at % 251) as u8).collect();
    let expected = sent.clone();
    let writer = tokio::spawn(async move {
        for piece in sent.chunks(7001) {
            client.write_all(piece).await.unwrap();
        }
        client.shutdown().await.unwrap();
        client
    });
    let mut came = Vec::new();
    server.read_to_end(&mut came).await.unwrap();
    writer.await.unwrap();
    assert!(came == expected, "bytes differ");
    let (up, _) = link.traffic();
    assert_eq!((up.sent, up.arrived), (400_000, 400_000));
    assert!(up.lost > 80, "{up:?}");
}

/// Arrivals of 200 lone bytes, one a second.
async fn arrivals(seed: u64) -> Vec<Duration> {
    let lane = Lane { latency: ms(50), jitter: ms(10), bandwidth: None, loss: 0.2 };
    let (mut client, mut server, _) = Link::pair(&both(lane), seed);
    let mut times = Vec::new();
    for _ in 0..200 {
        let start = Instant::now();
        client.write_all(b"x").await.unwrap();
        times.push(got(&mut server, 1, start).await.1);
        tokio::time::sleep(ms(1000)).await;
    }
    times
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_arrivals() {
    let (first, again, other) = (arrivals(3).await, arrivals(3).await, arrivals(4).await);
    assert_eq!(first, again);
    assert_ne!(first, other);
    // Not lost, lost once, lost twice: the timeout is 100 + 10 + 200 ms and doubles.
    let within = |low, high| first.iter().filter(|at| (low..=high).contains(*at)).count();
    let (none, once, twice) =
        (within(ms(50), ms(61)), within(ms(360), ms(371)), within(ms(980), ms(991)));
    assert!((140..=178).contains(&none), "{none}");
    assert!((16..=50).contains(&once), "{once}");
    assert!((1..=18).contains(&twice), "{twice}");
}

/// How long a segment takes that leaves at `left` (ms) on a path that is out for its first second.
async fn out_for_a_second(left: u64, followed: bool) -> Duration {
    let outages = Outages { first: Duration::ZERO, length: ms(1000), every: None };
    let profile = Profile { outages: Some(outages), ..Profile::latency(ms(50)) };
    let now = Instant::now();
    let mut lost = 0;
    let sender = Sender::new(&profile, profile.up, now);
    let rng = &mut fastrand::Rng::with_seed(1);
    let at = sender.arrival(now + ms(left), now, followed, rng, &mut lost);
    assert_eq!(lost > 0, left < 1000);
    at - now
}

#[tokio::test(start_paused = true)]
async fn an_outage_ends_with_the_next_repetition() {
    // The timeout is 100 + 200 ms: tries at 0, 300, 900, 2100.
    assert_eq!(out_for_a_second(0, false).await, ms(2150));
    // Told of after a round trip: at 0, 100, 400, 1000.
    assert_eq!(out_for_a_second(0, true).await, ms(1050));
    // 500, 800, 1400.
    assert_eq!(out_for_a_second(500, false).await, ms(1450));
    assert_eq!(out_for_a_second(1000, false).await, ms(1050));
}

#[tokio::test(start_paused = true)]
async fn outages_come_again() {
    let outages = Outages { first: ms(1000), length: ms(500), every: Some(ms(2000)) };
    let ends = |at| outages.end_of(ms(at));
    assert_eq!(ends(999), None);
    assert_eq!(ends(1000), Some(ms(1500)));
    assert_eq!(ends(1499), Some(ms(1500)));
    assert_eq!(ends(1500), None);
    assert_eq!(ends(7200), Some(ms(7500)));
    let once = Outages { every: None, ..outages };
    assert_eq!((once.end_of(ms(1200)), once.end_of(ms(3200))), (Some(ms(1500)), None));
}

#[tokio::test(start_paused = true)]
async fn outages_are_counted_from_the_origin() {
    let outages = Outages { first: ms(1000), length: ms(500), every: None };
    let profile = Profile { outages: Some(outages), ..Profile::latency(ms(10)) };
    let start = Instant::now();
    tokio::time::sleep(ms(1100)).await;
    let (mut client, mut server, _) = Link::pair_since(&profile, 1, start);
    client.write_all(b"x").await.unwrap();
    // The timeout is 220 ms: tries at 1100, 1320, 1760.
    assert_eq!(got(&mut server, 1, start).await.1, ms(1770));
}

#[tokio::test(start_paused = true)]
async fn a_path_that_becomes_another_has_its_figures() {
    let (mut client, mut server, link) = plain();
    link.become_like(&Profile::latency(ms(300)));
    let start = Instant::now();
    client.write_all(b"x").await.unwrap();
    assert_eq!(got(&mut server, 1, start).await.1, ms(300));
}
