//! The shop of tests/data/nginx: served by nginx as it is, and by a gateway from its import.

use super::peer::{Seen, authz, echo, seen};
use paifang_import::Options;
use paifang_tests::{
    harness::{Message, Nginx, Pki, Recorder, Running, Setup, TlsClient, Wire, connect_from, soon},
    tidy::root,
};
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};
use tokio::io::{AsyncRead, AsyncWrite};

/// Of `open sesame`.
const HTPASSWD: &str = "alice:$2b$04$ABCDEFGHIJKLMNOPQRSTUuXlOVb3PDy87bJj.2/rDgxA8mYD/FbSS\n";

/// Which door a request comes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Http,
    Https,
    Inside,
}

/// Both gateways, with the servers behind them.
pub(crate) struct Shop {
    nginx: Nginx,
    gateway: Running,
    doors: [SocketAddr; 3],
    tls: TlsClient,
    /// The report of the import.
    pub(crate) report: paifang_import::Report,
    _behind: [Recorder; 3],
    /// What gets copies.
    pub(crate) copies: Recorder,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        let behind = [echo("one").await, echo("two").await, authz().await];
        let copies = echo("copies").await;
        let folder = tempfile::tempdir().unwrap();
        let doors = [Nginx::free_address(), Nginx::free_address(), Nginx::free_address()];
        let values = [
            ("@DIR@", folder.path().display().to_string()),
            ("@HTTP@", doors[0].to_string()),
            ("@HTTPS@", doors[1].to_string()),
            ("@INSIDE@", doors[2].to_string()),
            ("@ONE@", behind[0].address().to_string()),
            ("@TWO@", behind[1].address().to_string()),
            ("@AUTHZ@", behind[2].address().to_string()),
            ("@COPIES@", copies.address().to_string()),
            ("@GONE@", "127.0.0.1:9".to_owned()),
        ];
        copy(&root().join("tests/data/nginx"), folder.path(), &values);
        let pki = Pki::default();
        fs::create_dir(folder.path().join("tls")).unwrap();
        let mut secrets = vec![(folder.path().join("htpasswd"), HTPASSWD.to_owned())];
        for (name, hosts) in [
            ("shop", ["shop.example", "unknown.example"]),
            ("accounts", ["accounts.example", "eu.accounts.example"]),
        ] {
            let pair = pki.server(&hosts);
            secrets.push((folder.path().join(format!("tls/{name}.pem")), pair.cert));
            secrets.push((folder.path().join(format!("tls/{name}.key")), pair.key));
        }
        for (path, text) in &secrets {
            fs::write(path, text).unwrap();
        }
        let imported = paifang_import::nginx::import(
            &folder.path().join("nginx.conf"),
            &paifang_config::source::RealFiles,
            Options::default(),
        )
        .unwrap_or_else(|fault| panic!("{fault}"));
        let mut yaml = imported.yaml;
        for door in doors {
            // The ports are nginx's now.
            let address = format!("\"{door}\"");
            assert!(yaml.contains(&address), "no listener at {door}");
            yaml = yaml.replace(&address, "\"127.0.0.1:0\"");
        }
        let setup = secrets
            .into_iter()
            .fold(Setup::new(yaml), |setup, (path, text)| setup.file(path, text));
        let gateway = setup.start().await;
        let nginx = Nginx::run(folder, doors[0]).await;
        let tls = pki.client(&["http/1.1"], None);
        Self { nginx, gateway, doors, tls, report: imported.report, _behind: behind, copies }
    }

    /// What both answer to a request from an address: nginx first.
    pub(crate) async fn ask(&self, door: Door, from: &str, host: &str, request: &str) -> [Seen; 2] {
        let at = self.doors[door as usize];
        let scheme = if door == Door::Https { "https" } else { "http" };
        let name = format!("{scheme}-{}-{}", at.ip(), at.port());
        let mut answers = Vec::new();
        for address in [at, self.gateway.listener(&name)] {
            let answer = self.one(door, from, host, address, request).await;
            answers.push(seen(&answer, host));
        }
        let [nginx, ours] = answers.try_into().unwrap();
        [nginx, ours]
    }

    async fn one(
        &self,
        door: Door,
        from: &str,
        host: &str,
        address: SocketAddr,
        request: &str,
    ) -> Message {
        let plain = connect_from(from, address).await;
        if door == Door::Https {
            let stream = self.tls.handshake(plain.io, host).await.unwrap();
            return exchange(Wire::new(stream), request).await;
        }
        exchange(plain, request).await
    }

    /// nginx's own log, for a failure.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.nginx.root.path().join("error.log")).unwrap_or_default()
    }
}

async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(mut wire: Wire<S>, request: &str) -> Message {
    wire.send(request).await;
    if request.starts_with("HEAD ") {
        return soon(wire.head()).await.unwrap();
    }
    wire.answer().await
}

/// Copies a folder, with values in place of `@NAMES@`.
fn copy(from: &Path, to: &Path, values: &[(&str, String)]) {
    for entry in fs::read_dir(from).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            fs::create_dir(&target).unwrap();
            copy(&path, &target, values);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let text = values.iter().fold(text, |text, (name, value)| text.replace(name, value));
        fs::write(target, text).unwrap();
    }
}
