//! nginx behind the gateway: a server that nobody here has written.

use paifang_tests::harness::{Ask, Nginx, Running, one_upstream};

#[tokio::test]
async fn a_real_server_is_served_from() {
    let nginx = Nginx::start(
        "location /count { return 200 $connection_requests; }\n\
         location /head { add_header x-got $http_x_sent; return 200 \"$request_method $host\"; }\n\
         location /moved { return 302 /count; }\n\
         location /denied { deny all; }\n",
    )
    .await;
    let page: String = (0..50_000).map(|at| char::from(b'a' + (at % 26) as u8)).collect();
    std::fs::write(nginx.root.path().join("page.txt"), &page).unwrap();
    let config = one_upstream(
        nginx.address,
        "apis: [ { id: all, match: { path_prefix: / }, upstream: up } ]",
    );
    let running = Running::start(config).await;
    let mut client = running.connect().await;

    let answer = client.get("/page.txt").await;
    assert_eq!((answer.status(), answer.text() == page), (200, true));
    let etag = answer.header("etag").unwrap().to_owned();
    let again = client
        .ask(format!("GET /page.txt HTTP/1.1\r\nhost: a\r\nif-none-match: {etag}\r\n\r\n"))
        .await;
    assert_eq!((again.status(), again.text()), (304, ""));
    let part = client.ask("GET /page.txt HTTP/1.1\r\nhost: a\r\nrange: bytes=26-28\r\n\r\n").await;
    assert_eq!((part.status(), part.text()), (206, "abc"));
    assert_eq!(part.header("content-range"), Some("bytes 26-28/50000"));
    client.send("HEAD /page.txt HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(client.head().await.unwrap().header("content-length"), Some("50000"));

    let head = client.ask("GET /head HTTP/1.1\r\nhost: a.example\r\nx-sent: yes\r\n\r\n").await;
    assert_eq!((head.text(), head.header("x-got")), ("GET a.example", Some("yes")));
    let moved = client.get("/moved").await;
    assert_eq!(moved.status(), 302);
    assert!(moved.header("location").unwrap().ends_with("/count"), "{moved:?}");
    assert_eq!(client.get("/denied").await.status(), 403);
    let refused =
        client.ask("POST /page.txt HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc").await;
    assert_eq!(refused.status(), 405);
    assert_eq!(client.get("/none").await.status(), 404);

    let reply = Ask::new("GET", "/page.txt").over_http2(running.address()).await;
    assert_eq!((reply.status, reply.text() == page, reply.whole), (200, true, true));
    // Everything before went over one connection to it.
    assert_eq!(client.get("/count").await.text(), "11");
    running.stop().await;
}
