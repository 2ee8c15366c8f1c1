//! Which form a client uses when, over a simulated network on a paused clock. The forms within HTTP are streams of their own here: what
//! HTTP adds has its own tests.
#![allow(clippy::unwrap_used)]

mod host;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::SeqCst},
    },
    time::Duration,
};

use host::Echo;
use paifang_access::{Drain, Form as Served, Server};
use paifang_client::{
    Auth, Client, ClientBuilder, Connect, Error, Form, Forms, Network, NetworkKind, State,
    connect::{BoxFuture, Dialed, Target, Timing},
    simnet::{Profile, SimNet, Way},
};
use paifang_mmtp::code::CloseCode;
use tokio::{sync::watch, time::Instant};

const ADDRESS: &str = "10.0.0.1:443";
/// Where each form is served.
const PORTS: [(Form, &str); 3] =
    [(Form::Long, ADDRESS), (Form::WebSocket, "10.0.0.1:1"), (Form::Post, "10.0.0.1:2")];

/// What becomes of a form.
const OPEN: u8 = 0;
const REFUSED: u8 = 1;
/// Nothing comes back.
const SWALLOWED: u8 = 2;

/// A network that lets some forms through.
#[derive(Clone)]
struct Picky {
    net: SimNet,
    /// By form, in the order of [`PORTS`].
    ways: Arc<[AtomicU8; 3]>,
    /// How often each was dialled.
    dials: Arc<[AtomicU8; 3]>,
}

impl Picky {
    fn set(&self, form: Form, way: u8) {
        self.ways[form as usize].store(way, SeqCst);
    }

    fn dials(&self, form: Form) -> u8 {
        self.dials[form as usize].load(SeqCst)
    }
}

impl Connect for Picky {
    fn resolve<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        self.net.resolve(address)
    }

    fn dial<'a>(&'a self, to: &'a Target) -> BoxFuture<'a, io::Result<Dialed>> {
        self.dial_as(to, Form::Long)
    }

    fn dial_as<'a>(&'a self, _: &'a Target, form: Form) -> BoxFuture<'a, io::Result<Dialed>> {
        Box::pin(async move {
            self.dials[form as usize].fetch_add(1, SeqCst);
            match self.ways[form as usize].load(SeqCst) {
                OPEN => {}
                REFUSED => return Err(io::ErrorKind::ConnectionRefused.into()),
                _ => std::future::pending().await,
            }
            let address: SocketAddr = PORTS[form as usize].1.parse().unwrap();
            let wire = Box::new(self.net.connect(address).await?);
            Ok(Dialed { wire, server_name: None, timing: Timing::default() })
        })
    }
}

struct World {
    network: Picky,
    server: Arc<Server<Echo>>,
    _drain: watch::Sender<Drain>,
}

fn world() -> World {
    world_of(Echo::default())
}

fn world_of(echo: Echo) -> World {
    let net = SimNet::new(Profile::latency(Duration::from_millis(30)), 3);
    let (server, drain) = (Arc::new(Server::new(Arc::new(echo))), watch::Sender::default());
    for (form, address) in PORTS {
        let (server, drain) = (server.clone(), drain.subscribe());
        net.serve(address.parse::<SocketAddr>().unwrap(), move |end| {
            let (server, drain) = (server.clone(), drain.clone());
            tokio::spawn(async move {
                match form {
                    Form::Long => server.serve(end, (), Drain::spreads(drain)).await,
                    Form::WebSocket => {
                        server.serve_as(Served::WebSocket, end, (), Drain::spreads(drain)).await
                    }
                    Form::Post => server.converse(end, ()).await,
                }
            });
        });
    }
    let network = Picky { net, ways: Arc::default(), dials: Arc::default() };
    World { network, server, _drain: drain }
}

impl World {
    fn builder(&self) -> ClientBuilder {
        ClientBuilder::new("wallet", *b"device").address(ADDRESS)
    }

    fn client(&self) -> Client {
        self.builder().build(self.network.clone()).unwrap()
    }

    fn calls(&self, form: Served) -> u64 {
        self.server.stats().form(form).calls
    }
}

