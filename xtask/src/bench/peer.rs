//! What is measured: a proxy process on a core of its own, or the upstream behind all of them.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use super::{
    build, conf, cpu,
    load::{LOAD_CORE, Load, PROXY_CORE, Seen},
    report,
};
use crate::{
    failure::{Failure, Result},
    server::{self, Server},
    setup, tree,
};

/// How long a peer may take until it accepts connections; 100,000 APIs take their time.
const READY: Duration = Duration::from_secs(120);

/// A running proxy and how to load it.
pub(crate) struct Peer {
    pub(crate) name: String,
    server: Server,
    pub(crate) port: u16,
    /// Where its admin API is, when it is a gateway of ours.
    pub(crate) admin: Option<u16>,
    /// Sent with each request, `name: value`.
    pub(crate) headers: Vec<String>,
    /// The wrk script that chooses its paths.
    pub(crate) script: Option<PathBuf>,
}

/// One round's result.
#[derive(Clone, Copy)]
pub(crate) struct Round {
    /// CPU microseconds of the proxy's process per answered request.
    pub(crate) cpu: f64,
    pub(crate) seen: Seen,
}

impl Peer {
    /// The gateway on a config file that listens at the ports given.
    ///
    /// # Errors
    /// When it does not come up.
    pub(crate) fn gateway(name: &str, config: &Path, ports: conf::Ports) -> Result<Self> {
        Self::gateway_on(PROXY_CORE, name, config, ports)
    }

    /// The like on these cores, for measures without a load.
    ///
    /// # Errors
    /// When it does not come up.
    pub(crate) fn gateway_on(
        cores: &str,
        name: &str,
        config: &Path,
        ports: conf::Ports,
    ) -> Result<Self> {
        let program = tree::binary("release", "paifang");
        let config = config.display().to_string();
        let args = ["run", "--workers", "1", "--config", &config];
        let mut peer = Self::start(name, cores, &program, &args, ports.public)?;
        peer.admin = Some(ports.admin);
        Ok(peer)
    }

    /// The pass-through on stock pingora-proxy.
    ///
    /// # Errors
    /// When it does not come up.
    pub(crate) fn stock(upstream: u16) -> Result<Self> {
        let port = server::free_port()?;
        let program = tree::binary("release", "stock-proxy");
        let (listen, to) = (format!("127.0.0.1:{port}"), format!("127.0.0.1:{upstream}"));
        Self::start("stock pingora-proxy", PROXY_CORE, &program, &[&listen, &to], port)
    }

    /// nginx as a proxy, one process; `site` is what its server does.
    ///
    /// # Errors
    /// When it does not come up.
    pub(crate) fn nginx(dir: &Path, site: &str) -> Result<Self> {
        Self::run_nginx("nginx", PROXY_CORE, dir, site)
    }

    /// nginx as the upstream of all: 128 bytes, always.
    ///
    /// # Errors
    /// When it does not come up.
    pub(crate) fn upstream(dir: &Path) -> Result<Self> {
        Self::upstream_of(dir, &conf::nginx_upstream())
    }

    /// nginx as an upstream that does `site`.
    ///
    /// # Errors
    /// When it does not come up.
    pub(crate) fn upstream_of(dir: &Path, site: &str) -> Result<Self> {
        Self::run_nginx("upstream", LOAD_CORE, dir, site)
    }

    /// Plain rustls in a blocking loop, with the certificate of `dir`.
    ///
    /// # Errors
    /// When it does not come up.
    pub(crate) fn bare_rustls(dir: &Path) -> Result<Self> {
        let port = server::free_port()?;
        let (listen, dir) = (format!("127.0.0.1:{port}"), dir.display().to_string());
        let program = tree::example("release", "handshakes");
        Self::start("bare rustls", PROXY_CORE, &program, &["serve", &listen, &dir], port)
    }

    fn run_nginx(name: &str, core: &str, dir: &Path, site: &str) -> Result<Self> {
        let port = server::free_port()?;
        let file = dir.join(format!("nginx-{port}.conf"));
        tree::write(&file, &conf::nginx(dir, port, site))?;
        let program = setup::find("nginx").unwrap_or_else(|| "nginx".into());
        Self::start(name, core, &program, &["-c", &file.display().to_string()], port)
    }

    /// Envoy as a proxy, one worker, with these filters before its router.
    ///
    /// # Errors
    /// When it does not come up.
    pub(crate) fn envoy(name: &str, dir: &Path, upstream: u16, filters: &str) -> Result<Self> {
        let port = server::free_port()?;
        let file = dir.join(format!("envoy-{port}.yaml"));
        tree::write(&file, &conf::envoy(port, upstream, filters))?;
        let file = file.display().to_string();
        // Several on one machine: without an id of its own each takes the shared memory of the first.
        let args =
            ["-c", &file, "--concurrency", "1", "--log-level", "error", "--use-dynamic-base-id"];
        Self::start(name, PROXY_CORE, &build::envoy()?, &args, port)
    }

    fn start(name: &str, core: &str, program: &Path, args: &[&str], port: u16) -> Result<Self> {
        let log = report::folder().join(format!("{}.log", name.replace(' ', "-")));
        let mut command = Command::new("taskset");
        command.args(["-c", core]).arg(program).args(args);
        command.envs(conf::SECRETS.iter().copied());
        let mut server = Server::start(name, &mut command, &log)?;
        server.wait(READY, || server::listens(port))?;
        Ok(Self {
            name: name.to_owned(),
            server,
            port,
            admin: None,
            headers: Vec::new(),
            script: None,
        })
    }

    /// A load that fits this peer.
    pub(crate) fn load(&self, connections: u32, seconds: u32) -> Load {
        Load {
            port: self.port,
            connections,
            seconds,
            headers: self.headers.clone(),
            script: self.script.clone(),
        }
    }

    /// Loads the peer and takes the CPU time that it used meanwhile.
    ///
    /// # Errors
    /// When the load fails or the peer is gone, or any answer is not the upstream's: refusing is cheaper
    /// than proxying, so such a round measures nothing.
    pub(crate) fn round(&self, load: &Load) -> Result<Round> {
        let before = self.cpu_seconds()?;
        let seen = load.run()?;
        let used = self.cpu_seconds()? - before;
        if seen.failed > 0 {
            let (name, failed, all) = (&self.name, seen.failed, seen.requests);
            return Err(Failure::Failed(format!("{name}: {failed} of {all} answers are failures")));
        }
        Ok(Round { cpu: used * 1e6 / seen.requests, seen })
    }

    /// CPU seconds since its start.
    ///
    /// # Errors
    /// When the process is gone.
    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        cpu::seconds(self.server.pid())
    }

    /// CPU seconds of each of its threads.
    ///
    /// # Errors
    /// When the process is gone.
    pub(crate) fn thread_times(&self) -> Result<Vec<(u32, f64)>> {
        cpu::threads(self.server.pid())
    }

    /// Resident memory, MiB.
    ///
    /// # Errors
    /// When the process is gone.
    pub(crate) fn resident(&self) -> Result<f64> {
        cpu::resident(self.server.pid())
    }
}
