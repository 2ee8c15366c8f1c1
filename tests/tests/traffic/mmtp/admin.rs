//! Connections as the admin API shows them, and one that is sent away by it.

use super::{KEY, KNOWN, config};
use paifang_mmtp::{
    code::CloseCode,
    greeting::{Auth, Hello, Network, NetworkKind},
    session::Event,
};
use paifang_tests::{
    harness::{MmtpClient, Recorder, Setup, mmtp_hello, soon},
    http::{get, send},
};
use serde_json::Value;
use std::{net::SocketAddr, time::Duration};

async fn asked(admin: SocketAddr, path: &str) -> Value {
    let answer = get(admin, path).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    serde_json::from_str(&answer.body).unwrap()
}

async fn close(admin: SocketAddr, connection: &str) -> u16 {
    let request = format!(
        "POST /v1/mmtp/connections/{connection}/close HTTP/1.1\r\nhost: {admin}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    );
    send(admin, &request).await.status
}

#[tokio::test]
async fn connections_are_counted_listed_and_sent_away() {
    let upstream = Recorder::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let rest = format!("admin: {{ address: '127.0.0.1:0' }}\n{KNOWN}");
    let running = Setup::new(config(&upstream, &rest)).variable("KEY_ONE", KEY).start().await;
    let admin = running.gateway.admin_address().unwrap();
    let credential = Auth { scheme: "Bearer".into(), credential: KEY.as_bytes().into() };
    let network = Network { kind: NetworkKind::Mobile5g, carrier: "46000".into() };
    let hello = Hello {
        auth: Some(credential),
        epoch: 1,
        network: Some(network),
        device: (*b"d-1").into(),
        ..mmtp_hello(1)
    };
    let mut known = MmtpClient::connect(running.address(), &hello).await;
    let number = known.welcome().await.connection;
    let mut other = MmtpClient::connect(running.address(), &mmtp_hello(2)).await;
    other.welcome().await;
    assert_eq!(known.call("mine", "four").await.body, b"ok");

    let totals = asked(admin, "/v1/mmtp").await;
    assert_eq!((&totals["open"], &totals["calls"]), (&2.into(), &1.into()));
    assert_eq!(totals["handshakes"]["none"], 2);
    let groups = totals["connections"].as_array().unwrap();
    assert!(groups.iter().any(|group| group["network"] == "5g" && group["app"] == "wallet"));
    let calls = &totals["channels"][0];
    assert_eq!(
        (&calls["channel"], &calls["received"], &calls["sent"]),
        (&1.into(), &1.into(), &1.into())
    );
    assert!(calls["bytes_received"].as_u64() > Some(4) && calls["bytes_sent"].as_u64() >= Some(2));

    let all = asked(admin, "/v1/mmtp/connections").await;
    assert_eq!((&all["found"], all["connections"].as_array().unwrap().len()), (&2.into(), 2));
    for query in ["user=key-one", "device=d-1", "app=wallet&limit=1"] {
        let found = asked(admin, &format!("/v1/mmtp/connections?{query}")).await;
        let one = &found["connections"][0];
        assert_eq!((&one["id"], &one["user"]), (&number.into(), &"key-one".into()), "{query}");
        assert_eq!((&one["device"], &one["network"]), (&"d-1".into(), &"5g".into()));
        assert_eq!((&one["in_flight"], &one["going"]), (&0.into(), &false.into()));
        assert!(one["bytes_received"].as_u64() > Some(50), "{one}");
    }
    let after = asked(admin, &format!("/v1/mmtp/connections?device=0x02&after={number}")).await;
    assert_eq!(after["connections"][0]["device"], "0x02");
    assert_eq!(asked(admin, "/v1/mmtp/connections?user=nobody").await["found"], 0);
    for bad in ["limit=0", "limit=1001", "limit=x", "zone=a"] {
        assert_eq!(get(admin, &format!("/v1/mmtp/connections?{bad}")).await.status, 400, "{bad}");
    }

    assert_eq!((close(admin, "4711").await, close(admin, "x").await), (404, 400));
    assert_eq!(close(admin, &number.to_string()).await, 200);
    let Event::Goaway(closing) = soon(known.event()).await else { panic!() };
    assert_eq!(closing.code, CloseCode::DRAINING);
    known.session.close(paifang_mmtp::greeting::Closing::new(CloseCode::DONE));
    known.flush().await;
    drop(known);
    soon(async {
        while asked(admin, "/v1/mmtp").await["closed"].as_array().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let closed = &asked(admin, "/v1/mmtp").await["closed"][0];
    assert_eq!((&closed["by"], &closed["code"]), (&"client".into(), &"done".into()));
    let metrics = get(admin, "/metrics").await.body;
    assert!(
        metrics.contains("paifang_mmtp_channel_messages_total{channel=\"1\",direction=\"in\"} 1"),
        "{metrics}"
    );
    drop(other);
    running.stop().await;
}