/// Waits until there is a connection in this form.
async fn connected(client: &Client, form: Form) {
    let mut states = client.states();
    let is = |state: &State| matches!(state, State::Connected(own) if own.form == form);
    let waited = tokio::time::timeout(Duration::from_secs(3600), states.wait_for(is));
    waited.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_goes_by_post_at_once_where_nothing_else_comes_through_and_the_long_form_returns() {
    let world = world();
    world.network.set(Form::Long, REFUSED);
    world.network.set(Form::WebSocket, REFUSED);
    let client = world.client();
    let began = Instant::now();
    let answer = client.call("echo").body("one").send().await.unwrap();
    assert_eq!(answer.body(), "one!");
    // A handshake of the simulated TCP and one exchange.
    assert!(began.elapsed() < Duration::from_millis(200), "{:?}", began.elapsed());
    assert_eq!((world.calls(Served::Post), world.calls(Served::Long)), (1, 0));
    let id = answer.head().call_id().to_string();
    assert_eq!(answer.field("x-call"), Some(id.as_bytes()));
    // A large answer needs no credit that could not be given any more; a large request has its own way to get some.
    let large = vec![b'x'; 1_000_000];
    let answer = client.call("echo").body(large).send().await.unwrap();
    assert_eq!(answer.body().len(), 1_000_001);
    // Several at once.
    let calls = (0..20).map(|_| tokio::spawn(client.call("slow").body("x").send()));
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap().unwrap().body(), "x!");
    }
    world.network.set(Form::Long, OPEN);
    connected(&client, Form::Long).await;
    client.call("echo").body("two").send().await.unwrap();
    assert_eq!(world.calls(Served::Long), 1);
}

#[tokio::test(start_paused = true)]
async fn websocket_is_the_connection_where_the_long_form_is_swallowed() {
    let world = world();
    world.network.set(Form::Long, SWALLOWED);
    let client = world.client();
    let began = Instant::now();
    // Before any connection is there a call goes by POST.
    client.call("echo").body("x").send().await.unwrap();
    let took = began.elapsed();
    assert!((2..3).contains(&took.as_secs()), "{took:?}");
    assert_eq!(world.calls(Served::Post), 1);
    connected(&client, Form::WebSocket).await;
    let took = began.elapsed();
    assert!((3..4).contains(&took.as_secs()), "{took:?}");
    client.call("echo").body("x").send().await.unwrap();
    assert_eq!((world.calls(Served::Post), world.calls(Served::WebSocket)), (1, 1));

    // While it is remembered WebSocket comes first, and at once.
    let dials = world.network.dials(Form::Long);
    world.network.net.cut();
    let began = Instant::now();
    client.states().wait_for(|state| !matches!(state, State::Connected(_))).await.unwrap();
    connected(&client, Form::WebSocket).await;
    assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
    assert_eq!(world.network.dials(Form::Long), dials);

    // Ten minutes later the long form is tried beside it, and taken when it comes through.
    world.network.set(Form::Long, OPEN);
    let began = Instant::now();
    connected(&client, Form::Long).await;
    let took = began.elapsed();
    assert!((590..620).contains(&took.as_secs()), "{took:?}");
    client.call("echo").body("x").send().await.unwrap();
    assert_eq!(world.calls(Served::Long), 1);
}

