//! The program that is packaged: built, or looked at.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::stage::Stage;
use crate::{
    failure::{Failure, Result},
    run, say, setup, tree,
};

/// A gateway, and what it needs of a system.
pub(super) struct Program {
    pub(super) path: PathBuf,
    pub(super) version: String,
    /// The oldest C library that it runs with; `None` where it needs none.
    pub(super) glibc: Option<(u32, u32)>,
    /// As the kernel calls it: `x86_64`.
    pub(super) machine: &'static str,
}

impl Program {
    /// Builds it: optimised, with the C library inside, and told its commit.
    pub(super) fn build() -> Result<Self> {
        setup::ready(setup::Use::Build)?;
        say::step("building the gateway, optimised");
        let mut cargo =
            run::cargo(&["rustc", "--release", "--package", "paifang", "--bin", "paifang"]);
        cargo.args(["--", "-C", "strip=symbols", "-C", "target-feature=+crt-static"]);
        if let Some(commit) = commit() {
            cargo.env("PAIFANG_COMMIT", commit);
        }
        run::shown(&mut cargo)?;
        Self::at(&tree::binary("release", "paifang"))
    }

    /// One that is there. It must run here: it says its version and writes its manual.
    pub(super) fn at(path: &Path) -> Result<Self> {
        let path = path.canonicalize().map_err(|e| Failure::file(path, &e))?;
        let said = run::captured(Command::new(&path).arg("-V"))?;
        let version = said.text.trim().strip_prefix("paifang ").filter(|_| said.success);
        let version = version.ok_or_else(|| {
            Failure::Failed(format!("{} is no gateway: it says `{}`", path.display(), said.text))
        })?;
        let bytes = fs::read(&path).map_err(|e| Failure::file(&path, &e))?;
        let machine = machine(&bytes).ok_or_else(|| {
            Failure::Failed(format!("{} is no program for Linux", path.display()))
        })?;
        Ok(Self { version: version.to_owned(), glibc: glibc(&bytes), machine, path })
    }

    /// What it needs, for people.
    pub(super) fn needs(&self) -> String {
        match self.glibc {
            None => "static: needs nothing but a kernel".to_owned(),
            Some((major, minor)) => format!("needs glibc {major}.{minor} or newer, and libgcc"),
        }
    }

    /// A copy of the program, without its symbols where a tool for that is there.
    pub(super) fn copy_to(&self, to: &Path) -> Result<()> {
        fs::copy(&self.path, to).map_err(|e| Failure::file(to, &e))?;
        if run::succeeds("strip", &["--version"]) {
            run::shown(Command::new("strip").arg("--strip-unneeded").arg(to))?;
        }
        Ok(())
    }

    /// The manual: a page for each command, name and text.
    pub(super) fn man(&self, stage: &Stage) -> Result<Vec<(String, Vec<u8>)>> {
        let folder = stage.path().with_extension("man");
        fs::create_dir_all(&folder).map_err(|e| Failure::file(&folder, &e))?;
        run::shown(Command::new(&self.path).arg("man").arg(&folder))?;
        let entries = fs::read_dir(&folder).map_err(|e| Failure::file(&folder, &e))?;
        let mut pages = Vec::new();
        for entry in entries {
            let path = entry.map_err(|e| Failure::file(&folder, &e))?.path();
            let text = fs::read(&path).map_err(|e| Failure::file(&path, &e))?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            pages.push((name, text));
        }
        pages.sort();
        fs::remove_dir_all(&folder).map_err(|e| Failure::file(&folder, &e))?;
        Ok(pages)
    }

    /// What a shell completes.
    pub(super) fn completions(&self, shell: &str) -> Result<Vec<u8>> {
        let said = run::captured(Command::new(&self.path).args(["completions", shell]))?;
        match said.success {
            true => Ok(said.text.into_bytes()),
            false => Err(Failure::Failed(format!("completions {shell}: {}", said.text))),
        }
    }
}

/// The commit of the tree, where it is one, with a mark where files differ from it.
fn commit() -> Option<String> {
    let git = |args: &[&str]| {
        let said = run::captured(Command::new("git").args(args).current_dir(tree::root())).ok()?;
        said.success.then(|| said.text.trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--untracked-files=no"])?;
    Some(if changed.is_empty() { commit } else { format!("{commit}+changes") })
}

/// Seconds since 1970 that everything in a package is dated with.
pub(super) fn epoch() -> u64 {
    let told = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|text| text.parse().ok());
    let commit = || {
        let git = ["log", "-1", "--format=%ct"];
        let said = run::captured(Command::new("git").args(git).current_dir(tree::root())).ok()?;
        said.text.trim().parse().ok().filter(|_| said.success)
    };
    told.or_else(commit).unwrap_or(0)
}

/// The machine that an ELF file of 64 bits is for (elf(5), `e_machine`).
fn machine(bytes: &[u8]) -> Option<&'static str> {
    if !bytes.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    match bytes.get(18..20)? {
        [62, 0] => Some("x86_64"),
        [183, 0] => Some("aarch64"),
        _ => None,
    }
}

/// The newest version of the C library's symbols that a program names. `None` where no loader is asked for.
fn glibc(bytes: &[u8]) -> Option<(u32, u32)> {
    let head = bytes.get(..4096).unwrap_or(bytes);
    let asks = head.windows(9).any(|window| window == b"/ld-linux");
    if !asks {
        return None;
    }
    const BEGIN: &[u8] = b"GLIBC_";
    let versions = bytes.windows(BEGIN.len()).enumerate().filter(|(_, window)| *window == BEGIN);
    let version = |(at, _): (usize, &[u8])| {
        let rest = bytes.get(at + BEGIN.len()..)?;
        let end = rest.iter().position(|byte| !byte.is_ascii_digit() && *byte != b'.')?;
        let text = std::str::from_utf8(&rest[..end]).ok()?;
        let mut parts = text.split('.').map(str::parse::<u32>);
        Some((parts.next()?.ok()?, parts.next()?.ok()?))
    };
    versions.filter_map(version).max()
}

#[cfg(test)]
mod tests {
    use super::{glibc, machine};

    #[test]
    fn what_a_program_needs_is_read_from_it() {
        let mut elf = vec![0; 8192];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
        elf[18] = 183;
        assert_eq!((machine(&elf), glibc(&elf)), (Some("aarch64"), None));
        elf[100..127].copy_from_slice(b"/lib64/ld-linux-x86-64.so.2");
        elf[5000..5011].copy_from_slice(b"GLIBC_2.2.5");
        elf[6000..6010].copy_from_slice(b"GLIBC_2.34");
        elf[7000..7009].copy_from_slice(b"GLIBC_2.9");
        assert_eq!(glibc(&elf), Some((2, 34)));
        assert_eq!(machine(b"#!/bin/sh"), None);
    }
}
