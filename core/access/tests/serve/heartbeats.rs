//! What devices have learnt about a network, and what a new one is told.

use std::time::Duration;

use paifang_mmtp::greeting::{Hello, Network, NetworkKind, Update};

use crate::support::{Echo, Key, Peer, Running, auth, hello};

fn network() -> Network {
    Network { kind: NetworkKind::Mobile4g, carrier: "46000".into() }
}

async fn connected(running: &Running, hello: Hello) -> Peer {
    let mut peer = running.connect(65_536, &Hello { network: Some(network()), ..hello });
    peer.welcome().await;
    peer
}

async fn says(peer: &mut Peer, learnt: u32) {
    peer.session.update(&Update { learnt: Some(learnt), ..Update::default() });
    peer.flush().await;
}

/// What a newcomer begins with.
async fn told(running: &Running, network: Option<Network>) -> u32 {
    let mut peer = running.connect(65_536, &Hello { network, ..hello(99) });
    peer.welcome().await.heartbeat.unwrap().initial
}

#[tokio::test(start_paused = true)]
async fn a_new_device_begins_where_most_of_its_network_ended() {
    let running = Running::new(Echo::default());
    assert_eq!(told(&running, Some(network())).await, 60);
    let mut peers = Vec::new();
    for number in 0..4 {
        let name = format!("u{number}");
        peers.push(connected(&running, Hello { auth: auth(&name), ..hello(number) }).await);
        peers.push(connected(&running, Key::new().prove(hello(100 + number), None)).await);
    }
    // Nothing of this was seen to work.
    for peer in &mut peers {
        says(peer, 200).await;
    }
    assert_eq!(told(&running, Some(network())).await, 60);
    tokio::time::sleep(Duration::from_secs(200)).await;
    for peer in &mut peers[1..] {
        says(peer, 200).await;
    }
    // One whom nobody knows.
    let mut nobody = connected(&running, hello(50)).await;
    tokio::time::sleep(Duration::from_secs(200)).await;
    says(&mut nobody, 200).await;
    assert_eq!(told(&running, Some(network())).await, 60);
    says(&mut peers[0], 200).await;
    assert_eq!(told(&running, Some(network())).await, 200);
    let other = Network { kind: NetworkKind::Wifi, ..network() };
    assert_eq!(told(&running, Some(other.clone())).await, 60);
    assert_eq!(told(&running, None).await, 60);
    let learnt = running.server.learnt(10);
    assert_eq!((learnt.len(), learnt[0].devices, learnt[0].seconds), (1, 8, Some(200)));

    // A silence in one network says nothing of another.
    for peer in &mut peers {
        peer.session.update(&Update { network: Some(other.clone()), ..Update::default() });
        says(peer, 200).await;
    }
    assert_eq!(told(&running, Some(other)).await, 60);
}
