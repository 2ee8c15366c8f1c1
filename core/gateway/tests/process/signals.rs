//! What signals do, as `paifang run --help` says.

use crate::{
    process::{Folder, ask, rest, saying},
    upstream::Patient,
};
use std::{io::Read, net::TcpStream};

#[test]
fn sighup_reloads_and_a_broken_config_is_told() {
    let folder = Folder::new(&saying("one"));
    let gateway = folder.start();
    assert!(gateway.get("/").1.ends_with("one"));
    folder.write("paifang.yaml", &saying("two"));
    gateway.signal("HUP");
    gateway.logged("released release=2");
    assert!(gateway.get("/").1.ends_with("two"));
    folder.write("paifang.yaml", &saying("three").replace("status:", "sattus:"));
    gateway.signal("HUP");
    let log = gateway.logged("did you mean `status`");
    assert!(log.contains("not released, the release before goes on serving"), "{log}");
    assert!(log.contains("paifang.yaml:5:"), "{log}");
    assert!(gateway.get("/").1.ends_with("two"));
    assert!(!gateway.stop().contains('\u{1b}'), "colours in a log that nobody looks at");
}

/// The signal stops the gateway, but not before the call in flight has its answer.
fn drains_at(signal: &str) {
    let upstream = Patient::start();
    let gateway = Folder::new(&upstream.config()).start();
    let public = gateway.public();
    let mut stream = TcpStream::connect(public).unwrap();
    ask(&mut stream, "/slow", "");
    upstream.called();
    gateway.signal(signal);
    gateway.logged(&format!("stopping signal=\"SIG{signal}\""));
    // A listener that has closed refuses.
    while TcpStream::connect(public).is_ok() {}
    upstream.answer();
    let answer = rest(&mut stream);
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("patience"), "{answer}");
    let (status, log) = gateway.ended();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("stopped connections_cut=0"), "{log}");
}

#[test]
fn sigterm_drains() {
    drains_at("TERM");
}

#[test]
fn sigquit_drains() {
    drains_at("QUIT");
}

#[test]
fn sigint_drains() {
    drains_at("INT");
}

#[test]
fn a_second_signal_stops_at_once() {
    let upstream = Patient::start();
    let gateway = Folder::new(&upstream.config()).start();
    let mut stream = TcpStream::connect(gateway.public()).unwrap();
    ask(&mut stream, "/slow", "");
    upstream.called();
    gateway.signal("INT");
    gateway.logged("stopping signal=");
    gateway.signal("INT");
    let (status, log) = gateway.ended();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("stopping at once"), "{log}");
    assert_eq!(rest(&mut stream), "", "the call is cut");
}

#[test]
fn the_grace_of_the_config_ends_the_drain() {
    let upstream = Patient::start();
    let gateway = Folder::new(&(upstream.config() + "shutdown: { grace: 50ms }\n")).start();
    let mut stream = TcpStream::connect(gateway.public()).unwrap();
    ask(&mut stream, "/slow", "");
    upstream.called();
    gateway.signal("TERM");
    let (status, log) = gateway.ended();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("stopped connections_cut=1"), "{log}");
    assert_eq!(stream.read(&mut [0; 16]).unwrap_or(0), 0);
}

#[test]
fn a_reload_while_stopping_is_harmless() {
    let upstream = Patient::start();
    let gateway = Folder::new(&upstream.config()).start();
    let mut stream = TcpStream::connect(gateway.public()).unwrap();
    ask(&mut stream, "/slow", "");
    upstream.called();
    gateway.signal("TERM");
    gateway.logged("stopping signal=");
    gateway.signal("HUP");
    let reload = gateway.ask(&["reload"]);
    assert_eq!(reload.code, 1, "{reload:?}");
    assert!(reload.err.contains("the gateway is stopping"), "{reload:?}");
    upstream.answer();
    assert!(rest(&mut stream).ends_with("patience"));
    assert_eq!(gateway.ended().0.code(), Some(0));
}
