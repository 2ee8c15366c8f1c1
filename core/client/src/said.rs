//! What a client says of itself, held to what a server takes: malformed, it would end each of its connections.

use bytes::BytesMut;
use paifang_mmtp::{
    frame::{Frame, MAX_FRAME, Split, split},
    greeting::{Auth, Hello, Network, UserChange},
};

use crate::error::Error;

/// The longest carrier, in bytes.
const MAX_CARRIER: usize = 32;
/// What the app's own words may take in HELLO, so that credential, token and what a client adds have room beside them.
const MAX_OWN: usize = 4096;

/// A network whose carrier is as short and plain as it must be.
pub(crate) fn network(network: Network) -> Network {
    let mut carrier: String = network.carrier.chars().filter(|char| !char.is_control()).collect();
    while carrier.len() > MAX_CARRIER {
        carrier.pop();
    }
    Network { carrier: carrier.into(), ..network }
}

/// A credential as HELLO and LOGIN have it.
pub(crate) fn check_auth(auth: &Auth) -> Result<(), Error> {
    let mut bytes = BytesMut::new();
    UserChange { epoch: 1, auth: Some(auth.clone()) }.encode(&mut bytes);
    let read = split(&bytes, MAX_FRAME).and_then(|split| match split {
        Split::Frame(Frame::Login { epoch, tlvs }, _) => UserChange::decode(epoch, tlvs).map(drop),
        _ => Ok(()),
    });
    read.map_err(|cause| Error::Invalid(format!("the credential: {cause}")))
}

/// HELLO without a credential.
pub(crate) fn check_hello(hello: &Hello) -> Result<(), Error> {
    let mut bytes = BytesMut::new();
    // The version is the session's to say.
    Hello { versions: (1, 1), ..hello.clone() }.encode(&mut bytes);
    if bytes.len() > MAX_OWN {
        let why = format!("app, fields and the like are {} bytes, of {MAX_OWN}", bytes.len());
        return Err(Error::Invalid(why));
    }
    let read = split(&bytes, MAX_FRAME).and_then(|split| match split {
        Split::Frame(Frame::Hello { lowest, highest, tlvs }, _) => {
            Hello::decode((lowest, highest), tlvs).map(drop)
        }
        _ => Ok(()),
    });
    read.map_err(|cause| Error::Invalid(cause.to_string()))
}

#[cfg(test)]
mod tests {
    use paifang_mmtp::greeting::NetworkKind;

    use super::*;

    #[test]
    fn a_carrier_is_cut_between_characters() {
        let of =
            |carrier: &str| network(Network { kind: NetworkKind::Wifi, carrier: carrier.into() });
        assert_eq!(&*of("a\u{7}b").carrier, "ab");
        assert_eq!(&*of(&"x".repeat(40)).carrier, "x".repeat(32));
        assert_eq!(&*of(&"移".repeat(12)).carrier, "移".repeat(10));
    }

    #[test]
    fn what_a_server_would_refuse_is_told_before() {
        let auth = |scheme: &str, length| Auth {
            scheme: scheme.into(),
            credential: vec![b'x'; length].into(),
        };
        assert_eq!(check_auth(&auth("Bearer", 8000)), Ok(()));
        assert!(check_auth(&auth("Bearer", 20_000)).is_err());
        assert!(check_auth(&auth("Bearer", 8193)).is_err());
        assert!(check_auth(&auth("", 10)).is_err());
        let hello = Hello { app: "a".into(), device: [1].into(), ..Hello::default() };
        assert_eq!(check_hello(&hello), Ok(()));
        let large = vec![("x".into(), vec![b'a'; 5000].into())];
        assert!(check_hello(&Hello { fields: large, ..hello.clone() }).is_err());
        assert!(check_hello(&Hello { app: "a\n".into(), ..hello.clone() }).is_err());
        let authority = Some("a".repeat(256).into());
        assert!(check_hello(&Hello { authority, ..hello }).is_err());
    }
}
