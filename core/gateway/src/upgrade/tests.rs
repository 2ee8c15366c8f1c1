//! Both sides of a handover in one process, and what must not be believed.
#![allow(clippy::unwrap_used)]

use super::{
    Attempt, Manifest, Program, UpgradeError,
    wire::{self, FORMAT, FromNew, FromOld},
};
use crate::edge::{Handed, Role};
use paifang_config::snapshot::PlanOn;
use std::{
    fs::File,
    io::{Read, Seek, Write},
    net::TcpListener,
    os::unix::net::UnixStream,
    path::PathBuf,
};

fn handed(count: usize) -> (Vec<TcpListener>, Vec<Handed>) {
    let sockets: Vec<_> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let hand = |(number, socket): (usize, &TcpListener)| {
        let role = Role::Listener(number.to_string().into());
        Handed::of(role, socket.local_addr().unwrap(), socket).unwrap()
    };
    let handed = sockets.iter().enumerate().map(hand).collect();
    (sockets, handed)
}

#[test]
fn every_socket_arrives_and_the_lock_is_the_same_file() {
    let (old, new) = UnixStream::pair().unwrap();
    // More than go at once.
    let (sockets, handed) = handed(150);
    let lock = tempfile::tempfile().unwrap();
    let held = (PathBuf::from("releases"), lock.try_clone().unwrap());
    let plans = vec![PlanOn { name: "sale".to_owned(), since_ms: 5 }];
    let wanted = plans.clone();
    let sent = std::thread::spawn(move || {
        wire::bequeath(&old, Manifest::new(7, &plans), &handed, Some(&held)).unwrap();
        wire::send(&old, &FromOld::Go).unwrap();
    });
    let inherited = wire::inherit(&new).unwrap();
    sent.join().unwrap();
    assert_eq!((inherited.manifest.release, inherited.listening.len()), (7, 150));
    assert_eq!(inherited.manifest.plans, wanted);
    for (number, (listening, socket)) in inherited.listening.iter().zip(&sockets).enumerate() {
        assert_eq!(listening.role, Role::Listener(number.to_string().into()));
        assert_eq!(listening.socket.local_addr().unwrap(), socket.local_addr().unwrap());
        assert_eq!(listening.wished, socket.local_addr().unwrap());
    }
    let (directory, mut file): (PathBuf, File) = inherited.lock.unwrap();
    assert_eq!(directory.to_str(), Some("releases"));
    (&lock).write_all(b"one file").unwrap();
    file.rewind().unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "one file");
    // What comes behind the descriptors was not eaten with them.
    assert!(matches!(wire::receive(&new).unwrap(), FromOld::Go));
}

#[test]
fn what_cannot_be_understood_is_refused() {
    let refused = |bytes: &[u8]| {
        let (mut old, new) = UnixStream::pair().unwrap();
        old.write_all(bytes).unwrap();
        drop(old);
        wire::inherit(&new).unwrap_err().to_string()
    };
    let framed =
        |text: &str| [&u32::try_from(text.len()).unwrap().to_be_bytes(), text.as_bytes()].concat();
    let manifest = |format: u32, sockets: &str| {
        framed(&format!(
            r#"{{"format":{format},"pid":1,"release":1,"sockets":[{sockets}],"lock":null}}"#
        ))
    };
    assert!(refused(&[0xff; 8]).contains("too long"));
    assert!(refused(&framed("[]")).contains("no message"));
    assert!(refused(b"").contains("fill whole buffer"));
    let other = refused(&manifest(FORMAT + 1, ""));
    assert!(other.contains("restart instead"), "{other}");
    let socket = r#"{"role":"admin","wished":"127.0.0.1:1","lasting":false}"#;
    // Descriptors that never come, and a byte without any.
    assert!(refused(&manifest(FORMAT, socket)).contains("end of file"));
    let mut alone = manifest(FORMAT, socket);
    alone.push(b'd');
    assert!(refused(&alone).contains("0 of 1 descriptors"));
}

#[tokio::test]
async fn programs_that_are_no_gateway_are_told_apart() {
    async fn tried(path: &str, arguments: &[&str]) -> UpgradeError {
        let program = Program::other(path, arguments);
        match Attempt::begin(&program) {
            Ok(attempt) => {
                attempt.finish(Manifest::new(1, &[]), handed(1).1, None).await.unwrap_err()
            }
            Err(failed) => failed,
        }
    }
    let absent = tried("/nowhere/paifang", &[]).await;
    assert!(matches!(absent, UpgradeError::Start { .. }), "{absent}");
    let ended = tried("/bin/sh", &["-c", "exit 3"]).await;
    assert!(ended.to_string().contains("before it was loaded: exit status: 3"), "{ended}");
    let killed = tried("/bin/sh", &["-c", "kill -9 $$"]).await;
    assert!(killed.to_string().contains("signal: 9"), "{killed}");
    let closed = tried("/bin/sh", &["-c", "exec <&-; exec sleep 60"]).await;
    assert!(matches!(closed, UpgradeError::Ended { .. }), "{closed}");
}

#[test]
fn messages_go_through_whole() {
    let (one, other) = UnixStream::pair().unwrap();
    wire::send(&one, &FromNew::Failed { why: "a \"reason\"\nof two lines".to_owned() }).unwrap();
    wire::send(&one, &FromNew::Serving).unwrap();
    let FromNew::Failed { why } = wire::receive(&other).unwrap() else { panic!("another message") };
    assert_eq!(why, "a \"reason\"\nof two lines");
    assert!(matches!(wire::receive(&other).unwrap(), FromNew::Serving));
}
