//! From words of the command line to a client and a call; nothing is sent here.

use super::{CallArguments, args::Form, traced::Trace};
use crate::cli::{Failed, given};
use paifang_client::{
    Auth, ClientBuilder, DictionaryDir,
    connect::{Tls, TlsBuilder},
};
use std::{path::Path, time::Duration};
use tokio_rustls::rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

/// All that a call needs.
pub(super) struct Prepared {
    pub(super) builder: ClientBuilder,
    pub(super) transport: Transport,
    pub(super) called: Called,
    pub(super) params: Vec<(String, String)>,
    pub(super) query: Option<String>,
    pub(super) fields: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) deadline: Duration,
    pub(super) idempotent: bool,
    /// How many tries to connect may fail before it is given up: calls that may go in any form have their own try beside the first.
    pub(super) tries: u32,
    /// What is seen of frames, where that is asked for.
    pub(super) trace: Option<Trace>,
}

pub(super) enum Transport {
    Plain,
    Tls(Tls),
}

pub(super) enum Called {
    Operation(String),
    Target(String, String),
}

fn wrong(why: impl Into<String>) -> Failed {
    Failed::Coded(2, why.into())
}

/// Reads the arguments; `variable` gives variables of the environment.
pub(super) fn prepare(
    arguments: &CallArguments,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Prepared, Failed> {
    let called = match (&arguments.operation, &arguments.target) {
        (Some(operation), _) => Called::Operation(operation.clone()),
        (None, Some(target)) => match target.split_once(' ') {
            Some((method, path)) if path.starts_with('/') => {
                Called::Target(method.to_ascii_uppercase(), path.to_owned())
            }
            _ => return Err(wrong(format!("--target {target}: a method, a space and a path"))),
        },
        (None, None) => return Err(wrong("an operation or --target")),
    };
    let mut builder = ClientBuilder::new(&arguments.app, arguments.device.as_bytes())
        .address(&arguments.mmtp)
        .forms(arguments.form.forms())
        .http_path(&arguments.http_path)
        .field("user-agent", concat!("paifang-call/", env!("CARGO_PKG_VERSION")))
        .compression(!arguments.no_zstd);
    if let Some(folder) = &arguments.dict {
        let store = DictionaryDir::new(folder);
        let at = |why| wrong(format!("--dict {}: {why}", folder.display()));
        builder = builder.dictionaries(store.map_err(at)?);
    }
    if let Some(authority) = &arguments.authority {
        builder = builder.authority(authority);
    }
    if let Some(given) = &arguments.auth {
        builder = builder.auth(auth(given, variable)?);
    }
    Ok(Prepared {
        builder,
        transport: match arguments.plain {
            true => Transport::Plain,
            false => Transport::Tls(tls(arguments)?),
        },
        called,
        params: pairs(&arguments.param, "--param", '=')?,
        query: arguments.query.clone(),
        fields: pairs(&arguments.header, "--header", ':')?
            .into_iter()
            .map(|(name, value)| (name, value.trim().to_owned()))
            .collect(),
        body: body(arguments.data.as_deref())?,
        deadline: arguments.deadline.get(),
        idempotent: arguments.idempotent,
        tries: if arguments.form == Form::Auto { 2 } else { 1 },
        trace: arguments.verbose.then(Trace::default),
    })
}

/// Names and what stands behind them, as it stands there.
fn pairs(given: &[String], word: &str, separator: char) -> Result<Vec<(String, String)>, Failed> {
    let pair = |text: &String| match text.split_once(separator) {
        Some((name, value)) => Ok((name.trim().to_owned(), value.to_owned())),
        None => Err(wrong(format!("{word} {text}: `{separator}` is missing"))),
    };
    given.iter().map(pair).collect()
}

/// A credential. What it is stands in no message.
fn auth(given: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Auth, Failed> {
    let Some((scheme, credential)) = given.split_once(':') else {
        return Err(wrong("--auth: SCHEME:CREDENTIAL, such as bearer:TOKEN, or env:NAME"));
    };
    let held;
    let (scheme, credential) = if scheme == "env" {
        let Some(value) = variable(credential) else {
            return Err(wrong(format!("--auth: there is no variable {credential}")));
        };
        held = value;
        held.trim().split_once(' ').unwrap_or(("Bearer", held.trim()))
    } else if scheme.eq_ignore_ascii_case("bearer") {
        ("Bearer", credential)
    } else {
        (scheme, credential)
    };
    if scheme.is_empty() || credential.is_empty() {
        return Err(wrong("--auth: the credential is empty"));
    }
    Ok(Auth { scheme: scheme.into(), credential: credential.as_bytes().into() })
}

fn body(data: Option<&str>) -> Result<Vec<u8>, Failed> {
    let Some(data) = data else { return Ok(Vec::new()) };
    match data.strip_prefix('@') {
        None => Ok(data.into()),
        Some("-") => {
            let all = given::read_all(std::io::stdin().lock(), given::MAX_BODY);
            all.map_err(|error| wrong(format!("--data @-: {error}")))
        }
        Some(path) => given::read(Path::new(path), given::MAX_BODY)
            .map_err(|error| wrong(format!("--data: {error}"))),
    }
}

fn tls(arguments: &CallArguments) -> Result<Tls, Failed> {
    let mut builder: TlsBuilder = Tls::builder();
    if arguments.insecure {
        builder = builder.dangerous_any_certificate();
    } else if let Some(path) = &arguments.ca {
        let pem = given::certificates(path).map_err(|why| wrong(format!("--ca: {why}")))?;
        let roots: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        let roots = roots.map_err(|why| wrong(format!("--ca: {}: {why}", path.display())))?;
        if roots.is_empty() {
            let path = path.display();
            return Err(wrong(format!("--ca: {path}: there is no certificate in it (PEM)")));
        }
        builder = builder.with_roots(roots);
    } else {
        let roots = rustls_native_certs::load_native_certs();
        let roots = roots.map_err(|error| wrong(format!("the system's certificates: {error}")))?;
        // Stores hold odd old certificates that nothing can be verified with; they are left out.
        let usable =
            |root: &CertificateDer<'static>| RootCertStore::empty().add(root.clone()).is_ok();
        builder = builder.with_roots(roots.into_iter().filter(usable));
    }
    for pin in &arguments.pin {
        builder = builder.with_pin(sha256(pin)?);
    }
    builder.build().map_err(|error| wrong(error.to_string()))
}

/// 32 bytes in hex; colons may stand between them.
fn sha256(hex: &str) -> Result<[u8; 32], Failed> {
    let digits: Option<Vec<u8>> = hex
        .chars()
        .filter(|c| *c != ':')
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let bytes: Option<Vec<u8>> = digits.map(|digits| {
        digits.chunks(2).map(|two| two.iter().fold(0, |all, one| all << 4 | one)).collect()
    });
    let exact = hex.chars().filter(|c| *c != ':').count() == 64;
    let pin = bytes.filter(|_| exact).and_then(|bytes| bytes.try_into().ok());
    pin.ok_or_else(|| wrong(format!("--pin {hex}: 64 hexadecimal digits")))
}
