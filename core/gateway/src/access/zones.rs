//! Where a user is at home, by the section `mmtp.zones`.

use std::{collections::HashMap, sync::Arc};

use http::{HeaderMap, HeaderName};
use paifang_config::model;
use ring::digest::{SHA256, digest};

/// The section of one release.
pub(super) struct Zones {
    here: Arc<str>,
    header: HeaderName,
    shards: Box<[Arc<str>]>,
    homes: HashMap<Arc<str>, Home>,
}

/// A zone elsewhere.
enum Home {
    /// Its clients go there.
    MovedTo(Vec<Box<str>>),
    /// Its clients' calls go to this upstream.
    Upstream(Arc<str>),
}

/// Where a user is at home.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Zone {
    /// Here.
    Here,
    /// At these addresses.
    MovedTo(Vec<Box<str>>),
    /// In this zone, which calls are sent to.
    Routed(Arc<str>),
}

impl Zones {
    pub(super) fn new(zones: &model::Zones) -> Option<Self> {
        // It was checked to be one.
        let header = HeaderName::try_from(zones.header.as_str()).ok()?;
        let homes = zones.homes.iter().map(|(name, home)| {
            let home = match &home.upstream {
                Some(upstream) => Home::Upstream((&***upstream).into()),
                None => Home::MovedTo(home.moved_to.iter().map(told).collect()),
            };
            (Arc::from(&**name), home)
        });
        Some(Self {
            here: (**zones.here).into(),
            header,
            shards: zones.shards.iter().map(|zone| Arc::from(&***zone)).collect(),
            homes: homes.collect(),
        })
    }

    /// The zone of a user whom `authenticate` has recognised with this answer. A zone that is not known here is none: its users are served
    /// here, which is told.
    pub(super) fn of(&self, user: &str, answer: &HeaderMap) -> Zone {
        let said = answer.get(&self.header).map(|zone| zone.to_str().unwrap_or_default().trim());
        let name = said.or_else(|| self.shard(user)).unwrap_or(&self.here);
        match self.homes.get_key_value(name) {
            Some((_, Home::MovedTo(addresses))) => Zone::MovedTo(addresses.clone()),
            Some((zone, Home::Upstream(_))) => Zone::Routed(zone.clone()),
            None => {
                if name != &*self.here {
                    tracing::warn!(zone = name, "a user's zone is not in `mmtp.zones`");
                }
                Zone::Here
            }
        }
    }

    /// The upstream that calls of a zone go to.
    pub(super) fn upstream(&self, zone: &str) -> Option<&str> {
        match self.homes.get(zone)? {
            Home::Upstream(upstream) => Some(upstream),
            Home::MovedTo(_) => None,
        }
    }

    fn shard(&self, user: &str) -> Option<&str> {
        let hash = digest(&SHA256, user.as_bytes());
        let number = hash.as_ref().first_chunk().map(|first| u64::from_be_bytes(*first))?;
        let index = number.checked_rem(self.shards.len() as u64)?;
        self.shards.get(usize::try_from(index).ok()?).map(|zone| &**zone)
    }
}

/// An address as clients are told it.
pub(super) fn told(address: &model::HostPort) -> Box<str> {
    address.to_string().into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn zones(json: &str) -> Zones {
        Zones::new(&serde_json::from_str(json).unwrap()).unwrap()
    }

    fn said(zone: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(
            HeaderName::from_static("x-zone"),
            http::HeaderValue::from_static(zone),
        )])
    }

    #[test]
    fn the_answer_names_the_zone_else_the_shard_else_here() {
        let own = zones(
            r#"{ "here": "east", "shards": ["west", "west"], "homes": {
                "west": { "moved_to": ["w.example:443", "[2001:db8::1]:443"] }, "south": { "upstream": "s" } } }"#,
        );
        let west = Zone::MovedTo(vec!["w.example:443".into(), "[2001:db8::1]:443".into()]);
        assert_eq!(own.of("anna", &said("east")), Zone::Here);
        assert_eq!(own.of("anna", &said(" south ")), Zone::Routed("south".into()));
        assert_eq!(own.of("anna", &HeaderMap::new()), west);
        assert_eq!(own.of("anna", &said("mars")), Zone::Here);
        assert_eq!((own.upstream("south"), own.upstream("west")), (Some("s"), None));
        let plain = zones(r#"{ "here": "east", "homes": {} }"#);
        assert_eq!(plain.of("anna", &HeaderMap::new()), Zone::Here);
    }

    #[test]
    fn shards_are_as_the_page_says_and_even() {
        let own = zones(
            r#"{ "here": "a", "shards": ["a", "b"], "homes": { "b": { "upstream": "b" } } }"#,
        );
        // SHA-256 of "anna" begins 55579b557896d0ce, that of "42" 73475cb40a568e8d: the one even, the other odd.
        assert_eq!(own.of("anna", &HeaderMap::new()), Zone::Here);
        assert_eq!(own.of("42", &HeaderMap::new()), Zone::Routed("b".into()));
        let elsewhere = (0..1000)
            .filter(|user| own.of(&user.to_string(), &HeaderMap::new()) != Zone::Here)
            .count();
        assert!((400..600).contains(&elsewhere), "{elsewhere}");
    }
}
