//! What the process logs: traced calls, JSON, watched files.

use crate::process::{Folder, Gateway, get, saying};
use serde_json::Value;

fn traced(level: &str) -> String {
    saying("x").replace(
        "handlers: [ ",
        "handlers: [ request_id: {}, headers: { request: { set: { x-a: b } } }, ",
    ) + &format!("log: {{ level: {level} }}\n")
}

#[test]
fn a_traced_call_logs_each_step_and_no_other_call_does() {
    let gateway = Folder::new(&traced("info")).start();
    // At a level at which nothing else is told.
    assert_eq!(gateway.ask(&["log-level", "error"]).code, 0);
    let header = gateway.ask(&["trace", "--seconds", "60"]);
    assert_eq!(header.code, 0, "{header:?}");
    let (name, value) = header.out.trim().split_once(": ").unwrap();
    let (seconds, signature) = value.split_once('.').unwrap();

    // Forged, tampered, expired, none.
    let later = seconds.parse::<u64>().unwrap() + 1;
    let mut other = signature.to_owned();
    let flipped = if other.ends_with('0') { "1" } else { "0" };
    other.replace_range(other.len() - 1.., flipped);
    let forged = [
        format!("{name}: {later}.{signature}\r\n"),
        format!("{name}: {seconds}.{other}\r\n"),
        format!("{name}: 1.{signature}\r\n"),
        format!("{name}: yes\r\n"),
        format!("{name}:\r\n"),
        String::new(),
    ];
    for header in &forged {
        assert_eq!(get(gateway.public(), "/", header).0, 200, "{header}");
    }
    assert!(!gateway.log().contains("call_trace"), "{}", gateway.log());

    assert_eq!(get(gateway.public(), "/", &format!("{name}: {value}\r\n")).0, 200);
    let log = gateway.logged("termination=");
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("call_trace")).collect();
    for step in ["request_id", "headers", "respond"] {
        let line = lines.iter().find(|line| line.contains(&format!("step={step} ")));
        let line = line.unwrap_or_else(|| panic!("no {step}:\n{log}"));
        assert!(line.contains("verdict=") && line.contains("nanos="), "{line}");
    }
    assert!(lines.iter().any(|line| line.contains("+x-a")), "{log}");
    assert!(lines.iter().any(|line| line.contains("status=200")), "{log}");
    assert_eq!(log.matches("termination=").count(), 1, "only the call that asked for it");

    for wrong in ["0", "3601"] {
        let refused = gateway.ask(&["trace", "--seconds", wrong]);
        assert_eq!(refused.code, 1, "{refused:?}");
    }
    gateway.stop();
}

#[test]
fn an_expired_header_traces_nothing() {
    let folder = Folder::new(&traced("info"));
    let gateway = folder.start();
    let header = gateway.ask(&["trace", "--seconds", "1"]).out;
    let expiry: u64 = header.split([' ', '.']).nth(1).unwrap().parse().unwrap();
    let now = || {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.unwrap().as_secs()
    };
    while now() <= expiry {
        std::thread::park_timeout(std::time::Duration::from_millis(50));
    }
    assert_eq!(get(gateway.public(), "/", &format!("{}\r\n", header.trim())).0, 200);
    assert!(!gateway.stop().contains("call_trace"));
}

