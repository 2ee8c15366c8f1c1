//! Every request that HTTP/1 refuses, as bytes, with the row and the words that the client gets.

use super::support::{Setup, answers};

/// Sends `request`; it must be refused with `label` and `detail`, never become a call, and end the
/// connection.
#[track_caller]
fn refused(
    request: impl Into<Vec<u8>>,
    label: &'static str,
    detail: &'static str,
) -> impl Future<Output = ()> {
    let request = request.into();
    async move {
        let server = Setup::new(answers(0, "")).start().await;
        let mut client = server.connect().await;
        client.send(&request).await;
        let shown = String::from_utf8_lossy(&request[..request.len().min(80)]).into_owned();
        let answer = client.answer().await;
        assert_eq!(answer.body, detail, "{shown:?}");
        assert_eq!(answer.header("connection"), Some("close"), "{shown:?}");
        client.closed().await;
        assert_eq!(*server.service.refused.lock(), [(label, detail.to_owned())], "{shown:?}");
        assert_eq!(server.calls(), 0, "{shown:?}");
    }
}

#[tokio::test]
async fn two_ways_to_tell_where_the_body_ends() {
    const M: &str = "malformed_request";
    for (framing, detail) in [
        (
            "Content-Length: 3\r\nTransfer-Encoding: chunked",
            "both Transfer-Encoding and Content-Length",
        ),
        (
            "Transfer-Encoding: chunked\r\nContent-Length: 3",
            "both Transfer-Encoding and Content-Length",
        ),
        (
            "Transfer-Encoding: identity\r\nContent-Length: 3",
            "both Transfer-Encoding and Content-Length",
        ),
        ("Content-Length: 3\r\nContent-Length: 3", "several Content-Length fields"),
        ("Content-Length: 3\r\nContent-Length: 4", "several Content-Length fields"),
        ("Content-Length: 3\r\ncontent-length: 3", "several Content-Length fields"),
        ("Content-Length: 3, 3", "a Content-Length that is not one number"),
        ("Content-Length: +3", "a Content-Length that is not one number"),
        ("Content-Length: -3", "a Content-Length that is not one number"),
        ("Content-Length: 0x3", "a Content-Length that is not one number"),
        ("Content-Length: 3 3", "a Content-Length that is not one number"),
        ("Content-Length:", "a Content-Length that is not one number"),
        ("Content-Length: 18446744073709551616", "a Content-Length that is not one number"),
        ("Transfer-Encoding: gzip", "a Transfer-Encoding other than chunked"),
        ("Transfer-Encoding: gzip, chunked", "a Transfer-Encoding other than chunked"),
        ("Transfer-Encoding: chunked, chunked", "a Transfer-Encoding other than chunked"),
        ("Transfer-Encoding: xchunked", "a Transfer-Encoding other than chunked"),
        ("Transfer-Encoding: chunked;q=1", "a Transfer-Encoding other than chunked"),
        ("Transfer-Encoding: \x0bchunked", "a control character in the header section"),
        ("Transfer-Encoding:", "a Transfer-Encoding other than chunked"),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "several Transfer-Encoding fields",
        ),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip",
            "several Transfer-Encoding fields",
        ),
    ] {
        let request = format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n");
        refused(request, M, detail).await;
    }
    let request = "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    refused(request, M, "Transfer-Encoding in HTTP/1.0").await;
}

#[tokio::test]
async fn lines_that_are_not_lines() {
    const M: &str = "malformed_request";
    let bare = "a line ends in LF without CR";
    let words = "the request line has more than two spaces";
    let version = "the request line does not end in HTTP/1.0 or HTTP/1.1";
    let begin = "the request does not begin with a method";
    for (request, detail) in [
        ("GET / HTTP/1.1\nHost: a\r\n\r\n", bare),
        ("GET / HTTP/1.1\r\nHost: a\n\r\n", bare),
        ("GET / HTTP/1.1\r\nHost: a\r\n\n", bare),
        ("\nGET / HTTP/1.1\r\n\r\n", bare),
        ("\r\n\r\nGET / HTTP/1.1\r\n\r\n", "several empty lines before the request line"),
        (" GET / HTTP/1.1\r\nHost: a\r\n\r\n", begin),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", "a CR without LF"),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: a\r\r\n\r\n", "a CR without LF"),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", "a NUL in the header section"),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nX: a\x07b\r\n\r\n",
            "a control character in the header section",
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nX: a\x7fb\r\n\r\n",
            "a control character in the header section",
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n",
            "a header field is folded over two lines",
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n\t2\r\n\r\n",
            "a header field is folded over two lines",
        ),
        ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", "a header field is folded over two lines"),
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", "blanks before the colon of a header field"),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nX\t: a\r\n\r\n",
            "blanks before the colon of a header field",
        ),
        ("GET / HTTP/1.1\r\nHost: a\r\n: a\r\n\r\n", "a header field has no name"),
        ("GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", "a header line has no colon"),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nX(y): 1\r\n\r\n",
            "a header name has a character that no name has",
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nX\u{e9}: 1\r\n\r\n",
            "a header name has a character that no name has",
        ),
        ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", words),
        ("GET /  HTTP/1.1\r\nHost: a\r\n\r\n", words),
        ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", words),
        ("GET HTTP/1.1\r\nHost: a\r\n\r\n", "the request target is missing"),
        ("GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", "the request target is missing"),
        ("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", "the method has a character that no method has"),
        ("GET /\r\n", version),
        ("GET / HTTP/0.9\r\n", version),
        ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", version),
        ("GET / HTTP/1.10\r\nHost: a\r\n\r\n", version),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", version),
        ("\x16\x03\x01\x02\0\x01", begin),
    ] {
        refused(request, M, detail).await;
    }
}