#[tokio::test(start_paused = true)]
async fn another_network_begins_with_the_long_form() {
    let world = world();
    world.network.set(Form::Long, REFUSED);
    let client = world.client();
    connected(&client, Form::WebSocket).await;
    world.network.set(Form::Long, OPEN);
    client.set_network(Network { kind: NetworkKind::Wifi, carrier: "".into() });
    let began = Instant::now();
    connected(&client, Form::Long).await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_call_on_a_dead_connection_goes_by_post_where_it_does_no_harm_twice() {
    for safe in [true, false] {
        let world = world();
        let client = world.client();
        connected(&client, Form::Long).await;
        // From here on the long form is dead, and no other connection can be had.
        world.network.set(Form::Long, SWALLOWED);
        world.network.set(Form::WebSocket, SWALLOWED);
        world.network.net.stall(Way::Both);
        let began = Instant::now();
        let made = client.call("echo").idempotent(safe).body("x").send().await;
        let took = began.elapsed();
        if safe {
            let answer = made.unwrap();
            assert!((3..4).contains(&took.as_secs()), "{took:?}");
            assert_eq!((&answer.body()[..], answer.head().attempts()), (&b"x!"[..], 2));
            // The identity of the first attempt, which the server never saw.
            let id = answer.head().call_id().to_string();
            assert_eq!(answer.field("x-call"), Some(id.as_bytes()));
        } else {
            assert!(matches!(made, Err(Error::UnknownOutcome { .. })), "{made:?}");
            assert!((5..6).contains(&took.as_secs()), "{took:?}");
        }
        assert_eq!(world.calls(Served::Post), u64::from(safe));
        // What was not sent yet goes at once.
        client.states().wait_for(|state| !matches!(state, State::Connected(_))).await.unwrap();
        client.call("echo").body("y").send().await.unwrap();
        assert_eq!(world.calls(Served::Post), 1 + u64::from(safe));
    }
}

#[tokio::test(start_paused = true)]
async fn post_alone_keeps_no_connection() {
    let world = world();
    let client = world.builder().forms(Forms::Post).build(world.network.clone()).unwrap();
    assert_eq!(client.state(), State::Unconnected);
    let none = client.connected(Duration::from_secs(5)).await;
    assert!(matches!(none, Err(Error::NotConnected(_))));
    client.call("echo").body("x").send().await.unwrap();
    assert_eq!((world.calls(Served::Post), world.network.dials(Form::Long)), (1, 0));
    world.network.set(Form::Post, REFUSED);
    let call = client.call("echo").deadline(Duration::from_secs(10)).body("x");
    assert!(matches!(call.send().await, Err(Error::NotConnected(_))));
    // It was tried again, but not without end.
    assert!(
        (3..8).contains(&world.network.dials(Form::Post)),
        "{}",
        world.network.dials(Form::Post)
    );
    client.close();
    assert!(matches!(client.call("echo").send().await, Err(Error::Closed)));
    assert_eq!(client.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn what_a_server_says_in_a_short_conversation_is_heard() {
    let world = world();
    let bad = Auth { scheme: "Bearer".into(), credential: b"bad".as_slice().into() };
    let builder = world.builder().forms(Forms::Post).auth(bad);
    let client = builder.build(world.network.clone()).unwrap();
    let refused = client.call("echo").body("x").send().await;
    let Err(Error::Ended { code, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(code, CloseCode::AUTH_FAILED);
}

#[tokio::test(start_paused = true)]
async fn a_short_conversation_that_is_refused_for_now_waits_as_it_is_told() {
    // More of them than a call has attempts, for nobody has looked at it.
    let world = world_of(Echo(4.into()));
    let client = world.builder().forms(Forms::Post).build(world.network.clone()).unwrap();
    let began = Instant::now();
    let call = client.call("echo").deadline(Duration::from_secs(60)).body("x");
    assert_eq!(call.send().await.unwrap().body(), "x!");
    let took = began.elapsed();
    // Seven seconds four times, and half a second, doubled each time.
    assert!((35..37).contains(&took.as_secs()), "{took:?}");
    assert_eq!(world.network.dials(Form::Post), 5);
}

#[tokio::test(start_paused = true)]
async fn a_form_that_was_chosen_is_the_only_one() {
    for (forms, form) in [(Forms::Long, Form::Long), (Forms::WebSocket, Form::WebSocket)] {
        let world = world();
        world.network.set(form, REFUSED);
        let client = world.builder().forms(forms).build(world.network.clone()).unwrap();
        let call = client.call("echo").deadline(Duration::from_secs(20)).body("x");
        assert!(matches!(call.send().await, Err(Error::NotConnected(_))));
        world.network.set(form, OPEN);
        connected(&client, form).await;
        for other in PORTS.map(|(other, _)| other).into_iter().filter(|other| *other != form) {
            assert_eq!(world.network.dials(other), 0, "{forms:?}");
        }
    }
}
