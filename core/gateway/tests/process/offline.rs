//! Commands that read the files and ask nobody.

use crate::process::{Folder, paifang, run, saying};
use serde_json::Value;

/// A config with secrets, a certificate, and APIs that contend for a request.
const CONFIG: &str = "version: 1
listeners:
  - { name: public, address: \"127.0.0.1:0\", tls: { certificates: [ { cert: tls/cert.pem, key: tls/key.pem } ] } }
admin: { address: \"127.0.0.1:0\", token: { env: ADMIN_TOKEN } }
apps:
  wallet: { keys: [ { id: k1, secret: { env: WALLET_K1 } }, { id: k2, secret: { file: secrets/k2 } } ] }
upstreams: { orders: { endpoints: [ { address: \"127.0.0.1:1\" } ] } }
apis:
  - { id: any, match: { path_prefix: /v1 }, upstream: orders }
  - { id: one, match: { method: GET, path: \"/v1/orders/{id}\" }, upstream: orders, handlers: [ key_auth: {} ] }
  - { id: partner, match: { method: GET, path: \"/v1/orders/{id}\", header: { x-channel: partner } }, upstream: orders }
";

#[test]
fn check_prints_every_error_with_its_place() {
    let wrong = saying("x")
        .replace("respond", "repsond")
        .replace("name: public,", "name: public, colour: red,")
        + "upstreams: { up: { endpoints: [] } }\nlog: { level: 3 }\n";
    let folder = Folder::new(&wrong);
    for arguments in
        [&["check"][..], &["check", "paifang.yaml"], &["check", "--config", "paifang.yaml"]]
    {
        let done = folder.run(arguments);
        assert_eq!((done.code, &*done.out), (1, ""), "{done:?}");
        for place in ["paifang.yaml:2:", "paifang.yaml:6:"] {
            assert!(done.err.contains(place), "no {place}: {}", done.err);
        }
        assert!(done.err.contains("colour"), "{}", done.err);
        assert!(!done.err.contains('\u{1b}'), "colours: {}", done.err);
    }
    folder.write(
        "steps.yaml",
        &saying("x").replace("respond", "repsond").replace("match: {", "macth: {"),
    );
    folder.write("level.yaml", &(saying("x") + "log: { level: inof }\n"));
    let level = folder.run(&["check", "level.yaml"]);
    assert_eq!(level.code, 1, "{level:?}");
    assert!(level.err.contains("level.yaml:6:15") && level.err.contains("`inof` is no level"));
    let steps = folder.run(&["check", "steps.yaml"]);
    assert!(steps.err.contains("macth"), "{}", steps.err);
}

#[test]
fn secrets_that_are_elsewhere_keep_nobody_from_checking() {
    let folder = Folder::new(CONFIG);
    let done = folder.run(&["check"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(done.out, "paifang.yaml: 3 APIs in 1 file, no errors\n");
    for absent in [
        "env ADMIN_TOKEN",
        "env WALLET_K1",
        "file secrets/k2",
        "file tls/cert.pem",
        "file tls/key.pem",
    ] {
        assert!(done.err.contains(absent), "no {absent}: {}", done.err);
    }
    assert!(done.err.contains("--secrets require"), "{}", done.err);

    let done = folder.run(&["check", "--secrets", "require"]);
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.err.contains("WALLET_K1") && done.err.contains("paifang.yaml:6:"), "{}", done.err);

    // What is there is looked at: a file that is no certificate is an error in any case.
    folder.write("tls/cert.pem", "no certificate");
    folder.write("tls/key.pem", "no key");
    let done = folder.run(&["check"]);
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.err.contains("paifang.yaml:3:"), "{}", done.err);

    // No gateway runs with placeholders.
    let done = folder.run(&["run"]);
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.err.contains("WALLET_K1"), "{}", done.err);
    let help = folder.run(&["run", "--help"]).out;
    assert!(help.contains("Every secret must be there"), "{help}");
}

#[test]
fn explain_tells_each_step_and_who_wins_a_request_and_why() {
    let folder = Folder::new(CONFIG);
    let list = folder.run(&["explain"]);
    assert_eq!(list.out.lines().count(), 3, "{list:?}");
    let one = folder.run(&["explain", "one"]);
    assert_eq!(one.code, 0, "{one:?}");
    for part in
        ["API one", "paifang.yaml:10", "key_auth", "stages", "on failure", "closed", "upstream"]
    {
        assert!(one.out.contains(part), "no {part}: {}", one.out);
    }
    assert!(one.err.contains("placeholders in their place"), "{}", one.err);
    let nobody = folder.run(&["explain", "nobody"]);
    assert_eq!(nobody.code, 1, "{nobody:?}");
    assert!(
        nobody.err.contains("there is no API `nobody`") && nobody.err.contains("paifang explain")
    );

    let asked = |more: &[&str]| {
        let all =
            [&["explain", "--request", "GET https://a.example/v1/orders/7?x=1"], more].concat();
        folder.run(&all).out
    };
    let plain = asked(&[]);
    assert!(plain.contains("goes to one") && plain.contains("{id} = 7"), "{plain}");
    assert!(plain.lines().any(|line| line.starts_with("> one")), "{plain}");
    let loser =
        plain.lines().find(|line| line.starts_with("  any  ")).unwrap_or_else(|| panic!("{plain}"));
    assert!(loser.contains("(`one`)") && loser.contains("paifang.yaml:9"), "{loser}");
    let partner = plain.lines().find(|line| line.starts_with("  partner  "));
    assert!(partner.is_some_and(|line| line.contains("x-channel")), "{plain}");
    assert!(asked(&["--header", "x-channel: partner"]).contains("goes to partner"));
    let other = folder.run(&["explain", "--request", "POST /v2"]).out;
    assert!(other.contains("no API matches: 404"), "{other}");
    let json = folder.run(&["explain", "one", "--json"]);
    assert!(serde_json::from_str::<Value>(&json.out).is_ok(), "{json:?}");
    let wrong = folder.run(&["explain", "--request", "GET"]);
    assert_eq!(wrong.code, 1, "{wrong:?}");
    assert!(wrong.err.contains("write it like `POST /v1/orders`"), "{wrong:?}");
}

#[test]
fn diff_compares_two_configs() {
    let folder = Folder::new(CONFIG);
    folder.write(
        "new.yaml",
        &CONFIG.replace("id: any", "id: every").replace("[ key_auth: {} ]", "[]"),
    );
    let done = folder.run(&["diff", "--config", "new.yaml", "--against", "paifang.yaml"]);
    assert_eq!(done.code, 0, "{done:?}");
    for part in ["- api any", "+ api every", "~ api one"] {
        assert!(done.out.contains(part), "no {part}: {}", done.out);
    }
    let same = folder.run(&["diff", "--against", "paifang.yaml"]);
    assert_eq!(same.out, "no difference\n", "placeholders do not differ: {same:?}");
    let required = folder.run(&["diff", "--against", "paifang.yaml", "--secrets", "require"]);
    assert_eq!(required.code, 1, "{required:?}");
}

#[test]
fn schema_is_a_json_schema_with_all_plugins() {
    let done = run(paifang().arg("schema"));
    assert_eq!(done.code, 0, "{done:?}");
    let schema: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    for plugin in ["throttle", "signature", "access_log", "mock"] {
        assert!(done.out.contains(&format!("\"{plugin}\"")), "no {plugin}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut shell = std::process::Command::new("bash");
    let script = "set -o pipefail; \"$0\" schema | head -c 10 >/dev/null";
    shell.args(["-c", script, env!("CARGO_BIN_EXE_paifang")]);
    assert_eq!(run(&mut shell).code, 0);
}
