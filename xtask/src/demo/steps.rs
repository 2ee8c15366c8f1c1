//! The demo's script: every chain of conf/demo.yaml at work, then the life of a release.

use std::path::Path;

use super::{ADMIN, PUBLIC, line::Line};
use crate::tree;

/// The secrets that conf/demo.yaml takes from the environment. Known to all: for the demo only.
pub(crate) const SECRETS: &[(&str, &str)] =
    &[("DEMO_WALLET_KEY", "demo-wallet-key"), ("DEMO_WALLET_SECRET", "demo-wallet-secret")];

/// All lines, in the order in which they are typed; later ones build on earlier ones.
pub(crate) fn all(dir: &Path) -> Vec<Line> {
    let root = tree::root();
    let short = |path: &Path| path.strip_prefix(&root).unwrap_or(path).display().to_string();
    let paifang = short(&tree::binary("debug", "paifang"));
    let conf = short(&dir.join("demo.yaml"));
    let mut lines = chains();
    lines.extend(long_connections(&paifang));
    lines.extend(releases(&paifang, &conf));
    lines
}

fn call(title: &'static str, call: &str, status: u16, contains: &[&'static str]) -> Line {
    let command = call.replace("GATEWAY", &format!("http://127.0.0.1:{PUBLIC}"));
    Line {
        title,
        command: format!("curl -si {command}"),
        status: Some(status),
        contains: contains.to_vec(),
    }
}

fn chains() -> Vec<Line> {
    vec![
        call("a call that passes its chain to the upstream", "GATEWAY/hello", 200, &[]),
        call("a path that no API matches", "GATEWAY/nowhere", 404, &["PF-"]),
        call("a call without the key that its chain asks for", "GATEWAY/orders/42", 401, &["PF-"]),
        call(
            "the same call with the key",
            "-H 'x-api-key: demo-wallet-key' GATEWAY/orders/42",
            200,
            &[],
        ),
        call(
            "a signed call whose signature is wrong",
            "-H 'x-paifang-signature: forged' -d '{\"amount\":1}' GATEWAY/payments",
            401,
            &["PF-"],
        ),
        call("an answer from the mock, made of the request", "GATEWAY/mock/ada", 200, &["ada"]),
        call(
            "handlers in WebAssembly: a transfer whose body they find harmless, and what is left today",
            "-H 'x-api-key: demo-wallet-key' -d '{\"amount\":5}' GATEWAY/transfers",
            200,
            &["x-quota-remaining: 4999"],
        ),
        call(
            "one that is refused for what its body says",
            "-H 'x-api-key: demo-wallet-key' \
             -d '{\"amount\":50000,\"device\":{\"new\":true}}' GATEWAY/transfers",
            403,
            &["PF-6002"],
        ),
        Line {
            title: "ten calls where three a second are allowed",
            command: format!(
                "for i in 1 2 3 4 5 6 7 8 9 10; do curl -so /dev/null -w '%{{http_code}}\\n' \
                 http://127.0.0.1:{PUBLIC}/limited; done | sort | uniq -c"
            ),
            status: None,
            contains: vec!["200", "429"],
        },
    ]
}

/// The same chains over MMTP, called by the client SDK.
fn long_connections(paifang: &str) -> Vec<Line> {
    let line = |title, call: &str, contains: &[&'static str]| Line {
        title,
        command: format!("{paifang} call {call} --mmtp 127.0.0.1:{PUBLIC} --plain -v"),
        status: None,
        contains: contains.to_vec(),
    };
    vec![
        line(
            "the call without its key again, over MMTP",
            "orders.read --param id=42",
            &["PF-2000"],
        ),
        line(
            "with the key, over MMTP: the same chain, the same upstream",
            "orders.read --param id=42 -H 'x-api-key: demo-wallet-key'",
            &["/orders/42"],
        ),
        line("a path over MMTP", "--target 'GET /mock/ada'", &["Hello, ada!"]),
    ]
}

fn releases(paifang: &str, conf: &str) -> Vec<Line> {
    let line = |title, command: String, contains: &[&'static str]| Line {
        title,
        command,
        status: None,
        contains: contains.to_vec(),
    };
    let admin = format!("--admin 127.0.0.1:{ADMIN}");
    vec![
        line(
            "the mock's greeting changes in the file, and a reload makes it live",
            format!(
                "sed -i.old 's/Hello/Welcome/' {conf} && {paifang} reload {admin} && \
                 curl -s http://127.0.0.1:{PUBLIC}/mock/ada"
            ),
            &["Welcome"],
        ),
        line(
            "a misspelt plugin: the reload is refused with its place, and the release before serves",
            format!(
                "cp {conf} {conf}.good && sed -i.old 's/key_auth:/key_outh:/' {conf} && \
                 {paifang} reload {admin}; echo \"exit code $?\"; \
                 curl -s http://127.0.0.1:{PUBLIC}/mock/ada"
            ),
            &["demo.yaml:", "key_auth", "exit code 1", "Welcome"],
        ),
        line(
            "back to the first release",
            format!(
                "mv {conf}.good {conf} && {paifang} rollback 1 {admin} && \
                 curl -s http://127.0.0.1:{PUBLIC}/mock/ada"
            ),
            &["Hello"],
        ),
        line("what has been released", format!("{paifang} releases {admin}"), &["1", "2"]),
    ]
}
