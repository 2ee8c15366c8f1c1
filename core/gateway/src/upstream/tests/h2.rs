//! HTTP/2 by prior knowledge: streams, trailers, interim responses, resets, GOAWAY.

use super::support::{Server, call, get, headers, in_time, once, request, run, spec, start};
use crate::upstream::{Protocol, Upstream};
use bytes::Bytes;
use h2::{Reason, RecvStream, server::SendResponse};
use http::{Method, Request, Response};
use paifang_pipeline::{
    Frame, Termination,
    testkit::{Sent, TestCall},
};
use std::{
    future::Future,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::{
    io::AsyncWriteExt,
    sync::{Barrier, Notify},
    time::Instant,
};

/// An HTTP/2 server; `handle` gets the connection's number, from 0.
pub(super) async fn server<F, R>(handle: F) -> Server
where
    F: Fn(usize, Request<RecvStream>, SendResponse<Bytes>) -> R + Send + Sync + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let handle = Arc::new(handle);
    Server::start(move |number, tcp| {
        let handle = Arc::clone(&handle);
        async move {
            let mut connection = h2::server::handshake(tcp).await.unwrap();
            while let Some(Ok((request, respond))) = connection.accept().await {
                tokio::spawn(handle(number, request, respond));
            }
        }
    })
    .await
}

fn h2(to: SocketAddr) -> Arc<Upstream> {
    let mut spec = spec(to);
    spec.protocol = Protocol::H2;
    start(spec)
}

async fn read_all(body: &mut RecvStream) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
        all.extend_from_slice(&data);
    }
    all
}

#[tokio::test]
async fn heads_bodies_and_trailers_both_ways() {
    let server = server(|_, request, mut respond| async move {
        assert_eq!(request.method(), Method::POST);
        assert_eq!(request.uri().to_string(), "http://api.example/x?y=1");
        assert_eq!(request.headers()["te"], "trailers");
        for gone in ["host", "connection", "transfer-encoding", "expect"] {
            assert!(!request.headers().contains_key(gone), "{gone}");
        }
        let mut body = request.into_body();
        let data = read_all(&mut body).await;
        let trailers = body.trailers().await.unwrap().unwrap();
        assert_eq!(trailers["x-sum"], "5");
        assert!(!trailers.contains_key("content-length"));
        let mut send = respond.send_response(Response::new(()), false).unwrap();
        send.send_data(data.into(), false).unwrap();
        send.send_trailers(headers(&[("grpc-status", "0")])).unwrap();
    })
    .await;
    let upstream = h2(server.address);
    let trailers = headers(&[("x-sum", "5"), ("content-length", "9")]);
    let last =
        Frame { data: Bytes::from_static(b"lo"), end: true, trailers: Some(Box::new(trailers)) };
    let call = TestCall::new(Method::POST, "/x?y=1")
        .header("host", "api.example")
        .header("te", "trailers")
        .header("connection", "te")
        .frames([Frame::data(Bytes::from_static(b"hel")), last]);
    let reply = run(call, &upstream).await;
    assert_eq!((reply.status(), reply.body().as_str()), (200, "hello"));
    assert_eq!(reply.trailers().unwrap()["grpc-status"], "0");
}

#[tokio::test]
async fn a_call_without_a_body_is_one_frame_and_its_answer_may_be_too() {
    let server = server(|_, request, mut respond| async move {
        assert!(request.body().is_end_stream(), "no empty DATA frame follows");
        respond.send_response(Response::builder().status(204).body(()).unwrap(), true).unwrap();
    })
    .await;
    let upstream = h2(server.address);
    assert_eq!(get(&upstream).await.status(), 204);
    assert_eq!(run(TestCall::new(Method::POST, "/"), &upstream).await.status(), 204);
}

#[tokio::test]
async fn interim_responses_are_relayed() {
    let server = server(|_, _, mut respond| async move {
        let mut hints = Response::builder().status(103).body(()).unwrap();
        hints.headers_mut().insert("link", "</a>".parse().unwrap());
        respond.send_informational(hints).unwrap();
        let mut send = respond.send_response(Response::new(()), false).unwrap();
        send.send_data(Bytes::from_static(b"ok"), true).unwrap();
    })
    .await;
    let reply = get(&h2(server.address)).await;
    let hints = reply.sent.iter().find_map(|sent| match sent {
        Sent::Info(head) => Some((head.status.as_u16(), head.headers["link"].clone())),
        _ => None,
    });
    assert_eq!(hints, Some((103, "</a>".parse().unwrap())));
    assert_eq!(reply.body(), "ok");
}

