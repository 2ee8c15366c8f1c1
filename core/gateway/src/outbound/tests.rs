//! Handlers that call out, over the life of releases.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::{Outbound, Outlets};
use crate::{Gateway, upstream::Upstreams};
use bytes::Bytes;
use http::{Request, Response};
use paifang_config::source::MemoryFiles;
use paifang_pipeline::{
    BuildContext, Built, ConfigError, Handler, Plugin, RequestCall, Stages, Verdict,
    ports::{HttpOut, HttpOutError, HttpOutLimits},
};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

const LIMITS: HttpOutLimits = HttpOutLimits { timeout: Duration::from_secs(60), response_bytes: 9 };

/// Answers with what an upstream says.
#[derive(Clone, Default)]
struct Asks(Arc<Mutex<Vec<Arc<dyn HttpOut>>>>);

struct Ask(String, Arc<dyn HttpOut>);

impl Plugin for Asks {
    type Config = BTreeMap<String, String>;

    fn kind(&self) -> &'static str {
        "asks"
    }

    fn build(
        &self,
        mut config: Self::Config,
        with: &BuildContext<'_>,
    ) -> Result<Built, ConfigError> {
        let to = config.remove("to").unwrap();
        if !with.http.has(&to) {
            return Err(ConfigError::at("/to", format!("there is no upstream `{to}`")));
        }
        self.0.lock().unwrap().push(with.http.clone());
        Ok(Built::new(Ask(to, with.http.clone())).always_answers())
    }
}

impl Handler for Ask {
    fn stages(&self) -> Stages {
        Stages::REQUEST
    }

    fn request(&self, call: &mut RequestCall<'_>) -> Verdict {
        let asked = Request::get(call.path()).body(Bytes::new()).unwrap();
        let answer = self.1.call(&self.0, asked, LIMITS);
        Verdict::wait(async move {
            let told = match answer.await {
                Ok(answer) => answer.into_body(),
                Err(error) => Bytes::from(error.to_string()),
            };
            move |_: &mut RequestCall<'_>| Verdict::Respond(Response::new(told))
        })
    }
}

/// A server that says one word, whatever it is asked.
async fn saying(word: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let mut tcp = BufReader::new(tcp);
            tokio::spawn(async move {
                let mut line = String::new();
                while tcp.read_line(&mut line).await.is_ok_and(|read| read > 0) {
                    if std::mem::take(&mut line) == "\r\n" {
                        let length = word.len();
                        let answer =
                            format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{word}");
                        tcp.write_all(answer.as_bytes()).await.unwrap();
                    }
                }
            });
        }
    });
    address
}

/// A gateway whose only API asks `idp`; `more` are the upstreams.
fn config(upstreams: &[(&str, SocketAddr)]) -> String {
    use std::fmt::Write;
    let mut text = String::from(
        "version: 1
listeners: [ { name: public, address: 127.0.0.1:0 } ]
apis: [ { id: a, match: { path: / }, handlers: [ asks: { to: idp } ] } ]
upstreams:
",
    );
    for (name, address) in upstreams {
        writeln!(text, "  {name}: {{ endpoints: [ {{ address: {address} }} ] }}").unwrap();
    }
    text
}

async fn says(gateway: &Gateway) -> String {
    let mut tcp = TcpStream::connect(gateway.address("public").unwrap()).await.unwrap();
    tcp.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut all = String::new();
    tcp.read_to_string(&mut all).await.unwrap();
    all.split_once("\r\n\r\n").unwrap().1.to_owned()
}

#[tokio::test]
async fn a_handler_asks_the_upstreams_of_the_release_that_is_live() {
    let (one, two) = (saying("one").await, saying("two").await);
    let (files, plugin) = (Arc::new(MemoryFiles::default()), Asks::default());
    let write = |upstreams: &[(&str, SocketAddr)]| files.write("paifang.yaml", config(upstreams));
    write(&[("idp", one), ("spare", one)]);
    let gateway = Gateway::builder()
        .files(files.clone())
        .config("paifang.yaml")
        .plugin(plugin.clone())
        .start()
        .await
        .unwrap();
    assert_eq!(says(&gateway).await, "one");
    let way = plugin.0.lock().unwrap()[0].clone();
    let ask = async |name: &str| {
        let answer = way.call(name, Request::get("/").body(Bytes::new()).unwrap(), LIMITS).await;
        answer.map(Response::into_body)
    };

    // The handler is the same one; what it calls has moved.
    write(&[("idp", two)]);
    gateway.reload().await.unwrap();
    assert_eq!(plugin.0.lock().unwrap().len(), 1);
    assert_eq!(says(&gateway).await, "two");
    assert_eq!(ask("spare").await.unwrap(), "one", "for calls that began before");
    assert!(way.has("idp") && way.has("spare") && !way.has("none"));

    write(&[("idp", one), ("more", one)]);
    gateway.reload().await.unwrap();
    assert_eq!(ask("idp").await.unwrap(), "one");
    assert_eq!(ask("spare").await, Err(HttpOutError::Unknown));

    write(&[("more", one)]);
    let refused = gateway.reload().await.unwrap_err().details().unwrap();
    assert!(refused.contains("there is no upstream `idp`"), "{refused}");
    assert_eq!(says(&gateway).await, "one");
    gateway.stop(Duration::from_secs(60)).await;
}

