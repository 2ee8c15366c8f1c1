//! One call through each version of HTTP.

use paifang_tests::harness::{Ask, Recorder, Running, one_api};

#[tokio::test]
async fn a_call_passes_through_either_version() {
    let upstream = Recorder::start().await;
    let running = Running::start(one_api(upstream.address(), "[]")).await;
    let ask = Ask::new("GET", "/a?b=c").field("x-one", "1");
    for reply in [ask.over_http1(running.address()).await, ask.over_http2(running.address()).await]
    {
        assert_eq!((reply.status, reply.text(), reply.whole), (200, "upstream", true));
    }
    assert_eq!(upstream.count(), 2);
    for index in 0..2 {
        let request = upstream.request(index);
        assert_eq!((request.target(), request.header("x-one")), ("/a?b=c", Some("1")));
        assert_eq!(request.header("host"), Some("a.example"));
    }
    running.stop().await;
}
