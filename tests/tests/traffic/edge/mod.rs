//! The edge: TLS, PROXY headers, who the client is, limits, deadlines.

mod client_ip;
mod deadlines;
pub(crate) mod early;
mod limits;
mod proxy;
mod tls;

use std::net::SocketAddr;

/// A config whose listener `public` has these keys besides (flow style), and one API that passes
/// these steps.
fn config(upstream: SocketAddr, listener: &str, handlers: &str) -> String {
    paifang_tests::harness::one_api(upstream, handlers)
        .replace("address: \"127.0.0.1:0\"", &format!("address: \"127.0.0.1:0\", {listener}"))
}
