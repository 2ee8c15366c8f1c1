//! Calls.

use std::{sync::atomic::Ordering, time::Duration};

use bytes::Bytes;
use paifang_access::Limits;
use paifang_mmtp::{
    code::{CancelCode, CloseCode},
    session::{Event, NewRequest, Operation},
    tlv::kind,
};

use crate::support::{Echo, Running, hello};

fn call(name: &str) -> NewRequest<'_> {
    NewRequest::new(Operation::Name(name), Bytes::from_static(b"hi"))
}

#[tokio::test(start_paused = true)]
async fn a_call_is_answered_and_its_fields_arrive() {
    let running = Running::new(Echo::default());
    let mut with_field = hello(1);
    with_field.fields = vec![
        ("user-agent".into(), b"app".as_slice().into()),
        ("x-gone".into(), b"1".as_slice().into()),
        ("host".into(), b"evil".as_slice().into()),
    ];
    let mut peer = running.connect(65_536, &with_field);
    let request = NewRequest {
        params: &[("shop", "7")],
        query: Some("a=b"),
        fields: &[("content-type", b"text/plain"), ("x-gone", b"")],
        ..call("orders")
    };
    peer.session.request(request).unwrap();
    assert!(matches!(peer.event().await, Event::Welcome(_)));
    let Event::Response(answer) = peer.event().await else { panic!() };
    let fields: Result<Vec<_>, _> = paifang_mmtp::session::fields(answer.tlvs()).collect();
    let id = format!("{}0101", "07".repeat(16));
    assert_eq!(fields.unwrap(), [("x-call", id.as_bytes())]);
    let seen = running.host.calls.lock().pop().unwrap();
    assert!(seen.starts_with(r#"orders [("shop", "7")] Some("a=b") by nobody"#), "{seen}");
    assert!(seen.contains("user-agent") && !seen.contains("x-gone") && !seen.contains("evil"));
}

#[tokio::test(start_paused = true)]
async fn large_bodies_go_through_both_ways() {
    let running = Running::new(Echo::default());
    let mut peer = running.connect(4096, &hello(1));
    assert!(matches!(peer.event().await, Event::Welcome(_)));
    let body: Vec<u8> = (0..500_000u32).map(|index| index as u8).collect();
    peer.session.request(NewRequest { data: body.clone().into(), ..call("echo") }).unwrap();
    // The client must read while it writes.
    let (mut read, mut write) = tokio::io::split(peer.stream);
    let mut answer = Vec::new();
    let began = tokio::time::Instant::now();
    let mut out = bytes::BytesMut::new();
    let mut bytes = [0; 4096];
    let mut end = false;
    while !end {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        peer.session.poll_transmit(&mut out, 4096);
        tokio::select! {
            read = read.read(&mut bytes) => {
                let now = paifang_mmtp::session::Millis(began.elapsed().as_millis() as u64);
                peer.session.receive(&bytes[..read.unwrap()], now);
            }
            written = write.write_buf(&mut out), if !out.is_empty() => assert!(written.unwrap() > 0),
        }
        while let Some(event) = peer.session.poll_event() {
            let (data, cost, last) = match event {
                Event::Response(answer) => (answer.data, answer.cost, answer.end),
                Event::Data { data, cost, end, .. } => (data, cost, end),
                _ => continue,
            };
            answer.extend_from_slice(&data);
            peer.session.consumed(1, cost);
            end = last;
        }
    }
    assert_eq!(answer.len(), body.len() + 1);
    assert!(answer[..body.len()] == body);
}

#[tokio::test(start_paused = true)]
async fn many_calls_at_once_and_a_slow_one_holds_nobody() {
    let running = Running::new(Echo::default());
    let mut peer = running.greeted().await;
    let slow = peer.session.request(call("wait")).unwrap();
    for _ in 0..50 {
        peer.session.request(call("echo")).unwrap();
    }
    for _ in 0..50 {
        assert_eq!(peer.answer().await, (200, b"hi!".to_vec()));
    }
    running.host.go.notify_one();
    let Event::Response(answer) = peer.event().await else { panic!() };
    assert_eq!(answer.key, slow);
}

#[tokio::test(start_paused = true)]
async fn cancelled_calls_end() {
    let running = Running::new(Echo::default());
    let mut peer = running.greeted().await;
    let key = peer.session.request(call("wait")).unwrap();
    assert!(peer.event_within(Duration::from_millis(10)).await.is_none());
    peer.session.cancel(key, CancelCode::UNWANTED);
    peer.session.request(call("empty")).unwrap();
    assert_eq!(peer.answer().await, (204, vec![]));
    assert!(running.host.aborted.load(Ordering::SeqCst));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_passes_is_said() {
    let running = Running::new(Echo::default());
    let mut peer = running.greeted().await;
    peer.session.request(NewRequest { deadline_ms: Some(300), ..call("wait") }).unwrap();
    let Event::Response(answer) = peer.event().await else { panic!() };
    assert_eq!(answer.status, 504);
    assert_eq!(answer.tlvs().get(kind::ERROR), Some(&[0xa6, 0x1f][..]));
}

#[tokio::test(start_paused = true)]
async fn a_panic_breaks_off_its_call_alone() {
    let running = Running::new(Echo::default());
    let mut peer = running.greeted().await;
    let key = peer.session.request(call("panic")).unwrap();
    assert_eq!(peer.event().await, Event::Cancelled { key, code: CancelCode::BROKEN });
    peer.session.request(call("echo")).unwrap();
    assert_eq!(peer.answer().await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn a_malformed_call_is_refused_alone() {
    let running = Running::new(Echo::default());
    let mut peer = running.greeted().await;
    let bad = NewRequest { fields: &[("connection", b"x")], ..call("echo") };
    peer.session.request(bad).unwrap();
    assert_eq!(peer.answer().await, (400, vec![]));
    let target = Operation::Target("GET", "/v1/x?y");
    peer.session.request(NewRequest::new(target, Bytes::new())).unwrap();
    assert_eq!(peer.answer().await, (200, b"!".to_vec()));
    assert!(running.host.calls.lock()[0].starts_with("GET /v1/x?y "));
}

#[tokio::test(start_paused = true)]
async fn a_calls_fields_of_one_name_stand_together_wherever_they_were() {
    let running = Running::new(Echo::default());
    let mut with_field = hello(1);
    with_field.fields = vec![("x-tag".into(), b"of the connection".as_slice().into())];
    let mut peer = running.connect(65_536, &with_field);
    let fields: &[(&str, &[u8])] = &[("x-tag", b"1"), ("x-other", b"2"), ("x-tag", b"3")];
    peer.session.request(NewRequest { fields, ..call("echo") }).unwrap();
    assert!(matches!(peer.event().await, Event::Welcome(_)));
    assert_eq!(peer.answer().await.0, 200);
    let seen = running.host.calls.lock().pop().unwrap();
    assert!(seen.contains(r#""x-tag": "1", "x-tag": "3""#), "{seen}");
    assert!(seen.contains(r#""x-other": "2""#) && !seen.contains("connection"), "{seen}");
}

#[tokio::test(start_paused = true)]
async fn who_cancels_faster_than_calls_end_is_sent_away() {
    let running = Running::new(Echo::default());
    let mut peer = running.greeted().await;
    let most = Limits::default().session.settings.max_calls;
    for _ in 0..2 * most {
        let key = peer.session.request(call("stubborn")).unwrap();
        peer.session.cancel(key, CancelCode::UNWANTED);
    }
    peer.session.request(call("echo")).unwrap();
    let Event::Closed(closed) = peer.event().await else { panic!() };
    assert_eq!(closed.closing.code, CloseCode::TOO_FAST);
    running.host.go.notify_waiters();
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_or_trickles_has_an_end() {
    let running = Running::new(Echo::default());
    let mut peer = running.greeted().await;
    let began = tokio::time::Instant::now();
    peer.session.request(NewRequest { end: false, ..call("whole") }).unwrap();
    // It beats meanwhile: that the connection lives helps nothing.
    assert_eq!(peer.answer().await, (408, Vec::new()));
    assert_eq!(began.elapsed().as_secs(), 30);
    // A byte now and then.
    let began = tokio::time::Instant::now();
    let slow = peer.session.request(NewRequest { end: false, ..call("whole") }).unwrap();
    let status = loop {
        match peer.event_within(Duration::from_secs(20)).await {
            None => {
                peer.session.send(slow, Bytes::from_static(b"x"), false, Bytes::new());
            }
            Some(Event::Response(answer)) => break answer.status,
            Some(other) => panic!("{other:?}"),
        }
    };
    assert_eq!((status, began.elapsed().as_secs()), (408, 600));
    // Slow, but in time.
    let slow = peer.session.request(NewRequest { end: false, ..call("whole") }).unwrap();
    for end in [false, false, true] {
        assert!(peer.event_within(Duration::from_secs(25)).await.is_none());
        peer.session.send(slow, Bytes::from_static(b"x"), end, Bytes::new());
    }
    assert_eq!(peer.answer().await, (200, b"5".to_vec()));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_the_client_does_not_take_is_broken_off() {
    let running = Running::new(Echo::default());
    let mut peer = running.greeted().await;
    // It never gives credit back for the answer, and others go on.
    let stuck = peer.session.request(call("large")).unwrap();
    let mut others = Vec::new();
    let code = loop {
        match peer.event_within(Duration::from_secs(5)).await {
            Some(Event::Cancelled { key, code }) if key == stuck => break code,
            Some(Event::Response(answer)) if answer.key != stuck => others.push(answer.status),
            Some(Event::Closed(closed)) => panic!("{closed:?}"),
            Some(_) => {}
            None => {
                let request = NewRequest { channel: 16, ..call("empty") };
                peer.session.request(request).unwrap();
            }
        }
    };
    assert_eq!(code, CancelCode::BROKEN);
    assert!(running.host.aborted.load(Ordering::SeqCst), "its call has ended");
    assert!(others.len() >= 5 && others.iter().all(|status| *status == 204), "{others:?}");
    assert_eq!(running.server.stats().totals().open, 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_taken_slowly_comes_whole() {
    let running = Running::new(Echo::default());
    let mut peer = running.greeted().await;
    let big = Bytes::from(vec![0; 120_000]);
    peer.session.request(NewRequest::new(Operation::Name("echo"), big)).unwrap();
    let (mut owed, mut came) = (0, 0);
    loop {
        match peer.event_within(Duration::from_secs(20)).await {
            Some(Event::Response(answer)) => {
                came += answer.data.len();
                owed += answer.cost;
            }
            Some(Event::Data { data, cost, end, .. }) => {
                came += data.len();
                owed += cost;
                if end {
                    break;
                }
            }
            Some(Event::Drained(_)) => {}
            Some(other) => panic!("{other:?}"),
            None => {
                let some = owed.min(33_000);
                owed -= some;
                peer.session.consumed(1, some);
            }
        }
    }
    assert_eq!(came, 120_001);
}
