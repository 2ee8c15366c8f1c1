//! Whom a call is counted for, as bytes, made without an allocation.

use super::config::{By, Part};
use http::HeaderName;
use paifang_pipeline::{ConfigError, Exchange};
use ring::digest::{SHA256, digest};
use smallvec::SmallVec;
use std::{fmt, net::IpAddr};

/// The most parts of a combination.
const MAX_PARTS: usize = 4;
/// A longer part of a combination is counted by its SHA-256 instead.
const MAX_PART_BYTES: usize = 120;

/// Room for a whole combination: four parts, each with its length.
type Joined = SmallVec<[u8; 512]>;

/// What calls are counted by, ready to read it off a call.
///
/// The bytes of a subject are unambiguous within one step. Empty means "all together": for `api`,
/// and for calls that lack the one thing that is asked for.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    parts: SmallVec<[Ready; 1]>,
    ipv6_prefix: u8,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Ready {
    ClientIp,
    App,
    Identity,
    Api,
    Header(HeaderName),
}

impl Subject {
    pub(super) fn new(by: &By, ipv6_prefix: u8) -> Result<Self, ConfigError> {
        if !(1..=128).contains(&ipv6_prefix) {
            let message = format!("a prefix has 1 to 128 bits, not {ipv6_prefix}");
            return Err(ConfigError::at("/ipv6_prefix", message));
        }
        if !(1..=MAX_PARTS).contains(&by.parts.len()) {
            let message =
                format!("a combination has 1 to {MAX_PARTS} parts, not {}", by.parts.len());
            return Err(ConfigError::at("/by", message));
        }
        let mut parts = SmallVec::new();
        for (index, part) in by.parts.iter().enumerate() {
            let pointer = if by.list { format!("/by/{index}") } else { "/by".to_owned() };
            let part = match part {
                Part::ClientIp => Ready::ClientIp,
                Part::App => Ready::App,
                Part::Identity => Ready::Identity,
                Part::Api => Ready::Api,
                Part::Header(name) => {
                    Ready::Header(HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
                        let message = format!("`{name}` is no header's name");
                        ConfigError::at(format!("{pointer}/header"), message)
                    })?)
                }
            };
            if parts.contains(&part) {
                return Err(ConfigError::at(pointer, "this part stands here twice"));
            }
            parts.push(part);
        }
        Ok(Self { parts, ipv6_prefix })
    }

    /// Whether a connection alone, before any call, tells the subject.
    pub(super) fn of_connection(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Ready::ClientIp | Ready::Api))
    }

    /// Reads the subject off a call.
    pub(super) fn of_call<R>(&self, call: &Exchange, then: impl FnOnce(&[u8]) -> R) -> R {
        match &self.parts[..] {
            [Ready::Api] => then(b""),
            [Ready::ClientIp] => then(self.network(call.facts().client_ip).bytes()),
            [Ready::App] => then(call.slots().app().map_or(b"", |app| app.id.as_bytes())),
            [Ready::Header(name)] => then(call.header(name).map_or(b"", |value| value.as_bytes())),
            [Ready::Identity] if call.slots().identity().is_none() => then(b""),
            parts => {
                let mut joined = Joined::new();
                for part in parts {
                    self.join(part, call, &mut joined);
                }
                then(&joined)
            }
        }
    }

    /// Reads the subject off the client's address, where that is enough.
    pub(super) fn of_client<R>(&self, client: IpAddr, then: impl FnOnce(&[u8]) -> R) -> R {
        if self.parts.contains(&Ready::ClientIp) {
            then(self.network(client).bytes())
        } else {
            then(b"")
        }
    }

    fn join(&self, part: &Ready, call: &Exchange, joined: &mut Joined) {
        match part {
            // It is the same for all calls of a step.
            Ready::Api => {}
            Ready::ClientIp => push(joined, Some(self.network(call.facts().client_ip).bytes())),
            Ready::App => push(joined, call.slots().app().map(|app| app.id.as_bytes())),
            Ready::Header(name) => push(joined, call.header(name).map(|value| value.as_bytes())),
            Ready::Identity => {
                let identity = call.slots().identity();
                let app = identity.and_then(|identity| identity.app.as_ref());
                push(joined, app.map(|app| app.as_bytes()));
                push(joined, identity.map(|identity| identity.subject.as_bytes()));
            }
        }
    }

    /// The client's network: an IPv4 address whole, of an IPv6 address the leading bits.
    fn network(&self, client: IpAddr) -> Network {
        match client.to_canonical() {
            IpAddr::V4(client) => Network::V4(client.octets()),
            IpAddr::V6(client) => {
                let bits = u128::MAX << (128 - u32::from(self.ipv6_prefix));
                Network::V6((client.to_bits() & bits).to_be_bytes())
            }
        }
    }
}

enum Network {
    V4([u8; 4]),
    V6([u8; 16]),
}

impl Network {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::V4(bytes) => bytes,
            Self::V6(bytes) => bytes,
        }
    }
}

/// Appends a part with its length, so that no two combinations have the same bytes. The length of
/// a missing part is 255, of a digest 254.
fn push(joined: &mut Joined, part: Option<&[u8]>) {
    match part {
        None => joined.push(255),
        Some(part) if part.len() > MAX_PART_BYTES => {
            joined.push(254);
            joined.extend_from_slice(digest(&SHA256, part).as_ref());
        }
        Some(part) => {
            joined.push(part.len() as u8);
            joined.extend_from_slice(part);
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.parts.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { "+" })?;
            match part {
                Ready::ClientIp => write!(f, "client_ip/{}", self.ipv6_prefix)?,
                Ready::App => f.write_str("app")?,
                Ready::Identity => f.write_str("identity")?,
                Ready::Api => f.write_str("api")?,
                Ready::Header(name) => write!(f, "header:{name}")?,
            }
        }
        Ok(())
    }
}
