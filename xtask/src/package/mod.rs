//! `cargo xtask package`: what operators install, from one program: an archive, a Debian package, a
//! container.
//!
//! What is made from the same program and the same tree is the same byte for byte: names are sorted, owners are
//! root, and times are `SOURCE_DATE_EPOCH`, or that of the commit.

mod archive;
mod container;
mod deb;
mod licences;
mod program;
mod stage;

use std::{fs, path::PathBuf};

use clap::Subcommand;

use crate::{
    failure::{Failure, Result},
    say, tree,
};
use program::Program;

/// Makes packages under target/package, and looks at what came out.
///
/// Without --binary the gateway is built first: optimised, and linked with the C library inside where the
/// target allows it, which takes ten minutes and more.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask package binary                     target/package/paifang-VERSION-linux-x86_64.tar.gz\n  \
    cargo xtask package deb --binary target/release/paifang\n  \
    cargo xtask package container                  a build context, and the image where a builder is there")]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
    /// A program that was built before.
    #[arg(long, global = true, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// Where to put what is made. Default: target/package.
    #[arg(long, global = true, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Compress little: to look at what comes out.
    #[arg(long, global = true)]
    fast: bool,
}

/// What to make.
#[derive(Subcommand)]
enum What {
    /// A tar.gz: the program, its manual, completions, documents, configs, units.
    Binary,
    /// A Debian package. Needs dpkg-deb.
    Deb,
    /// A folder to build a container image from. Builds it where podman, buildah or docker is there.
    Container {
        /// Roots of the web's certificates, for upstreams over TLS.
        #[arg(long, value_name = "FILE", default_value = "/etc/ssl/certs/ca-certificates.crt")]
        roots: PathBuf,
        /// Only make the folder.
        #[arg(long)]
        no_build: bool,
    },
}

/// Makes a package.
///
/// # Errors
/// When something does not build, a tool is missing, or what came out is not as it should be.
pub(crate) fn task(args: &Args) -> Result<()> {
    let program = match &args.binary {
        Some(path) => Program::at(path)?,
        None => Program::build()?,
    };
    let out = args.out.clone().unwrap_or_else(|| tree::target().join("package"));
    fs::create_dir_all(&out).map_err(|e| Failure::file(&out, &e))?;
    say::note(&format!("{}: {}", program.path.display(), program.needs()));
    let made = match &args.what {
        What::Binary => archive::make(&program, &out, args.fast)?,
        What::Deb => deb::make(&program, &out, args.fast)?,
        What::Container { roots, no_build } => container::make(&program, &out, roots, *no_build)?,
    };
    println!("{}", made.display());
    Ok(())
}
