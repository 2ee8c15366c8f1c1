//! Members by DNS SRV, from a DNS server on loopback that the upstream names, and from a file.

use super::{
    dns_server::{DnsServer, SERVICE},
    support::{Server, get, in_time, start, until},
};
use crate::upstream::{DiscoverySpec, DnsSpec, SourceSpec, Upstream, UpstreamSpec};
use std::{
    collections::BTreeSet,
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

fn spec(dns: &DnsServer) -> UpstreamSpec {
    let mut spec = UpstreamSpec::new("found", Vec::new());
    spec.dns = DnsSpec {
        servers: vec![dns.address],
        min_ttl: Duration::from_millis(5),
        max_ttl: Duration::from_millis(20),
    };
    let source = SourceSpec::Srv(SERVICE.to_owned());
    spec.discovery = Some(DiscoverySpec { source, take_empty: false });
    spec
}

/// A server on all loopback addresses, so that several of them are several endpoints.
async fn everywhere() -> Server {
    let listener = tokio::net::TcpListener::bind("0.0.0.0:0").await.unwrap();
    Server::on(listener, |_, mut tcp| async move {
        use tokio::io::AsyncWriteExt;
        while super::support::read_request(&mut tcp).await.is_some() {
            tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        }
    })
}

/// Last part of the address, weight and priority of each.
fn members(upstream: &Upstream) -> Vec<(String, u32, u32)> {
    let mut all: Vec<_> = upstream
        .read()
        .endpoints
        .iter()
        .map(|one| (one.address.ip().to_string(), one.weight, one.priority))
        .collect();
    all.sort();
    all
}

fn member(ip: &str, weight: u32, priority: u32) -> (String, u32, u32) {
    (ip.to_owned(), weight, priority)
}

fn problem(upstream: &Upstream) -> Option<String> {
    upstream.read().discovery.unwrap().last_error
}

#[tokio::test]
async fn srv_records_are_members_with_weight_and_priority() {
    let server = everywhere().await;
    let port = server.address.port();
    let dns = DnsServer::start(vec![
        (0, 3, port, "one.test."),
        (0, 1, port, "two.test."),
        (5, 0, port, "three.test."),
    ])
    .await;
    let upstream = start(spec(&dns));
    in_time(upstream.warmed()).await;
    let expected =
        [member("127.0.0.1", 3, 0), member("127.0.0.2", 1, 0), member("127.0.0.3", 1, 5)];
    assert_eq!(members(&upstream), expected, "all are there with the first answer");
    let mut seen = Vec::new();
    for _ in 0..8 {
        seen.push(get(&upstream).await.outcome.endpoint.unwrap().ip().to_string());
    }
    seen.sort();
    assert_eq!(seen, [vec!["127.0.0.1"; 6], vec!["127.0.0.2"; 2]].concat());
    assert_eq!(get(&upstream).await.status(), 200);
    // One leaves, one gets another weight: what stays keeps its connections and counts.
    let kept = upstream
        .members
        .lock()
        .all()
        .into_iter()
        .find(|one| one.address.ip() == Ipv4Addr::new(127, 0, 0, 2))
        .unwrap();
    dns.say(Some(vec![(0, 7, port, "two.test."), (5, 0, port, "three.test.")]));
    let expected = [member("127.0.0.2", 7, 0), member("127.0.0.3", 1, 5)];
    until(&upstream, |upstream| members(upstream) == expected).await;
    let now = upstream.members.lock().all();
    assert!(now.iter().any(|one| Arc::ptr_eq(one, &kept)));
    assert_eq!(get(&upstream).await.outcome.endpoint.unwrap().ip(), Ipv4Addr::new(127, 0, 0, 2));
    assert_eq!(problem(&upstream), None);
}

#[tokio::test]
async fn when_the_records_are_away_or_say_nothing_the_last_ones_serve() {
    let server = everywhere().await;
    let port = server.address.port();
    let dns = DnsServer::start(vec![(0, 0, port, "one.test.")]).await;
    let upstream = start(spec(&dns));
    in_time(upstream.warmed()).await;
    let good = members(&upstream);
    assert_eq!(good.len(), 1);
    for bad in [None, Some(vec![]), Some(vec![(0, 0, 0, ".")])] {
        dns.say(bad);
        let failures = upstream.read().counts.discovery_failures;
        until(&upstream, |up| up.read().counts.discovery_failures >= failures + 2).await;
        assert_eq!((members(&upstream), get(&upstream).await.status()), (good.clone(), 200));
        assert!(problem(&upstream).is_some());
    }
    // A target without an address does not take the others away.
    dns.say(Some(vec![(0, 0, port, "nowhere.test."), (0, 0, port, "two.test.")]));
    until(&upstream, |upstream| members(upstream) == [member("127.0.0.2", 1, 0)]).await;
    assert_eq!(upstream.read().unresolved, ["nowhere.test"]);
    assert_eq!((get(&upstream).await.status(), problem(&upstream)), (200, None));
}

#[tokio::test]
async fn without_an_answer_calls_are_refused_and_nothing_waits() {
    let dns = DnsServer::start(Vec::new()).await;
    dns.say(None);
    let upstream = start(spec(&dns));
    in_time(upstream.warmed()).await;
    assert_eq!(get(&upstream).await.error().as_deref(), Some("PF-4000"));
    let server = everywhere().await;
    dns.say(Some(vec![(0, 0, server.address.port(), "one.test.")]));
    until(&upstream, |upstream| !members(upstream).is_empty()).await;
    assert_eq!(get(&upstream).await.status(), 200);
}

#[tokio::test]
async fn decidedly_nobody_is_taken_where_the_config_says_so() {
    let server = everywhere().await;
    let dns = DnsServer::start(vec![(0, 0, server.address.port(), "one.test.")]).await;
    let mut spec = spec(&dns);
    spec.discovery.as_mut().unwrap().take_empty = true;
    let upstream = start(spec);
    in_time(upstream.warmed()).await;
    assert_eq!(get(&upstream).await.status(), 200);
    dns.say(Some(vec![(0, 0, 0, ".")]));
    until(&upstream, |upstream| members(upstream).is_empty()).await;
    assert_eq!(get(&upstream).await.error().as_deref(), Some("PF-4000"));
}

fn from_file(path: &Path, take_empty: bool) -> UpstreamSpec {
    let mut spec = UpstreamSpec::new("found", Vec::new());
    let interval = Duration::from_millis(5);
    let source = SourceSpec::File { path: path.to_owned(), interval };
    spec.discovery = Some(DiscoverySpec { source, take_empty });
    spec
}

/// As those should write the file who write it.
fn write(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    fs::write(&beside, text).unwrap();
    fs::rename(beside, path).unwrap();
}

#[tokio::test]
async fn a_file_is_followed_and_what_stays_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("endpoints.yaml");
    let server = everywhere().await;
    let port = server.address.port();
    write(
        &path,
        &format!(
            "- {{ address: \"127.0.0.1:{port}\", weight: 2, zone: west }}\n- {{ address: \"127.0.0.2:{port}\" }}\n"
        ),
    );
    let upstream = start(from_file(&path, false));
    in_time(upstream.warmed()).await;
    assert_eq!(members(&upstream), [member("127.0.0.1", 2, 0), member("127.0.0.2", 1, 0)]);
    assert_eq!(get(&upstream).await.status(), 200);
    let kept = upstream.members.lock().all()[0].clone();
    write(
        &path,
        &format!(
            "{{ \"endpoints\": [ {{ \"address\": \"127.0.0.3:{port}\", \"priority\": 2 }}, {{ \"address\": \"127.0.0.1:{port}\" }} ] }}"
        ),
    );
    let expected = [member("127.0.0.1", 1, 0), member("127.0.0.3", 1, 2)];
    until(&upstream, |upstream| members(upstream) == expected).await;
    assert!(upstream.members.lock().all().iter().any(|one| Arc::ptr_eq(one, &kept)));
    let seen: BTreeSet<_> =
        [get(&upstream).await, get(&upstream).await].map(|reply| reply.outcome.endpoint).into();
    assert_eq!(seen, BTreeSet::from([Some(kept.address)]));
    assert_eq!(kept.stats.connects.get(), 1, "its connection was kept");
    let reading = upstream.read();
    assert_eq!(reading.counts.discoveries, 2, "what is as it was is not taken again");
}

