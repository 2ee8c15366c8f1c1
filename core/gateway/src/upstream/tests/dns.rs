//! Names: a small DNS server on loopback, asked by the real resolver.

use super::support::{Server, deps, get, in_time, start_with, until};
use crate::upstream::{
    Deps, DnsSpec, EndpointSpec, Resolve, SystemResolver, Upstream, UpstreamSpec,
};
use hickory_resolver::{
    config::{ConnectionConfig, NameServerConfig, ResolverConfig},
    proto::{
        op::{Message, ResponseCode},
        rr::{RData, Record, RecordType, rdata::A},
        serialize::binary::{BinDecodable, BinEncodable},
    },
};
use parking_lot::Mutex;
use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::{net::UdpSocket, task::JoinHandle};

/// What the DNS server answers.
#[derive(Debug, Clone)]
enum Zone {
    /// These addresses, for so many seconds.
    Addresses(Vec<Ipv4Addr>, u32),
    NoSuchName,
    ServerFailure,
    Silence,
}

struct Dns {
    address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
    asked: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Dns {
    async fn start(zone: Zone) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let (zone, asked) = (Arc::new(Mutex::new(zone)), Arc::new(AtomicUsize::new(0)));
        let (now, counter) = (Arc::clone(&zone), Arc::clone(&asked));
        let task = tokio::spawn(async move {
            let mut buffer = [0; 2048];
            loop {
                let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                let query = Message::from_bytes(&buffer[..length]).unwrap();
                counter.fetch_add(1, SeqCst);
                let zone = now.lock().clone();
                if let Some(answer) = answer(query, &zone) {
                    socket.send_to(&answer.to_bytes().unwrap(), from).await.unwrap();
                }
            }
        });
        Self { address, zone, asked, task }
    }

    fn say(&self, zone: Zone) {
        *self.zone.lock() = zone;
    }

