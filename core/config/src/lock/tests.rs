//! Hashes are written where they belong, and every other byte stays.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::PathBuf;

use super::{Edit, Locks, find};
use crate::source::{MemoryFiles, Origin};
use crate::yaml::Digest;

/// Files of a config, the root first.
struct Config {
    files: MemoryFiles,
    origin: Origin,
    env: Vec<(String, String)>,
}

const HEAD: &str = "version: 1\nlisteners: [ { name: a, address: 127.0.0.1:0 } ]\n";

impl Config {
    fn new(root: &str) -> Self {
        let files = MemoryFiles::new([("gateway.yaml", root)]);
        for module in ["a.wasm", "b.wasm", "more/a.wasm"] {
            files.write(module, format!("module {module}"));
        }
        let origin = Origin { root: "gateway.yaml".into(), overlays: Vec::new() };
        Self { files, origin, env: Vec::new() }
    }

    fn file(self, path: &str, text: &str) -> Self {
        self.files.write(path, text);
        self
    }

    fn overlay(mut self, path: &str, text: &str) -> Self {
        self.origin.overlays.push(path.into());
        self.file(path, text)
    }

    fn env(&self) -> impl Fn(&str) -> Option<String> + Sync {
        |name: &str| {
            let mut known = self.env.iter();
            known.find(|(known, _)| known == name).map(|(_, value)| value.clone())
        }
    }

    fn find(&self) -> Result<Locks, String> {
        find(&self.origin, &self.env(), &self.files).map_err(|wrong| wrong.to_string())
    }

    fn edits(&self) -> Result<Vec<Edit>, String> {
        self.find()?.edits(&self.env(), &self.files).map_err(|wrong| wrong.to_string())
    }

    /// Writes, and makes sure that then everything holds.
    fn lock(&self) -> Vec<(PathBuf, String)> {
        let edits = self.edits().unwrap();
        for edit in &edits {
            self.files.write(edit.path.clone(), edit.after.clone());
        }
        assert!(self.find().unwrap().entries.iter().all(super::Lock::holds));
        assert_eq!(self.edits().unwrap(), [], "a second time there is nothing to write");
        edits.into_iter().map(|edit| (edit.path, String::from_utf8(edit.after).unwrap())).collect()
    }

    /// The same, of a config in one file.
    fn locked(&self) -> String {
        let mut all = self.lock();
        assert_eq!(all.len(), 1);
        all.remove(0).1
    }
}

fn hash(module: &str) -> String {
    Digest::of_bytes(format!("module {module}").as_bytes()).to_string()
}

/// `A` and `B` stand for the hashes, `Z` for one that is nothing's.
fn hashes(text: &str) -> String {
    text.replace("<A>", &hash("a.wasm"))
        .replace("<B>", &hash("b.wasm"))
        .replace("<M>", &hash("more/a.wasm"))
        .replace("<Z>", &"0".repeat(64))
}

