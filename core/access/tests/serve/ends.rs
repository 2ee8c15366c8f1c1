//! Connections that end.

use std::time::Duration;

use bytes::Bytes;
use paifang_access::{Drain, Form};
use paifang_mmtp::{
    code::CloseCode,
    greeting::Hello,
    session::{ClosedBy, Event, NewRequest, Operation, Refusal},
};
use tokio::io::AsyncWriteExt;

use crate::support::{Echo, Running, auth, hello};

fn call(name: &str) -> NewRequest<'_> {
    NewRequest::new(Operation::Name(name), Bytes::from_static(b"x"))
}

#[tokio::test(start_paused = true)]
async fn a_device_keeps_its_newer_connection_and_the_older_finishes() {
    let running = Running::new(Echo::default());
    let hello = Hello { auth: auth("ann"), ..hello(1) };
    let mut older = running.connect(65_536, &hello);
    older.welcome().await;
    older.session.request(call("wait")).unwrap();
    older.flush().await;
    let mut idle = running.connect(65_536, &hello);
    idle.welcome().await;
    assert!(older.is_told_to_go().await);
    let mut newer = running.connect(65_536, &hello);
    newer.welcome().await;
    // One that does not go by itself is ended, and hears no other reason than before.
    assert!(idle.is_told_to_go().await);
    let Event::Closed(closed) = idle.event().await else { panic!() };
    assert_eq!((closed.by, closed.closing.code), (ClosedBy::Peer, CloseCode::REPLACED));
    assert_eq!(older.session.request(call("echo")), Err(Refusal::Going));
    running.host.go.notify_one();
    assert_eq!(older.answer().await.0, 200);
    newer.session.request(call("echo")).unwrap();
    assert_eq!(newer.answer().await.0, 200);
    drop(older);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(running.server.registry().of_device("a", &[1]).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_drain_is_spread_and_lets_calls_finish() {
    let running = Running::new(Echo::default());
    let mut peers = Vec::new();
    for device in 0..20 {
        let mut peer = running.connect(65_536, &hello(device));
        assert!(matches!(peer.event().await, Event::Welcome(_)));
        peers.push(peer);
    }
    peers[0].session.request(call("wait")).unwrap();
    peers[0].flush().await;
    let began = tokio::time::Instant::now();
    running.drain.send(Drain::Draining { spread: Duration::from_secs(60) }).unwrap();
    let mut times = Vec::new();
    for peer in &mut peers {
        let Event::Goaway(closing) = peer.event().await else { panic!() };
        assert_eq!(closing.code, CloseCode::DRAINING);
        assert!(closing.jitter > 0);
        times.push(began.elapsed());
    }
    assert!(began.elapsed() <= Duration::from_secs(60));
    assert!(*times.last().unwrap() > Duration::from_secs(10), "{times:?}");
    running.host.go.notify_one();
    assert_eq!(peers[0].answer().await.0, 200);
    // Clients that do not close are closed.
    let Event::Closed(closed) = peers[1].event().await else { panic!() };
    assert_eq!((closed.by, closed.closing.code), (ClosedBy::Peer, CloseCode::DRAINING));
    assert!(closed.closing.jitter > 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_gone_ends_its_calls() {
    let running = Running::new(Echo::default());
    let mut peer = running.greeted().await;
    peer.session.request(call("wait")).unwrap();
    peer.flush().await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(running.host.calls.lock().len(), 1);
    drop(peer);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(running.host.aborted.load(std::sync::atomic::Ordering::SeqCst));
    let totals = running.server.stats().totals();
    assert_eq!((totals.open, totals.opened, totals.greeted, totals.calls), (0, 1, 1, 1));
    assert_eq!(running.server.stats().closes(), [(("lost", "done"), 1)]);
}

#[tokio::test(start_paused = true)]
async fn peers_that_stall_in_any_state_are_ended() {
    // Nothing; half a HELLO; a HELLO and half a call.
    let mut whole = bytes::BytesMut::new();
    Hello { versions: (1, 1), ..hello(1) }.encode(&mut whole);
    let after = [&whole[..], &[0x28, 9, 1]].concat();
    let forms = [Form::Long, Form::WebSocket];
    let states = [(&b""[..], 11), (&whole[..5], 11), (&after, 466)];
    // A conversation waits for no frame of its client, but for HELLO.
    let posts = states[..2].iter().map(|state| (Form::Post, *state));
    let all = forms.into_iter().flat_map(|form| states.map(|state| (form, state)));
    for (form, (bytes, seconds)) in all.chain(posts) {
        let running = Running::new(Echo::default());
        let mut peer = running.connect_as(form, 65_536, &hello(1));
        peer.stream.write_all(bytes).await.unwrap();
        tokio::time::sleep(Duration::from_secs(seconds - 2)).await;
        let closes = running.server.stats().closes();
        assert_eq!(running.server.stats().totals().open, 1, "{seconds} {closes:?}");
        tokio::time::sleep(Duration::from_secs(8)).await;
        assert_eq!(running.server.stats().totals().open, 0, "{seconds}");
        assert_eq!(running.server.stats().closes(), [(("server", "idle"), 1)]);
    }
}

#[tokio::test(start_paused = true)]
async fn who_reads_nothing_is_ended_in_any_form_also_while_all_is_said() {
    for form in Form::ALL {
        let running = Running::new(Echo::default());
        let mut peer = running.connect_as(form, 256, &hello(1));
        peer.session.request(call("large")).unwrap();
        peer.flush().await;
        // Nor does it go when it is told to.
        tokio::time::sleep(Duration::from_secs(45)).await;
        assert_eq!(running.server.stats().totals().open, 0, "{form:?}");
        assert!(running.host.aborted.load(std::sync::atomic::Ordering::SeqCst));
        assert_eq!(running.server.stats().closes(), [(("server", "slow_reader"), 1)]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_drain_may_become_shorter() {
    let running = Running::new(Echo::default());
    let mut peers = Vec::new();
    for device in 0..20 {
        let mut peer = running.connect(65_536, &hello(device));
        peer.welcome().await;
        peers.push(peer);
    }
    let began = tokio::time::Instant::now();
    running.drain.send(Drain::Draining { spread: Duration::from_secs(3600) }).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    running.drain.send(Drain::Draining { spread: Duration::from_secs(5) }).unwrap();
    for peer in &mut peers {
        let Event::Goaway(_) = peer.event().await else { panic!() };
    }
    assert!(began.elapsed() <= Duration::from_secs(7), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_on_talking_is_read_until_it_has_heard_the_end() {
    let running = Running::new(Echo::default());
    let mut peer = running.greeted().await;
    // A frame of type 0; and what its client had begun to send by then.
    peer.stream.write_all(&[0, 0]).await.unwrap();
    let Event::Closed(closed) = peer.event().await else { panic!() };
    assert_eq!(closed.closing.code, CloseCode::MALFORMED);
    peer.stream.write_all(&[0; 100_000]).await.unwrap();
    // It is not read for ever.
    tokio::time::sleep(Duration::from_secs(2)).await;
    peer.stream.write_all(&[0; 100]).await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn what_is_counted_is_by_app_version_and_network() {
    let running = Running::new(Echo::default());
    let peer = running.greeted().await;
    let group = ("a".into(), "".into(), "unknown");
    assert_eq!(running.server.stats().groups(), [(group, 1)]);
    drop(peer);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(running.server.stats().groups().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_drain_names_where_else_to_go_and_so_does_the_welcome() {
    let limits = paifang_access::Limits {
        alternates: ["b.example:443".into()].into(),
        ..paifang_access::Limits::default()
    };
    let running = Running::new(Echo { limits: limits.into(), ..Echo::default() });
    let mut peer = running.connect(65_536, &hello(1));
    let Event::Welcome(welcome) = peer.event().await else { panic!() };
    assert_eq!(welcome.alternates, [Box::from("b.example:443")]);
    running.drain.send(Drain::Draining { spread: Duration::from_secs(1) }).unwrap();
    let Event::Goaway(closing) = peer.event().await else { panic!() };
    assert_eq!(closing.alternates, [Box::from("b.example:443")]);
    assert!(closing.jitter > 0);
}
