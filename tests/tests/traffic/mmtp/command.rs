//! `paifang call` against a gateway.

use super::config;
use paifang_tests::{
    binaries,
    harness::{Client, Recorder, Setup},
};
use tokio::{process::Command, task::spawn_blocking};

#[tokio::test]
async fn it_prints_the_answer_and_takes_its_leave() {
    let apis = "admin: { address: 127.0.0.1:0 }\n\
                apis: [ { id: ping, operation: ping, handlers: [ respond: { body: pong } ] } ]\n";
    let upstream = Recorder::start().await;
    let running = Setup::new(config(&upstream, apis)).start().await;
    let paifang = spawn_blocking(|| binaries::built(&[]).join("paifang")).await.unwrap();
    let server = running.address().to_string();
    let output = Command::new(&paifang)
        .args(["call", "ping", "--plain", "--mmtp", &server])
        .output()
        .await
        .unwrap();
    let told = [&output.stdout[..], &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(output.status.success() && told[0].starts_with("pong"), "{told:?}");
    // The server need not take the connection for lost.
    let Some(admin) = running.gateway.admin_address() else { panic!("no admin API") };
    let asked = "GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let metrics = Client::connect(admin).await.ask(asked).await;
    let metrics = metrics.text().to_owned();
    let closed: Vec<_> =
        metrics.lines().filter(|line| line.starts_with("paifang_mmtp_closed_total")).collect();
    assert_eq!(closed, [r#"paifang_mmtp_closed_total{by="client",code="done"} 1"#]);
    for (form, counted) in [("post", "post"), ("websocket", "websocket"), ("auto", "long")] {
        let output = Command::new(&paifang)
            .args(["call", "ping", "--plain", "--mmtp", &server, "--form", form])
            .output()
            .await
            .unwrap();
        let told = [&output.stdout[..], &output.stderr].map(|text| String::from_utf8_lossy(text));
        assert!(output.status.success() && told[0].starts_with("pong"), "{form}: {told:?}");
        let metrics = Client::connect(admin).await.ask(asked).await;
        let calls = if form == "auto" { 2 } else { 1 };
        let line = format!("paifang_mmtp_calls_total{{form=\"{counted}\"}} {calls}");
        assert!(metrics.text().contains(&line), "{line}");
    }
    running.stop().await;
}