/// Every way to write an entry: before and after.
const WAYS: [(&str, &str, &str); 24] = [
    (
        "block",
        "wasm:\n  a:\n    file: a.wasm\n    reuse: 1\n",
        "wasm:\n  a:\n    file: a.wasm\n    sha256: <A>\n    reuse: 1\n",
    ),
    (
        "block, comments on every line",
        "wasm: # all\n  # one\n  a: # its name\n    # where\n    file: a.wasm   # here\n    # how often\n    reuse: 1\n",
        "wasm: # all\n  # one\n  a: # its name\n    # where\n    file: a.wasm   # here\n    sha256: <A>\n    # how often\n    reuse: 1\n",
    ),
    (
        "block, the last line without an end",
        "wasm:\n  a:\n    file: a.wasm",
        "wasm:\n  a:\n    file: a.wasm\n    sha256: <A>",
    ),
    (
        "block, Windows line ends",
        "wasm:\r\n  a:\r\n    file: a.wasm # é\r\n    reuse: 1\r\n",
        "wasm:\r\n  a:\r\n    file: a.wasm # é\r\n    sha256: <A>\r\n    reuse: 1\r\n",
    ),
    (
        "block, four blanks, quotes, a key in quotes",
        "wasm:\n    \"a\":\n        \"file\": 'a.wasm'\n",
        "wasm:\n    \"a\":\n        \"file\": 'a.wasm'\n        sha256: <A>\n",
    ),
    (
        "block, a folded text",
        "wasm:\n  a:\n    file: >-\n      a.wasm\n    reuse: 1\n",
        "wasm:\n  a:\n    file: >-\n      a.wasm\n    sha256: <A>\n    reuse: 1\n",
    ),
    (
        "flow",
        "wasm: { a: { file: a.wasm, reuse: 1 } } # all\n",
        "wasm: { a: { file: a.wasm, sha256: <A>, reuse: 1 } } # all\n",
    ),
    ("flow, narrow", "wasm: {a: {file: a.wasm}}\n", "wasm: {a: {file: a.wasm, sha256: <A>}}\n"),
    (
        "flow, over lines",
        "wasm: {\n  a: {\n    file: a.wasm, # here\n    reuse: 1,\n  },\n}\n",
        "wasm: {\n  a: {\n    file: a.wasm, sha256: <A>, # here\n    reuse: 1,\n  },\n}\n",
    ),
    (
        "flow inside block, wide characters before",
        "wasm:\n  a: { breaker: off, \"file\" : \"a.wasm\", grants: [] } # 牌坊\n",
        "wasm:\n  a: { breaker: off, \"file\" : \"a.wasm\", sha256: <A>, grants: [] } # 牌坊\n",
    ),
    (
        "flow, a wide name before",
        "wasm: { a: { limits: { }, file: a.wasm }, \"b\": { file: b.wasm, sha256: <B> } }\nlog: { level: info } # 牌坊\n",
        "wasm: { a: { limits: { }, file: a.wasm, sha256: <A> }, \"b\": { file: b.wasm, sha256: <B> } }\nlog: { level: info } # 牌坊\n",
    ),
    (
        "replaced",
        "wasm:\n  a:\n    sha256: <Z> # old\n    file: a.wasm\n",
        "wasm:\n  a:\n    sha256: <A> # old\n    file: a.wasm\n",
    ),
    (
        "replaced in quotes",
        "wasm:\n  a: { file: a.wasm, sha256: \"<Z>\" }\n  b: { file: b.wasm, 'sha256': '<Z>' }\n",
        "wasm:\n  a: { file: a.wasm, sha256: \"<A>\" }\n  b: { file: b.wasm, 'sha256': '<B>' }\n",
    ),
    (
        "replaced, nothing there",
        "wasm:\n  a:\n    file: a.wasm\n    sha256:   # soon\n    reuse: 1\n",
        "wasm:\n  a:\n    file: a.wasm\n    sha256: <A>   # soon\n    reuse: 1\n",
    ),
    (
        "replaced, nothing there at the end",
        "wasm:\n  a:\n    file: a.wasm\n    sha256:",
        "wasm:\n  a:\n    file: a.wasm\n    sha256: <A>",
    ),
    (
        "replaced, null",
        "wasm: { a: { file: a.wasm, sha256: ~ }, b: { file: b.wasm, sha256: null, reuse: 1 } }\n",
        "wasm: { a: { file: a.wasm, sha256: <A> }, b: { file: b.wasm, sha256: <B>, reuse: 1 } }\n",
    ),
    (
        "replaced, nothing there in a flow map",
        "wasm: { a: { file: a.wasm, sha256: , reuse: 1 } }\n",
        "wasm: { a: { file: a.wasm, sha256: <A> , reuse: 1 } }\n",
    ),
    (
        "several, one of them right",
        "wasm:\n  a: { file: a.wasm, sha256: <A> }\n\n  b:\n    file: b.wasm # b\n\n  c:\n    file: more/a.wasm\n    reuse: 3\n",
        "wasm:\n  a: { file: a.wasm, sha256: <A> }\n\n  b:\n    file: b.wasm # b\n    sha256: <B>\n\n  c:\n    file: more/a.wasm\n    sha256: <M>\n    reuse: 3\n",
    ),
    (
        "two of one file",
        "wasm:\n  a: { file: a.wasm }\n  b: { file: a.wasm }\n",
        "wasm:\n  a: { file: a.wasm, sha256: <A> }\n  b: { file: a.wasm, sha256: <A> }\n",
    ),
    (
        "an anchor for the whole",
        "wasm:\n  a: &a\n    file: a.wasm\n  b: *a\n",
        "wasm:\n  a: &a\n    file: a.wasm\n    sha256: <A>\n  b: *a\n",
    ),
    (
        "an anchor for the file",
        "wasm:\n  a:\n    file: &file a.wasm # here\n  b: { file: *file }\n",
        "wasm:\n  a:\n    file: &file a.wasm # here\n    sha256: <A>\n  b: { sha256: <A>, file: *file }\n",
    ),
    (
        "quotes and blanks before what follows",
        "wasm: { a: { file: 'a.wasm' , reuse: 1 }, b: { file: \"b.wasm\"   } }\n",
        "wasm: { a: { file: 'a.wasm', sha256: <A> , reuse: 1 }, b: { file: \"b.wasm\", sha256: <B>   } }\n",
    ),
    (
        "an empty line and a comment at the end",
        "wasm:\n  a:\n    file: a.wasm\n\n# the end\n",
        "wasm:\n  a:\n    file: a.wasm\n    sha256: <A>\n\n# the end\n",
    ),
    (
        "a document's marks",
        "wasm:\n  a:\n    file: a.wasm\n...\n",
        "wasm:\n  a:\n    file: a.wasm\n    sha256: <A>\n...\n",
    ),
];