    fn deps(&self) -> Deps {
        let mut udp = ConnectionConfig::udp();
        udp.port = self.address.port();
        let server = NameServerConfig::new(self.address.ip(), true, vec![udp]);
        let config = ResolverConfig::from_name_servers(vec![server]);
        Deps { resolver: Arc::new(SystemResolver::with_config(config)), ..deps() }
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn answer(query: Message, zone: &Zone) -> Option<Message> {
    let question = query.queries[0].clone();
    assert_eq!(question.name().to_string().trim_end_matches('.'), "orders.test");
    let kind = question.query_type();
    let mut response = Message::response(query.metadata.id, query.metadata.op_code);
    response.add_query(question.clone());
    match zone {
        Zone::Silence => return None,
        Zone::NoSuchName => response.metadata.response_code = ResponseCode::NXDomain,
        Zone::ServerFailure => response.metadata.response_code = ResponseCode::ServFail,
        Zone::Addresses(list, ttl) if kind == RecordType::A => {
            for &ip in list {
                response.add_answer(Record::from_rdata(
                    question.name().clone(),
                    *ttl,
                    RData::A(A(ip)),
                ));
            }
        }
        Zone::Addresses(..) => {}
    }
    Some(response)
}

const FAST: DnsSpec = DnsSpec {
    servers: Vec::new(),
    min_ttl: Duration::from_millis(5),
    max_ttl: Duration::from_millis(20),
};

fn named(port: u16, dns: DnsSpec) -> UpstreamSpec {
    let mut spec = UpstreamSpec::new("named", vec![EndpointSpec::new("orders.test", port)]);
    spec.dns = dns;
    spec
}

fn addresses(upstream: &Upstream) -> Vec<String> {
    upstream.read().endpoints.iter().map(|endpoint| endpoint.address.ip().to_string()).collect()
}

fn local(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 0, last)
}

async fn server() -> Server {
    // On all loopback addresses, so that several of them are several endpoints.
    let listener = tokio::net::TcpListener::bind("0.0.0.0:0").await.unwrap();
    Server::on(listener, |_, mut tcp| async move {
        use tokio::io::AsyncWriteExt;
        while super::support::read_request(&mut tcp).await.is_some() {
            tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        }
    })
}

#[tokio::test]
async fn a_name_stands_for_its_addresses_and_follows_their_changes() {
    let server = server().await;
    let dns = Dns::start(Zone::Addresses(vec![local(2), local(1)], 0)).await;
    let upstream = start_with(named(server.address.port(), FAST), &dns.deps());
    in_time(upstream.warmed()).await;
    assert_eq!(addresses(&upstream), ["127.0.0.1", "127.0.0.2"]);
    let reply = get(&upstream).await;
    assert_eq!(reply.status(), 200);
    assert_eq!(get(&upstream).await.status(), 200);
    let kept = upstream.members.lock().all()[1].clone();
    dns.say(Zone::Addresses(vec![local(2), local(3)], 0));
    until(&upstream, |upstream| addresses(upstream) == ["127.0.0.2", "127.0.0.3"]).await;
    let now = upstream.members.lock().all()[0].clone();
    assert!(Arc::ptr_eq(&kept, &now), "one that stays keeps its connections");
    for _ in 0..4 {
        let endpoint = get(&upstream).await.outcome.endpoint.unwrap();
        assert_ne!(endpoint.ip(), local(1));
    }
}

#[tokio::test]
async fn when_dns_is_away_the_last_answer_serves() {
    let server = server().await;
    let dns = Dns::start(Zone::Addresses(vec![local(1)], 0)).await;
    let upstream = start_with(named(server.address.port(), FAST), &dns.deps());
    in_time(upstream.warmed()).await;
    for zone in [Zone::ServerFailure, Zone::NoSuchName] {
        dns.say(zone);
        let failures = upstream.read().counts.dns_failures;
        until(&upstream, |upstream| upstream.read().counts.dns_failures >= failures + 2).await;
        assert_eq!(addresses(&upstream), ["127.0.0.1"]);
        assert_eq!(get(&upstream).await.status(), 200);
    }
}

#[tokio::test]
async fn before_the_first_answer_calls_are_refused_and_no_longer() {
    let server = server().await;
    let dns = Dns::start(Zone::NoSuchName).await;
    let upstream = start_with(named(server.address.port(), FAST), &dns.deps());
    in_time(upstream.warmed()).await;
    assert_eq!(upstream.read().unresolved, ["orders.test"]);
    let reply = get(&upstream).await;
    assert_eq!((reply.status(), reply.error().as_deref()), (503, Some("PF-4000")));
    assert!(reply.outcome.error_detail.unwrap().contains("no address is known yet"));
    dns.say(Zone::Addresses(vec![local(1)], 0));
    until(&upstream, |upstream| upstream.read().unresolved.is_empty()).await;
    assert_eq!(get(&upstream).await.status(), 200);
}

#[tokio::test]
async fn a_silent_dns_holds_no_call_up() {
    let dns = Dns::start(Zone::Silence).await;
    let upstream = start_with(named(80, FAST), &dns.deps());
    in_time(async {
        while dns.asked.load(SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let began = std::time::Instant::now();
    assert_eq!(get(&upstream).await.error().as_deref(), Some("PF-4000"));
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn records_are_asked_for_again_when_they_expire() {
    let dns = Dns::start(Zone::Addresses(vec![local(1)], 3600)).await;
    let bounds = DnsSpec {
        servers: Vec::new(),
        min_ttl: Duration::from_millis(1),
        max_ttl: Duration::from_secs(3600),
    };
    let upstream = start_with(named(80, bounds), &dns.deps());
    in_time(upstream.warmed()).await;
    let asked = dns.asked.load(SeqCst);
    // Those of this one expire at once; by then the first would have asked again too.
    let other = start_with(named(80, FAST), &dns.deps());
    until(&other, |other| other.read().counts.dns_answers >= 3).await;
    assert!(dns.asked.load(SeqCst) > asked);
    assert_eq!(upstream.read().counts.dns_answers, 1, "its hour is not over");
}

#[tokio::test]
async fn the_hosts_file_counts() {
    let found = in_time(SystemResolver::new().resolve("localhost")).await.unwrap();
    assert!(found.addresses.iter().all(|ip| ip.is_loopback()), "{found:?}");
}
