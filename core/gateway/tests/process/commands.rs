//! Commands that ask a running gateway, and their exit codes.

use crate::process::{Done, Folder, Gateway, get, paifang, run, saying};
use serde_json::Value;

fn json(done: &Done) -> Value {
    serde_json::from_str(&done.out).unwrap_or_else(|_| panic!("no JSON: {done:?}"))
}

fn kept(text: &str) -> String {
    saying(text) + "releases: { directory: kept }\n"
}

#[test]
fn reload_diff_releases_rollback_and_status() {
    let folder = Folder::new(&kept("one"));
    let gateway = folder.start();
    folder.write("paifang.yaml", &kept("two"));
    let diff = gateway.ask(&["diff"]);
    assert_eq!(diff.code, 0, "{diff:?}");
    assert!(diff.out.contains("~ api hello") && diff.out.contains("one -> two"), "{diff:?}");
    assert!(gateway.get("/").1.ends_with("one"), "it only looks");

    let reload = gateway.ask(&["reload"]);
    assert_eq!(reload.code, 0, "{reload:?}");
    assert!(reload.out.contains("release 2 is live: 1 APIs, 1 built anew"), "{reload:?}");
    assert!(gateway.get("/").1.ends_with("two"));

    folder.write("paifang.yaml", &kept("three").replace("respond", "repsond"));
    let refused = gateway.ask(&["reload"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(
        refused.err.contains("did you mean `respond`") && refused.err.contains("paifang.yaml:5:")
    );
    assert!(refused.out.is_empty(), "{refused:?}");
    let status = gateway.ask(&["status"]);
    assert!(status.out.contains("serving release 2 (1 APIs)"), "{status:?}");
    assert!(status.out.contains("the last reload was refused"), "{status:?}");

    let rollback = gateway.ask(&["rollback", "1"]);
    assert_eq!(rollback.code, 0, "{rollback:?}");
    assert!(gateway.get("/").1.ends_with("one"));
    assert!(gateway.ask(&["status"]).out.contains("pinned to release 1 until `paifang reload`"));
    let releases = gateway.ask(&["releases"]);
    assert!(releases.out.contains("last good  pinned  live"), "{releases:?}");
    let listed = json(&gateway.ask(&["releases", "--json"]));
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(2), "{listed}");
    let nothing = gateway.ask(&["rollback", "77"]);
    assert_eq!(nothing.code, 1, "{nothing:?}");
    assert!(nothing.err.contains("there is no release 77"), "{nothing:?}");
    assert_eq!(json(&gateway.ask(&["status", "--json"]))["pinned"], 1);
    gateway.stop();
}

#[test]
fn upstreams_explain_live_and_log_level() {
    let more = "upstreams: { orders: { endpoints: [ { address: \"127.0.0.1:1\" } ] } }
";
    let folder = Folder::new(&(saying("x") + more));
    let gateway = folder.start();
    let upstreams = gateway.ask(&["upstreams"]);
    assert_eq!(upstreams.code, 0, "{upstreams:?}");
    assert!(
        upstreams.out.contains("orders") && upstreams.out.contains("127.0.0.1:1"),
        "{upstreams:?}"
    );

    let live = gateway.ask(&["explain", "--live", "hello"]);
    assert!(live.out.starts_with("API hello"), "{live:?}");
    let live = gateway.ask(&["explain", "--live", "--request", "GET /"]);
    assert!(live.out.contains("goes to hello"), "{live:?}");
    let nobody = gateway.ask(&["explain", "--live", "nobody"]);
    assert_eq!((nobody.code, nobody.err.contains("no API `nobody`")), (1, true), "{nobody:?}");

    assert_eq!(gateway.ask(&["log-level"]).out, "info\n");
    let set = gateway.ask(&["log-level", "warn,paifang=debug"]);
    assert_eq!((set.code, &*set.out), (0, "warn,paifang=debug\n"), "{set:?}");
    assert_eq!(gateway.ask(&["log-level"]).out, "warn,paifang=debug\n");
    let wrong = gateway.ask(&["log-level", "inof"]);
    assert_eq!(wrong.code, 1, "{wrong:?}");
    assert!(wrong.err.contains("`inof` is no level"), "{wrong:?}");
    assert_eq!(gateway.ask(&["log-level"]).out, "warn,paifang=debug\n", "as it was");
    // The config's is taken over by the next reload.
    assert_eq!(gateway.ask(&["reload"]).code, 0);
    assert_eq!(gateway.ask(&["log-level"]).out, "info\n");
    gateway.stop();
}

#[test]
fn a_gateway_is_found_by_its_config_and_its_token_is_asked_for() {
    let yaml = saying("x").replace(
        "admin: { address: \"127.0.0.1:0\" }",
        "admin: { address: \"127.0.0.1:0\", token: { file: token } }",
    );
    let folder = Folder::new(&yaml);
    folder.write("token", "s3cret\n");
    let gateway = folder.start();
    let refused = gateway.ask(&["status"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.err.contains("PAIFANG_ADMIN_TOKEN"), "{refused:?}");
    assert_eq!(gateway.ask(&["status", "--token", "s3cret"]).code, 0);
    let mut by_environment = paifang();
    by_environment.env("PAIFANG_ADMIN_TOKEN", "s3cret").arg("status");
    by_environment.env("PAIFANG_ADMIN", format!("http://{}/", gateway.admin()));
    assert_eq!(run(&mut by_environment).code, 0);
    // The config names another address than the one that it was given: for want of port 0, a copy.
    let there = yaml.replace("127.0.0.1:0\", token", &format!("{}\", token", gateway.admin()));
    folder.write("there.yaml", &there);
    let by_config = folder.run(&["status", "--config", "there.yaml", "--token", "s3cret"]);
    assert_eq!(by_config.code, 0, "{by_config:?}");
    gateway.stop();
}

#[test]
fn who_is_not_there_is_told_apart_from_who_refuses() {
    // Bound and not listening: nobody else can take it, and connections are refused.
    let taken = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    taken.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = taken.local_addr().unwrap().as_socket().unwrap().to_string();
    for command in [
        &["status"][..],
        &["reload"],
        &["releases"],
        &["rollback", "1"],
        &["diff"],
        &["upstreams"],
        &["log-level"],
        &["trace"],
        &["explain", "--live"],
    ] {
        let done = run(paifang().args(command).args(["--admin", &address]));
        assert_eq!(done.code, 3, "{command:?}: {done:?}");
        assert!(done.err.contains(&format!("no gateway answers at {address}")), "{done:?}");
        assert!(done.err.contains("--admin"), "{done:?}");
    }
}

#[test]
fn wrong_use_is_2_and_says_what_is_right() {
    for wrong in [
        &["rnu"][..],
        &[],
        &["rollback"],
        &["rollback", "x"],
        &["run", "a", "--config", "b"],
        &["explain", "a", "--request", "GET /"],
        &["check", "--secrets", "maybe"],
    ] {
        let done = run(paifang().args(wrong));
        assert_eq!(done.code, 2, "{wrong:?}: {done:?}");
        assert!(done.err.contains("--help") || done.err.contains("Usage"), "{done:?}");
    }
    let done = run(paifang().arg("chekc"));
    assert!(done.err.contains("'check'"), "{done:?}");
}

#[test]
fn two_gateways_of_one_config_do_not_start() {
    let folder = Folder::new(&saying("x"));
    let gateway = folder.start();
    let address = gateway.admin().to_string();
    let text = saying("y").replace(
        "admin: { address: \"127.0.0.1:0\" }",
        &format!("admin: {{ address: \"{address}\" }}"),
    );
    folder.write("second.yaml", &(text + "releases: { directory: second }\n"));
    let second = folder.run(&["run", "second.yaml"]);
    assert_eq!(second.code, 1, "{second:?}");
    assert!(
        second.err.contains(&format!("the admin API cannot listen on {address}")),
        "{second:?}"
    );
    assert!(second.err.contains("does another gateway run here?"), "{second:?}");
    assert!(!folder.path("second").exists(), "it ends before it has done anything");
    gateway.stop();

    folder.write("paifang.yaml", &kept("x"));
    let gateway = folder.start();
    let second = folder.run(&["run"]);
    assert_eq!(second.code, 1, "{second:?}");
    assert!(second.err.contains("belongs to another gateway that runs"), "{second:?}");
    gateway.stop();
}

#[test]
fn a_broken_config_does_not_start_and_tells_every_error() {
    let folder = Folder::new(
        &saying("x").replace("respond", "repsond").replace("method: GET", "method: G T"),
    );
    let done = folder.run(&["run"]);
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.err.contains("paifang.yaml:5:"), "{done:?}");
    let missing = folder.run(&["run", "elsewhere.yaml"]);
    assert_eq!(missing.code, 1, "{missing:?}");
    assert!(missing.err.contains("elsewhere.yaml"), "{missing:?}");
}

#[test]
fn run_takes_its_config_in_every_way() {
    let folder = Folder::new("");
    folder.write("other.yaml", &saying("other"));
    for arguments in [
        &["run", "other.yaml"][..],
        &["run", "--config", "other.yaml"],
        &["run", "-c", "other.yaml"],
    ] {
        let gateway = Gateway::start(&mut folder.command(arguments));
        assert!(get(gateway.public(), "/", "").1.ends_with("other"), "{arguments:?}");
        gateway.stop();
    }
    let mut command = folder.command(&["run"]);
    let gateway = Gateway::start(command.env("PAIFANG_CONFIG", "other.yaml"));
    assert!(gateway.get("/").1.ends_with("other"));
    gateway.stop();
}

#[test]
fn releases_on_the_command_line_rule_over_the_config() {
    let folder = Folder::new(&saying("good"));
    let start = || Gateway::start(&mut folder.command(&["run", "--releases", "told"]));
    start().stop();
    folder.write("paifang.yaml", "{ broken");
    let gateway = start();
    assert!(gateway.get("/").1.ends_with("good"));
    let log = gateway.stop();
    assert!(log.contains("THE CONFIG IS BROKEN. Serving release 1"), "{log}");
    assert!(log.contains("paifang.yaml:2:"), "{log}");
}

#[test]
fn plans_are_listed_rehearsed_and_switched() {
    let more = "plans:
  hush: { about: for quiet, changes: [ { apis: hello, add: { respond: { status: 200, body: hushed } }, at: first } ] }
";
    let folder = Folder::new(&(kept("loud") + more));
    let gateway = folder.start();
    let list = gateway.ask(&["plan", "list"]);
    assert!(list.out.contains("hush  off  1 API  for quiet"), "{list:?}");
    let rehearsal = gateway.ask(&["plan", "rehearse", "hush"]);
    assert_eq!(rehearsal.code, 0, "{rehearsal:?}");
    assert!(rehearsal.out.contains("hush.respond (respond) added"), "{rehearsal:?}");
    assert!(gateway.get("/").1.ends_with("loud"), "it only looks");

    let on = gateway.ask(&["plan", "on", "hush", "--reason", "the baby sleeps"]);
    assert_eq!(on.code, 0, "{on:?}");
    assert!(on.out.contains("release 2 is live: 1 APIs, 1 built anew"), "{on:?}");
    assert!(on.out.contains("~ plan hush"), "{on:?}");
    assert!(gateway.get("/").1.ends_with("hushed"));
    assert!(gateway.ask(&["status"]).out.contains("the plan hush is on"));
    let list = json(&gateway.ask(&["plan", "list", "--json"]));
    let last = &list["history"][0];
    assert_eq!((&last["action"], &last["reason"]), (&"on".into(), &"the baby sleeps".into()));
    let by = last["by"].as_str().unwrap();
    assert!(by.starts_with("127.0.0.1:") && by.contains(" (paifang/"), "{by}");
    assert!(gateway.ask(&["releases"]).out.contains("{\"plan_on\":\"hush\"}"));

    let unknown = gateway.ask(&["plan", "off", "hus"]);
    assert_eq!(unknown.code, 1, "{unknown:?}");
    assert!(unknown.err.contains("did you mean `hush`?"), "{unknown:?}");
    assert_eq!(gateway.ask(&["plan", "off", "hush"]).code, 0);
    assert!(gateway.get("/").1.ends_with("loud"));
    gateway.stop();
}