#[test]
fn a_hash_is_written_beside_its_file_and_nothing_else_changes() {
    let mut wrong = Vec::new();
    for (way, before, after) in WAYS {
        let eol = if before.contains("\r\n") { "\r\n" } else { "\n" };
        let head = HEAD.replace('\n', eol);
        let config = Config::new(&format!("{head}{}", hashes(before)));
        match config.edits() {
            Ok(edits) => {
                let told = String::from_utf8(edits[0].after.clone()).unwrap();
                if told != format!("{head}{}", hashes(after)) {
                    wrong.push(format!("{way}:\n{told}"));
                } else {
                    config.lock();
                }
            }
            Err(refused) => wrong.push(format!("{way}: {refused}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_file_keeps_its_mark_and_its_other_bytes() {
    let config =
        Config::new(&hashes(&format!("\u{feff}{HEAD}wasm: {{ a: {{ file: a.wasm }} }}\n")));
    let locked = format!("\u{feff}{HEAD}wasm: {{ a: {{ file: a.wasm, sha256: <A> }} }}\n");
    assert_eq!(config.locked(), hashes(&locked));
}

#[test]
fn included_files_are_written_and_the_rest_is_left_alone() {
    let config = Config::new(&format!("{HEAD}include: [ more/*.yaml ]\n# no module here\n"))
        .file("more/a.yaml", "# a\nwasm:\n  a:\n    file: a.wasm # beside this file\n")
        .file("more/b.yaml", "wasm: { b: { file: ../b.wasm } }\n")
        .file("more/c.yaml", "apis: [] # nothing about wasm\n");
    let all = config.lock();
    assert_eq!(
        all,
        [
            (
                "more/a.yaml".into(),
                hashes("# a\nwasm:\n  a:\n    file: a.wasm # beside this file\n    sha256: <M>\n")
            ),
            ("more/b.yaml".into(), hashes("wasm: { b: { file: ../b.wasm, sha256: <B> } }\n")),
        ]
    );
}

#[test]
fn an_overlay_s_file_is_locked_in_the_overlay() {
    let config =
        Config::new(&hashes(&format!("{HEAD}wasm: {{ a: {{ file: a.wasm, sha256: <A> }} }}\n")))
            .overlay("prod.yaml", "wasm: { a: { reuse: 5 } }\n")
            .overlay("more/own.yaml", "wasm:\n  a:\n    file: a.wasm\n");
    assert_eq!(
        config.lock(),
        [("more/own.yaml".into(), hashes("wasm:\n  a:\n    file: a.wasm\n    sha256: <M>\n"))]
    );
    // A hash in an overlay, of the config's file.
    let config = Config::new(&format!("{HEAD}wasm: {{ a: {{ file: a.wasm }} }}\n"))
        .overlay("prod.yaml", &hashes("wasm: { a: { sha256: <Z> } }\n"));
    assert_eq!(config.lock(), [("prod.yaml".into(), hashes("wasm: { a: { sha256: <A> } }\n"))]);
}

#[test]
fn what_cannot_be_written_is_refused_as_a_whole() {
    let refused = |config: Config| config.edits().unwrap_err();
    let mut variable = Config::new(&format!(
        "{HEAD}wasm: {{ a: {{ file: a.wasm, sha256: \"${{HASH}}\" }}, b: {{ file: b.wasm }} }}\n"
    ));
    variable.env = vec![("HASH".into(), "0".repeat(64))];
    assert_eq!(
        refused(variable),
        format!(
            "gateway.yaml:3:36: the `sha256` of `a` comes from a variable (give it the value {})",
            hash("a.wasm")
        )
    );
    let by_hand = |place: &str, name: &str, module: &str| {
        format!(
            "gateway.yaml:{place}: the `sha256` of `{name}` cannot be written by a command \
             (write sha256: {})",
            hash(module)
        )
    };
    // Keys of this form have no place of their own on a line.
    let explicit = "wasm:\n  ? a\n  : ? file\n    : a.wasm\n    ? reuse\n    : 1\n";
    assert_eq!(refused(Config::new(&format!("{HEAD}{explicit}"))), by_hand("6:7", "a", "a.wasm"));
    // One hash for two files.
    let shared =
        "wasm:\n  a: { file: a.wasm, sha256: &h <Z> }\n  b: { file: b.wasm, sha256: *h }\n";
    let told = refused(Config::new(&hashes(&format!("{HEAD}{shared}"))));
    assert!(told.contains("cannot be written by a command"), "{told}");
    // A file that changed since it was read.
    let config = Config::new(&format!("{HEAD}wasm: {{ a: {{ file: a.wasm }} }}\n"));
    let locks = config.find().unwrap();
    config.files.write("gateway.yaml", HEAD);
    let told = locks.edits(&config.env(), &config.files).unwrap_err().to_string();
    assert!(told.ends_with("gateway.yaml was changed meanwhile"), "{told}");
}

#[test]
fn entries_say_what_is_written_and_modules_must_be_there() {
    let text = "wasm:\n  a: { file: a.wasm, sha256: <A> }\n  b: { file: b.wasm, sha256: <Z> }\n  c: { file: ./more/a.wasm }\n";
    let config = Config::new(&hashes(&format!("{HEAD}{text}")));
    let locks = config.find().unwrap();
    let told = locks.entries.iter().map(|lock| {
        (&*lock.name, lock.place.as_deref().unwrap(), lock.holds(), lock.written.is_some())
    });
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            ("a", "gateway.yaml:4", true, true),
            ("b", "gateway.yaml:5", false, true),
            ("c", "gateway.yaml:6", false, false),
        ]
    );
    config.files.remove("b.wasm".as_ref());
    assert_eq!(config.edits().unwrap_err(), "gateway.yaml:5:14: no such file: b.wasm");
    assert_eq!(Config::new(HEAD).edits().unwrap(), []);
}
