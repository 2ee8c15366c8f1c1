//! Upgrades that come to nothing: the process before serves on, and says why.

use crate::{
    load::Load,
    process::{Folder, Gateway, signal},
    upgrade::{alone, config, metric, start, status, stop, upgrade},
    upstream::Patient,
};
use std::{fs, os::unix::fs::PermissionsExt};

/// A gateway under load, which must not notice whatever `fails` does.
fn unharmed(fails: impl FnOnce(&Folder, &Gateway, &str)) {
    let patient = Patient::start();
    let config = config(&patient);
    let folder = Folder::new(&config);
    let gateway = start(&folder);
    let load = Load::start(gateway.public(), gateway.admin());
    fails(&folder, &gateway, &config);
    load.goes_on();
    let now = status(&gateway);
    assert_eq!(now["pid"].as_u64(), Some(u64::from(gateway.pid())), "{now}");
    assert!(now["upgrade_failure"].is_string(), "{now}");
    // Nothing is left of it: what is right goes through.
    folder.write("paifang.yaml", &config);
    let _ = fs::remove_file(folder.path("gate"));
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_paifang"), folder.path("gate")).unwrap();
    assert_eq!(gateway.ask(&["reload"]).code, 0, "{}", gateway.log());
    let pid = upgrade(&gateway);
    load.goes_on();
    alone(&gateway);
    let (answered, failed) = load.end();
    assert!(failed.is_empty(), "{} of {answered}: {:?}", failed.len(), failed.first());
    stop(gateway, pid);
}

/// What an upgrade that fails says.
fn refused(gateway: &Gateway) -> String {
    let done = gateway.ask(&["upgrade"]);
    assert_eq!(done.code, 1, "{done:?}");
    done.err
}

#[test]
fn a_broken_config() {
    unharmed(|folder, gateway, config| {
        folder.write("paifang.yaml", &config.replace("timeout:", "timeuot:"));
        let why = refused(gateway);
        assert!(why.contains("did you mean `timeout`"), "{why}");
        assert!(why.contains("paifang.yaml:9:"), "{why}");
        // A release that was kept is no way out: it would hide what is wrong.
        assert!(!gateway.log().contains("THE CONFIG IS BROKEN"), "{}", gateway.log());
        assert_eq!(metric(gateway, "paifang_upgrades_failed_total"), "1");
    });
}

#[test]
fn an_address_that_is_taken() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let more =
        format!("listeners: [ {{ name: more, address: \"{}\" }},", taken.local_addr().unwrap());
    unharmed(|folder, gateway, config| {
        folder.write("paifang.yaml", &config.replace("listeners: [", &more));
        let why = refused(gateway);
        assert!(why.contains("listener more cannot listen on"), "{why}");
    });
}

#[test]
fn a_broken_program() {
    unharmed(|folder, gateway, _| {
        let replace = |text: &str, mode| {
            let _ = fs::remove_file(folder.path("gate"));
            folder.write("gate", text);
            fs::set_permissions(folder.path("gate"), fs::Permissions::from_mode(mode)).unwrap();
            refused(gateway)
        };
        let why = replace("#!/bin/sh\nexit 3\n", 0o755);
        assert!(why.contains("ended before it was loaded: exit status: 3"), "{why}");
        // As a copy that broke off halfway.
        let why = replace("\x7fELF", 0o755);
        assert!(why.contains("cannot be started"), "{why}");
        let why = replace("#!/bin/sh\n", 0o644);
        assert!(why.contains("cannot be started: Permission denied"), "{why}");
        fs::remove_file(folder.path("gate")).unwrap();
        let why = refused(gateway);
        assert!(why.contains("cannot be started: No such file"), "{why}");
    });
}

/// APIs that take the new process a while.
const MANY: usize = 5_000;

/// Returns when the new process is busy with its config; gives that process.
fn halfway(folder: &Folder, gateway: &Gateway, config: &str) -> u32 {
    let mut text = config.to_owned();
    for number in 0..MANY {
        let path = format!("/many/{number}");
        text +=
            &format!("  - {{ id: many{number}, match: {{ path: {path} }}, upstream: quick }}\n");
    }
    folder.write("paifang.yaml", &text);
    gateway.signal("USR2");
    let log = gateway.logged("the new process checks and compiles");
    let pid = log.split_once("upgrade: started pid=").unwrap().1;
    let pid = pid[..pid.find(' ').unwrap()].parse().unwrap();
    // So that it gets no further, however slow this test is.
    signal(pid, "STOP");
    pid
}

#[test]
fn the_new_process_is_killed_halfway() {
    unharmed(|folder, gateway, config| {
        let pid = halfway(folder, gateway, config);
        // One at a time, and no release in between.
        let why = refused(gateway);
        assert!(why.contains("under way already"), "{why}");
        signal(pid, "KILL");
        let log = gateway.logged("not upgraded");
        assert!(log.contains("ended before it was ready: signal: 9"), "{log}");
    });
}

#[test]
fn stopping_ends_the_new_process_too() {
    let patient = Patient::start();
    let folder = Folder::new(&config(&patient));
    let gateway = start(&folder);
    let pid = halfway(&folder, &gateway, &config(&patient));
    gateway.signal("TERM");
    let (status, log) = gateway.ended();
    assert!(status.success(), "{log}");
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "{log}");
}

#[test]
fn the_process_before_is_killed_halfway() {
    let patient = Patient::start();
    let folder = Folder::new(&config(&patient));
    let gateway = start(&folder);
    let pid = halfway(&folder, &gateway, &config(&patient));
    gateway.signal("KILL");
    // It finds nobody to take over from.
    signal(pid, "CONT");
    let (_, log) = gateway.ended();
    assert!(log.contains("the process before has given up"), "{log}");
}
