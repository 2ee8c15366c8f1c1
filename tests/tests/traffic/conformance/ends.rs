//! Clients that go, and gateways that stop, in the middle of calls: `log` runs exactly once.

use super::case::{Case, Door, logged, origin};
use paifang_pipeline::{Stages, Termination, Verdict};
use paifang_tests::harness::{Ask, Client, H2, Probe, Recorded, Running, Server, soon, until};
use std::{sync::Arc, time::Duration};
use tokio::sync::Notify;

/// A client with a call in flight that can go away.
enum InFlight {
    Http1(Client),
    Http2(H2, h2::client::ResponseFuture, h2::SendStream<bytes::Bytes>),
}

impl InFlight {
    /// A POST whose body never ends.
    async fn begin(door: Door, running: &Running) -> Self {
        match door {
            Door::Http1 => {
                let mut client = running.connect().await;
                client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nabc").await;
                Self::Http1(client)
            }
            Door::Http2 => {
                let connection = H2::connect(running.address()).await;
                let mut sender = soon(connection.sender.clone().ready()).await.unwrap();
                let head = Ask::new("POST", "/").field("content-length", "100").to_head();
                let (response, mut body) = sender.send_request(head, false).unwrap();
                body.send_data("abc".into(), false).unwrap();
                Self::Http2(connection, response, body)
            }
        }
    }

    /// A GET.
    async fn get(door: Door, running: &Running) -> Self {
        match door {
            Door::Http1 => {
                let mut client = running.connect().await;
                client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
                Self::Http1(client)
            }
            Door::Http2 => {
                let connection = H2::connect(running.address()).await;
                let mut sender = soon(connection.sender.clone().ready()).await.unwrap();
                let (response, body) =
                    sender.send_request(Ask::new("GET", "/").to_head(), true).unwrap();
                Self::Http2(connection, response, body)
            }
        }
    }

    fn leave(self) {
        match self {
            Self::Http1(client) => client.reset(),
            Self::Http2(_, response, mut body) => {
                drop(response);
                body.send_reset(h2::Reason::CANCEL);
            }
        }
    }
}

/// An upstream that tells when a request's head is there, then waits for the connection's end and
/// tells that too.
async fn silent() -> (Server, Arc<Notify>, Arc<Notify>) {
    let (asked, closed) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let tell = (Arc::clone(&asked), Arc::clone(&closed));
    let server = Server::start(move |_, mut client| {
        let (asked, closed) = (Arc::clone(&tell.0), Arc::clone(&tell.1));
        async move {
            client.head().await.unwrap();
            asked.notify_one();
            client.rest().await.1.ok();
            closed.notify_one();
        }
    })
    .await;
    (server, asked, closed)
}

#[track_caller]
fn ended_once(door: Door, recorded: &Recorded, termination: Termination) {
    let ends: Vec<_> = recorded.outcomes().iter().map(|one| one.termination).collect();
    assert_eq!(ends, [termination], "{door:?}");
}

fn logs() -> Probe {
    Probe::at(Stages::LOG)
}

#[tokio::test]
async fn a_client_gone_while_its_body_is_collected() {
    for door in Door::ALL {
        let case = Case::get().step("log", logs).step("needs", Probe::needing_body);
        let upstream = Server::answering(origin(&Default::default())).await;
        let (running, recorded) = case.gateway(upstream.address).await;
        let client = InFlight::begin(door, &running).await;
        until(|| recorded.count("needs:request") == 1).await;
        client.leave();
        logged(&recorded, "log:log", 1).await;
        running.stop().await;
        ended_once(door, &recorded, Termination::ClientGone);
        assert_eq!(upstream.connections(), 0);
    }
}

#[tokio::test]
async fn a_client_gone_during_a_wait() {
    for door in Door::ALL {
        let never = || {
            Probe::at(Stages::REQUEST)
                .on_request(|_| Verdict::Wait(Box::pin(std::future::pending())))
        };
        let case = Case::get().step("log", logs).step("never", never);
        let upstream = Server::answering(origin(&Default::default())).await;
        let (running, recorded) = case.gateway(upstream.address).await;
        let client = InFlight::get(door, &running).await;
        until(|| recorded.count("never:request") == 1).await;
        client.leave();
        logged(&recorded, "log:log", 1).await;
        running.stop().await;
        ended_once(door, &recorded, Termination::ClientGone);
    }
}

