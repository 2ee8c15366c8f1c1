//! `paifang import` as people run it: what it writes, and what its exit codes say.

use paifang_tests::{binaries, tidy::root};
use std::{fs, path::Path, process::Command};

struct Done {
    code: i32,
    out: String,
    err: String,
}

fn import(format: &str, file: &Path, options: &[&str]) -> Done {
    let paifang = binaries::built(&[]).join("paifang");
    let output =
        Command::new(paifang).args(["import", format]).arg(file).args(options).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Done {
        code: output.status.code().unwrap(),
        out: text(&output.stdout),
        err: text(&output.stderr),
    }
}

#[test]
fn exit_codes_tell_what_came_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let page = root().join("tests/data/nginx-page/nginx.conf");
    let whole = import("nginx", &page, &[]);
    assert_eq!(whole.code, 0, "{}", whole.err);
    assert!(whole.out.contains("version: 1") && whole.err.contains("0 not taken"), "{}", whole.err);

    let partly = "server { location / { proxy_pass http://h; } location /x/ { alias /srv/; } }";
    let partly = file("partly", partly);
    let done = import("nginx", &partly, &[]);
    assert_eq!(done.code, 4, "{}", done.err);
    assert!(done.out.contains("state: offline"), "{}", done.out);
    let strict = import(
        "nginx",
        &partly,
        &["--strict", "--out", &folder.path().join("s/").display().to_string()],
    );
    assert_eq!(strict.code, 1, "{}", strict.err);
    assert!(!folder.path().join("s").exists(), "it wrote something");

    let nothing = file("nothing", "server { location / { root /srv; } }");
    assert_eq!(import("nginx", &nothing, &[]).code, 5);

    let broken = import("nginx", &file("broken", "server {\n  listen 80\n}"), &[]);
    assert_eq!((broken.code, broken.out.as_str()), (1, ""));
    assert!(broken.err.contains("broken:2:3: `listen` ends nowhere"), "{}", broken.err);
    assert!(import("nginx", &folder.path().join("gone"), &[]).err.contains("cannot be read"));
}

#[test]
fn a_file_is_written_once_and_can_be_checked() {
    let folder = tempfile::tempdir().unwrap();
    let page = root().join("tests/data/nginx-page/nginx.conf");
    let out = format!("{}/", folder.path().display());
    let done = import("nginx", &page, &["--out", &out, "--report", "json"]);
    assert_eq!(done.code, 0, "{}", done.err);
    let (report, _) = done.out.rsplit_once("written: ").unwrap();
    let report: serde_json::Value = serde_json::from_str(report).unwrap();
    assert_eq!(report["counts"]["not_taken"], 0);
    assert!(report["entries"].as_array().unwrap().iter().any(|entry| entry["line"] == 31));

    let written = folder.path().join("paifang.yaml");
    let text = fs::read_to_string(&written).unwrap();
    let paifang = binaries::built(&[]).join("paifang");
    let check = Command::new(paifang).arg("check").arg(&written).output().unwrap();
    assert!(check.status.success(), "{}\n{text}", String::from_utf8_lossy(&check.stderr));

    fs::write(&written, "mine").unwrap();
    assert_eq!(import("nginx", &page, &["--out", &out]).code, 1);
    assert_eq!(fs::read_to_string(&written).unwrap(), "mine", "it was overwritten");
}
