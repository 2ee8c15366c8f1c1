//! TLS: certificates by SNI, protocols by ALPN, certificates of clients.

use super::config;
use http::{HeaderName, HeaderValue};
use paifang_pipeline::{Stages, Verdict};
use paifang_tests::harness::{
    Ask, H2, Pair, Pki, Probe, Probes, Recorder, Running, Setup, Wire, soon,
};
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tokio_rustls::client::TlsStream;

const LISTENER: &str = "tls: { certificates: [ { cert: one.pem, key: one.key }, \
    { cert: two.pem, key: two.key } ] }";

fn with_pair(setup: Setup, name: &str, pair: &Pair) -> Setup {
    setup
        .file(format!("{name}.pem"), pair.cert.clone())
        .file(format!("{name}.key"), pair.key.clone())
}

async fn two_names(pki: &Pki, upstream: &Recorder, listener: &str) -> Running {
    let setup = Setup::new(config(upstream.address(), listener, "[]"));
    let setup = with_pair(setup, "one", &pki.server(&["one.example"]));
    let setup = with_pair(setup, "two", &pki.server(&["two.example", "*.wild.example"]));
    setup.file("ca.pem", pki.ca()).start().await
}

fn alpn(stream: &TlsStream<TcpStream>) -> Option<&[u8]> {
    stream.get_ref().1.alpn_protocol()
}

#[tokio::test]
async fn the_name_that_is_asked_for_chooses_the_certificate() {
    let (pki, upstream) = (Pki::default(), Recorder::start().await);
    let running = two_names(&pki, &upstream, LISTENER).await;
    let client = pki.client(&[], None);
    // The client verifies the name, so a wrong certificate would fail the handshake.
    for host in ["one.example", "two.example", "a.wild.example"] {
        let stream = client.connect(running.address(), host).await.unwrap();
        let answer = Wire::new(stream).get("/").await;
        assert_eq!((answer.status(), answer.text()), (200, "upstream"), "{host}");
        assert_eq!(upstream.last().header("x-forwarded-proto"), Some("https"));
    }
    // Whoever asks for another name is shown the first one.
    let refused = client.connect(running.address(), "three.example").await.unwrap_err();
    assert!(refused.to_string().contains("only valid for DnsName(\"one.example\")"), "{refused}");
    running.stop().await;
}

#[tokio::test]
async fn alpn_chooses_the_protocol() {
    let (pki, upstream) = (Pki::default(), Recorder::start().await);
    let running = two_names(&pki, &upstream, LISTENER).await;
    let address = running.address();
    for (offered, chosen) in [
        (&["h2", "http/1.1"][..], Some(&b"h2"[..])),
        (&["http/1.1", "h2"], Some(b"h2")),
        (&["http/1.1"], Some(b"http/1.1")),
        (&[], None),
    ] {
        let stream = pki.client(offered, None).connect(address, "one.example").await.unwrap();
        assert_eq!(alpn(&stream), chosen, "{offered:?}");
        if chosen == Some(b"h2") {
            let reply = H2::over(stream).await.call(&Ask::new("GET", "/h2")).await;
            assert_eq!((reply.status, reply.text()), (200, "upstream"));
        } else {
            assert_eq!(Wire::new(stream).get("/h1").await.status(), 200);
        }
    }
    let refused = pki.client(&["spdy/3"], None).connect(address, "one.example").await;
    assert!(refused.is_err(), "no protocol in common");
    assert_eq!(upstream.count(), 4);
    running.stop().await;
}

#[tokio::test]
async fn what_the_config_offers_is_all_there_is() {
    let (pki, upstream) = (Pki::default(), Recorder::start().await);
    let listener = LISTENER.replace("] }", "], alpn: [ http/1.1 ], min_version: \"1.3\" }");
    let running = two_names(&pki, &upstream, &listener).await;
    let client = pki.client(&["h2", "http/1.1"], None);
    let stream = client.connect(running.address(), "one.example").await.unwrap();
    assert_eq!(alpn(&stream), Some(&b"http/1.1"[..]));
    let version = stream.get_ref().1.protocol_version().unwrap();
    assert_eq!(format!("{version:?}"), "TLSv1_3");
    drop(stream);
    running.stop().await;
}