#[tokio::test]
async fn a_release_calls_its_own_upstreams_before_it_is_live() {
    let outlets = Arc::new(Outlets::default());
    let release = Outbound::new(outlets.clone());
    assert!(!release.has("idp"), "nothing is linked yet");
    let deps = deps();
    let build = |address: SocketAddr| {
        let endpoint = crate::upstream::EndpointSpec::new("127.0.0.1", address.port());
        let spec = crate::upstream::UpstreamSpec::new("idp", vec![endpoint]);
        Upstreams::build([spec], &Upstreams::default(), &deps).unwrap()
    };
    let ask = async |release: &Outbound| {
        let request = Request::get("/").body(Bytes::new()).unwrap();
        release.call("idp", request, LIMITS).await.unwrap().into_body()
    };
    release.link(build(saying("one").await));
    assert_eq!(ask(&release).await, "one");
    release.go_live();
    assert_eq!(ask(&release).await, "one");

    let next = Outbound::new(outlets.clone());
    next.link(build(saying("two").await));
    assert_eq!((ask(&next).await, ask(&release).await), ("two".into(), "one".into()));
    // A release that fails leaves nothing behind.
    drop(next);
    assert_eq!(ask(&release).await, "one");
    let next = Outbound::new(outlets);
    next.link(build(saying("two").await));
    next.go_live();
    assert_eq!((ask(&next).await, ask(&release).await), ("two".into(), "two".into()));
}

#[tokio::test]
async fn a_call_is_bounded_in_time_and_size_and_says_what_was_wrong() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = tokio::net::TcpSocket::new_v4().unwrap();
    closed.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let addresses = [
        ("silent", silent.local_addr().unwrap()),
        ("closed", closed.local_addr().unwrap()),
        ("word", saying("word").await),
    ];
    let specs = addresses.map(|(name, address)| {
        let endpoint = crate::upstream::EndpointSpec::new("127.0.0.1", address.port());
        crate::upstream::UpstreamSpec::new(name, vec![endpoint])
    });
    let way = Outbound::new(Arc::default());
    way.link(Upstreams::build(specs, &Upstreams::default(), &deps()).unwrap());
    let ask = async |name: &str, path: &'static str, millis: u64, response_bytes: usize| {
        let limits = HttpOutLimits { timeout: Duration::from_millis(millis), response_bytes };
        let request = Request::get(path).body(Bytes::new()).unwrap();
        way.call(name, request, limits).await.map(Response::into_body)
    };
    assert_eq!(ask("word", "/", 60_000, 4).await, Ok(Bytes::from_static(b"word")));
    assert_eq!(ask("word", "/", 60_000, 3).await, Err(HttpOutError::TooLarge));
    assert_eq!(ask("silent", "/", 1, 9).await, Err(HttpOutError::Timeout));
    let away = HttpOutError::Unavailable("connect_failed".to_owned());
    assert_eq!(ask("closed", "/", 60_000, 9).await, Err(away));
    assert_eq!(ask("none", "/", 60_000, 9).await, Err(HttpOutError::Unknown));
    let invalid = HttpOutError::Invalid("the path does not begin with `/`".to_owned());
    assert_eq!(ask("word", "*", 60_000, 9).await, Err(invalid));
}

fn deps() -> crate::upstream::Deps {
    crate::upstream::Deps {
        spawn: Arc::new(paifang_pipeline::ports::TokioSpawn(tokio::runtime::Handle::current())),
        clock: Arc::new(paifang_pipeline::ports::SystemClock::new()),
        resolver: Arc::new(crate::upstream::SystemResolver::new()),
        roots: Arc::default(),
    }
}
