//! Lists of addresses and networks, read from config, and kept once however many steps name them.

use super::ranges::Ranges;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use paifang_pipeline::ConfigError;
use parking_lot::Mutex;
use ring::digest::{Context, SHA256};
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Weak},
};

/// The addresses of a list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Networks {
    v4: Ranges<u32>,
    v6: Ranges<u128>,
}

impl Networks {
    /// Reads a list that stands at `at` in the step's config.
    pub(super) fn new(list: &[String], at: &str) -> Result<Self, ConfigError> {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (index, text) in list.iter().enumerate() {
            match network(text).map_err(|wrong| wrong.at(text, format!("{at}/{index}")))? {
                IpNet::V4(net) => v4.push((net.network().to_bits(), net.broadcast().to_bits())),
                IpNet::V6(net) => v6.push((net.network().to_bits(), net.broadcast().to_bits())),
            }
        }
        Ok(Self { v4: Ranges::new(v4), v6: Ranges::new(v6) })
    }

    /// Whether an address is in one of them; an IPv4 address inside IPv6 is the IPv4 address.
    pub(super) fn has(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => self.v4.has(address.to_bits()),
            IpAddr::V6(address) => self.v6.has(address.to_bits()),
        }
    }
}

/// Why a text is no network.
enum Wrong {
    Text,
    /// Bits beyond the prefix are most probably a slip; the network without them.
    Bits(IpNet),
}

impl Wrong {
    fn at(self, text: &str, pointer: String) -> ConfigError {
        match self {
            Self::Text => {
                ConfigError::at(pointer, format!("`{text}` is no address and no network"))
                    .help("write it like `192.0.2.7`, `10.0.0.0/8` or `2001:db8::/32`")
            }
            Self::Bits(network) => {
                let address = text.split('/').next().unwrap_or_default();
                ConfigError::at(pointer, format!("`{text}` has bits beyond its prefix")).help(
                    format!("write `{network}` for the network, `{address}` for the one address"),
                )
            }
        }
    }
}

fn network(text: &str) -> Result<IpNet, Wrong> {
    let net = match text.parse::<IpAddr>() {
        Ok(address) => address.into(),
        Err(_) => text.parse::<IpNet>().map_err(|_| Wrong::Text)?,
    };
    if net.trunc() != net {
        return Err(Wrong::Bits(net.trunc()));
    }
    Ok(match net {
        IpNet::V6(net) => unmapped(net).map_or(net.into(), IpNet::V4),
        v4 => v4,
    })
}

/// The IPv4 network that stands inside IPv6 (RFC 4291 section 2.5.5.2).
fn unmapped(net: Ipv6Net) -> Option<Ipv4Net> {
    let prefix = net.prefix_len().checked_sub(96)?;
    Ipv4Net::new(net.network().to_ipv4_mapped()?, prefix).ok()
}

/// Lists that steps use now, by the SHA-256 of their entries: a step of `defaults` stands in every
/// API, and 10,000 APIs share one list. Held weakly: the steps keep them.
#[derive(Default)]
pub(super) struct Lists(Mutex<HashMap<[u8; 32], Weak<Networks>>>);

impl Lists {
    /// The networks of a list that stands at `at`.
    pub(super) fn get(&self, list: &[String], at: &str) -> Result<Arc<Networks>, ConfigError> {
        let key = key(list);
        let mut known = self.0.lock();
        if let Some(networks) = known.get(&key).and_then(Weak::upgrade) {
            return Ok(networks);
        }
        let networks = Arc::new(Networks::new(list, at)?);
        // What nobody uses any more goes before the table would grow.
        if known.len() == known.capacity() {
            known.retain(|_, networks| networks.strong_count() > 0);
        }
        known.insert(key, Arc::downgrade(&networks));
        Ok(networks)
    }
}

fn key(list: &[String]) -> [u8; 32] {
    let mut hash = Context::new(&SHA256);
    for text in list {
        hash.update(&text.len().to_be_bytes());
        hash.update(text.as_bytes());
    }
    let mut key = [0; 32];
    key.copy_from_slice(hash.finish().as_ref());
    key
}

#[cfg(test)]
mod tests {
    //! Lists that are kept once.
    use super::Lists;
    use std::sync::Arc;

    fn list(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn equal_lists_are_kept_once_and_no_longer_than_they_are_used() {
        let lists = Lists::default();
        let get = |text: &str| lists.get(&list(text), "/allow").unwrap();
        let (one, other) = (get("10.0.0.0/8 ::1"), get("10.0.0.0/8"));
        assert!(Arc::ptr_eq(&one, &get("10.0.0.0/8 ::1")));
        assert!(!Arc::ptr_eq(&one, &other));
        for number in 0..1000 {
            get(&format!("192.0.2.{} 10.0.0.{}", number % 256, number / 256));
        }
        assert!(lists.0.lock().capacity() < 10, "what nobody uses is kept");
        assert!(Arc::ptr_eq(&one, &get("10.0.0.0/8 ::1")));
        lists.get(&list("10.0.0.1/8"), "/allow").unwrap_err();
        lists.get(&list("10.0.0.1/8"), "/allow").unwrap_err();
    }
}
