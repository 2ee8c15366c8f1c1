//! What a watcher has to look at, so that a change of any file that a snapshot was made of, or
//! reads when it is linked, is noticed.

use std::collections::BTreeSet;
use std::path::PathBuf;

use paifang_pipeline::SecretRef;

use crate::model::SecretAt;
use crate::snapshot::Snapshot;
use crate::yaml::Located;

/// Files and directories, by the paths under which the process can open them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watched {
    /// Config files, modules, secrets, certificates and keys.
    pub files: BTreeSet<PathBuf>,
    /// Directories in which a new file could match an `include`.
    pub directories: BTreeSet<PathBuf>,
}

/// Everything that a snapshot depends on.
#[must_use]
pub fn watched(snapshot: &Snapshot) -> Watched {
    let mut files: BTreeSet<PathBuf> =
        snapshot.sources().files().iter().map(|file| file.path.clone()).collect();
    let config = snapshot.config();
    let mut path = |path: &Located<PathBuf>| {
        files.insert(snapshot.resolve(path));
    };
    for tls in config.listeners.iter().filter_map(|listener| listener.tls.as_ref()) {
        for certificate in &tls.certificates {
            path(&certificate.cert);
            path(&certificate.key);
        }
        tls.client_ca.iter().for_each(|ca| path(&ca.file));
    }
    for tls in config.upstreams.values().filter_map(|upstream| upstream.tls.as_ref()) {
        [&tls.ca, &tls.client_cert, &tls.client_key].into_iter().flatten().for_each(&mut path);
    }
    config.tracing.iter().filter_map(|tracing| tracing.ca.as_ref()).for_each(&mut path);
    let mut secret = |secret: &Located<SecretAt>| {
        if let SecretRef::File(file) = &secret.0 {
            path(&Located::new(file.clone(), secret.span()));
        }
    };
    let tokens = config.admin.iter().filter_map(|admin| admin.token.as_ref());
    tokens.for_each(&mut secret);
    config.tracing.iter().flat_map(|tracing| tracing.headers.values()).for_each(&mut secret);
    config.apps.values().flat_map(|app| &app.keys).for_each(|key| secret(&key.secret));
    files.extend(snapshot.secret_files());
    files.extend(snapshot.modules().map(|(_, module)| module.file.clone()));
    Watched { files, directories: snapshot.tree().directories.clone() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;
    use crate::testing::Workshop;

    #[test]
    fn every_file_that_plays_a_part_is_named() {
        let mut shop = Workshop::new(
            "version: 1
include: [ 'conf/*.yaml' ]
listeners:
  - name: public
    address: 127.0.0.1:0
    tls: { certificates: [ { cert: tls/c, key: tls/k } ], client_ca: { file: tls/ca } }
admin: { address: 127.0.0.1:1, token: { file: token } }
",
        );
        shop.files.write(
            "conf/a.yaml",
            "wasm: { risk: { file: ../handlers/risk.wasm } }
upstreams: { u: { endpoints: [ { address: a.example:1 } ], tls: { ca: up/ca, client_cert: up/c, client_key: up/k } } }
apps: { wallet: { keys: [ { id: k1, secret: { file: ../k1 } } ] } }
apis: [ { id: a, match: { path: /a }, upstream: u, handlers: [ auth: { secret: { file: step } } ] } ]
",
        );
        shop.files.write("handlers/risk.wasm", "module");
        for secret in ["token", "k1", "conf/step"] {
            shop.files.write(secret, "x");
        }
        let watched = watched(&shop.build(None).unwrap());
        let expected = [
            "conf/../handlers/risk.wasm",
            "conf/../k1",
            "conf/a.yaml",
            "conf/step",
            "conf/up/c",
            "conf/up/ca",
            "conf/up/k",
            "gateway.yaml",
            "tls/c",
            "tls/ca",
            "tls/k",
            "token",
        ];
        assert_eq!(watched.files, expected.map(PathBuf::from).into());
        assert_eq!(watched.directories, [PathBuf::from("conf")].into());
    }
}
