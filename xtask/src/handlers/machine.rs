//! What xtask does on this machine for a compiler of handlers; which one it is, `toolchain` decides.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use super::toolchain::{self, Hands, Toolchain};
use crate::{
    failure::{Failure, Result},
    run, say, setup, tree,
};

/// Finds a compiler for handlers, or gets one where it may fetch.
///
/// # Errors
/// When there is none; the text holds the line to type.
pub(crate) fn toolchain(fetch: bool) -> Result<Toolchain> {
    let hands = Ours { folder: tree::handlers() };
    let found = if fetch { toolchain::fetched(&hands) } else { toolchain::present(&hands) };
    found.map_err(Failure::Missing)
}

struct Ours {
    folder: PathBuf,
}

impl Hands for Ours {
    fn folder(&self) -> &Path {
        &self.folder
    }

    fn find(&self, program: &str) -> Option<PathBuf> {
        setup::find(program)
    }

    fn may_install(&self) -> bool {
        setup::installs_debian()
    }

    fn run(&self, command: &mut Command, patience: Duration) {
        match run::within(command, patience) {
            Ok(Some(_)) => {}
            Ok(None) => say::note(&format!("not done after {} s: ended", patience.as_secs())),
            Err(failure) => say::note(&failure.to_string()),
        }
    }

    fn install(&self, packages: &[&str]) {
        if let Err(failure) = setup::install_debian(packages) {
            say::note(&failure.to_string());
        }
    }
}
