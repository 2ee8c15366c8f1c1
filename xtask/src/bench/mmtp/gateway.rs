//! Gateways that speak MMTP and HTTP on one TLS port, and fleets that call them.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::super::{
    certificate,
    conf::Ports,
    http::Client,
    load::{LOAD_CORE, PROXY_CORE},
    peer::Peer,
    report::Report,
};
use crate::{
    failure::{Failure, Result},
    run, tree,
};

/// How long clients may take until all of them are connected.
const ARRIVAL: Duration = Duration::from_secs(180);

/// A folder with a certificate.
pub(super) struct Kit {
    dir: PathBuf,
}

/// A fleet that runs; killed when dropped.
pub(super) struct Fleet {
    child: Child,
    report: PathBuf,
    log: PathBuf,
}

impl Kit {
    pub(super) fn new(report: &Report) -> Result<Self> {
        let dir = report.subdir("mmtp")?;
        certificate::make(&dir, "DNS:bench.example")?;
        Ok(Self { dir })
    }

    /// A gateway with one API, `quotes.get` or `POST /v1/quotes`, and heartbeats each 25 s.
    pub(super) fn gateway(&self, name: &str) -> Result<Peer> {
        let ports = Ports::free()?;
        let Ports { public, admin } = ports;
        let (cert, key) = (self.dir.join("cert.pem"), self.dir.join("key.pem"));
        let (cert, key) = (cert.display(), key.display());
        let store = self.dir.join(format!("releases-{name}"));
        let store = store.display();
        let text = format!(
            "version: 1\n\
             listeners:\n  - name: bench\n    address: \"127.0.0.1:{public}\"\n    \
             tls: {{ certificates: [ {{ cert: \"{cert}\", key: \"{key}\" }} ] }}\n    \
             mmtp: {{}}\n    limits: {{ connections: 60000, connections_per_ip: 60000 }}\n\
             mmtp: {{ heartbeat: {{ initial: 25s, least: 25s, most: 25s }}, limits: {{ frames: {{ rate: 1000000/s }} }} }}\n\
             admin: {{ address: \"127.0.0.1:{admin}\" }}\n\
             releases: {{ directory: {store} }}\n\
             apis:\n  - id: quotes.get\n    match: {{ method: POST, path: /v1/quotes }}\n    \
             operation: quotes.get\n    handlers:\n      - respond:\n          \
             headers: {{ content-type: application/json }}\n          \
             body: '{{\"id\":\"6f1c1e6a\",\"state\":\"open\",\"total\":1999,\"currency\":\"CNY\"}}'\n"
        );
        let file = self.dir.join(format!("{name}.yaml"));
        tree::write(&file, &text)?;
        Peer::gateway_on(PROXY_CORE, name, &file, ports)
    }

    /// A fleet that calls `gateway`, with these words beside its target.
    pub(super) fn fleet(&self, gateway: &Peer, name: &str, words: &[&str]) -> Result<Fleet> {
        let report = self.dir.join(format!("{name}.json"));
        let _gone = std::fs::remove_file(&report);
        let log = self.dir.join(format!("{name}.log"));
        let failed = |path: &Path, e: std::io::Error| Failure::file(path, &e);
        let out = File::create(&log).map_err(|e| failed(&log, e))?;
        let err = out.try_clone().map_err(|e| failed(&log, e))?;
        let mut command = Command::new("taskset");
        command.args(["-c", LOAD_CORE]).arg(tree::binary("release", "paifang"));
        command.args(["fleet", "--insecure", "--host", "bench.example"]);
        command.args(["--target", &format!("https://127.0.0.1:{}", gateway.port)]);
        command.args(words).arg("--report").arg(&report);
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        let child = command.spawn();
        let child = child.map_err(|e| Failure::Failed(format!("{}: {e}", run::line(&command))))?;
        Ok(Fleet { child, report, log })
    }
}

impl Fleet {
    /// Waits for its end and reads its report.
    pub(super) fn end(mut self) -> Result<Value> {
        self.child.wait().map_err(|e| Failure::Failed(format!("the fleet: {e}")))?;
        let text = tree::read(&self.report)?;
        serde_json::from_str(&text).map_err(|_| {
            let said = tree::read(&self.log).unwrap_or_default();
            Failure::Failed(format!("the fleet made no report: {}", said.trim()))
        })
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until a gateway has so many greeted connections.
pub(super) fn arrived(gateway: &Peer, count: u32) -> Result<()> {
    let until = Instant::now() + ARRIVAL;
    loop {
        let there = connections(gateway)?;
        if there >= f64::from(count) {
            return Ok(());
        }
        if Instant::now() >= until {
            let name = &gateway.name;
            return Err(Failure::Failed(format!("{name}: {there} of {count} clients came")));
        }
        thread::sleep(Duration::from_millis(500));
    }
}

/// Greeted connections of a gateway.
pub(super) fn connections(gateway: &Peer) -> Result<f64> {
    let Some(admin) = gateway.admin else { return Ok(0.0) };
    let answer = Client::connect(admin)?.ask("GET", "/metrics", "")?;
    let ours = answer.body.lines().filter(|line| line.starts_with("paifang_mmtp_connections{"));
    let count = |line: &str| line.rsplit(' ').next().and_then(|count| count.parse::<f64>().ok());
    Ok(ours.filter_map(count).sum())
}
