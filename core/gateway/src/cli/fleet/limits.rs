//! How many files and ports this process may have.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files beside those of connections.
const OTHERS: u64 = 64;

/// Connections from one address: less than the 28,232 ports that Linux gives out of itself, so that those of
/// connections that ended a moment ago are not missed.
const PORTS: usize = 20_000;

/// Sees to it that `clients` connections can be open.
///
/// # Errors
///
/// What to do, when the system does not allow as many.
pub(super) fn files(clients: u32) -> Result<(), String> {
    let wanted = u64::from(clients) + OTHERS;
    let have = getrlimit(Resource::Nofile);
    if have.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    // Beyond the hard limit only root may go; whoever is not is told below.
    let maximum = have.maximum.map(|maximum| maximum.max(wanted));
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
    raised.map_err(|_| {
        let most = have.maximum.unwrap_or_default();
        format!(
            "{clients} clients need {wanted} open files, and this process may have {most}: raise the limit (`ulimit -n`) or \
             take fewer clients"
        )
    })
}

/// Addresses to connect from, the first client's first: `chosen` ones, or as many of loopback as `clients` need ports; none
/// where the system's choice will do.
pub(super) fn sources(chosen: &[IpAddr], clients: u32, target: SocketAddr) -> Vec<IpAddr> {
    let needed = (clients as usize).div_ceil(PORTS);
    let IpAddr::V4(address) = target.ip() else { return chosen.to_vec() };
    if !chosen.is_empty() || needed == 1 || !address.is_loopback() {
        return chosen.to_vec();
    }
    // A hundred thousand clients need five.
    (1..=needed.min(250)).map(|last| Ipv4Addr::new(127, 0, 0, last as u8).into()).collect()
}
