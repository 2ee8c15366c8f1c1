//! Whom a call is counted for.

use paifang_guest::{Facts, HeaderName, prelude::*};
use std::{
    borrow::Cow,
    net::{IpAddr, Ipv6Addr},
};

/// A longer value of a header is refused: it would become a key of the store.
const MAX_HEADER_BYTES: usize = 256;

/// What calls are counted by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum By {
    /// Who calls, within their app.
    #[default]
    Identity,
    /// The app that calls.
    App,
    /// The client's address; an IPv6 address by its network of 64 bits.
    ClientIp,
    /// A header.
    Header(HeaderName),
}

/// Whom a call is counted for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Subject<'a> {
    /// This one; unique within one step, and not empty.
    One(Cow<'a, str>),
    /// The call lacks what it is counted by.
    Missing,
    /// It says so in a way that cannot be counted: twice, or too long.
    Unfit,
}

impl By {
    pub(crate) fn reads(&self) -> Reads {
        match self {
            Self::Identity => Reads::new().facts(Facts::IDENTITY),
            Self::App => Reads::new().facts(Facts::APP),
            Self::ClientIp => Reads::new().facts(Facts::CLIENT_IP),
            Self::Header(name) => Reads::new().header(name),
        }
    }

    /// What the subject is called in the keys of the store.
    pub(crate) fn subject<'a>(&self, call: &'a Call) -> Subject<'a> {
        let one = match self {
            Self::Identity => call.identity.as_ref().map(|identity| {
                let app = identity.app.as_deref().map_or(Cow::Borrowed(""), escaped);
                // Behind the app's first `:` begins the subject, whatever is in it.
                Cow::Owned([&*app, ":", &identity.subject].concat())
            }),
            Self::App => call.app.as_deref().filter(|app| !app.is_empty()).map(Cow::Borrowed),
            Self::ClientIp => call.client_ip.as_deref().map(network),
            Self::Header(name) => match call.one_header(name) {
                Err(_) => return Subject::Unfit,
                Ok(value) => value.filter(|value| !value.is_empty()).map(Cow::Borrowed),
            },
        };
        match one {
            None => Subject::Missing,
            Some(one) if matches!(self, Self::Header(_)) && one.len() > MAX_HEADER_BYTES => {
                Subject::Unfit
            }
            Some(one) => Subject::One(one),
        }
    }
}

/// An IPv4 address as it is, also one inside of IPv6; of an IPv6 address the 64 bits that one
/// customer is commonly given.
fn network(address: &str) -> Cow<'_, str> {
    // The gateway writes an address in one way only.
    if !address.contains(':') {
        return Cow::Borrowed(address);
    }
    let of = match address.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V6(address)) => {
            let network = address.to_bits() & (u128::MAX << 64);
            format!("{}/64", Ipv6Addr::from_bits(network))
        }
        Ok(address) => address.to_string(),
        Err(_) => return Cow::Borrowed(address),
    };
    Cow::Owned(of)
}

/// An app's id without the sign that ends it.
fn escaped(app: &str) -> Cow<'_, str> {
    if app.contains(['%', ':']) {
        Cow::Owned(app.replace('%', "%25").replace(':', "%3A"))
    } else {
        Cow::Borrowed(app)
    }
}
