//! What a call is assigned to an endpoint by.

use crate::upstream::spec::HashBy;
use http::header::COOKIE;
use paifang_pipeline::{Exchange, RequestHead};
use siphasher::sip::SipHasher13;
use std::{hash::Hasher, net::IpAddr};

/// The key's hash; `None` where the call has no such thing. A stable function: all gateways agree.
pub(super) fn of(by: &HashBy, head: &RequestHead, call: Option<&Exchange>) -> Option<u64> {
    match by {
        HashBy::Header(name) => head.headers.get(name).map(|value| hash(value.as_bytes())),
        HashBy::Cookie(name) => {
            let lines = head.headers.get_all(COOKIE).iter();
            let pairs = lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b';'));
            value_of(pairs.map(<[u8]>::trim_ascii), name).map(hash)
        }
        HashBy::Query(name) => {
            let pairs = head.uri.query()?.as_bytes().split(|&byte| byte == b'&');
            value_of(pairs, name).map(hash)
        }
        HashBy::Path => Some(hash(head.uri.path().as_bytes())),
        HashBy::Identity => Some(hash(call?.slots().identity()?.subject.as_bytes())),
        HashBy::ClientIp => Some(match call?.facts().client_ip {
            IpAddr::V4(ip) => hash(&ip.octets()),
            IpAddr::V6(ip) => hash(&ip.octets()),
        }),
    }
}

/// The value of the first pair `name=value`.
fn value_of<'a>(mut pairs: impl Iterator<Item = &'a [u8]>, name: &str) -> Option<&'a [u8]> {
    pairs.find_map(|pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write(bytes);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    //! Where keys are found.
    use super::{HashBy, hash, of};
    use http::HeaderName;
    use paifang_pipeline::RequestHead;

    fn head(target: &str, headers: &[(&str, &str)]) -> RequestHead {
        crate::upstream::tests::support::request("GET", target, headers)
    }

    #[test]
    fn each_kind_of_key() {
        let cookies =
            [("cookie", "a=1; sid=abc; sid=no"), ("cookie", "late=x=y"), ("x-user", "u7")];
        let head = head("/v1/orders?other=1&shop=a%20b&shop=2", &cookies);
        let key = |by: HashBy| of(&by, &head, None);
        let cookie = |name: &str| key(HashBy::Cookie(name.to_owned()));
        let query = |name: &str| key(HashBy::Query(name.to_owned()));
        assert_eq!(key(HashBy::Header(HeaderName::from_static("x-user"))), Some(hash(b"u7")));
        assert_eq!(key(HashBy::Header(HeaderName::from_static("x-none"))), None);
        assert_eq!((cookie("sid"), cookie("late")), (Some(hash(b"abc")), Some(hash(b"x=y"))));
        assert_eq!((cookie("si"), cookie("A")), (None, None));
        assert_eq!((query("shop"), query("sho")), (Some(hash(b"a%20b")), None));
        assert_eq!(key(HashBy::Path), Some(hash(b"/v1/orders")));
        assert_eq!((key(HashBy::Identity), key(HashBy::ClientIp)), (None, None));
    }

    #[test]
    fn the_hash_is_the_same_everywhere_and_always() {
        // SipHash-1-3 with a key of zeros; a change moves everybody's sessions.
        assert_eq!(hash(b"u7"), 15_468_366_737_950_145_676);
    }
}
