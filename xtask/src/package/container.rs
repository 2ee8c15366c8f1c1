//! The container: a folder to build from, and the image where something is there that builds it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    program::Program,
    stage::{Stage, mode},
};
use crate::{
    failure::{Failure, Result},
    run, say, tree,
};

/// What builds images, the first that is there. In the other format, OCI, there is no `HEALTHCHECK`.
const BUILDERS: [(&str, &[&str]); 3] = [
    ("podman", &["build", "--format", "docker", "--tag", "paifang", "."]),
    ("buildah", &["build", "--format", "docker", "--tag", "paifang", "."]),
    ("docker", &["build", "--tag", "paifang", "--file", "Containerfile", "."]),
];

pub(super) fn make(program: &Program, out: &Path, roots: &Path, no_build: bool) -> Result<PathBuf> {
    say::step("the container");
    if program.glibc.is_some() {
        return Err(Failure::Failed(format!(
            "{} {}; an image from nothing needs a static one: `cargo xtask package container` builds it",
            program.path.display(),
            program.needs()
        )));
    }
    let stage = Stage::new(out, "container")?;
    stage.program(program, "root/usr/bin/paifang")?;
    stage.copy("conf/paifang.yaml", "root/etc/paifang/paifang.yaml")?;
    stage.write("root/etc/passwd", "paifang:x:65532:65532:Paifang:/var/lib/paifang:/nologin\n")?;
    stage.write("root/etc/group", "paifang:x:65532:\n")?;
    stage.copy("LICENSE", "root/usr/share/doc/paifang/LICENSE")?;
    let licences = super::licences::text()?;
    stage.write("root/usr/share/doc/paifang/THIRD-PARTY-LICENCES.txt", licences)?;
    match fs::read(roots) {
        Ok(text) => stage.write("root/etc/ssl/certs/ca-certificates.crt", text)?,
        Err(error) => say::note(&format!(
            "{}: {error}; upstreams over TLS need their own `ca` in the config",
            roots.display()
        )),
    }
    let state = stage.place("state/.keep")?;
    fs::write(&state, "").map_err(|e| Failure::file(&state, &e))?;
    mode(&state, 0o644)?;
    stage.copy("conf/container/Containerfile", "Containerfile")?;
    check(&stage)?;
    let folder = out.join("container");
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|e| Failure::file(&folder, &e))?;
    }
    run::shown(Command::new("cp").args(["--archive"]).arg(stage.path()).arg(&folder))?;
    if !no_build {
        build(&folder)?;
    }
    Ok(folder)
}

fn build(folder: &Path) -> Result<()> {
    // A client without its daemon builds nothing.
    let there = |(name, _): &&(&str, &[&str])| run::succeeds(name, &["info"]);
    match BUILDERS.iter().find(there) {
        Some((name, arguments)) => {
            run::shown(Command::new(name).args(*arguments).current_dir(folder))
        }
        None => {
            say::note("no podman, buildah or docker here: the image is not built. There, type:");
            say::note(&format!("  podman build --tag paifang {}", folder.display()));
            Ok(())
        }
    }
}

/// Every path that the Containerfile copies or runs is there.
fn check(stage: &Stage) -> Result<()> {
    let text = tree::read(&stage.path().join("Containerfile"))?;
    let copied = text.lines().filter_map(|line| {
        let mut words =
            line.strip_prefix("COPY ")?.split(' ').filter(|word| !word.starts_with("--"));
        words.next().map(str::to_owned)
    });
    let inside =
        text.split('"').filter(|word| word.starts_with("/usr/") || word.starts_with("/etc/"));
    let all = copied.chain(inside.map(|path| format!("root{path}")));
    match all.into_iter().find(|path| !stage.path().join(path).exists()) {
        Some(absent) => {
            Err(Failure::Failed(format!("the Containerfile names {absent}, which is not there")))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_the_containerfile_names_must_be_there() {
        let out = std::env::temp_dir();
        let stage = Stage::new(&out, "paifang-containerfile").unwrap();
        stage.copy("conf/container/Containerfile", "Containerfile").unwrap();
        let lacks = |stage: &Stage| check(stage).unwrap_err().to_string();
        assert!(lacks(&stage).contains("names root/,"), "{}", lacks(&stage));
        stage.write("root/usr/bin/paifang", "").unwrap();
        assert!(lacks(&stage).contains("names state/,"), "{}", lacks(&stage));
        stage.write("state/.keep", "").unwrap();
        assert!(lacks(&stage).contains("names root/etc/paifang/paifang.yaml,"));
        stage.copy("conf/paifang.yaml", "root/etc/paifang/paifang.yaml").unwrap();
        check(&stage).unwrap();
    }
}
