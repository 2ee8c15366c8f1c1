//! Stores that gateways share, and who names them outside of chains.

use std::collections::HashMap;
use std::time::Duration;

use super::range::{MILLI, number, time};
use super::{pick, unknown};
use crate::diag::{Problem, Problems};
use crate::model::{Config, Grant, Redis};
use crate::yaml::Span;

const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// The longest prefix of keys, in bytes.
const LONGEST_PREFIX: usize = 64;

/// The most servers that may be named.
const MOST_ADDRESSES: usize = 64;

pub(super) fn check(config: &Config, problems: &mut Problems) {
    for (name, store) in &config.stores {
        redis(name, &store.redis, store.span, problems);
    }
    for (name, wasm) in &config.wasm {
        let Some(store) = &wasm.store else { continue };
        if !config.names.stores.contains_key(&***store) {
            problems.push(unknown("store", store, store.span(), &config.names.stores));
        }
        if !wasm.grants.iter().any(|grant| *grant.value() == Grant::Kv) {
            problems.push(
                Problem::new(store.span(), format!("`{name}` keeps no values in a store"))
                    .help("grant it `kv`, or remove `store`"),
            );
        }
    }
}

fn redis(name: &str, redis: &Redis, span: Span, problems: &mut Problems) {
    if redis.addresses.is_empty() || redis.addresses.len() > MOST_ADDRESSES {
        let found = redis.addresses.len();
        let message =
            format!("the store `{name}` has {found} addresses, not 1 to {MOST_ADDRESSES}");
        problems.push(Problem::new(span, message));
    }
    let mut seen = HashMap::new();
    for address in &redis.addresses {
        if let Some(first) = seen.insert(address.value(), address.span()) {
            problems.push(
                Problem::new(address.span(), format!("`{address}` stands here twice"))
                    .related(first, "first here"),
            );
        }
    }
    let most = if redis.cluster { 0 } else { 65_535 };
    if *redis.database > most {
        let message = format!("expected 0 to {most}, found {}", redis.database.value());
        let problem = Problem::new(pick(redis.database.span(), span), message);
        problems.push(if redis.cluster {
            problem.help("a Redis Cluster has one database")
        } else {
            problem
        });
    }
    let prefix = redis.prefix.value();
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:".contains(&byte);
    if prefix.is_empty() || prefix.len() > LONGEST_PREFIX || !prefix.bytes().all(fits) {
        problems.push(Problem::new(
            redis.prefix.span(),
            format!(
                "a prefix is 1 to {LONGEST_PREFIX} letters, digits, `.`, `_`, `-` and `:`, not `{}`",
                crate::yaml::cut(prefix)
            ),
        ));
    }
    time(&redis.connect_timeout, 10 * MILLI, LONGEST_WAIT, problems);
    time(&redis.command_timeout, MILLI, LONGEST_WAIT, problems);
    number(&redis.queue, 1, 1_000_000, problems);
    if let Some(gateways) = &redis.gateways {
        number(gateways, 1, 10_000, problems);
    }
    if let Some(tls) = &redis.tls {
        match (&tls.client_cert, &tls.client_key) {
            (Some(alone), None) | (None, Some(alone)) => problems.push(
                Problem::new(alone.span(), "a certificate and its key come together")
                    .help("give both `client_cert` and `client_key`, or neither"),
            ),
            _ => {}
        }
    }
}
