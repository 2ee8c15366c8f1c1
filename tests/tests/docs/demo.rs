//! The demo's gateway and upstream, as `cargo xtask demo` runs them: on the ports that documents
//! name, from a copy of conf/demo.yaml.

use std::{
    env, fs,
    fs::File,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use paifang_tests::{binaries::built, tidy::root};
use tokio::{
    net::TcpStream,
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

/// Calls, admin API, upstream.
const PORTS: [u16; 3] = [8080, 9900, 7001];
/// What conf/demo.yaml takes from the environment; the same as the demo's.
const SECRETS: [(&str, &str); 2] =
    [("DEMO_WALLET_KEY", "demo-wallet-key"), ("DEMO_WALLET_SECRET", "demo-wallet-secret")];
/// How long a server may take until it listens, and until it has stopped.
const PATIENCE: Duration = Duration::from_secs(20);

/// What runs need of this machine, for one process at a time: the binaries and the ports.
pub(crate) struct Machine {
    /// Where `paifang` is.
    pub(crate) binaries: PathBuf,
    _lock: File,
}

impl Machine {
    /// Builds what is run, and waits for others that use the ports.
    ///
    /// # Panics
    /// When it does not build.
    pub(crate) fn ready() -> Self {
        let lock = match File::create(env::temp_dir().join("paifang-demo-ports.lock")) {
            Ok(lock) => lock,
            Err(cause) => panic!("the lock for the ports: {cause}"),
        };
        if let Err(cause) = lock.lock() {
            panic!("the lock for the ports: {cause}");
        }
        Self { binaries: built(&["--example", "demo_upstream"]), _lock: lock }
    }
}

/// A running demo.
pub(crate) struct Demo {
    gateway: Child,
    upstream: Child,
    folder: PathBuf,
}

impl Demo {
    /// Starts both servers and waits until they take calls.
    ///
    /// # Panics
    /// When a port is taken or a server does not come up.
    pub(crate) async fn start(machine: &Machine) -> Self {
        for port in PORTS {
            if let Err(cause) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
                panic!("port {port} is in use ({cause}); the commands in the documents need it");
            }
        }
        let folder = fresh_folder(&machine.binaries);
        let upstream = server(
            Command::new(machine.binaries.join("examples/demo_upstream")).arg("127.0.0.1:7001"),
            &folder.join("upstream.log"),
        );
        let gateway = server(
            Command::new(machine.binaries.join("paifang"))
                .args(["run", "--config"])
                .arg(folder.join("demo.yaml"))
                .envs(SECRETS),
            &folder.join("gateway.log"),
        );
        let mut demo = Self { gateway, upstream, folder };
        for port in PORTS {
            demo.listens(port).await;
        }
        demo
    }

    async fn listens(&mut self, port: u16) {
        let began = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
            let ended = [&mut self.gateway, &mut self.upstream]
                .into_iter()
                .any(|server| !matches!(server.try_wait(), Ok(None)));
            if ended || began.elapsed() > PATIENCE {
                panic!("nothing listens on port {port}:\n{}", self.log());
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// What the gateway has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("gateway.log")).unwrap_or_default()
    }

    /// Stops both, the gateway by a signal as an operator would.
    ///
    /// # Panics
    /// When the gateway does not stop, or not with success.
    pub(crate) async fn stop(mut self) {
        if let Some(pid) = self.gateway.id() {
            let _ = Command::new("kill").args(["-TERM", &pid.to_string()]).status().await;
        }
        match timeout(PATIENCE, self.gateway.wait()).await {
            Ok(Ok(status)) if status.success() => {}
            ended => panic!("the gateway did not stop as it should ({ended:?}):\n{}", self.log()),
        }
        let _ = self.upstream.kill().await;
    }
}

/// A folder beside the binaries with a fresh copy of the config, and room for releases beside it.
fn fresh_folder(binaries: &Path) -> PathBuf {
    let folder = binaries.join("documents-demo");
    let _ = fs::remove_dir_all(&folder);
    let shipped = fs::read_to_string(root().join("conf/demo.yaml")).unwrap_or_default();
    let text = shipped + "\nreleases: { directory: releases }\n";
    let made = fs::create_dir_all(&folder);
    match made.and_then(|()| fs::write(folder.join("demo.yaml"), text)) {
        Ok(()) => folder,
        Err(cause) => panic!("{}: {cause}", folder.display()),
    }
}

/// Starts a server whose output goes to a file; it ends with us.
fn server(command: &mut Command, log: &Path) -> Child {
    let started = File::create(log).and_then(|out| {
        let err = out.try_clone()?;
        command.stdin(Stdio::null()).stdout(out).stderr(err).kill_on_drop(true).spawn()
    });
    match started {
        Ok(child) => child,
        Err(cause) => panic!("{:?}: {cause}", command.as_std()),
    }
}
