//! What `cargo xtask package` makes of this build's program: it runs where it was unpacked, with the config that
//! it came with, and it is the same when it is made again.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use paifang_tests::binaries::built;
use tempfile::TempDir;

/// Makes a package; the folder that it is in.
fn package(what: &[&str]) -> (TempDir, Output) {
    let binaries = built(&["--bin", "xtask"]);
    let out = TempDir::new().unwrap_or_else(|why| panic!("{why}"));
    let mut xtask = Command::new(binaries.join("xtask"));
    xtask.arg("package").args(what).arg("--fast").arg("--out").arg(out.path());
    xtask.arg("--binary").arg(binaries.join("paifang")).env("SOURCE_DATE_EPOCH", "1700000000");
    let done = xtask.output().unwrap_or_else(|why| panic!("xtask: {why}"));
    (out, done)
}

/// The one file that was made.
fn made(out: &TempDir, done: &Output) -> std::path::PathBuf {
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let entries = fs::read_dir(out.path()).into_iter().flatten().flatten();
    let paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    assert_eq!(paths.len(), 1, "{paths:?}");
    paths[0].clone()
}

/// Runs a program; what it printed, where it ended well.
#[track_caller]
fn ran(command: &mut Command) -> String {
    let done = command.output().unwrap_or_else(|why| panic!("{command:?}: {why}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(done.status.success(), "{command:?}: {}{}", text(&done.stdout), text(&done.stderr));
    text(&done.stdout)
}

fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

#[test]
fn the_archive_runs_where_it_is_unpacked() {
    let (out, done) = package(&["binary"]);
    let archive = made(&out, &done);
    let (again, done) = package(&["binary"]);
    let same = fs::read(&archive).ok() == fs::read(made(&again, &done)).ok();
    assert!(same, "two archives of one program differ");
    ran(Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(out.path()));
    let name = archive.file_name().unwrap_or_default().to_string_lossy();
    let root = out.path().join(name.trim_end_matches(".tar.gz"));
    let paifang = || Command::new(root.join("bin/paifang"));
    let version = ran(paifang().arg("--version"));
    assert!(version.contains("commit:") && version.contains("built:"), "{version}");
    ran(paifang().arg("check").arg(root.join("conf/paifang.yaml")));
    assert!(read(root.join("share/man/man1/paifang-upgrade.1")).contains("paifang\\-upgrade"));
    let licences = read(root.join("THIRD-PARTY-LICENCES.txt"));
    for linked in ["\ntokio ", "\nwasmtime ", "Permission is hereby granted", "Apache License"] {
        assert!(licences.contains(linked), "the licences lack `{linked}`");
    }
    assert!(!licences.contains("\nproptest "), "tests are not linked in");
}

#[test]
fn the_debian_package_holds_what_its_unit_names() {
    if Command::new("dpkg-deb").arg("--version").output().is_err() {
        // Another distribution: its package cannot be made there.
        return;
    }
    let (out, done) = package(&["deb"]);
    let deb = made(&out, &done);
    let (again, done) = package(&["deb"]);
    let same = fs::read(&deb).ok() == fs::read(made(&again, &done)).ok();
    assert!(same, "two packages of one program differ");
    let root = out.path().join("root");
    ran(Command::new("dpkg-deb").arg("--raw-extract").arg(&deb).arg(&root));
    let inside = |path: &str| root.join(path.trim_start_matches('/'));
    ran(Command::new(inside("usr/bin/paifang"))
        .arg("check")
        .arg(inside("etc/paifang/paifang.yaml")));
    let unit = read(inside("usr/lib/systemd/system/paifang.service"));
    let paths = unit.split([' ', '=', '\n']).map(|word| word.trim_start_matches(['-', '@']));
    let paths: Vec<&str> = paths
        .map(|word| word.strip_prefix("file://").unwrap_or(word))
        .filter(|word| word.starts_with("/usr/") || word.starts_with("/etc/"))
        .collect();
    assert!(paths.contains(&"/usr/bin/paifang") && paths.len() > 4, "{paths:?}");
    for path in paths.into_iter().chain(read(inside("DEBIAN/conffiles")).lines()) {
        assert!(inside(path).is_file(), "{path} is not in the package");
    }
    for script in ["postinst", "prerm", "postrm"] {
        ran(Command::new("sh").arg("-n").arg(inside("DEBIAN").join(script)));
    }
    ran(Command::new("md5sum")
        .arg("--quiet")
        .arg("--check")
        .arg("DEBIAN/md5sums")
        .current_dir(&root));
    // The addresses of the socket unit are those of the shipped config.
    let (socket, config) = (
        read(inside("usr/lib/systemd/system/paifang.socket")),
        read(inside("etc/paifang/paifang.yaml")),
    );
    for address in socket.lines().filter_map(|line| line.strip_prefix("ListenStream=")) {
        assert!(config.contains(&format!("\"{address}\"")), "the config has no {address}");
    }
    let control = read(inside("DEBIAN/control"));
    assert!(!control.contains('@') || control.matches('@').count() == 1, "{control}");
}

/// Whether a program is there and runs so.
fn runs(command: &mut Command) -> bool {
    command.output().is_ok_and(|done| done.status.success())
}

#[test]
fn the_debian_package_is_unpacked_by_dpkg_and_systemd_understands_its_units() {
    let able = runs(Command::new("dpkg").arg("--version"))
        && runs(Command::new("systemd-analyze").arg("--version"))
        && Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n");
    if !able {
        // Another distribution, or a user that may not own root's files.
        return;
    }
    let (out, done) = package(&["deb"]);
    let deb = made(&out, &done);
    let root = out.path().join("root");
    let inside = |path: &str| root.join(path.trim_start_matches('/'));
    for folder in ["info", "updates"] {
        fs::create_dir_all(inside("var/lib/dpkg").join(folder)).unwrap();
    }
    fs::write(inside("var/lib/dpkg/status"), "").unwrap();
    let dpkg = || {
        let mut dpkg = Command::new("dpkg");
        dpkg.arg(format!("--root={}", root.display())).env("LC_ALL", "C");
        dpkg
    };
    // Its scripts make users and speak with systemd: they run when it is configured, which is not
    // done here. What it depends on is not in this root.
    ran(dpkg().args(["--force-depends", "--log=/dev/null", "--unpack"]).arg(&deb));
    let status = ran(dpkg().args(["--status", "paifang"]));
    assert!(status.contains("Status: install ok unpacked"), "{status}");
    let listed = ran(dpkg().args(["--listfiles", "paifang"]));
    for path in listed.lines().filter(|path| *path != "/.") {
        // Config files get their names when the package is configured.
        let new = inside(&format!("{path}.dpkg-new"));
        assert!(inside(path).exists() || new.is_file(), "{path} is not there");
    }
    for line in ran(dpkg().args(["--verify", "paifang"])).lines() {
        assert!(line.starts_with("missing   c /etc/"), "{line}");
    }
    let units = inside("usr/lib/systemd/system");
    let targets = fs::read_dir("/usr/lib/systemd/system").into_iter().flatten().flatten();
    let targets = targets.map(|entry| entry.path());
    for target in targets.filter(|path| path.extension().is_some_and(|end| end == "target")) {
        fs::copy(&target, units.join(target.file_name().unwrap_or_default())).unwrap();
    }
    // It exits well over unknown settings, and says them.
    let mut verify = Command::new("systemd-analyze");
    verify.arg("--man=no").arg(format!("--root={}", root.display()));
    let told = verify.args(["verify", "paifang.service", "paifang.socket"]).output().unwrap();
    let said = String::from_utf8_lossy(&told.stderr);
    assert!(told.status.success() && !said.contains("paifang"), "{said}");
}

#[test]
fn an_image_from_nothing_takes_no_program_that_needs_a_library() {
    let (out, done) = package(&["container", "--no-build"]);
    let told = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(1), "{told}");
    assert!(told.contains("needs glibc"), "{told}");
    assert!(fs::read_dir(out.path()).is_ok_and(|entries| entries.count() == 0));
}