#[tokio::test]
async fn targets_and_methods() {
    const M: &str = "malformed_request";
    let form = "the request target has a form that does not go with the method";
    let character = "the request target has a character that none may have";
    for (line, label, detail) in [
        ("GET /a#b", M, "a fragment in the request target"),
        ("GET /?a#b", M, "a fragment in the request target"),
        ("GET http://a/#b", M, "a fragment in the request target"),
        ("GET /\x01", M, "a control character in the header section"),
        ("GET /a\x7f", M, "a control character in the header section"),
        ("GET /<a>", M, character),
        ("GET /?<a>", M, character),
        ("GET a", M, form),
        ("GET a:80", M, form),
        ("GET *", M, form),
        ("GET ?a", M, form),
        ("GET ftp://a/", M, form),
        ("GET ws://a/", M, form),
        ("get /", M, "the method is not in upper case"),
        ("Get /", M, "the method is not in upper case"),
        ("CONNECT a:443", "method_refused", "CONNECT is not relayed"),
        ("CONNECT /", "method_refused", "CONNECT is not relayed"),
    ] {
        refused(format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n"), label, detail).await;
    }
    refused(b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n", M, "the header section is malformed").await;
}

#[tokio::test]
async fn hosts() {
    const B: &str = "bad_host";
    for (host, detail) in [
        ("X: 1", "no host given"),
        ("Host:", "the host is empty"),
        ("Host: a\r\nHost: a", "several Host fields"),
        ("Host: a\r\nhost: b", "several Host fields"),
        ("Host: a,b", "byte 0x2C stands in no host name"),
        ("Host: a b", "byte 0x20 stands in no host name"),
        ("Host: a/b", "byte 0x2F stands in no host name"),
        ("Host: http://a", "the host's port is not a number from 1 to 65535"),
        ("Host: u@a", "the host has user information before an `@`"),
        ("Host: a:0", "the host's port is not a number from 1 to 65535"),
        ("Host: a:99999", "the host's port is not a number from 1 to 65535"),
        ("Host: a..b", "the host has an empty label"),
        ("Host: [::1", "the host is no IPv6 address in brackets"),
        ("Host: %61", "byte 0x25 stands in no host name"),
        ("Host: \u{e9}", "byte 0xC3 stands in no host name"),
    ] {
        refused(format!("GET / HTTP/1.1\r\n{host}\r\n\r\n"), B, detail).await;
    }
    let differ = "Host and the authority of the request target differ";
    for (target, host, detail) in [
        ("http://b/", "a", differ),
        ("http://a:81/", "a", differ),
        ("http://a/", "a:81", differ),
        ("http://u@a/", "a", "the host has user information before an `@`"),
        ("http://a/", "a/b", "byte 0x2F stands in no host name"),
    ] {
        refused(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"), B, detail).await;
    }
    refused("GET http://a/ HTTP/1.1\r\n\r\n", B, "no host given").await;
    refused("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", B, "several Host fields").await;
}

#[tokio::test]
async fn ceilings() {
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(1024));
    refused(long, "uri_too_long", "the request target exceeds 1024 bytes").await;
    let endless = format!("GET /{}", "a".repeat(1100));
    refused(endless, "uri_too_long", "the request target exceeds 1024 bytes").await;
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "A: b\r\n".repeat(20));
    refused(many, "headers_too_large", "more than 20 header fields").await;
    let large = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "a".repeat(4096));
    refused(large, "headers_too_large", "the header section exceeds 4096 bytes").await;
}

#[tokio::test]
async fn an_answer_to_a_refused_head_has_no_body() {
    let server = Setup::new(answers(0, "")).start().await;
    let mut client = server.connect().await;
    client.send("HEAD / HTTP/1.1\r\n\r\n").await;
    let head = client.head().await;
    assert_eq!((head.status, head.header("content-length")), (400, Some("13")));
    client.closed().await;
}

#[tokio::test]
async fn nothing_behind_a_refused_request_is_served() {
    let server = Setup::new(answers(2, "")).start().await;
    let mut client = server.connect().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
        .await;
    assert_eq!(client.answer().await.status, 400);
    client.closed().await;
    assert_eq!(server.calls(), 0);
}

#[tokio::test]
async fn what_is_let_through() {
    for request in [
        "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://a/b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://a:80/b HTTP/1.1\r\nHost: A:80\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /?a=[b]|{c} HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "BREW /pot HTTP/1.1\r\nHost: a\r\nX:\r\nY: \u{e9}\t \r\n\r\n",
        "GET / HTTP/1.1\r\nHost: [::1]:8080\r\nContent-Length: 0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n",
    ] {
        let server = Setup::new(answers(1, "ok")).start().await;
        let mut client = server.connect().await;
        client.send(request).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, &*answer.body), (200, "ok"), "{request:?}");
    }
}
