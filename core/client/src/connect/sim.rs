//! A simulated network as what a client dials: addresses are literal, and there is no TLS.

use std::{io, net::SocketAddr};

use tokio::time::Instant;

use super::{BoxFuture, Connect, Dialed, Target, Timing, Wire};
use crate::simnet::{End, SimNet};

impl Connect for SimNet {
    fn resolve<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        let literal = address.parse().map(|address| vec![address]);
        Box::pin(async { literal.map_err(|_| io::ErrorKind::NotFound.into()) })
    }

    fn dial<'a>(&'a self, to: &'a Target) -> BoxFuture<'a, io::Result<Dialed>> {
        Box::pin(async {
            let begun = Instant::now();
            let wire = self.connect(to.address).await?;
            let timing = Timing { tcp: begun.elapsed(), tls: None };
            Ok(Dialed { wire: Box::new(wire), server_name: None, timing })
        })
    }
}

impl Wire for End {}