#[tokio::test]
async fn a_client_gone_while_the_upstream_thinks() {
    for door in Door::ALL {
        for has_body in [false, true] {
            let (upstream, asked, closed) = silent().await;
            let case = Case::get().step("log", logs);
            let (running, recorded) = case.gateway(upstream.address).await;
            let client = match has_body {
                true => InFlight::begin(door, &running).await,
                false => InFlight::get(door, &running).await,
            };
            soon(asked.notified()).await;
            client.leave();
            soon(closed.notified()).await;
            logged(&recorded, "log:log", 1).await;
            running.stop().await;
            ended_once(door, &recorded, Termination::ClientGone);
        }
    }
}

#[tokio::test]
async fn a_client_gone_while_the_response_goes_out() {
    for door in Door::ALL {
        let closed = Arc::new(Notify::new());
        let tell = Arc::clone(&closed);
        // Never ends by itself.
        let upstream = Server::start(move |_, mut client| {
            let closed = Arc::clone(&tell);
            async move {
                client.request().await.unwrap();
                client.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
                let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
                while client.try_send(&chunk).await.is_ok() {}
                closed.notify_one();
            }
        })
        .await;
        let case = Case::get().step("log", logs);
        let (running, recorded) = case.gateway(upstream.address).await;
        match InFlight::get(door, &running).await {
            InFlight::Http1(mut client) => {
                assert_eq!(client.head().await.unwrap().status(), 200);
                client.reset();
            }
            InFlight::Http2(_connection, response, mut body) => {
                let head = soon(response).await.unwrap();
                assert_eq!(head.status(), 200);
                body.send_reset(h2::Reason::CANCEL);
                drop(head);
                soon(closed.notified()).await;
                closed.notify_one();
            }
        }
        soon(closed.notified()).await;
        logged(&recorded, "log:log", 1).await;
        running.stop().await;
        ended_once(door, &recorded, Termination::ClientGone);
    }
}

#[tokio::test]
async fn a_gateway_that_stops_finishes_calls_within_its_grace() {
    for door in Door::ALL {
        let (asked, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let hands = (Arc::clone(&asked), Arc::clone(&release));
        let upstream = Server::start(move |_, mut client| {
            let (asked, release) = (Arc::clone(&hands.0), Arc::clone(&hands.1));
            async move {
                client.request().await.unwrap();
                asked.notify_one();
                release.notified().await;
                client.send(origin(&Default::default())).await;
            }
        })
        .await;
        let case = Case::get().step("log", logs);
        let (running, recorded) = case.gateway(upstream.address).await;
        let address = running.address();
        let reply = tokio::spawn(async move { door.ask(address, &Ask::new("GET", "/")).await });
        soon(asked.notified()).await;
        let stopping = tokio::spawn(running.gateway.stop(Duration::from_secs(60)));
        // The listener closes at once, while the call goes on.
        until(|| std::net::TcpStream::connect(address).is_err()).await;
        assert_eq!(recorded.outcomes().len(), 0);
        release.notify_one();
        let reply = soon(reply).await.unwrap();
        assert_eq!((reply.status, reply.text(), reply.whole), (200, "origin", true), "{door:?}");
        assert_eq!(soon(stopping).await.unwrap(), 0);
        ended_once(door, &recorded, Termination::Completed);
    }
}

#[tokio::test]
async fn a_gateway_that_stops_cuts_what_outlasts_its_grace_and_logs_it() {
    for door in Door::ALL {
        let (upstream, asked, closed) = silent().await;
        let case = Case::get().step("log", logs);
        let (running, recorded) = case.gateway(upstream.address).await;
        let _client = InFlight::get(door, &running).await;
        soon(asked.notified()).await;
        let cut = soon(running.gateway.stop(Duration::from_millis(50))).await;
        assert_eq!(cut, 1, "{door:?}");
        soon(closed.notified()).await;
        logged(&recorded, "log:log", 1).await;
        ended_once(door, &recorded, Termination::Dropped);
    }
}
