//! The smart heartbeat over a network with a NAT.

use std::time::Duration;

use super::{FIRST, builder, here, ms, until};
use crate::{
    Network, NetworkKind,
    simnet::{Forgotten, Nat, Profile, SimNet},
    tests::server::Server,
};

const HOUR: Duration = Duration::from_secs(3600);

fn behind_nat(forgets: u64, answer: Forgotten) -> (SimNet, Server) {
    let nat = Some(Nat { idle: Duration::from_secs(forgets), answer });
    let net = SimNet::new(Profile { nat, ..Profile::latency(ms(30)) }, 7);
    let server = Server::default();
    server.serve(&net, FIRST);
    (net, server)
}

/// The longest silence that is learnt, by the lines of [`crate::Client::heartbeats`].
fn learnt(text: &str) -> u32 {
    let line = text.lines().next().unwrap();
    line.split(['\t', ' ']).nth(4).unwrap().parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_a_nat_tolerates_is_found_out_and_kept_to() {
    for answer in [Forgotten::Silent, Forgotten::Reset] {
        let (net, server) = behind_nat(150, answer);
        let home = Network { kind: NetworkKind::Wifi, carrier: "home".into() };
        let client = builder().network(home.clone()).build(net.clone()).unwrap();
        here(&client).await;
        tokio::time::sleep(12 * HOUR).await;
        let kept = client.heartbeats();
        assert!((120..150).contains(&learnt(&kept)), "{answer:?}: {kept}");
        // The server hears of it, for other devices: less than what is known to work, by a margin, and once.
        let told = server.learnt();
        assert!((110..150).contains(told.last().unwrap()), "{answer:?}: {told:?}");
        assert!(told.len() < 6, "{answer:?}: {told:?}");
        let connections = server.hellos().len();
        assert!((2..12).contains(&connections), "{answer:?}: {connections}");

        // The next start knows it, and loses no connection.
        client.close();
        let client = builder().network(home).heartbeats(&kept).build(net.clone()).unwrap();
        here(&client).await;
        let before = server.hellos().len();
        let heard = server.learnt().len();
        tokio::time::sleep(3 * HOUR).await;
        assert_eq!(server.hellos().len(), before, "{answer:?}");
        // Once for each connection.
        assert_eq!(server.learnt().len(), heard + 1, "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_foreground_beats_oftener() {
    let net = SimNet::new(Profile::latency(ms(30)), 7);
    let server = Server::default();
    server.serve(&net, FIRST);
    let client = builder().build(net.clone()).unwrap();
    here(&client).await;
    tokio::time::sleep(6 * HOUR).await;
    let sent = || net.links()[0].traffic().0.sent;
    let beats = |from: u64| (sent() - from) / 2;
    let from = sent();
    tokio::time::sleep(HOUR).await;
    // The longest that the server allows is 300 s, and a margin is kept.
    assert!((12..=13).contains(&beats(from)), "{}", beats(from));
    client.set_foreground(true);
    tokio::time::sleep(ms(100)).await;
    let from = sent();
    tokio::time::sleep(HOUR).await;
    assert!((59..=61).contains(&beats(from)), "{}", beats(from));
    until(|| server.hellos().len() == 1).await;
}
