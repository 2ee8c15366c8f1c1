//! Real Redis servers of a test's own: one, or six made into a cluster.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering::Relaxed},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// What takes longer than this hangs.
const HANG: Duration = Duration::from_secs(60);

/// A server, gone when dropped.
#[derive(Debug)]
pub struct RedisServer {
    /// Where it listens.
    pub address: SocketAddr,
    options: Vec<String>,
    directory: TempDir,
    process: Option<Child>,
}

/// An address that no other test has: Linux has all of 127.0.0.0/8, so each test process has one
/// of its own, and ports are counted. A cluster's servers talk at their port + 10000.
fn address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(20_000);
    let [.., high, low] = std::process::id().to_be_bytes();
    let ours = Ipv4Addr::new(127, 78, high, low);
    loop {
        let address = SocketAddr::from((ours, NEXT.fetch_add(1, Relaxed)));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

impl RedisServer {
    /// Starts one with these options, such as `["--maxmemory", "2mb"]`.
    ///
    /// # Panics
    /// When redis-server is not installed or does not start.
    pub fn start(options: &[&str]) -> Self {
        let mut server = Self::new(options);
        server.run();
        server
    }

    /// One that does not run yet.
    ///
    /// # Panics
    /// When there is no directory for it.
    pub fn new(options: &[&str]) -> Self {
        Self::with(|_| options.iter().map(|option| (*option).to_owned()).collect())
    }

    /// One that does not run yet, with options that know where it will listen.
    ///
    /// # Panics
    /// When there is no directory for it.
    pub fn with(options: impl FnOnce(SocketAddr) -> Vec<String>) -> Self {
        let address = address();
        Self {
            address,
            options: options(address),
            directory: tempfile::tempdir().expect("a directory"),
            process: None,
        }
    }

    /// Starts it, for the first time or again, and waits until it listens.
    ///
    /// # Panics
    /// When it does not start.
    pub fn run(&mut self) {
        let Self { address, directory, .. } = self;
        let log = directory.path().join("log");
        let spawned = Command::new("redis-server")
            .args(["--bind", &address.ip().to_string(), "--port", &address.port().to_string()])
            // Else servers of a cluster take one another to be at 127.0.0.1.
            .args(["--bind-source-addr", &address.ip().to_string()])
            .args(["--save", "", "--appendonly", "no", "--protected-mode", "no"])
            .args(["--dir", &directory.path().display().to_string()])
            .args(["--logfile", &log.display().to_string()])
            .args(&self.options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let mut process = match spawned {
            Ok(process) => process,
            Err(cause) => {
                panic!("redis-server does not run ({cause}); `cargo xtask test` installs it")
            }
        };
        let address = *address;
        poll("a server listens", || {
            if let Ok(Some(status)) = process.try_wait() {
                let log = std::fs::read_to_string(&log).unwrap_or_default();
                panic!("redis-server has ended with {status}: {log}");
            }
            TcpStream::connect(address).is_ok()
        });
        self.process = Some(process);
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Has `redis-cli` run a command; what it prints.
    ///
    /// # Panics
    /// When redis-cli cannot be run.
    pub fn cli(&self, arguments: &[&str]) -> String {
        let output = Command::new("redis-cli")
            .args(["-h", &self.address.ip().to_string(), "-p", &self.address.port().to_string()])
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .expect("redis-cli runs");
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&text).trim().to_owned()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Three masters with a replica each, made into a cluster.
#[derive(Debug)]
pub struct RedisCluster {
    /// All six.
    pub servers: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts six servers and joins them; returns once every one knows that the cluster is whole.
    ///
    /// # Panics
    /// When that does not come about.
    pub fn start() -> Self {
        let options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000"];
        let more = ["--cluster-require-full-coverage", "no", "--repl-diskless-sync-delay", "0"];
        let options = [&options[..], &more].concat();
        let servers: Vec<RedisServer> = (0..6).map(|_| RedisServer::start(&options)).collect();
        let addresses: Vec<String> =
            servers.iter().map(|server| server.address.to_string()).collect();
        let mut create = vec!["--cluster", "create"];
        create.extend(addresses.iter().map(String::as_str));
        create.extend(["--cluster-replicas", "1", "--cluster-yes"]);
        let made = servers[0].cli(&create);
        assert!(made.contains("All 16384 slots covered"), "{made}");
        let cluster = Self { servers };
        poll("the cluster is whole", || {
            cluster.servers.iter().all(|server| {
                server.cli(&["cluster", "info"]).contains("cluster_state:ok")
                    && server.cli(&["cluster", "nodes"]).matches(" connected").count() == 6
            }) && cluster.masters().len() == 3
                && cluster.servers.iter().filter(|server| synced(server)).count() == 3
        });
        cluster
    }

    /// Where the masters are among the servers.
    pub fn masters(&self) -> Vec<usize> {
        let alive = self.servers.iter().enumerate().filter(|(_, one)| one.process.is_some());
        alive
            .filter(|(_, server)| server.cli(&["role"]).starts_with("master"))
            .map(|(index, _)| index)
            .collect()
    }
}

/// A replica that has its master's data.
fn synced(server: &RedisServer) -> bool {
    let info = server.cli(&["info", "replication"]);
    info.contains("role:slave") && info.contains("master_link_status:up")
}

/// Waits until something holds.
///
/// # Panics
/// When it never does.
#[allow(clippy::disallowed_methods)] // It looks again and again, and gives up: a wait with an end.
fn poll(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < HANG, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
