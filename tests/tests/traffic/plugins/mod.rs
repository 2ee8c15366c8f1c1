//! Each built-in plugin at work.

mod access_log;
mod acl;
mod answers;
mod basic_auth;
mod changes;
mod circuit_breaker;
mod compress;
mod cors;
mod forward_auth;
mod ip_filter;
pub(crate) mod jwt_auth;
mod key_auth;
mod mirror;
pub(crate) mod shared;
mod shared_tls;
mod shed;
mod signature;
mod split;
mod throttle;
mod validate;

/// Two apps with a key each; the keys' secrets are [`KEY_ONE`] and [`KEY_TWO`].
const APPS: &str = "apps:\n\
    \x20 one: { keys: [ { id: key-one, secret: { env: KEY_ONE } } ] }\n\
    \x20 two: { keys: [ { id: key-two, secret: { env: KEY_TWO } } ] }\n";
const KEY_ONE: &str = "one-0123456789abcdef0123456789abcdef";
const KEY_TWO: &str = "two-0123456789abcdef0123456789abcdef";

/// A gateway with [`APPS`] and one API that passes these steps.
async fn with_apps(
    upstream: std::net::SocketAddr,
    handlers: &str,
) -> paifang_tests::harness::Running {
    use paifang_tests::harness::{Setup, one_api};
    let config = one_api(upstream, handlers) + APPS;
    let setup = Setup::new(config).variable("KEY_ONE", KEY_ONE).variable("KEY_TWO", KEY_TWO);
    setup.start().await
}
