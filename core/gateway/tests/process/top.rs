//! `paifang top`: once, as JSON, on a terminal, and what it says when it cannot.
// Nothing is served on these threads.
#![allow(clippy::disallowed_methods)]

use crate::process::{Folder, HANG, saying};
use std::{
    io::{Read, Write},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// Asks until the answer has this in it.
fn comes_to(ask: impl Fn() -> String, wanted: &str) -> String {
    let until = Instant::now() + HANG;
    loop {
        let answer = ask();
        if answer.contains(wanted) {
            return answer;
        }
        assert!(Instant::now() < until, "never `{wanted}`: {answer}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn once_and_json_tell_what_the_gateway_does() {
    let folder = Folder::new(&saying("x"));
    let gateway = folder.start();
    for _ in 0..3 {
        gateway.get("/");
    }
    let once = || {
        let done = gateway.ask(&["top", "--once", "--sort", "p99", "--filter", "hel"]);
        assert_eq!((done.code, &*done.err), (0, ""), "{done:?}");
        done.out
    };
    let table = comes_to(once, " 1 of 1 APIs called");
    assert!(table.contains("api by p99") && table.contains("\nhello  "), "{table}");
    assert!(!table.contains("\n-  "), "filtered: {table}");
    let done = gateway.ask(&["top", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(told["apis"]["items"][0]["id"], "hello", "{told}");
    assert_eq!(told["stats"]["calls_total"], 3, "{told}");

    let nowhere = gateway.ask(&["top"]);
    assert_eq!((nowhere.code, &*nowhere.out), (1, ""), "{nowhere:?}");
    assert!(nowhere.err.contains("no terminal; `--once`"), "{nowhere:?}");
    let often = gateway.ask(&["top", "--once", "--interval", "1ms"]);
    assert!(often.code == 1 && often.err.contains("at least 500ms"), "{often:?}");
    gateway.stop();
}

#[test]
fn a_gateway_that_cannot_be_asked_is_told_before_the_screen_is_touched() {
    let folder = Folder::new(&saying("x"));
    let away = folder.run(&["top", "--once", "--admin", "127.0.0.1:1"]);
    assert_eq!(away.code, 3, "{away:?}");
    assert!(away.err.contains("no gateway answers at 127.0.0.1:1"), "{away:?}");
}

#[test]
fn on_a_terminal_it_draws_and_leaves_by_a_key() {
    let folder = Folder::new(&saying("x"));
    let gateway = folder.start();
    gateway.get("/");
    // `script` (util-linux) gives it a terminal.
    let command = format!(
        "stty cols 140 rows 20; {} top --admin {}",
        env!("CARGO_BIN_EXE_paifang"),
        gateway.admin()
    );
    let mut child = Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .env("TERM", "xterm")
        .env("SHELL", "/bin/sh")
        .current_dir(folder.path(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut keys, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let seen: Arc<Mutex<Vec<u8>>> = Arc::default();
    let reader = std::thread::spawn({
        let seen = seen.clone();
        move || {
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = screen.read(&mut bytes) {
                seen.lock().unwrap().extend_from_slice(&bytes[..read]);
            }
        }
    });
    let shown = || String::from_utf8_lossy(&seen.lock().unwrap()).into_owned();
    comes_to(shown, "hello");
    keys.write_all(b"9").unwrap();
    keys.flush().unwrap();
    // Only what differs is drawn: of `rate (1)` and `p99 (1)`, the word.
    comes_to(shown, "p99 (");
    keys.write_all(b"q").unwrap();
    keys.flush().unwrap();
    let until = Instant::now() + HANG;
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None => assert!(Instant::now() < until, "it does not leave: {}", shown()),
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(status.success(), "{status}: {}", shown());
    drop(keys);
    reader.join().unwrap();
    assert!(shown().contains("\u{1b}[?1049l"), "the terminal is as it was");
    gateway.stop();
}