#[tokio::test]
async fn calls_share_a_connection_up_to_the_limit() {
    // Nobody is answered before all six are there.
    let barrier = Arc::new(Barrier::new(6));
    let server = server(move |_, _, mut respond| {
        let barrier = Arc::clone(&barrier);
        async move {
            barrier.wait().await;
            respond.send_response(Response::new(()), true).unwrap();
        }
    })
    .await;
    let mut spec = spec(server.address);
    (spec.protocol, spec.pool.h2_streams) = (Protocol::H2, 3);
    let upstream = start(spec);
    let calls = (0..6).map(|_| get(&upstream));
    for reply in futures::future::join_all(calls).await {
        assert_eq!(reply.status(), 200);
    }
    assert_eq!(server.connections(), 2);
    assert_eq!(upstream.read().endpoints[0].h2_connections, 2);
    // Slots are given back.
    let again = (0..6).map(|_| get(&upstream));
    assert!(futures::future::join_all(again).await.iter().all(|reply| reply.status() == 200));
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn the_server_decides_how_many_calls_a_connection_takes() {
    let server = Server::start(|_, tcp| async move {
        let mut connection = h2::server::Builder::new()
            .max_concurrent_streams(1)
            .handshake::<_, Bytes>(tcp)
            .await
            .unwrap();
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            respond.send_response(Response::new(()), true).unwrap();
        }
    })
    .await;
    let upstream = h2(server.address);
    assert_eq!(get(&upstream).await.status(), 200);
    let calls = (0..4).map(|_| get(&upstream));
    assert!(futures::future::join_all(calls).await.iter().all(|reply| reply.status() == 200));
    assert!(server.connections() > 1);
}

#[tokio::test]
async fn a_refused_stream_is_repeated_whatever_the_method() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let server = server(move |_, _, mut respond| {
        let first = counter.fetch_add(1, SeqCst) == 0;
        async move {
            if first {
                respond.send_reset(Reason::REFUSED_STREAM);
            } else {
                respond.send_response(Response::new(()), true).unwrap();
            }
        }
    })
    .await;
    assert_eq!(run(TestCall::post("/", "x"), &h2(server.address)).await.status(), 200);
    assert_eq!(calls.load(SeqCst), 2);
}

#[tokio::test]
async fn any_other_reset_is_repeated_for_idempotent_calls_alone() {
    let server = server(|_, _, mut respond| async move {
        respond.send_reset(Reason::INTERNAL_ERROR);
    })
    .await;
    let upstream = h2(server.address);
    let reply = run(TestCall::post("/", "x"), &upstream).await;
    assert_eq!((reply.error().as_deref(), reply.outcome.attempts), (Some("PF-4004"), 1));
    let reply = get(&upstream).await;
    assert_eq!((reply.error().as_deref(), reply.outcome.attempts), (Some("PF-4004"), 2));
}

#[tokio::test]
async fn a_reset_within_the_body_never_looks_whole() {
    let server = server(|_, _, mut respond| async move {
        let mut send = respond.send_response(Response::new(()), false).unwrap();
        send.send_data(Bytes::from_static(b"short"), false).unwrap();
        // Once this is on the wire: a reset overtakes what is queued.
        send.reserve_capacity(1 << 30);
        let _ = std::future::poll_fn(|cx| send.poll_capacity(cx)).await;
        tokio::task::yield_now().await;
        send.send_reset(Reason::INTERNAL_ERROR);
    })
    .await;
    let reply = get(&h2(server.address)).await;
    assert_eq!(reply.served.termination, Termination::OriginBrokeOff);
    assert!(matches!(reply.sent.last(), Some(Sent::Abort)));
}

