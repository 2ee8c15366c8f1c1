//! Calls that come whole: what the server sees, what comes back, and what is no answer.

use super::{
    h2,
    support::{
        HANG, Server, deps, in_time, read_head, read_request, recording, refusing, spec, start,
    },
};
use crate::upstream::{EndpointSpec, HostPolicy, Protocol, Upstream, UpstreamSpec, WholeError};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response};
use std::{sync::Arc, time::Duration};
use tokio::{io::AsyncReadExt, io::AsyncWriteExt, sync::oneshot};

fn get(path: &'static str) -> Request<Bytes> {
    Request::get(path).body(Bytes::new()).unwrap()
}

async fn call(
    upstream: &Arc<Upstream>,
    request: Request<Bytes>,
    most: usize,
) -> Result<Response<Bytes>, WholeError> {
    in_time(upstream.call_whole(request, most)).await
}

/// The row of the error table; what the request is refused for.
async fn fails(upstream: &Arc<Upstream>, request: Request<Bytes>, most: usize) -> &'static str {
    match call(upstream, request, most).await {
        Err(WholeError::Failed(failed)) => failed.code.label,
        Err(WholeError::TooLarge) => "too large",
        Err(WholeError::Invalid(why)) => why,
        Ok(response) => panic!("an answer: {response:?}"),
    }
}

#[tokio::test]
async fn the_server_sees_the_request_and_nothing_of_a_client() {
    let (server, mut told) = recording().await;
    let upstream = start(spec(server.address));
    let request = Request::post("http://idp.test:81/introspect?token=a%2Fb")
        .header("authorization", "Basic x")
        .header("connection", "close, x-hop")
        .header("x-hop", "1")
        .header("upgrade", "websocket")
        .header("transfer-encoding", "chunked")
        .header("content-length", "3")
        .header("expect", "100-continue")
        .body(Bytes::from_static(b"hello"))
        .unwrap();
    let response = call(&upstream, request, 2).await.unwrap();
    assert_eq!((response.status().as_u16(), &response.body()[..]), (200, &b"ok"[..]));
    let seen = told.recv().await.unwrap();
    let mut lines: Vec<_> = seen.head.trim_end().lines().map(str::to_lowercase).collect();
    assert_eq!(lines.remove(0), "post /introspect?token=a%2fb http/1.1");
    lines.sort();
    assert_eq!(lines, ["authorization: basic x", "content-length: 5", "host: idp.test:81"]);
    assert_eq!(seen.body, b"hello");
}

#[tokio::test]
async fn the_host_is_what_the_upstream_says_it_is() {
    let (server, mut told) = recording().await;
    let own = format!("127.0.0.1:{}", server.address.port());
    let name = HostPolicy::Name(HeaderValue::from_static("named.test"));
    for (policy, sent, seen) in [
        (HostPolicy::Preserve, Some("asked.test"), "asked.test"),
        (HostPolicy::Preserve, None, &*own),
        (HostPolicy::Upstream, Some("asked.test"), &*own),
        (name, Some("asked.test"), "named.test"),
    ] {
        let upstream = start(UpstreamSpec { host: policy, ..spec(server.address) });
        let mut request = get("/");
        if let Some(host) = sent {
            request.headers_mut().insert("host", HeaderValue::from_static(host));
        }
        call(&upstream, request, 9).await.unwrap();
        assert_eq!(told.recv().await.unwrap().header("host"), Some(seen));
    }
}

#[tokio::test]
async fn the_answer_comes_whole_and_its_connection_is_kept() {
    let server = Server::answering(
        "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 201 Created\r\nconnection: x-hop\r\nx-hop: 1\r\n\
         x-seen: 1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n",
    )
    .await;
    let upstream = start(spec(server.address));
    for _ in 0..3 {
        let response = call(&upstream, get("/"), 7).await.unwrap();
        assert_eq!((response.status().as_u16(), &response.body()[..]), (201, &b"abcdefg"[..]));
        let headers: Vec<_> = response.headers().keys().map(|name| name.as_str()).collect();
        assert_eq!(headers, ["x-seen"]);
    }
    let read = upstream.read();
    assert_eq!((server.connections(), read.counts.calls, read.idle_connections), (1, 3, 1));
}

#[tokio::test]
async fn an_answer_beyond_its_limit_is_given_up() {
    let declared = Server::start(|_, mut tcp| async move {
        let _ = read_request(&mut tcp).await;
        tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n").await.unwrap();
        // Nothing more: what is declared is enough.
        assert_eq!(tcp.read(&mut [0]).await.unwrap(), 0, "the connection is closed");
    })
    .await;
    assert_eq!(fails(&start(spec(declared.address)), get("/"), 7).await, "too large");
    let endless = Server::start(|_, mut tcp| async move {
        let _ = read_request(&mut tcp).await;
        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        tcp.write_all(head).await.unwrap();
        while tcp.write_all(b"4\r\nabcd\r\n").await.is_ok() {}
    })
    .await;
    assert_eq!(fails(&start(spec(endless.address)), get("/"), 70_001).await, "too large");
    let empty = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n").await;
    let head = Request::head("/").body(Bytes::new()).unwrap();
    let response = call(&start(spec(empty.address)), head, 0).await.unwrap();
    assert_eq!(response.headers()["content-length"], "8", "of a body that does not come");
}

