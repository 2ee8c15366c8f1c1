//! The client SDK comes back: its first call goes with the first bytes of TLS.

use super::early::{HOST, running};
use paifang_client::{
    Client, ClientBuilder, Connected, Network, NetworkKind, State,
    connect::{EarlyData, Tls},
};
use paifang_tests::harness::{Pki, Recorder, soon};
use tokio_rustls::rustls::pki_types::{CertificateDer, pem::PemObject};

/// The connection that the client has now, newer than `serial`.
async fn connected(client: &Client, serial: u64) -> Connected {
    let mut states = client.states();
    let newer = |state: &State| matches!(state, State::Connected(own) if own.serial > serial);
    let state = soon(states.wait_for(newer)).await.unwrap().clone();
    let State::Connected(connected) = state else { panic!("{state:?}") };
    connected
}

#[tokio::test]
async fn a_client_that_comes_back_is_answered_before_the_handshake_ends() {
    let pki = Pki::default();
    let upstream = Recorder::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let running = running(&pki, &upstream).await;
    let root = CertificateDer::from_pem_slice(pki.ca().as_bytes()).unwrap();
    let tls = Tls::builder().with_roots([root]).server_name(HOST);
    let client = ClientBuilder::new("wallet", *b"phone")
        .address(&running.address().to_string())
        .build(tls.build().unwrap())
        .unwrap();
    let safe = || client.call("safe").idempotent(true).send();
    assert_eq!(&safe().await.unwrap().body()[..], b"ok");
    let first = connected(&client, 0).await;
    assert_eq!(first.early_data, EarlyData::None, "there is nothing to come back with");

    client.set_network(Network { kind: NetworkKind::Wifi, carrier: "".into() });
    let second = connected(&client, first.serial).await;
    assert_eq!(&safe().await.unwrap().body()[..], b"ok");
    assert_eq!(second.early_data, EarlyData::Accepted);
    assert_eq!(upstream.count(), 2, "each call was made once");
    client.close();
    running.stop().await;
}
