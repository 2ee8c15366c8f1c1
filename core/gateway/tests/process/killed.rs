//! `kill -9` in the middle of reloads: what is on disk stays whole.

use crate::process::{Folder, Gateway, saying};
use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
};

/// Times the process is killed.
const ROUNDS: u64 = 8;

/// Many files, so that keeping a release takes a while, and only a few releases kept, so that
/// others are removed all the time.
fn config(number: u64) -> String {
    saying(&format!("number {number}"))
        + "include: [ 'apis/*.yaml' ]\nreleases: { directory: kept, keep: 3 }\n"
}

fn folder() -> Folder {
    let folder = Folder::new(&config(0));
    for number in 0..20 {
        let api = format!(
            "apis: [ {{ id: a{number}, match: {{ path: /a{number} }}, handlers: [ respond: {{ status: 204 }} ] }} ]\n"
        );
        folder.write(&format!("apis/{number}.yaml"), &api);
    }
    folder
}

#[test]
fn the_store_is_whole_after_every_kill() {
    let folder = Arc::new(folder());
    let mut newest = 0;
    for round in 0..ROUNDS {
        let gateway = Gateway::start(&mut folder.command(&["run"]));
        // Reloads without a pause, until the process is gone.
        let done = Arc::new(AtomicBool::new(false));
        let reloads = Arc::new(AtomicU64::new(0));
        let admin = gateway.admin();
        let (writer, over, count) = (folder.clone(), done.clone(), reloads.clone());
        let reloader = std::thread::spawn(move || {
            for number in round * 1_000.. {
                if over.load(SeqCst) {
                    return;
                }
                writer.write("paifang.yaml", &config(number));
                let path = "POST /v1/reload HTTP/1.1";
                // The answer may never come.
                if crate::killed::post(admin, path).is_some_and(|answer| answer.contains(" 200 ")) {
                    count.fetch_add(1, SeqCst);
                }
            }
        });
        // Some way into one of them, another one each round.
        while reloads.load(SeqCst) < 2 + round % 3 {
            std::thread::yield_now();
        }
        let spins = (round * 7_919) % 20_000;
        (0..spins).for_each(|_| std::thread::yield_now());
        gateway.signal("KILL");
        let (status, log) = gateway.ended();
        assert!(!status.success(), "{log}");
        done.store(true, SeqCst);
        reloader.join().unwrap();

        // Whatever the moment was: the last good release is there and serves, and no number is
        // used twice.
        let good = fs::read_to_string(folder.path("kept/last-good")).unwrap();
        let good: u64 = good.trim().parse().unwrap_or_else(|_| panic!("`{good}` in round {round}"));
        assert!(good > newest, "round {round}: {good} after {newest}");
        newest = good;
        folder.write("paifang.yaml", "{ broken");
        let gateway = Gateway::start(&mut folder.command(&["run", "--releases", "kept"]));
        let log = gateway.logged("THE CONFIG IS BROKEN");
        assert!(log.contains(&format!("Serving release {good}")), "{log}");
        assert!(gateway.get("/").1.contains("number "), "round {round}");
        assert_eq!(gateway.get("/a19").0, 204, "round {round}: every file is there");
        let releases = gateway.ask(&["releases"]);
        assert_eq!(releases.code, 0, "{releases:?}");
        assert!(!releases.out.contains("damaged"), "round {round}: {}", releases.out);
        for line in releases.out.lines() {
            let number = line.split_whitespace().next().unwrap();
            let back = gateway.ask(&["rollback", number]);
            assert_eq!(back.code, 0, "round {round}: {back:?}");
        }
        let left: Vec<_> = fs::read_dir(folder.path("kept"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with(".new-"))
            .collect();
        assert!(left.is_empty(), "round {round}: {left:?}");
        folder.write("paifang.yaml", &config(round));
        assert_eq!(gateway.ask(&["reload"]).code, 0, "what was rolled back to is not pinned");
        newest = newest.max(
            fs::read_to_string(folder.path("kept/last-good")).unwrap().trim().parse().unwrap(),
        );
        gateway.stop();
    }
}

/// POSTs to the admin API; `None` where no answer comes.
fn post(address: std::net::SocketAddr, start: &str) -> Option<String> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).ok()?;
    write!(stream, "{start}\r\nhost: {address}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}
