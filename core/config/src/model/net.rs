//! Addresses.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// Serde and schema for a type that parses from a text.
macro_rules! from_text {
    ($type:ident, $wanted:literal) => {
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                struct Reader;
                impl serde::de::Visitor<'_> for Reader {
                    type Value = $type;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($wanted)
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(|()| {
                            E::custom(format!(
                                concat!("`{}` is not ", $wanted),
                                crate::yaml::cut(text)
                            ))
                        })
                    }
                }
                from.deserialize_str(Reader)
            }
        }
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "description": $wanted })
            }
        }
    };
}
pub(super) use from_text;
from_text!(ListenAddress, "an IP address with a port, such as 0.0.0.0:8080 or [::]:8080");
from_text!(HostPort, "a host with a port, such as orders.internal:7001 or 10.0.0.7:7001");
from_text!(Cidr, "a network such as 10.0.0.0/8 (no bits set beyond the prefix), or an IP address");

/// Where to listen: an IP address and a port; port 0 takes a free one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ListenAddress(pub SocketAddr);

impl FromStr for ListenAddress {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        text.parse().map(Self).map_err(|_| ())
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where to connect: an IP address or a DNS name, and a port that is not 0.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HostPort {
    /// An address.
    Ip(SocketAddr),
    /// A name to be resolved, in lower case, and a port.
    Name(String, u16),
}

impl FromStr for HostPort {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return if address.port() == 0 { Err(()) } else { Ok(Self::Ip(address)) };
        }
        let (name, port) = text.rsplit_once(':').ok_or(())?;
        let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let port: u16 = port.parse().map_err(|_| ())?;
        // RFC 1123 section 2.1; a name of digits only would be an unfinished IPv4 address.
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let labels = name.strip_suffix('.').unwrap_or(name);
        let numeric = labels
            .rsplit('.')
            .next()
            .is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
        if port == 0 || !digits || name.len() > 253 || numeric || !labels.split('.').all(label) {
            return Err(());
        }
        Ok(Self::Name(labels.to_ascii_lowercase(), port))
    }
}

impl HostPort {
    /// The name, for SNI and `Host`; `None` for an address.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        if let Self::Name(name, _) = self { Some(name) } else { None }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Name(name, port) => write!(f, "{name}:{port}"),
        }
    }
}

/// A network of IP addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cidr(pub ipnet::IpNet);

impl Cidr {
    /// Whether an address is in it; an IPv4 address mapped into IPv6 counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromStr for Cidr {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let net = match text.parse::<IpAddr>() {
            Ok(address) => address.into(),
            Err(_) => text.parse::<ipnet::IpNet>().map_err(|_| ())?,
        };
        // Bits beyond the prefix are most probably a slip: 10.0.0.1/8.
        if net.trunc() == net { Ok(Self(net)) } else { Err(()) }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