#[tokio::test]
async fn clear_text_and_nonsense_get_no_answer_from_a_tls_listener() {
    let (pki, upstream) = (Pki::default(), Recorder::start().await);
    let running = two_names(&pki, &upstream, LISTENER).await;
    for bytes in ["GET / HTTP/1.1\r\nhost: a\r\n\r\n", "\x16\x03\x01\x02\x00\x01"] {
        let mut client = running.connect().await;
        client.send(bytes).await;
        client.finish().await;
        let (rest, _) = client.rest().await;
        // At most an alert, which is seven bytes.
        assert!(rest.len() <= 7 && !rest.starts_with(b"HTTP"), "{rest:?}");
    }
    assert_eq!(upstream.count(), 0);
    running.stop().await;
}

fn tells_of_tls() -> Probe {
    Probe::at(Stages::REQUEST).on_request(|call| {
        let tls = call.facts().tls.clone().unwrap();
        let tell = [
            ("x-sni", tls.sni.as_deref()),
            ("x-subject", tls.client_cert_subject.as_deref()),
            ("x-version", Some(tls.version)),
        ];
        for (name, value) in tell {
            let value = HeaderValue::from_str(value.unwrap_or("none")).unwrap();
            call.head_mut().headers.insert(HeaderName::from_static(name), value);
        }
        Verdict::Continue
    })
}

#[tokio::test]
async fn clients_show_a_certificate_where_it_is_asked_for() {
    let (pki, strangers, upstream) = (Pki::default(), Pki::default(), Recorder::start().await);
    for required in [true, false] {
        let listener = format!(
            "tls: {{ certificates: [ {{ cert: one.pem, key: one.key }} ], \
             client_ca: {{ file: ca.pem, required: {required} }} }}"
        );
        let probes = Probes::default().with("tells", tells_of_tls());
        let setup = Setup::new(config(upstream.address(), &listener, &probes.steps()));
        let setup = with_pair(setup, "one", &pki.server(&["one.example"]));
        let running = setup.file("ca.pem", pki.ca()).plugin(probes).start().await;
        let address = running.address();

        let own = pki.client_certificate("Ada");
        let stream = pki.client(&[], Some(&own)).connect(address, "one.example").await.unwrap();
        assert_eq!(Wire::new(stream).get("/").await.status(), 200);
        let seen = upstream.last();
        assert!(seen.header("x-subject").unwrap().contains("Ada"), "{seen:?}");
        assert_eq!(seen.header("x-sni"), Some("one.example"));
        assert_eq!(seen.header("x-version"), Some("TLSv1_3"));

        let stranger = strangers.client_certificate("Eve");
        for (shown, passes) in [(None, !required), (Some(&stranger), false)] {
            let before = upstream.count();
            // In TLS 1.3 a client learns only after its handshake that it was turned away.
            let status = match pki.client(&[], shown).connect(address, "one.example").await {
                Err(_) => None,
                Ok(mut stream) => {
                    let sent = stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
                    let answer = Wire::new(stream).try_answer().await;
                    answer.ok().filter(|_| sent.is_ok()).map(|answer| answer.status())
                }
            };
            assert_eq!(status, passes.then_some(200), "{required} {shown:?}");
            assert_eq!(upstream.count() - before, usize::from(passes));
        }
        running.stop().await;
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_ends_without_tlss_farewell() {
    // Otherwise an answer that ends with its connection would look whole (RFC 8446 section 6.1).
    let pki = Pki::default();
    let upstream = paifang_tests::harness::Server::start(|_, mut client| async move {
        client.request().await.unwrap();
        client.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n").await;
        client.reset();
    })
    .await;
    let listener = "tls: { certificates: [ { cert: one.pem, key: one.key } ] }";
    let setup = Setup::new(config(upstream.address, listener, "[]"));
    let running = with_pair(setup, "one", &pki.server(&["one.example"])).start().await;
    let mut client =
        Wire::new(pki.client(&[], None).connect(running.address(), "one.example").await.unwrap());
    client.send("GET / HTTP/1.0\r\n\r\n").await;
    assert!(soon(client.try_answer()).await.is_err(), "it looked whole");
    running.stop().await;
}
