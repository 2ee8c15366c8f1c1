//! The system's package manager, and what it lets us do without asking.

use std::process::Command;

use super::tool::find;
use crate::run;

/// A package manager that we can call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manager {
    Apt,
    Dnf,
    Apk,
    Pacman,
    Zypper,
    Brew,
}

/// How packages may be installed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rights {
    /// As we are: root, or Homebrew's user.
    Own,
    /// Through a sudo that asks no password.
    Sudo,
}

impl Rights {
    /// What this process may do; `None` when a password would be asked.
    pub(crate) fn here() -> Option<Self> {
        let root = run::captured(Command::new("id").arg("-u")).is_ok_and(|o| o.text.trim() == "0");
        if root || Manager::here() == Some(Manager::Brew) {
            Some(Self::Own)
        } else if run::succeeds("sudo", &["-n", "true"]) {
            Some(Self::Sudo)
        } else {
            None
        }
    }
}

impl Manager {
    /// The one that is installed.
    pub(crate) fn here() -> Option<Self> {
        // Homebrew last: on Linux it stands beside the system's own.
        [Self::Apt, Self::Dnf, Self::Apk, Self::Pacman, Self::Zypper, Self::Brew]
            .into_iter()
            .find(|manager| find(manager.program()).is_some())
    }

    fn program(self) -> &'static str {
        match self {
            Self::Apt => "apt-get",
            Self::Dnf => "dnf",
            Self::Apk => "apk",
            Self::Pacman => "pacman",
            Self::Zypper => "zypper",
            Self::Brew => "brew",
        }
    }

    fn install_args(self) -> &'static [&'static str] {
        match self {
            Self::Apt => &["install", "-y", "--no-install-recommends"],
            Self::Dnf => &["install", "-y"],
            Self::Apk => &["add"],
            Self::Pacman => &["-S", "--noconfirm", "--needed"],
            Self::Zypper => &["--non-interactive", "install"],
            Self::Brew => &["install"],
        }
    }

    /// The command that makes the manager's list of packages new, where one is needed first.
    pub(crate) fn update(self, rights: Rights) -> Option<Command> {
        (self == Self::Apt).then(|| self.command(rights, &["update", "-q"], &[]))
    }

    /// The command that installs packages without a question.
    pub(crate) fn install(self, rights: Rights, packages: &[&str]) -> Command {
        self.command(rights, self.install_args(), packages)
    }

    fn command(self, rights: Rights, args: &[&str], packages: &[&str]) -> Command {
        let mut command = match rights {
            Rights::Own => Command::new(self.program()),
            Rights::Sudo => {
                let mut sudo = Command::new("sudo");
                sudo.args(["-n", self.program()]);
                sudo
            }
        };
        command.args(args).args(packages).env("DEBIAN_FRONTEND", "noninteractive");
        command
    }

    /// The one line that a user types to install packages.
    pub(crate) fn line(self, packages: &[&str]) -> String {
        let (program, args) = (self.program(), self.install_args().join(" "));
        let packages = packages.join(" ");
        match self {
            Self::Apt => {
                format!("sudo {program} update && sudo {program} {args} {packages}")
            }
            Self::Brew => format!("{program} {args} {packages}"),
            _ => format!("sudo {program} {args} {packages}"),
        }
    }
}
