//! Probes of gRPC servers.

use super::support::{HANG, Server, spec, start, until};
use crate::upstream::{HealthCheckSpec, Protocol, Upstream};
use bytes::{Bytes, BytesMut};
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Response};
use parking_lot::Mutex;
use std::{sync::Arc, time::Duration};

/// What the server answers.
#[derive(Debug, Clone, Copy)]
enum Health {
    Status(u8),
    Unimplemented,
    /// For the service `known.Service` alone.
    Named,
    Stalled,
    /// A body without end.
    Endless,
    NotGrpc,
}

fn trailers(code: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(
        http::HeaderName::from_static("grpc-status"),
        HeaderValue::from_static(code),
    )])
}

fn message(respond: &mut SendResponse<Bytes>, status: u8) {
    let head = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
    let mut body = respond.send_response(head, false).unwrap();
    body.send_data(Bytes::from(vec![0, 0, 0, 0, 2, 8, status]), false).unwrap();
    body.send_trailers(trailers("0")).unwrap();
}

async fn server(health: &Arc<Mutex<Health>>) -> Server {
    let health = Arc::clone(health);
    super::h2::server(move |_, request, mut respond| {
        let health = Arc::clone(&health);
        async move {
            let (head, mut body) = request.into_parts();
            assert_eq!(head.uri.path(), "/grpc.health.v1.Health/Check");
            assert_eq!(head.method, "POST");
            assert_eq!(head.headers["content-type"], "application/grpc");
            assert_eq!(head.headers["te"], "trailers");
            let mut asked = BytesMut::new();
            while let Some(data) = body.data().await {
                asked.extend_from_slice(&data.unwrap());
            }
            let now = *health.lock();
            match now {
                Health::Status(status) => message(&mut respond, status),
                Health::Named if asked[..] == *b"\0\0\0\0\x0f\x0a\x0dknown.Service" => {
                    message(&mut respond, 1);
                }
                Health::Named | Health::Unimplemented => {
                    let code = if matches!(now, Health::Named) { "5" } else { "12" };
                    let head = Response::builder()
                        .header("content-type", "application/grpc")
                        .header("grpc-status", code);
                    respond.send_response(head.body(()).unwrap(), true).unwrap();
                }
                Health::Stalled => tokio::time::sleep(HANG).await,
                Health::Endless => {
                    let mut body = respond.send_response(Response::new(()), false).unwrap();
                    let _ = body.send_data(Bytes::from(vec![0; 20_000]), false);
                    tokio::time::sleep(HANG).await;
                }
                Health::NotGrpc => {
                    let head = Response::builder().status(404).body(()).unwrap();
                    respond.send_response(head, true).unwrap();
                }
            }
        }
    })
    .await
}

fn probing(server: &Server, service: &str) -> Arc<Upstream> {
    let mut spec = spec(server.address);
    spec.protocol = Protocol::H2;
    spec.health_check = Some(HealthCheckSpec {
        grpc: Some(service.to_owned()),
        interval: Duration::from_millis(5),
        timeout: Duration::from_millis(500),
        healthy_after: 1,
        unhealthy_after: 1,
        ..HealthCheckSpec::new("/")
    });
    start(spec)
}

async fn finds(upstream: &Upstream, word: &str) {
    until(upstream, |upstream| {
        let endpoint = &upstream.read().endpoints[0];
        !endpoint.healthy && endpoint.last_error.as_ref().is_some_and(|error| error.contains(word))
    })
    .await;
}

#[tokio::test]
async fn serving_and_all_that_is_not() {
    let health = Arc::new(Mutex::new(Health::Status(1)));
    let server = server(&health).await;
    let upstream = probing(&server, "");
    until(&upstream, |upstream| upstream.read().endpoints[0].counts.probes_good >= 2).await;
    assert!(upstream.read().endpoints[0].healthy);
    for (now, word) in [
        (Health::Status(2), "NOT_SERVING"),
        (Health::Status(3), "SERVICE_UNKNOWN"),
        (Health::Unimplemented, "UNIMPLEMENTED"),
        (Health::Named, "NOT_FOUND"),
        (Health::NotGrpc, "status 404"),
        (Health::Endless, "more than 4096 bytes"),
        (Health::Stalled, "no answer within 500ms"),
    ] {
        *health.lock() = now;
        finds(&upstream, word).await;
    }
    *health.lock() = Health::Status(1);
    until(&upstream, |upstream| upstream.read().endpoints[0].healthy).await;
}

#[tokio::test]
async fn a_service_by_its_name() {
    let health = Arc::new(Mutex::new(Health::Named));
    let server = server(&health).await;
    let known = probing(&server, "known.Service");
    until(&known, |upstream| upstream.read().endpoints[0].counts.probes_good >= 2).await;
    assert!(known.read().endpoints[0].healthy);
    finds(&probing(&server, "other.Service"), "NOT_FOUND").await;
}

#[tokio::test]
async fn a_server_of_http_1_cannot_be_asked() {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let mut spec = spec(server.address);
    spec.health_check = Some(HealthCheckSpec {
        grpc: Some(String::new()),
        interval: Duration::from_millis(5),
        unhealthy_after: 1,
        ..HealthCheckSpec::new("/")
    });
    finds(&start(spec), "does not speak").await;
}
