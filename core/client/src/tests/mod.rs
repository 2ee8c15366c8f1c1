//! Clients against servers over a simulated network, on a paused clock.
#![allow(clippy::unwrap_used)]

mod calls;
#[cfg(feature = "zstd")]
mod coding;
mod coming_back;
mod heartbeats;
mod messages;
mod racing;
mod server;
mod users;

use std::{net::SocketAddr, time::Duration};

use crate::{
    Client, ClientBuilder, Connected,
    simnet::{Profile, SimNet},
};
use server::Server;

const FIRST: &str = "10.0.0.1:443";
const SECOND: &str = "10.0.0.2:443";

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn at(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

/// A network of 20 ms each way with a server at [`FIRST`].
fn network() -> (SimNet, Server) {
    let net = SimNet::new(Profile::latency(ms(20)), 7);
    let server = Server::default();
    server.serve(&net, FIRST);
    (net, server)
}

fn builder() -> ClientBuilder {
    ClientBuilder::new("wallet", *b"device").address(FIRST)
}

/// A client that is connected.
async fn connected(net: &SimNet) -> Client {
    let client = builder().build(net.clone()).unwrap();
    here(&client).await;
    client
}

/// Waits until it is connected.
async fn here(client: &Client) -> Connected {
    client.connected(Duration::from_secs(120)).await.unwrap()
}

/// Waits until `condition` holds; an hour of the paused clock at most.
async fn until(condition: impl Fn() -> bool) {
    for _ in 0..360_000 {
        if condition() {
            return;
        }
        tokio::time::sleep(ms(10)).await;
    }
    panic!("it does not come");
}
