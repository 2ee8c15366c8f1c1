//! The programs that tasks call, and the packages that bring them.

use std::{
    env,
    path::{Path, PathBuf},
};

use super::manager::Manager;

/// What a tool is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// Building anything.
    Build,
    /// `cargo xtask test`.
    Test,
    /// `cargo xtask demo`.
    Demo,
    /// `cargo xtask bench`.
    Bench,
}

/// A program that must be found.
pub(crate) struct Tool {
    /// As typed.
    pub(crate) program: &'static str,
    /// Who calls it.
    pub(crate) why: &'static str,
    /// Without which tasks it may be missing.
    pub(crate) uses: &'static [Use],
    /// The package where its name is not the program's: (manager, package).
    renamed: &'static [(Manager, &'static str)],
}

impl Tool {
    /// The package that brings the program.
    pub(crate) fn package(&self, manager: Manager) -> &'static str {
        let renamed = self.renamed.iter().find(|(of, _)| *of == manager);
        renamed.map_or(self.program, |(_, package)| package)
    }
}

/// All of them. cargo-nextest, cargo-deny and envoy are used where they are found, and not missed.
pub(crate) const TOOLS: &[Tool] = &[
    Tool {
        program: "cmake",
        why: "Pingora's zlib-ng is built with it",
        uses: &[Use::Build],
        renamed: &[],
    },
    Tool {
        program: "make",
        why: "zlib-ng and jemalloc are built with it",
        uses: &[Use::Build],
        renamed: &[],
    },
    Tool {
        program: "curl",
        why: "the demo shows its calls as curl lines and runs them; the measures weigh answers with it",
        uses: &[Use::Demo, Use::Bench],
        renamed: &[],
    },
    Tool {
        program: "nginx",
        why: "a real upstream of the tests, and what the gateway is measured against",
        uses: &[Use::Test, Use::Bench],
        renamed: &[],
    },
    Tool {
        program: "redis-server",
        why: "the shared store of the tests",
        uses: &[Use::Test],
        renamed: &[
            (Manager::Dnf, "redis"),
            (Manager::Apk, "redis"),
            (Manager::Pacman, "redis"),
            (Manager::Zypper, "redis"),
            (Manager::Brew, "redis"),
        ],
    },
    Tool {
        program: "chromium",
        why: "the browser in which the tests use the console",
        uses: &[Use::Test],
        renamed: &[],
    },
    Tool {
        program: "wrk",
        why: "makes the load of the measures",
        uses: &[Use::Bench],
        renamed: &[],
    },
    Tool {
        program: "valgrind",
        why: "counts instructions per route lookup",
        uses: &[Use::Bench],
        renamed: &[],
    },
    Tool {
        program: "ip",
        why: "puts weak networks between gateway and clients",
        uses: &[Use::Bench],
        renamed: &[
            (Manager::Apt, "iproute2"),
            (Manager::Apk, "iproute2"),
            (Manager::Dnf, "iproute"),
            (Manager::Pacman, "iproute2"),
            (Manager::Zypper, "iproute2"),
        ],
    },
    Tool {
        program: "openssl",
        why: "makes the certificate of a gateway that is measured",
        uses: &[Use::Bench],
        renamed: &[],
    },
    Tool {
        program: "taskset",
        why: "keeps proxy and load on cores of their own",
        uses: &[Use::Bench],
        renamed: &[
            (Manager::Apt, "util-linux"),
            (Manager::Dnf, "util-linux"),
            (Manager::Apk, "util-linux-misc"),
            (Manager::Pacman, "util-linux"),
            (Manager::Zypper, "util-linux"),
        ],
    },
];

/// A program's file: on the PATH, or where Debian puts servers, which a user's PATH leaves out.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let servers = ["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from);
    env::split_paths(&path)
        .chain(servers)
        .map(|dir| dir.join(program))
        .find(|file| is_program(file))
}

#[cfg(unix)]
fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(file: &Path) -> bool {
    file.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_is_there_and_nothing_else() {
        assert!(find("sh").is_some_and(|file| file.is_absolute()));
        assert_eq!(find("no-such-program-as-this"), None);
    }
}