#[tokio::test]
async fn a_bad_file_changes_nothing_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("endpoints.yaml");
    let server = everywhere().await;
    let good = format!(
        "- {{ address: \"{}\" }}\n",
        SocketAddr::from(([127, 0, 0, 1], server.address.port()))
    );
    let upstream = start(from_file(&path, false));
    in_time(upstream.warmed()).await;
    assert!(problem(&upstream).unwrap().contains("cannot read"));
    assert_eq!(get(&upstream).await.error().as_deref(), Some("PF-4000"));
    write(&path, &good);
    until(&upstream, |upstream| members(upstream).len() == 1).await;
    for (bad, why) in [
        ("- { address: \"127.0.0.1:80\", wieght: 1 }", "wieght"),
        ("- { address: nonsense }", "endpoints.yaml:1:14"),
        ("- [", "endpoints.yaml"),
        ("hello", "expected a list"),
        ("{ endpoints: [], more: 1 }", "expected a list"),
        ("- { address: \"127.0.0.1:80\", weight: 5000 }", "expected 0 to 1000"),
        ("- { address: \"127.0.0.1:80\" }\n- { address: \"127.0.0.1:80\" }", "two endpoints"),
        ("[]", "no endpoint with a weight"),
        ("- { address: \"127.0.0.1:80\", weight: 0 }", "no endpoint with a weight"),
    ] {
        write(&path, bad);
        until(&upstream, |upstream| problem(upstream).is_some_and(|told| told.contains(why))).await;
        assert_eq!((members(&upstream).len(), get(&upstream).await.status()), (1, 200), "{bad}");
    }
    fs::remove_file(&path).unwrap();
    until(&upstream, |upstream| problem(upstream).is_some_and(|told| told.contains("cannot read")))
        .await;
    assert_eq!(get(&upstream).await.status(), 200);
    // The very content that was there before.
    write(&path, &good);
    until(&upstream, |upstream| problem(upstream).is_none()).await;
}

#[tokio::test]
async fn an_empty_file_empties_the_upstream_where_the_config_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("endpoints.yaml");
    let server = everywhere().await;
    write(&path, &format!("- {{ address: \"127.0.0.1:{}\" }}\n", server.address.port()));
    let upstream = start(from_file(&path, true));
    in_time(upstream.warmed()).await;
    assert_eq!(get(&upstream).await.status(), 200);
    write(&path, "[]");
    until(&upstream, |upstream| members(upstream).is_empty()).await;
    assert_eq!(get(&upstream).await.error().as_deref(), Some("PF-4000"));
}
