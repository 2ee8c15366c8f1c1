//! Another process takes a gateway's place, and no client notices.

use crate::{
    load::{Load, quick_upstream},
    process::{Folder, Gateway, HANG, ask, paifang, rest, run, signal},
    upstream::Patient,
};
use serde_json::Value;
use std::{io::Write, net::TcpStream, process::Command, time::Instant};

/// Processes that come one after the other.
const UPGRADES: usize = 3;

/// `/slow` comes to the patient upstream, `/quick` to one that answers at once.
pub(crate) fn config(patient: &Patient) -> String {
    format!(
        "version: 1
listeners: [ {{ name: public, address: \"127.0.0.1:0\" }} ]
admin: {{ address: \"127.0.0.1:0\" }}
releases: {{ directory: kept }}
upstreams:
  up: {{ endpoints: [ {{ address: \"{}\" }} ] }}
  quick: {{ endpoints: [ {{ address: \"{}\" }} ] }}
apis:
  - {{ id: slow, match: {{ path: /slow }}, timeout: 60s, upstream: up }}
  - {{ id: quick, match: {{ path: /quick }}, upstream: quick }}
",
        patient.address,
        quick_upstream()
    )
}

/// A gateway started by a link in its folder, so that the program at its path can be another one.
pub(crate) fn start(folder: &Folder) -> Gateway {
    let link = folder.path("gate");
    let _ = std::fs::remove_file(&link);
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_paifang"), &link).unwrap();
    Gateway::start(&mut command(folder))
}

/// The command that [`start`] runs, with nothing that the environment says.
pub(crate) fn command(folder: &Folder) -> Command {
    let mut command = Command::new(folder.path("gate"));
    for (name, value) in paifang().get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.args(["run"]).current_dir(folder.path("."));
    command.stdin(std::process::Stdio::null());
    command
}

/// What the gateway says of itself now.
pub(crate) fn status(gateway: &Gateway) -> Value {
    let done = gateway.ask(&["status", "--json"]);
    assert_eq!(done.code, 0, "{done:?}");
    serde_json::from_str(&done.out).unwrap()
}

/// Upgrades; the process that serves then.
pub(crate) fn upgrade(gateway: &Gateway) -> u32 {
    let done = gateway.ask(&["upgrade", "--json"]);
    assert_eq!(done.code, 0, "{done:?}\n{}", gateway.log());
    let report: Value = serde_json::from_str(&done.out).unwrap();
    u32::try_from(report["pid"].as_u64().unwrap()).unwrap()
}

/// A metric without labels.
pub(crate) fn metric(gateway: &Gateway, name: &str) -> String {
    let mut stream = TcpStream::connect(gateway.admin()).unwrap();
    let request = "GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let text = rest(&mut stream);
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix("{} "));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).to_owned()
}

/// Waits until the process before is gone.
pub(crate) fn alone(gateway: &Gateway) {
    let end = Instant::now() + HANG;
    while !status(gateway)["predecessor"].is_null() {
        assert!(Instant::now() < end, "the process before does not end:\n{}", gateway.log());
    }
}

/// Ends the process that serves now, and waits for all.
pub(crate) fn stop(gateway: Gateway, pid: u32) -> String {
    signal(pid, "TERM");
    let (status, log) = gateway.ended();
    assert!(status.success(), "{status}\n{log}");
    log
}

#[test]
fn no_request_fails_while_processes_follow_each_other() {
    let patient = Patient::start();
    let folder = Folder::new(&config(&patient));
    let gateway = start(&folder);
    let (public, admin) = (gateway.public(), gateway.admin());
    let load = Load::start(public, admin);
    let mut pids = vec![gateway.pid()];
    for number in 0..UPGRADES {
        let mut slow = TcpStream::connect(public).unwrap();
        ask(&mut slow, "/slow", "");
        patient.called();
        pids.push(upgrade(&gateway));
        load.goes_on();
        let now = status(&gateway);
        assert_eq!(now["pid"].as_u64(), pids.last().map(|pid| u64::from(*pid)), "{now}");
        assert_eq!(now["release"].as_u64(), Some(number as u64 + 2), "{now}");
        // The call that the process before had in flight is still in flight.
        let left = now["predecessor"]["pid"].as_u64();
        assert_eq!(left, Some(u64::from(pids[number])), "{now}");
        patient.answer();
        let answer = rest(&mut slow);
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("patience"), "{answer}");
        assert!(answer.to_ascii_lowercase().contains("connection: close"), "{answer}");
        alone(&gateway);
        load.goes_on();
    }
    let (answered, failed) = load.end();
    println!("{answered} calls answered over {UPGRADES} upgrades, {} failed", failed.len());
    assert!(
        failed.is_empty(),
        "{} of {answered} failed: {:?}",
        failed.len(),
        &failed[..failed.len().min(5)]
    );
    let log = stop(gateway, *pids.last().unwrap());
    assert_eq!(log.matches("left connections_cut=0").count(), UPGRADES, "{log}");
    pids.dedup();
    assert_eq!(pids.len(), UPGRADES + 1);
}

#[test]
fn an_idle_connection_has_one_more_call() {
    let patient = Patient::start();
    let folder = Folder::new(&config(&patient));
    let gateway = start(&folder);
    let (mut fresh, mut used) = (
        TcpStream::connect(gateway.public()).unwrap(),
        TcpStream::connect(gateway.public()).unwrap(),
    );
    // Accepted before the upgrade: what came after them has had its answer.
    ask(&mut used, "/quick", "");
    let mut answer = [0; 4096];
    let read = std::io::Read::read(&mut used, &mut answer).unwrap();
    assert!(answer[..read].starts_with(b"HTTP/1.1 200"));
    let pid = upgrade(&gateway);
    for stream in [&mut fresh, &mut used] {
        ask(stream, "/quick", "");
        let answer = rest(stream);
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("upstream"), "{answer}");
    }
    alone(&gateway);
    stop(gateway, pid);
}

#[test]
fn a_signal_upgrades_and_the_time_for_the_process_before_ends() {
    let patient = Patient::start();
    let text = config(&patient) + "shutdown: { after_upgrade: 50ms }\n";
    let folder = Folder::new(&text);
    let gateway = start(&folder);
    let mut slow = TcpStream::connect(gateway.public()).unwrap();
    ask(&mut slow, "/slow", "");
    patient.called();
    gateway.signal("USR2");
    gateway.logged("left connections_cut=1");
    assert_eq!(rest(&mut slow), "", "the call is cut");
    gateway.logged("the process before has ended");
    let now = status(&gateway);
    assert_ne!(now["pid"].as_u64(), Some(u64::from(gateway.pid())));
    assert!(now["predecessor"].is_null(), "{now}");
    stop(gateway, u32::try_from(now["pid"].as_u64().unwrap()).unwrap());
}

#[test]
fn the_process_before_can_be_stopped() {
    let patient = Patient::start();
    let folder = Folder::new(&config(&patient));
    let gateway = start(&folder);
    let mut slow = TcpStream::connect(gateway.public()).unwrap();
    ask(&mut slow, "/slow", "");
    patient.called();
    let pid = upgrade(&gateway);
    gateway.signal("TERM");
    gateway.logged("stopping signal=\"SIGTERM\"");
    gateway.signal("TERM");
    gateway.logged("stopping at once");
    assert_eq!(rest(&mut slow), "");
    alone(&gateway);
    assert_eq!(metric(&gateway, "paifang_predecessor_connections"), "0");
    stop(gateway, pid);
}

#[test]
fn releases_go_on_where_they_were_kept() {
    let patient = Patient::start();
    let folder = Folder::new(&config(&patient));
    let gateway = start(&folder);
    folder.write("paifang.yaml", &(config(&patient) + "log: { level: debug }\n"));
    assert_eq!(gateway.ask(&["reload"]).code, 0);
    assert_eq!(gateway.ask(&["rollback", "1"]).code, 0);
    let pid = upgrade(&gateway);
    let now = status(&gateway);
    assert_eq!((now["release"].as_u64(), now["pinned"].as_u64()), (Some(4), Some(1)), "{now}");
    assert!(now["not_kept"].is_null(), "{now}");
    // The directory has an owner all the time.
    let other = run(folder.command(&["run"]).arg("--releases").arg("kept"));
    assert!(other.err.contains("belongs to another gateway"), "{other:?}");
    let reload = gateway.ask(&["reload"]);
    assert_eq!(reload.code, 0, "{reload:?}");
    let releases = gateway.ask(&["releases"]);
    assert!(!releases.out.contains("damaged"), "{releases:?}");
    alone(&gateway);
    stop(gateway, pid);
}

#[test]
fn plans_stay_on_also_where_no_release_is_kept() {
    let patient = Patient::start();
    let plan = "plans: { hush: { changes: [ { apis: quick, add: { respond: { status: 203, body: hushed } } } ] } }\n";
    let yaml = config(&patient) + plan;
    for yaml in [yaml.clone(), yaml.replace("releases: { directory: kept }\n", "")] {
        let folder = Folder::new(&yaml);
        let gateway = start(&folder);
        assert_eq!(gateway.ask(&["plan", "on", "hush"]).code, 0);
        let since = |gateway: &Gateway| {
            let told = gateway.ask(&["plan", "list", "--json"]);
            let told: Value = serde_json::from_str(&told.out).unwrap();
            told["items"][0]["since_unix_seconds"].clone()
        };
        let before = since(&gateway);
        let pid = upgrade(&gateway);
        assert_eq!(gateway.get("/quick").0, 203);
        assert_eq!(
            (status(&gateway)["plans"][0].as_str(), since(&gateway)),
            (Some("hush"), before)
        );
        assert_eq!(gateway.ask(&["plan", "off", "hush"]).code, 0);
        assert_eq!(gateway.get("/quick").0, 200);
        alone(&gateway);
        stop(gateway, pid);
    }
}
