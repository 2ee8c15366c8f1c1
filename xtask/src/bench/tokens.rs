//! CPU per request whose token is verified: `throttle`, `key_auth` and `jwt_auth` against Envoy's local rate
//! limit and `jwt_authn`, which looks at no key.
//!
//! Both are measured as they come, and with the other's habit: the gateway remembers tokens that it has
//! verified, Envoy verifies each one anew unless it is told to remember them.

use std::path::Path;

use serde_json::{Value, json};

use super::{
    Args,
    conf::{self, OneApi},
    peer::Peer,
    proxy,
    report::Report,
    stats::Spread,
};
use crate::{
    failure::{Failure, Result},
    tree,
};

/// What the gateway may cost of what Envoy costs, both as they come.
const AGAINST_ENVOY: f64 = 0.5;
/// Tokens that Envoy remembers where it does.
const ENVOY_CACHE: u32 = 1_000;

/// An algorithm: its token, and where each side finds its key.
struct Tokens {
    algorithm: &'static str,
    token: String,
    /// The gateway's `keys`.
    keys: String,
    /// Envoy's set of keys.
    jwks: String,
}

/// Measures and writes a table for each algorithm.
///
/// # Errors
/// When a peer or the load fails.
pub(crate) fn measure(args: &Args, report: &mut Report) -> Result<()> {
    let upstream = Peer::upstream(report.dir())?;
    for tokens in tokens(report.dir())? {
        one(args, report, &tokens, upstream.port)?;
    }
    Ok(())
}

fn one(args: &Args, report: &mut Report, tokens: &Tokens, upstream: u16) -> Result<()> {
    let algorithm = tokens.algorithm;
    let gateway = |name: &str, dir: &str, more: &str| -> Result<Peer> {
        let ports = conf::Ports::free()?;
        let handlers = format!(
            "throttle: {{ rate: 1000000/s, burst: 1000000, by: client_ip }}, key_auth: {{}}, \
             jwt_auth: {{ keys: [ {} ], issuer: \"https://idp.test\", audience: wallet, override: true{more} }}",
            tokens.keys
        );
        let api = OneApi { handlers: &handlers, ..OneApi::default() };
        let config = api.write(&report.subdir(&format!("{dir}-{algorithm}"))?, ports, upstream)?;
        Peer::gateway(name, &config, ports)
    };
    let envoy = |name: &str, cache: u32| {
        let filters = conf::token_filters(&tokens.jwks, cache);
        Peer::envoy(name, report.dir(), upstream, &filters)
    };
    let mut peers = [
        gateway("paifang", "tokens", "")?,
        envoy("Envoy", 0)?,
        gateway("paifang, each verified", "tokens-verified", ", cache: 0")?,
        envoy("Envoy, remembered", ENVOY_CACHE)?,
    ];
    for peer in &mut peers {
        peer.headers.push("x-api-key: bench-key".to_owned());
        peer.headers.push(format!("authorization: Bearer {}", tokens.token));
    }
    let all = proxy::rounds(args, &peers)?;
    let cpu = |at: usize| -> Vec<f64> { all[at].iter().map(|round| round.cpu).collect() };
    let row = |at: usize, against: usize| {
        let ratio = Spread::of_ratios(&cpu(at), &cpu(against));
        vec![peers[at].name.clone(), Spread::of(&cpu(at)).to_string(), format!("{ratio:.2}")]
    };
    report.table(
        &format!("CPU per request with a token, {algorithm}"),
        &proxy::how(args),
        &["proxy", "CPU µs", "x Envoy of the same habit"],
        &[
            vec!["both as they come".to_owned(), String::new(), String::new()],
            row(0, 1),
            row(1, 1),
            vec!["each token verified".to_owned(), String::new(), String::new()],
            row(2, 1),
            vec!["tokens remembered".to_owned(), String::new(), String::new()],
            row(0, 3),
            row(3, 3),
        ],
    );
    let ratio = Spread::of_ratios(&cpu(0), &cpu(1));
    report.goal(
        &format!("throttle, key_auth and jwt_auth with {algorithm} cost at most 0.5 x Envoy"),
        format!("{ratio:.2}"),
        ratio.median <= AGAINST_ENVOY,
    );
    Ok(())
}

/// The tokens and keys that the tests of `jwt_auth` use too; they hold until the end of the century.
fn tokens(dir: &Path) -> Result<[Tokens; 2]> {
    let file = tree::root().join("plugins/src/jwt_auth/vectors.json");
    let vectors: Value = serde_json::from_str(&tree::read(&file)?)
        .map_err(|e| Failure::Failed(format!("{}: {e}", file.display())))?;
    let text = |value: &Value| -> Result<String> {
        let missing = || Failure::Failed(format!("{}: a text is missing", file.display()));
        value.as_str().map(str::to_owned).ok_or_else(missing)
    };
    let secret = text(&vectors["secret"])?;
    let [jwks, shared] = ["bench-jwks.json", "bench-secret"].map(|name| dir.join(name));
    tree::write(&jwks, &vectors["jwks"].to_string())?;
    tree::write(&shared, &secret)?;
    let oct =
        json!({ "keys": [ { "kty": "oct", "alg": "HS256", "k": base64url(secret.as_bytes()) } ] });
    Ok([
        Tokens {
            algorithm: "RS256",
            token: text(&vectors["tokens"]["RS256"])?,
            keys: format!("{{ jwks: {{ file: {} }} }}", jwks.display()),
            jwks: vectors["jwks"].to_string(),
        },
        Tokens {
            algorithm: "HS256",
            token: text(&vectors["tokens"]["HS256"])?,
            keys: format!("{{ secret: {{ file: {} }}, algorithm: HS256 }}", shared.display()),
            jwks: oct.to_string(),
        },
    ])
}

/// RFC 4648 section 5, without padding: how a set of keys writes a secret (RFC 7518 section 6.4.1).
fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for part in bytes.chunks(3) {
        let group = (0..3).fold(0, |group, at| group << 8 | u32::from(*part.get(at).unwrap_or(&0)));
        for digit in 0..=part.len() {
            text.push(char::from(DIGITS[(group >> (18 - 6 * digit)) as usize & 63]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::base64url;

    #[test]
    fn as_the_rfc_has_it() {
        // RFC 4648 section 10, without its padding.
        let vectors = [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg")];
        for (bytes, text) in vectors {
            assert_eq!(base64url(bytes.as_bytes()), text);
        }
        assert_eq!(base64url(&[0xfb, 0xff]), "-_8");
    }
}