#[tokio::test]
async fn a_call_is_made_once_whatever_becomes_of_it() {
    let server = Server::start(|_, mut tcp| async move {
        let _ = read_request(&mut tcp).await;
    })
    .await;
    let upstream = start(spec(server.address));
    assert_eq!(fails(&upstream, get("/"), 9).await, "upstream_closed");
    assert_eq!(server.connections(), 1);
    let counts = upstream.read().endpoints[0].counts;
    assert_eq!((counts.calls, counts.closed), (1, 1));
    let (nowhere, _socket) = refusing();
    assert_eq!(fails(&start(spec(nowhere)), get("/"), 9).await, "connect_failed");
    // Not started, so nobody looks its name up.
    let named = UpstreamSpec::new("named", vec![EndpointSpec::new("idp.test", 80)]);
    let unknown = Upstream::build(named, &deps()).unwrap();
    assert_eq!(fails(&unknown, get("/"), 9).await, "no_endpoint");
    assert_eq!(unknown.read().counts.no_endpoint, 1);
    let nonsense = Server::answering("nonsense\r\n\r\n").await;
    assert_eq!(fails(&start(spec(nonsense.address)), get("/"), 9).await, "upstream_malformed");
    let mut patient = spec(nowhere);
    let silent = Server::start(|_, mut tcp| async move {
        let _ = read_head(&mut tcp).await;
        std::future::pending().await
    })
    .await;
    patient.endpoints = spec(silent.address).endpoints;
    patient.timeouts.first_byte = Duration::from_millis(1);
    assert_eq!(fails(&start(patient), get("/"), 9).await, "upstream_timeout");
}

#[tokio::test]
async fn what_no_server_understands_is_not_sent() {
    let (server, mut told) = recording().await;
    let upstream = start(spec(server.address));
    let with = |method: Method, target: &str, hosts: &[&str]| {
        let mut request = Request::builder().method(method).uri(target);
        for host in hosts {
            request = request.header("host", *host);
        }
        request.body(Bytes::new()).unwrap()
    };
    for (request, why) in [
        (with(Method::CONNECT, "a.test:443", &[]), "CONNECT asks for a tunnel"),
        (with(Method::OPTIONS, "*", &[]), "the path does not begin with `/`"),
        (with(Method::GET, "/", &["a", "b"]), "there is more than one `Host`"),
        (with(Method::GET, "/", &["a/b"]), "`Host` is no host"),
        (with(Method::GET, "/", &["a@b"]), "`Host` is no host"),
        (with(Method::GET, "/", &[""]), "`Host` is no host"),
    ] {
        assert_eq!(fails(&upstream, request, 9).await, why);
    }
    assert!(told.try_recv().is_err());
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn dropping_the_call_ends_it() {
    let (tell, ended) = oneshot::channel();
    let tell = std::sync::Mutex::new(Some(tell));
    let server = Server::start(move |_, mut tcp| {
        let tell = tell.lock().unwrap().take();
        async move {
            let _ = read_head(&mut tcp).await;
            let end = tcp.read(&mut [0]).await.unwrap();
            let _ = tell.unwrap().send(end);
        }
    })
    .await;
    let upstream = start(spec(server.address));
    let call = upstream.call_whole(get("/"), 9);
    assert!(tokio::time::timeout(Duration::from_millis(20), call).await.is_err());
    assert_eq!(tokio::time::timeout(HANG, ended).await.unwrap(), Ok(0));
}

#[tokio::test]
async fn a_large_body_goes_out_while_its_answer_comes_in() {
    // More than sockets hold, echoed as it comes: neither side may wait for the other.
    const SIZE: usize = 8 << 20;
    let server = Server::start(|_, mut tcp| async move {
        let _ = read_head(&mut tcp).await;
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {SIZE}\r\n\r\n");
        tcp.write_all(head.as_bytes()).await.unwrap();
        let (read, write) = tcp.split();
        super::support::echo(read, write, SIZE).await;
    })
    .await;
    let upstream = start(spec(server.address));
    let body = Bytes::from(vec![b'x'; SIZE]);
    let request = Request::put("/").body(body.clone()).unwrap();
    let response = call(&upstream, request, SIZE).await.unwrap();
    assert!(*response.body() == body);
}

#[tokio::test]
async fn over_http2_it_is_the_same() {
    let server = h2::server(|_, request, mut respond| async move {
        assert_eq!(request.uri().to_string(), "http://idp.test/x?y=1");
        assert!(!request.headers().contains_key("x-forwarded-for"));
        assert_eq!(request.headers()["content-length"], "5");
        let mut body = request.into_body();
        let data = body.data().await.unwrap().unwrap();
        let mut send = respond.send_response(Response::new(()), false).unwrap();
        send.send_data(data.clone(), false).unwrap();
        send.send_data(data, false).unwrap();
        send.send_trailers(super::support::headers(&[("x-sum", "5")])).unwrap();
    })
    .await;
    let upstream = start(UpstreamSpec { protocol: Protocol::H2, ..spec(server.address) });
    for _ in 0..2 {
        let request = Request::post("/x?y=1").header("host", "idp.test");
        let request = request.body(Bytes::from_static(b"hello")).unwrap();
        let response = call(&upstream, request, 10).await.unwrap();
        assert_eq!(&response.body()[..], b"hellohello");
    }
    assert_eq!(server.connections(), 1);
    let request = Request::post("/x?y=1").header("host", "idp.test");
    let request = request.body(Bytes::from_static(b"hello")).unwrap();
    assert_eq!(fails(&upstream, request, 9).await, "too large");
}
