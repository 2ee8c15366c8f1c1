//! A certificate for a measure.

use std::{path::Path, process::Command};

use crate::{
    failure::{Failure, Result},
    run,
};

/// Writes cert.pem and key.pem, with a P-256 key, for a name such as `DNS:bench.example` or `IP:127.0.0.1`.
///
/// # Errors
/// When there is no openssl, or it makes none.
pub(crate) fn make(dir: &Path, name: &str) -> Result<()> {
    let mut openssl = Command::new("openssl");
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    openssl.args(["req", "-x509"]).args(key).args(["-subj", "/CN=bench", "-days", "30"]);
    openssl.args(["-addext", &format!("subjectAltName={name}")]);
    openssl.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    openssl.arg("-keyout").arg(dir.join("key.pem")).arg("-out").arg(dir.join("cert.pem"));
    let made = run::captured(&mut openssl)?;
    match made.success {
        true => Ok(()),
        false => Err(Failure::Failed(format!("openssl: {}", made.text))),
    }
}
