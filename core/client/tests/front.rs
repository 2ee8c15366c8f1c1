//! The client against the real front, over a simulated network on a paused clock.
#![allow(clippy::unwrap_used)]

mod host;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use host::Echo;
use paifang_access::{Drain, Server};
use paifang_client::{
    Auth, Client, ClientBuilder, Error, State,
    simnet::{Profile, SimNet, Way},
};
use paifang_mmtp::session::NewMessage;
use tokio::sync::watch;

const ADDRESS: &str = "10.0.0.1:443";

struct World {
    net: SimNet,
    server: Arc<Server<Echo>>,
    drain: watch::Sender<Drain>,
}

fn world() -> World {
    let net = SimNet::new(Profile::latency(Duration::from_millis(30)), 3);
    let (server, drain) =
        (Arc::new(Server::new(Arc::new(Echo::default()))), watch::Sender::default());
    let world = World { net, server, drain };
    world.serve();
    world
}

impl World {
    /// A server like the first, which does not drain.
    fn serve(&self) {
        let (server, drain) = (self.server.clone(), self.drain.subscribe());
        self.net.serve(ADDRESS.parse::<SocketAddr>().unwrap(), move |end| {
            let (server, drain) = (server.clone(), drain.clone());
            tokio::spawn(async move { server.serve(end, (), Drain::spreads(drain)).await });
        });
    }

    async fn client(&self) -> Client {
        let builder = ClientBuilder::new("wallet", *b"device").address(ADDRESS);
        let client = builder.build(self.net.clone()).unwrap();
        client.connected(Duration::from_secs(60)).await.unwrap();
        client
    }
}

fn token(credential: &str) -> Auth {
    Auth { scheme: "Bearer".into(), credential: credential.as_bytes().into() }
}

#[tokio::test(start_paused = true)]
async fn calls_users_and_push() {
    let world = world();
    let client = world.client().await;
    let answer = client.call("echo").body(vec![b'a'; 1_000_000]).send().await.unwrap();
    assert_eq!((answer.status(), answer.body().len()), (200, 1_000_001));
    let id = answer.head().call_id().to_string();
    assert_eq!(answer.field("x-call"), Some(id.as_bytes()));
    assert_eq!(answer.field("x-user"), Some(&b"nobody"[..]));

    assert_eq!(client.login(token("ann")).await.unwrap().id.as_deref(), Some("ann"));
    let refused = client.login(token("bad")).await;
    assert!(matches!(refused, Err(Error::Login { status: 401, .. })), "{refused:?}");
    client.login(token("bob")).await.unwrap();
    assert_eq!(client.call("echo").send().await.unwrap().field("x-user"), Some(&b"bob"[..]));
    client.deliver(3, "up").await.unwrap();

    let mut push = client.messages(2).unwrap();
    let to = world.server.registry().of_user("wallet", "bob");
    let message = NewMessage { delivery: true, data: "hello".into(), ..NewMessage::default() };
    world.server.push(&to, 2, &message);
    let pushed = push.next().await.unwrap();
    assert_eq!((&pushed.data[..], pushed.delivery), (&b"hello"[..], true));
    pushed.acknowledge();
}

#[tokio::test(start_paused = true)]
async fn a_server_that_drains_loses_no_call() {
    let world = world();
    let client = world.client().await;
    let slow = tokio::spawn(client.call("slow").body("s").send());
    tokio::time::sleep(Duration::from_millis(200)).await;
    let old = world.drain.clone();
    let world = World { drain: watch::Sender::default(), ..world };
    world.serve();
    old.send_replace(Drain::Draining { spread: Duration::from_millis(300) });
    // Calls all the while: each has its answer, from the old server or the new.
    for _ in 0..40 {
        let answer = client.call("echo").body("e").send().await.unwrap();
        assert_eq!(&answer.body()[..], b"e!");
    }
    assert_eq!(&slow.await.unwrap().unwrap().body()[..], b"s!");
    assert!(matches!(client.state(), State::Connected(now) if now.serial == 2));
}

#[tokio::test(start_paused = true)]
async fn a_device_that_comes_twice_keeps_its_newer_connection() {
    let world = world();
    let client = world.client().await;
    world.net.stall(Way::Both);
    let answer = client.call("echo").idempotent(true).body("e").send().await.unwrap();
    assert_eq!((&answer.body()[..], answer.head().attempts()), (&b"e!"[..], 2));
    world.net.restore();
    // What the server has to say of the older one does not concern the newer.
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert!(matches!(client.state(), State::Connected(now) if now.serial == 2));
    assert_eq!(&client.call("echo").send().await.unwrap().body()[..], b"!");
}

#[tokio::test(start_paused = true)]
async fn weak_networks_are_lived_through() {
    for name in ["4g", "3g", "lossy", "edge", "subway"] {
        let world = world();
        world.net.become_like(name.parse().unwrap());
        let client = world.client().await;
        for _ in 0..30 {
            let call = client.call("echo").idempotent(true).body(vec![b'w'; 2000]);
            let answer = call.deadline(Duration::from_secs(60)).send().await;
            assert_eq!(answer.map(|answer| answer.body().len()), Ok(2001), "{name}");
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    }
}
