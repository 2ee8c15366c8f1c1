//! Which compiler builds handlers, as a choice over what was seen on this machine.
//!
//! Nothing here looks or acts: the module above does.

use std::{ffi::OsString, path::PathBuf};

/// The target of all handlers.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";
/// What `rustup` is told where the target is missing.
pub(crate) const ADD_TARGET: [&str; 3] = ["target", "add", TARGET];
/// The packages of Debian that bring a compiler with the sources of its standard library.
pub(crate) const PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];
/// Where those packages put the compiler.
pub(crate) const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
/// Where they put cargo.
pub(crate) const DEBIAN_CARGO: &str = "/usr/bin/cargo";
/// What shows that the sources are there.
pub(crate) const DEBIAN_SOURCES: &str = "/usr/lib/rustlib/src/rust/library/std/Cargo.toml";
/// The oldest compiler that takes our handlers: (1, 85) is the first with edition 2024.
const OLDEST: (u32, u32) = (1, 85);

/// Flags for the machine's own programs, which say nothing about handlers; and what a cargo that
/// runs us asks of the cargo that we run.
const UNWANTED: [&str; 4] =
    ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS", "CARGO_BUILD_TARGET"];
/// What belongs to the active toolchain and would mislead another one.
const OF_THE_ACTIVE: [&str; 7] = [
    "RUSTUP_TOOLCHAIN",
    "CARGO",
    "RUSTDOC",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "CARGO_BUILD_RUSTC",
    "LD_LIBRARY_PATH",
];

/// A way to get something that is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Way {
    /// It is not open here.
    #[default]
    Closed,
    /// It may lead there.
    Open,
    /// It was tried, and did not lead there.
    Failed,
}

/// What was seen on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The active toolchain has the target's standard library.
    pub(crate) has_target: bool,
    /// Debian's compiler, its cargo and its sources are there, and the compiler is young enough.
    pub(crate) debian: bool,
    /// A linker for the target.
    pub(crate) linker: Option<PathBuf>,
    /// `rustup target add`.
    pub(crate) rustup: Way,
    /// Installing Debian's packages.
    pub(crate) packages: Way,
}

/// A compiler for handlers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// The one that builds everything else.
    Active,
    /// Debian's, which builds the standard library too.
    Debian { linker: PathBuf },
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Build with this.
    Use(Toolchain),
    /// Let `rustup` add the target, and look again.
    AddTarget,
    /// Install Debian's packages, and look again.
    Install,
    /// Nothing is left to try.
    GiveUp,
}

/// What comes next. What is there goes before what would have to be fetched.
pub(crate) fn next(seen: &Seen) -> Step {
    if seen.has_target {
        return Step::Use(Toolchain::Active);
    }
    if let (true, Some(linker)) = (seen.debian, &seen.linker) {
        return Step::Use(Toolchain::Debian { linker: linker.clone() });
    }
    if seen.rustup == Way::Open {
        return Step::AddTarget;
    }
    // Without a linker the packages would not help.
    if seen.packages == Way::Open && seen.linker.is_some() && !seen.debian {
        return Step::Install;
    }
    Step::GiveUp
}

/// The line to type where nothing is left to try.
pub(crate) fn advice(seen: &Seen) -> String {
    if seen.rustup == Way::Closed && seen.packages == Way::Closed {
        return "install Rust as https://rustup.rs says, then: rustup target add \
                wasm32-unknown-unknown"
            .to_owned();
    }
    format!("rustup {}", ADD_TARGET.join(" "))
}

/// A build by cargo, but for what is built and where.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Build {
    /// `None` for the active cargo.
    pub(crate) cargo: Option<&'static str>,
    pub(crate) args: Vec<&'static str>,
    pub(crate) set: Vec<(&'static str, OsString)>,
    /// Variables that may be there and must not be.
    pub(crate) unset: Vec<&'static str>,
}

impl Toolchain {
    /// What a person is told.
    pub(crate) fn line(&self) -> String {
        match self {
            Self::Active => {
                format!("handlers are built by the active toolchain, which has {TARGET}")
            }
            Self::Debian { .. } => format!(
                "handlers are built by Debian's {DEBIAN_RUSTC} and its own standard library, as the \
                 active toolchain lacks {TARGET}"
            ),
        }
    }

