//! `shed`: a share of the calls is refused, by every door.

use super::super::conformance::Door;
use paifang_tests::harness::{Ask, Client, Recorder, Running, one_api};

#[tokio::test]
async fn every_other_call_is_refused_and_never_reaches_the_upstream() {
    let upstream = Recorder::start().await;
    let running =
        Running::start(one_api(upstream.address(), "[ shed: { share: 50%, retry_after: 3s } ]"))
            .await;
    for door in Door::ALL {
        for refused in [false, true, false, true] {
            let reply = door.ask(running.address(), &Ask::new("GET", "/")).await;
            let wanted = if refused { (503, "PF-3010") } else { (200, "") };
            assert_eq!((reply.status, &*reply.code()), wanted, "{door:?}");
        }
    }
    assert_eq!(upstream.count(), 2 * Door::ALL.len());
    running.stop().await;
}

#[tokio::test]
async fn callers_are_refused_for_good_and_a_reload_keeps_them() {
    let upstream = Recorder::start().await;
    let config = |share: &str| {
        let step = format!("[ shed: {{ share: {share}, by: {{ header: x-device }} }} ]");
        one_api(upstream.address(), &step)
    };
    let running = Running::start(config("40%")).await;
    let refused = async || {
        let mut client = Client::connect(running.address()).await;
        let mut all = Vec::new();
        for device in 0..100 {
            let ask = format!("GET / HTTP/1.1\r\nhost: a.example\r\nx-device: {device}\r\n\r\n");
            let reply = client.ask(ask).await;
            if reply.status() == 503 {
                assert_eq!((&*reply.code(), reply.header("retry-after")), ("PF-3010", Some("5")));
                all.push(device);
            }
        }
        all
    };
    let first = refused().await;
    assert_eq!(refused().await, first);
    // Five standard deviations to either side.
    assert!((16..=64).contains(&first.len()), "{first:?}");
    running.reload(config("60%")).await.unwrap();
    let more = refused().await;
    assert!(first.iter().all(|device| more.contains(device)) && more.len() > first.len());
    running.stop().await;
}
