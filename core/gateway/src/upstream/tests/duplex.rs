//! Servers that answer while they read: nothing may get stuck, nor pile up.

use super::support::{Server, api, echo, in_time, read_head, spec, start};
use crate::upstream::{Protocol, Upstream};
use bytes::Bytes;
use paifang_pipeline::{
    BodySize, CallLimits, Engine, Exchange, Facts, Frame, Front, FrontError, Inbound, Params,
    ResponseHead, Termination, ports::Clock, testkit::TestClock,
};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const CHUNK: usize = 64 << 10;

/// A client that sends so much and counts what comes.
struct Bulk {
    chunk: Bytes,
    left: usize,
    received: usize,
}

impl Front for Bulk {
    fn body_ended(&mut self) -> bool {
        self.left == 0
    }
    async fn begin_body(&mut self) -> Result<(), FrontError> {
        Ok(())
    }
    async fn recv(&mut self) -> Result<Inbound, FrontError> {
        tokio::task::yield_now().await;
        if self.left == 0 {
            return std::future::pending().await;
        }
        let data = self.chunk.slice(..self.left.min(CHUNK));
        self.left -= data.len();
        Ok(Inbound::Frame(Frame { data, end: self.left == 0, trailers: None }))
    }
    async fn closed(&mut self) {
        std::future::pending().await
    }
    async fn send_info(&mut self, _: ResponseHead) -> Result<(), FrontError> {
        Ok(())
    }
    async fn send_head(&mut self, head: ResponseHead, _: BodySize) -> Result<(), FrontError> {
        assert_eq!(head.status, 200);
        Ok(())
    }
    async fn send(&mut self, frame: Frame) -> Result<(), FrontError> {
        self.received += frame.data.len();
        Ok(())
    }
    async fn abort(&mut self) {}
}

async fn exchange(upstream: &Arc<Upstream>, length: usize) -> usize {
    let clock = Arc::new(TestClock::new());
    let facts = Facts::embedded(clock.now(), clock.unix());
    let head = super::support::request("POST", "/", &[("content-length", &length.to_string())]);
    let mut call = Exchange::new(head, facts, Params::default());
    let limits = CallLimits { body_bytes: usize::MAX, ..CallLimits::default() };
    let mut front = Bulk { chunk: Bytes::from(vec![7; CHUNK]), left: length, received: 0 };
    let engine = Engine::new(clock);
    let served = in_time(engine.serve(&api(limits), &**upstream, &mut call, &mut front)).await;
    assert_eq!(served.termination, Termination::Completed);
    front.received
}

#[tokio::test]
async fn a_hundred_megabytes_come_back_while_they_are_sent() {
    const LENGTH: usize = 100 << 20;
    let server = Server::start(|_, mut tcp| async move {
        while read_head(&mut tcp).await.is_some() {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {LENGTH}\r\n\r\n");
            tcp.write_all(head.as_bytes()).await.unwrap();
            let (from, to) = tcp.split();
            echo(from, to, LENGTH).await;
        }
    })
    .await;
    let upstream = start(spec(server.address));
    assert_eq!(exchange(&upstream, LENGTH).await, LENGTH);
    assert_eq!(upstream.read().idle_connections, 1);
}

#[tokio::test]
async fn a_server_that_says_twenty_bytes_for_each_that_it_hears() {
    const LENGTH: usize = 8 << 20;
    let server = Server::start(|_, mut tcp| async move {
        read_head(&mut tcp).await.unwrap();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", LENGTH * 20);
        tcp.write_all(head.as_bytes()).await.unwrap();
        let (mut buffer, mut left) = (vec![0; CHUNK], LENGTH);
        while left > 0 {
            let count = tcp.read(&mut buffer).await.unwrap();
            left -= count;
            for _ in 0..20 {
                tcp.write_all(&buffer[..count]).await.unwrap();
            }
        }
    })
    .await;
    let upstream = start(spec(server.address));
    assert_eq!(exchange(&upstream, LENGTH).await, LENGTH * 20);
}

#[tokio::test]
async fn an_http_2_server_that_echoes_within_small_windows() {
    const LENGTH: usize = 20 << 20;
    let server = super::h2::server(|_, request, mut respond| async move {
        let mut body = request.into_body();
        let mut send = respond.send_response(http::Response::new(()), false).unwrap();
        while let Some(data) = body.data().await {
            let mut data = data.unwrap();
            let length = data.len();
            while !data.is_empty() {
                send.reserve_capacity(data.len());
                let room = std::future::poll_fn(|cx| send.poll_capacity(cx)).await;
                let room = room.unwrap().unwrap();
                send.send_data(data.split_to(room.min(data.len())), false).unwrap();
            }
            // Only what was echoed makes room: reading waits for writing.
            body.flow_control().release_capacity(length).unwrap();
        }
        send.send_data(Bytes::new(), true).unwrap();
    })
    .await;
    let mut spec = spec(server.address);
    spec.protocol = Protocol::H2;
    let upstream = start(spec);
    assert_eq!(exchange(&upstream, LENGTH).await, LENGTH);
}