    /// How cargo is called.
    pub(crate) fn build(&self) -> Build {
        let args = vec!["build", "--release", "--target", TARGET];
        let mut build = Build { cargo: None, args, set: Vec::new(), unset: UNWANTED.to_vec() };
        if let Self::Debian { linker } = self {
            build.cargo = Some(DEBIAN_CARGO);
            build.args.push("-Zbuild-std=std,panic_abort");
            build.set = vec![
                ("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker.into()),
                ("RUSTC", DEBIAN_RUSTC.into()),
                // -Z is for nightly compilers, and for whoever says this.
                ("RUSTC_BOOTSTRAP", "1".into()),
            ];
            build.unset.extend(OF_THE_ACTIVE);
        }
        build
    }
}

/// Whether a compiler is young enough, by what its `--version` says: `rustc 1.96.0 (…)`.
pub(crate) fn is_young_enough(version: &str) -> bool {
    let mut parts = version.split_whitespace().nth(1).unwrap_or_default().split('.');
    let mut part = || parts.next()?.parse().ok();
    match (part(), part()) {
        (Some(major), Some(minor)) => (major, minor) >= OLDEST,
        _ => false,
    }
}

/// The machine that a compiler runs on, by what its `-vV` says.
pub(crate) fn host(version: &str) -> Option<&str> {
    version.lines().find_map(|line| line.strip_prefix("host: ")).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bare() -> Seen {
        Seen {
            linker: Some("/lld".into()),
            rustup: Way::Open,
            packages: Way::Open,
            ..Seen::default()
        }
    }

    #[test]
    fn what_is_there_goes_before_what_must_be_fetched() {
        let debian = Step::Use(Toolchain::Debian { linker: "/lld".into() });
        assert_eq!(
            next(&Seen { has_target: true, debian: true, ..bare() }),
            Step::Use(Toolchain::Active)
        );
        assert_eq!(next(&Seen { debian: true, ..bare() }), debian);
        assert_eq!(next(&bare()), Step::AddTarget);
    }

    #[test]
    fn each_way_is_tried_once_and_in_order() {
        let mut seen = bare();
        let mut steps = Vec::new();
        loop {
            let step = next(&seen);
            steps.push(step.clone());
            match step {
                Step::AddTarget => seen.rustup = Way::Failed,
                Step::Install => seen.packages = Way::Failed,
                Step::Use(_) | Step::GiveUp => break,
            }
        }
        assert_eq!(steps, [Step::AddTarget, Step::Install, Step::GiveUp]);
        assert_eq!(advice(&seen), "rustup target add wasm32-unknown-unknown");
    }

    #[test]
    fn packages_that_cannot_help_are_not_installed() {
        let seen = Seen { rustup: Way::Failed, ..bare() };
        assert_eq!(next(&seen), Step::Install);
        assert_eq!(next(&Seen { linker: None, ..seen.clone() }), Step::GiveUp);
        assert_eq!(next(&Seen { packages: Way::Closed, ..seen }), Step::GiveUp);
    }

    #[test]
    fn who_has_nothing_is_told_where_to_begin() {
        assert!(advice(&Seen::default()).starts_with("install Rust"));
    }

    #[test]
    fn debians_cargo_is_told_nothing_of_the_active_toolchain() {
        let build = Toolchain::Debian { linker: "/lld".into() }.build();
        assert_eq!(build.cargo, Some("/usr/bin/cargo"));
        assert_eq!(build.args.last(), Some(&"-Zbuild-std=std,panic_abort"));
        let linker = ("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", OsString::from("/lld"));
        assert!(build.set.contains(&linker));
        for name in ["RUSTUP_TOOLCHAIN", "CARGO", "RUSTFLAGS", "LD_LIBRARY_PATH"] {
            assert!(build.unset.contains(&name), "{name}");
        }
        assert!(build.set.iter().all(|(name, _)| !build.unset.contains(name)));
    }

    #[test]
    fn the_active_cargo_keeps_its_toolchain_and_loses_the_flags() {
        let build = Toolchain::Active.build();
        assert_eq!((build.cargo, &build.set[..]), (None, &[][..]));
        assert_eq!(build.args, ["build", "--release", "--target", TARGET]);
        assert!(build.unset.contains(&"RUSTFLAGS") && !build.unset.contains(&"RUSTUP_TOOLCHAIN"));
    }

    #[test]
    fn versions_are_read_as_compilers_write_them() {
        assert!(is_young_enough(
            "rustc 1.96.0 (ac68faa20 2026-05-25) (built from a source tarball)"
        ));
        assert!(is_young_enough("rustc 1.85.0-nightly"));
        assert!(is_young_enough("rustc 2.0.0"));
        for old in ["rustc 1.63.0", "rustc 1.84.1", "rustc", "", "error: no toolchain"] {
            assert!(!is_young_enough(old), "{old}");
        }
        let text = "rustc 1.95.0\nbinary: rustc\nhost: aarch64-apple-darwin\nrelease: 1.95.0\n";
        assert_eq!(host(text), Some("aarch64-apple-darwin"));
        assert_eq!(host(""), None);
    }
}