#[test]
fn the_log_is_json_where_the_config_or_the_command_line_wants_it() {
    let folder = Folder::new(&(saying("x") + "log: { format: json }\n"));
    let is_json = |line: &str| serde_json::from_str::<Value>(line).is_ok();
    let gateway = folder.start();
    gateway.ask(&["reload"]);
    let log = gateway.stop();
    let first = log.lines().position(is_json).unwrap_or_else(|| panic!("no JSON:\n{log}"));
    assert!(log.lines().skip(first).all(is_json), "{log}");
    assert!(log.contains(r#""message":"released""#), "{log}");

    let text = Gateway::start(&mut folder.command(&["run", "--log-format", "text"])).stop();
    assert!(!text.lines().any(is_json), "{text}");
    folder.write("paifang.yaml", &saying("x"));
    let json = Gateway::start(&mut folder.command(&["run", "--log-format", "json"])).stop();
    assert!(json.lines().all(is_json), "{json}");
}

#[test]
fn watching_only_reports_while_a_release_is_pinned() {
    let watched = |text: &str| {
        saying(text) + "releases: { directory: kept }\nreload: { watch: true, debounce: 20ms }\n"
    };
    let folder = Folder::new(&watched("one"));
    let gateway = folder.start();
    folder.write("paifang.yaml", &watched("two"));
    gateway.logged("released release=2");
    assert_eq!(gateway.ask(&["rollback", "1"]).code, 0);
    let before = gateway.log().len();
    folder.write("paifang.yaml", &watched("three"));
    gateway.logged_after(before, "the files have changed; the gateway stays at the release");
    assert!(gateway.get("/").1.ends_with("one"));
    assert_eq!(gateway.ask(&["reload"]).code, 0);
    assert!(gateway.get("/").1.ends_with("three"));
    let before = gateway.log().len();
    folder.write("paifang.yaml", &watched("four"));
    gateway.logged_after(before, "released release=");
    assert!(gateway.get("/").1.ends_with("four"));
    gateway.stop();
}

#[test]
fn files_that_say_what_is_pinned_are_no_drift() {
    let watched = |text: &str| {
        saying(text) + "releases: { directory: kept }\nreload: { watch: true, debounce: 20ms }\n"
    };
    let folder = Folder::new(&watched("one"));
    let gateway = folder.start();
    assert_eq!(gateway.ask(&["rollback", "1"]).code, 0);
    assert_eq!(gateway.ask(&["log-level", "paifang=debug"]).code, 0);
    folder.write("paifang.yaml", &watched("one"));
    let log = gateway.logged("nothing in them differs from the release that was gone back to");
    assert!(!log.contains("the files have changed"), "{log}");
    folder.write("paifang.yaml", "{ broken");
    let log = gateway.logged("the files have changed");
    assert!(log.contains("could not be released"), "{log}");
    gateway.stop();
}

#[test]
fn slow_steps_and_calls_are_told_of_until_a_reload_says_otherwise() {
    let slow = "version: 1
listeners: [ { name: public, address: \"127.0.0.1:0\" } ]
admin: { address: \"127.0.0.1:0\" }
log: { slow_step: 20ms, slow_call: 25ms }
apis:
  - { id: slow, match: { path: / }, handlers: [ request_id: {}, mock: { cases: [ { status: 200, latency: 40ms } ] } ] }
  - { id: fast, match: { path: /fast }, handlers: [ respond: { status: 204 } ] }
";
    let folder = Folder::new(slow);
    let gateway = folder.start();
    gateway.get("/fast");
    gateway.get("/");
    let log = gateway.logged("slow call");
    let line = |what: &str| log.lines().find(|line| line.contains(what)).unwrap().to_owned();
    let (step, call) = (line("slow step"), line("slow call"));
    for part in ["paifang::slow", "api=slow", "step=mock", "stage=\"request\"", "verdict=\"wait\""]
    {
        assert!(step.contains(part), "{part}: {step}");
    }
    assert!(call.contains("api=slow") && call.contains("status=200"), "{call}");
    assert!(step.contains("request_id=\"") && !step.contains("request_id=\"-\""), "{step}");
    assert!(!log.contains("api=fast"), "{log}");

    folder.write("paifang.yaml", &slow.replace("20ms, slow_call: 25ms", "1h"));
    assert_eq!(gateway.ask(&["reload"]).code, 0);
    let told = gateway.log().matches("slow step").count();
    gateway.get("/");
    assert_eq!(gateway.stop().matches("slow step").count(), told);
}
