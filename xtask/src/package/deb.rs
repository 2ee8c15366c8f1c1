//! The Debian package. Its parts are in conf/debian and conf/systemd.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    archive,
    program::{self, Program},
    stage::Stage,
};
use crate::{
    failure::{Failure, Result},
    run, say, tree,
};

/// Where files of the source tree go.
const FILES: [(&str, &str); 5] = [
    ("conf/systemd/paifang.service", "usr/lib/systemd/system/paifang.service"),
    ("conf/systemd/paifang.socket", "usr/lib/systemd/system/paifang.socket"),
    ("conf/systemd/paifang.sysusers", "usr/lib/sysusers.d/paifang.conf"),
    ("conf/systemd/paifang.default", "etc/default/paifang"),
    ("conf/paifang.yaml", "etc/paifang/paifang.yaml"),
];

/// What an administrator may change and an upgrade does not overwrite.
const CONFIGS: [&str; 2] = ["/etc/default/paifang", "/etc/paifang/paifang.yaml"];

const COPYRIGHT: &str = "\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: paifang

Files: *
Copyright: The Paifang authors
License: Apache-2.0
Comment: What is linked in beside is in THIRD-PARTY-LICENCES.txt.

License: Apache-2.0
 /usr/share/common-licenses/Apache-2.0 holds its text on Debian.
";

/// What dpkg runs.
const SCRIPTS: [&str; 3] = ["postinst", "prerm", "postrm"];

pub(super) fn make(program: &Program, out: &Path, fast: bool) -> Result<PathBuf> {
    if !run::succeeds("dpkg-deb", &["--version"]) {
        return Err(Failure::Missing(
            "dpkg-deb; on Debian type:\n  apt-get install dpkg".to_owned(),
        ));
    }
    say::step("the Debian package");
    let stage = Stage::new(out, "deb")?;
    stage.program(program, "usr/bin/paifang")?;
    for (from, to) in FILES {
        stage.copy(from, to)?;
    }
    stage.documents("usr/share/doc/paifang/", "usr/share/doc/paifang/examples/")?;
    stage.write("usr/share/doc/paifang/copyright", COPYRIGHT)?;
    stage.write("usr/share/doc/paifang/changelog", changelog(program)?)?;
    archive::extras(&stage, program, "usr/share/")?;
    compress(&stage)?;
    control(&stage, program)?;
    date_alike(&stage)?;
    let architecture = architecture(program);
    let package = out.join(format!("paifang_{}_{architecture}.deb", program.version));
    let mut build = Command::new("dpkg-deb");
    let compression = if fast { ["-Zgzip", "-z1"] } else { ["-Zxz", "-z6"] };
    build
        .arg("--root-owner-group")
        .args(compression)
        .arg("--build")
        .arg(stage.path())
        .arg(&package);
    run::shown(build.env("SOURCE_DATE_EPOCH", program::epoch().to_string()))?;
    check(&package)?;
    Ok(package)
}

/// As Debian calls the machine.
fn architecture(program: &Program) -> &'static str {
    match program.machine {
        "aarch64" => "arm64",
        _ => "amd64",
    }
}

/// Who answers for the package: as Debian's own tools are told.
fn maintainer() -> String {
    let told = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    let name = told("DEBFULLNAME").unwrap_or_else(|| "The Paifang authors".to_owned());
    let address = told("DEBEMAIL").unwrap_or_else(|| "authors@paifang.example".to_owned());
    format!("{name} <{address}>")
}

/// What Debian's tools read; people read CHANGELOG.md.
fn changelog(program: &Program) -> Result<String> {
    let mut date = Command::new("date");
    date.args(["--utc", "--rfc-email", &format!("--date=@{}", program::epoch())]);
    let date = run::captured(date.env("LC_ALL", "C"))?.text;
    Ok(format!(
        "paifang ({}) unstable; urgency=medium\n\n  * CHANGELOG.md tells what has changed.\n\n -- {}  {}",
        program.version,
        maintainer(),
        date
    ))
}

/// Debian wants the manual and the changelog compressed.
fn compress(stage: &Stage) -> Result<()> {
    let names = stage
        .names()?
        .into_iter()
        .filter(|name| name.contains("/man1/") || name.ends_with("doc/paifang/changelog"));
    let mut gzip = Command::new("gzip");
    gzip.args(["--no-name", "--best"]).current_dir(stage.path()).args(names);
    run::shown(&mut gzip)
}

fn control(stage: &Stage, program: &Program) -> Result<()> {
    let mut kilobytes = 0;
    let mut sums = Vec::new();
    for name in stage.names()? {
        let path = stage.path().join(&name);
        if path.is_file() {
            let size = fs::metadata(&path).map_err(|e| Failure::file(&path, &e))?.len();
            kilobytes += size.div_ceil(1024);
            sums.push(name);
        } else {
            kilobytes += 1;
        }
    }
    let sums = run::captured(Command::new("md5sum").current_dir(stage.path()).args(&sums))?;
    if !sums.success {
        return Err(Failure::Failed(sums.text));
    }
    // It makes the user where systemd does not.
    let users = "adduser";
    let depends = match program.glibc {
        None => users.to_owned(),
        Some((major, minor)) => format!("libc6 (>= {major}.{minor}), libgcc-s1, {users}"),
    };
    let read = |name: &str| tree::read(&tree::root().join("conf/debian").join(name));
    let text = read("control")?
        .replace("@VERSION@", &program.version)
        .replace("@ARCHITECTURE@", architecture(program))
        .replace("@MAINTAINER@", &maintainer())
        .replace("@SIZE@", &kilobytes.to_string())
        .replace("@DEPENDS@", &depends);
    stage.write("DEBIAN/md5sums", sums.text)?;
    stage.write("DEBIAN/control", text)?;
    stage.write("DEBIAN/conffiles", CONFIGS.map(|name| format!("{name}\n")).concat())?;
    for name in SCRIPTS {
        stage.write_script(&format!("DEBIAN/{name}"), &read(name)?)?;
    }
    Ok(())
}

/// Dates everything alike: dpkg-deb only cuts what is newer.
fn date_alike(stage: &Stage) -> Result<()> {
    let mut touch = Command::new("touch");
    touch.arg(format!("--date=@{}", program::epoch())).arg(stage.path());
    run::captured(touch.current_dir(stage.path()).args(stage.names()?)).map(drop)
}

/// Looks at it as dpkg does.
fn check(package: &Path) -> Result<()> {
    let asked = |option: &str| run::captured(Command::new("dpkg-deb").arg(option).arg(package));
    let (info, contents) = (asked("--info")?, asked("--contents")?);
    if !info.success || !contents.success {
        return Err(Failure::Failed(format!("{}{}", info.text, contents.text)));
    }
    let names: Vec<&str> =
        contents.text.lines().filter_map(|line| line.split(" ./").nth(1)).collect();
    let program = ("", "usr/bin/paifang");
    let absent = FILES.iter().chain([&program]).find(|(_, to)| !names.contains(to));
    if let Some((_, absent)) = absent {
        return Err(Failure::Failed(format!("{} lacks {absent}", package.display())));
    }
    let foreign = contents.text.lines().find(|line| !line.contains(" root/root "));
    match foreign {
        Some(line) => Err(Failure::Failed(format!("not root's: {line}"))),
        None => Ok(()),
    }
}
