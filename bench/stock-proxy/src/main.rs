//! The least that can be written on stock `pingora-proxy`: every call to one upstream, nothing
//! changed, nothing logged. `stock-proxy LISTEN UPSTREAM`, both `address:port`.
//!
//! It has one thread, as the gateway has when it is measured.
#![forbid(unsafe_code)]

use std::{env, error::Error, net::SocketAddr, sync::Arc};

use async_trait::async_trait;
use pingora_core::{
    Result,
    server::{RunArgs, Server, configuration::ServerConf},
    upstreams::peer::HttpPeer,
};
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

struct PassThrough {
    upstream: SocketAddr,
}

#[async_trait]
impl ProxyHttp for PassThrough {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, (): &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.upstream, false, String::new())))
    }
}

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let [listen, upstream] = args.as_slice() else {
        return Err("usage: stock-proxy LISTEN UPSTREAM".into());
    };
    let conf = ServerConf {
        threads: 1,
        // No time for calls in flight at the end: none are.
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(0),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let conf = Arc::clone(&server.configuration);
    let mut proxy = http_proxy_service(&conf, PassThrough { upstream: upstream.parse()? });
    proxy.add_tcp(listen);
    server.add_service(proxy);
    server.run(RunArgs::default());
    Ok(())
}
