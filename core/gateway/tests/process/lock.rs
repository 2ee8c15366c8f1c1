//! `paifang lock`: what it writes, what it says, what it leaves alone.

use crate::process::Folder;
use std::{fs, os::unix::fs::PermissionsExt};

const CONFIG: &str = "version: 1 # of the format
listeners: [ { name: a, address: \"127.0.0.1:0\" } ]
include: [ more/*.yaml ]
wasm:
  # The first one.
  risk: { file: risk.wasm } # here
";

/// SHA-256 of `module` and of `other`.
const MODULE: &str = "120970d812836f19888625587a4606a5ad23cef31c8684e601771552548fc6b9";
const OTHER: &str = "d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa";

fn folder() -> Folder {
    let folder = Folder::new(CONFIG);
    folder.write("risk.wasm", "module");
    folder.write("more/a.yaml", "wasm:\r\n  more:\r\n    file: ../risk.wasm\r\n");
    folder
}

fn names(folder: &Folder, within: &str) -> Vec<String> {
    let entries = fs::read_dir(folder.path(within)).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn hashes_are_written_in_place_and_then_hold() {
    let folder = folder();
    let read = |name: &str| fs::read_to_string(folder.path(name)).unwrap();
    let missing = folder.run(&["lock", "--check"]);
    assert_eq!(missing.code, 1, "{missing:?}");
    assert_eq!(
        missing.out,
        format!(
            "risk (paifang.yaml:6): risk.wasm {MODULE}: not written\n\
             more (more/a.yaml:2): more/../risk.wasm {MODULE}: not written\n"
        )
    );
    assert_eq!(
        missing.err,
        "2 of 2 `wasm` entries do not hold; `paifang lock` writes the SHA-256 of the files\n"
    );
    assert_eq!(read("paifang.yaml"), CONFIG, "a check writes nothing");

    let written = folder.run(&["lock"]);
    assert_eq!((written.code, written.err.as_str()), (0, ""), "{written:?}");
    assert!(written.out.lines().all(|line| line.ends_with(": written")), "{}", written.out);
    let locked = CONFIG.replace("risk.wasm }", &format!("risk.wasm, sha256: {MODULE} }}"));
    assert_eq!(read("paifang.yaml"), locked);
    assert_eq!(
        read("more/a.yaml"),
        format!("wasm:\r\n  more:\r\n    file: ../risk.wasm\r\n    sha256: {MODULE}\r\n")
    );
    let held = folder.run(&["lock", "--check", "paifang.yaml"]);
    assert_eq!(held.code, 0, "{held:?}");
    assert!(held.out.lines().all(|line| line.ends_with(": as written")), "{}", held.out);
    let again = folder.run(&["lock"]);
    assert!(again.out.lines().all(|line| line.ends_with(": as it was")), "{}", again.out);

    folder.write("risk.wasm", "other");
    let differs = folder.run(&["lock", "--check"]);
    assert_eq!(differs.code, 1, "{differs:?}");
    let line = format!("risk.wasm {OTHER}: DIFFERS, {MODULE} is written\n");
    assert!(differs.out.contains(&line), "{}", differs.out);
    assert_eq!(folder.run(&["lock"]).code, 0);
    assert_eq!(read("paifang.yaml"), locked.replace(MODULE, OTHER));
}

#[test]
fn links_and_permissions_stay_and_nothing_is_left_behind() {
    let folder = folder();
    let (link, real) = (folder.path("paifang.yaml"), folder.path("real.yaml"));
    fs::rename(&link, &real).unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    assert_eq!(folder.run(&["lock"]).code, 0);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(fs::read_to_string(&real).unwrap().contains(MODULE));
    assert_eq!(names(&folder, "."), ["more", "paifang.yaml", "real.yaml", "risk.wasm"]);
    assert_eq!(names(&folder, "more"), ["a.yaml"]);
}

#[test]
fn without_a_module_nothing_is_written() {
    let folder = folder();
    fs::remove_file(folder.path("risk.wasm")).unwrap();
    let absent = folder.run(&["lock"]);
    assert_eq!((absent.code, absent.out.as_str()), (1, ""), "{absent:?}");
    assert!(absent.err.contains("no such file: risk.wasm"), "{}", absent.err);
    assert!(absent.err.ends_with("2 errors\n"), "{}", absent.err);
    assert_eq!(fs::read_to_string(folder.path("paifang.yaml")).unwrap(), CONFIG);

    folder.write("paifang.yaml", &CONFIG[..CONFIG.find("include").unwrap()]);
    let none = folder.run(&["lock", "--check"]);
    assert_eq!((none.code, none.out.as_str()), (0, "paifang.yaml: no `wasm` entries\n"));
}
