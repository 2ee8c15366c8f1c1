//! `cargo xtask setup`, which every other task calls first: what is missing is installed where that
//! needs no question, otherwise the one line to type is said.

mod manager;
mod tool;

pub(crate) use tool::{Use, find};

use crate::{
    failure::{Failure, Result},
    handlers, run, say,
};
use manager::{Manager, Rights};
use tool::{TOOLS, Tool};

/// Installs what the tasks need and this machine lacks, or says the one line to type.
///
/// As root, or where sudo asks no password, the system's package manager is used; without either,
/// nothing is changed and the exit code is 2.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask setup                  what building, testing and the demo need\n  \
    cargo xtask setup --bench          what `cargo xtask bench` needs on top\n  \
    cargo xtask setup --dry-run        says the line and installs nothing")]
pub(crate) struct Args {
    /// Also what `cargo xtask bench` needs.
    #[arg(long)]
    bench: bool,
    /// Only say what would be typed.
    #[arg(long)]
    dry_run: bool,
}

/// Installs for all uses, or for the benches too.
///
/// # Errors
/// When something is missing and cannot be installed from here.
pub(crate) fn task(args: &Args) -> Result<()> {
    let mut missing = missing(&[Use::Build, Use::Test, Use::Demo]);
    if args.bench {
        missing.extend(self::missing(&[Use::Bench]));
    }
    if args.dry_run && !missing.is_empty() {
        return Err(unable(&missing));
    }
    install(&missing)?;
    handlers::compiler(!args.dry_run)?;
    say::note("every tool is there");
    Ok(())
}

/// Makes sure of the tools of one task; silent when they are all there.
///
/// # Errors
/// When something is missing and cannot be installed from here.
pub(crate) fn ready(wanted: Use) -> Result<()> {
    install(&missing(&[Use::Build, wanted]))
}

/// Whether Debian's packages can be installed from here without a question.
pub(crate) fn installs_debian() -> bool {
    Manager::here() == Some(Manager::Apt) && Rights::here().is_some()
}

/// Installs packages of Debian, unless others would have to go for them.
///
/// # Errors
/// When that is not possible from here.
pub(crate) fn install_debian(packages: &[&str]) -> Result<()> {
    let Some(rights) = Rights::here() else {
        return Err(Failure::Missing(Manager::Apt.line(packages)));
    };
    say::step(&format!("installing: {}", Manager::Apt.line(packages)));
    if let Some(mut update) = Manager::Apt.update(rights) {
        // An old package list still serves often.
        let _ = run::shown(&mut update);
    }
    run::shown(Manager::Apt.install(rights, packages).arg("--no-remove"))
}

fn missing(uses: &[Use]) -> Vec<&'static Tool> {
    let wanted = |tool: &&Tool| uses.iter().any(|one| tool.uses.contains(one));
    TOOLS.iter().filter(wanted).filter(|tool| find(tool.program).is_none()).collect()
}

fn install(missing: &[&Tool]) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    for tool in missing {
        say::note(&format!("{} is missing: {}", tool.program, tool.why));
    }
    let (Some(manager), Some(rights)) = (Manager::here(), Rights::here()) else {
        return Err(unable(missing));
    };
    say::step(&format!("installing: {}", manager.line(&packages(manager, missing))));
    if let Some(mut update) = manager.update(rights) {
        // An old package list still serves often; whether it did shows below.
        let _ = run::shown(&mut update);
    }
    run::shown(&mut manager.install(rights, &packages(manager, missing)))
        .map_err(|_| unable(missing))?;
    match missing.iter().find(|tool| find(tool.program).is_none()) {
        None => Ok(()),
        Some(tool) => Err(Failure::Missing(format!(
            "{} was installed, yet is not to be found on the PATH",
            tool.program
        ))),
    }
}

fn packages(manager: Manager, tools: &[&Tool]) -> Vec<&'static str> {
    tools.iter().map(|tool| tool.package(manager)).collect()
}

fn unable(missing: &[&Tool]) -> Failure {
    let programs: Vec<&str> = missing.iter().map(|tool| tool.program).collect();
    let programs = programs.join(", ");
    Failure::Missing(match Manager::here() {
        Some(manager) => {
            format!("{programs}. Type:\n  {}", manager.line(&packages(manager, missing)))
        }
        None => format!("{programs}. Install them with this system's package manager."),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_names_every_package_once() {
        let tools: Vec<&Tool> = TOOLS.iter().filter(|t| t.uses.contains(&Use::Build)).collect();
        let line = Manager::Apt.line(&packages(Manager::Apt, &tools));
        assert_eq!(
            line,
            "sudo apt-get update && sudo apt-get install -y --no-install-recommends cmake make"
        );
        let line = Manager::Brew.line(&packages(Manager::Brew, &tools));
        assert_eq!(line, "brew install cmake make");
    }
}