#[tokio::test]
async fn after_goaway_calls_go_over_a_new_connection() {
    let server = Server::start(|number, tcp| async move {
        let mut connection = h2::server::handshake(tcp).await.unwrap();
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            respond.send_response(Response::new(()), true).unwrap();
            if number == 0 {
                connection.graceful_shutdown();
            }
        }
    })
    .await;
    let upstream = h2(server.address);
    for _ in 0..3 {
        assert_eq!(run(once(TestCall::post("/", "x")), &upstream).await.status(), 200);
        // Until the connection knows.
        in_time(async {
            while server.connections() == 1 && upstream.read().endpoints[0].h2_connections == 1 {
                upstream.members.lock().all()[0].streams.sweep();
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_connection_that_breaks_is_replaced() {
    let server = Server::start(|number, tcp| async move {
        let mut connection = h2::server::handshake(tcp).await.unwrap();
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            if number == 0 {
                return;
            }
            respond.send_response(Response::new(()), true).unwrap();
        }
    })
    .await;
    let reply = get(&h2(server.address)).await;
    assert_eq!((reply.status(), reply.outcome.attempts, server.connections()), (200, 2, 2));
}

#[tokio::test]
async fn a_client_that_goes_cancels_its_stream() {
    let cancelled = Arc::new(Notify::new());
    let tell = Arc::clone(&cancelled);
    let server = server(move |_, _, mut respond| {
        let tell = Arc::clone(&tell);
        async move {
            let mut send = respond.send_response(Response::new(()), false).unwrap();
            let reason = std::future::poll_fn(|cx| send.poll_reset(cx)).await.unwrap();
            assert_eq!(reason, Reason::CANCEL);
            tell.notify_one();
        }
    })
    .await;
    let upstream = h2(server.address);
    let (mut client, task) = call(&upstream, request("GET", "/", &[]), false);
    assert_eq!(client.head().await.status, 200);
    task.abort();
    in_time(cancelled.notified()).await;
    assert!(task.await.unwrap_err().is_cancelled());
    assert_eq!(upstream.read().endpoints[0].in_flight, 0);
}

#[tokio::test]
async fn a_conversation_in_turns() {
    let server = server(|_, request, mut respond| async move {
        let mut body = request.into_body();
        let mut send = respond.send_response(Response::new(()), false).unwrap();
        while let Some(data) = body.data().await {
            let data = data.unwrap();
            body.flow_control().release_capacity(data.len()).unwrap();
            send.send_data(data, false).unwrap();
        }
        send.send_trailers(headers(&[("grpc-status", "0")])).unwrap();
    })
    .await;
    let (mut client, task) = call(&h2(server.address), request("POST", "/", &[]), true);
    assert_eq!(client.head().await.status, 200);
    for said in [&b"one"[..], b"two", b"three"] {
        client.send(said);
        assert_eq!(client.frame().await.data, said);
    }
    client.to.send(Frame::last(Bytes::new())).unwrap();
    let last = client.frame().await;
    assert_eq!(last.trailers.unwrap()["grpc-status"], "0");
    assert_eq!(in_time(task).await.unwrap().termination, Termination::Completed);
}

#[tokio::test]
async fn a_server_that_does_not_speak_it_is_malformed() {
    let server = Server::answering("HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let reply = run(once(TestCall::get("/")), &h2(server.address)).await;
    assert_eq!(reply.status(), 502);
}

/// Waits in time that is not real: it passes at once when nothing else is left to do.
#[tokio::test(start_paused = true)]
async fn a_connection_whose_server_has_vanished_is_given_up() {
    let server = Server::start(|_, mut tcp| async move {
        // SETTINGS, and never a word again.
        tcp.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
        std::future::pending().await
    })
    .await;
    let hours = Duration::from_secs(36_000);
    let mut spec = spec(server.address);
    spec.protocol = Protocol::H2;
    (spec.timeouts.connect, spec.timeouts.first_byte) = (hours, hours);
    let mut call = once(TestCall::get("/"));
    call.limits.timeout = hours;
    let began = Instant::now();
    let reply = run(call, &start(spec)).await;
    assert_eq!(reply.error().as_deref(), Some("PF-4004"));
    assert!(began.elapsed() <= Duration::from_secs(30), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::start(move |_, tcp| {
        let tell = tell.clone();
        async move {
            let mut connection = h2::server::handshake(tcp).await.unwrap();
            while let Some(Ok((_, mut respond))) = connection.accept().await {
                respond.send_response(Response::new(()), true).unwrap();
            }
            tell.send(Instant::now()).unwrap();
        }
    })
    .await;
    let mut spec = spec(server.address);
    spec.protocol = Protocol::H2;
    spec.timeouts.connect = Duration::from_secs(36_000);
    spec.pool.idle = Duration::from_secs(3);
    let upstream = start(spec);
    assert_eq!(get(&upstream).await.status(), 200);
    let served = Instant::now();
    let closed = in_time(told.recv()).await.unwrap();
    assert!((3..=9).contains(&(closed - served).as_secs()), "{:?}", closed - served);
    assert_eq!(get(&upstream).await.status(), 200);
    assert_eq!(server.connections(), 2);
}
