//! Two network namespaces and the weak link between them.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::{
    failure::{Failure, Result},
    run, tree,
};

const CLIENT_ADDRESS: &str = "10.77.0.1";
/// The gateway's address in its namespace.
pub(super) const SERVER_ADDRESS: &str = "10.77.0.2";

/// The devices of the link; names in a namespace collide with nobody's.
const CLIENT_DEVICE: &str = "pfweak-c";
const SERVER_DEVICE: &str = "pfweak-s";

/// Sees whether this machine has what the link needs.
///
/// # Errors
/// What it lacks.
pub(super) fn possible() -> Result<()> {
    let root = run::captured(Command::new("id").arg("-u"))?.text.trim() == "0";
    if !root {
        return Err(Failure::Missing(
            "root, for network namespaces: sudo cargo xtask bench weak".to_owned(),
        ));
    }
    if !Path::new("/dev/net/tun").exists() {
        return Err(Failure::Missing("/dev/net/tun: modprobe tun".to_owned()));
    }
    Ok(())
}

/// A namespace for the clients and one for the gateway; gone when dropped.
pub(super) struct Spaces {
    client: String,
    server: String,
}

impl Spaces {
    /// # Errors
    /// When the system makes none.
    pub(super) fn make() -> Result<Self> {
        let own = std::process::id();
        let spaces = Self { client: format!("pfweak-c{own}"), server: format!("pfweak-s{own}") };
        for name in [&spaces.client, &spaces.server] {
            ip(&["netns", "add", name])?;
            ip(&["-n", name, "link", "set", "lo", "up"])?;
        }
        Ok(spaces)
    }

    /// A program among the clients.
    pub(super) fn in_client(&self, program: &Path) -> Command {
        within(&self.client, program)
    }

    /// A program beside the gateway.
    pub(super) fn in_server(&self, program: &Path) -> Command {
        within(&self.server, program)
    }
}

impl Drop for Spaces {
    fn drop(&mut self) {
        for name in [&self.client, &self.server] {
            let _ = ip(&["netns", "del", name]);
        }
    }
}

/// `ip netns exec` executes the program in place.
fn within(space: &str, program: &Path) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", space]).arg(program);
    command
}

/// A link between the namespaces; gone when dropped.
pub(super) struct Link(Child);

impl Link {
    /// A link like `profile`, whose outages begin to count now.
    ///
    /// # Errors
    /// When it does not come up.
    pub(super) fn start(profile: &str, seed: u32, spaces: &Spaces) -> Result<Self> {
        let mut command = Command::new(tree::binary("release", "weak-link"));
        command.args(["--profile", profile, "--seed", &seed.to_string()]);
        command.args([CLIENT_DEVICE, SERVER_DEVICE]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let failed = |cause: String| Failure::Failed(format!("weak-link: {cause}"));
        let mut link = Self(command.spawn().map_err(|error| failed(error.to_string()))?);
        let mut line = String::new();
        if let Some(out) = link.0.stdout.take() {
            BufReader::new(out).read_line(&mut line).map_err(|error| failed(error.to_string()))?;
        }
        if line.trim() != "ready" {
            return Err(failed("it does not come up".to_owned()));
        }
        let ends = [
            (&spaces.client, CLIENT_DEVICE, CLIENT_ADDRESS),
            (&spaces.server, SERVER_DEVICE, SERVER_ADDRESS),
        ];
        for (space, device, address) in ends {
            ip(&["link", "set", device, "netns", space])?;
            ip(&["-n", space, "addr", "add", &format!("{address}/30"), "dev", device])?;
            ip(&["-n", space, "link", "set", device, "up"])?;
        }
        Ok(link)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // It ends with its standard input, and its devices with it.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

fn ip(words: &[&str]) -> Result<()> {
    let done = run::captured(Command::new("ip").args(words))?;
    match done.success {
        true => Ok(()),
        false => Err(Failure::Failed(format!("ip {}: {}", words.join(" "), done.text.trim()))),
    }
}
