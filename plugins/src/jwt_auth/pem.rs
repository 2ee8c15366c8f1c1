//! Public keys in PEM (RFC 7468): `PUBLIC KEY`, or the one of a `CERTIFICATE`.

use super::{
    algorithm::Algorithm,
    key::{Key, Raw},
};
use x509_parser::{
    oid_registry::{
        OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_SIG_ED25519, Oid,
    },
    pem::parse_x509_pem,
    prelude::FromDer,
    public_key::PublicKey,
    x509::SubjectPublicKeyInfo,
};

/// Reads a key.
///
/// # Errors
/// What is wrong with it, without any of it.
pub(super) fn read(
    id: Option<&str>,
    algorithm: Option<Algorithm>,
    text: &[u8],
) -> Result<Key, String> {
    let (_, pem) = parse_x509_pem(text).map_err(|_| "no PEM".to_owned())?;
    let broken = |_| "the PEM holds no public key".to_owned();
    match pem.label.as_str() {
        "PUBLIC KEY" => {
            let (rest, info) = SubjectPublicKeyInfo::from_der(&pem.contents).map_err(broken)?;
            if !rest.is_empty() {
                return Err("the PEM holds more than a public key".to_owned());
            }
            key(id, algorithm, &info)
        }
        // Its dates and names are not looked at: the operator has chosen it.
        "CERTIFICATE" => key(id, algorithm, pem.parse_x509().map_err(broken)?.public_key()),
        label if label.contains("PRIVATE") => {
            Err("this is a private key; tokens are verified with the public one".to_owned())
        }
        label => Err(format!("neither PUBLIC KEY nor CERTIFICATE, but {label:.40}")),
    }
}

fn key(
    id: Option<&str>,
    algorithm: Option<Algorithm>,
    info: &SubjectPublicKeyInfo<'_>,
) -> Result<Key, String> {
    if info.algorithm.algorithm == OID_SIG_ED25519 {
        return Key::new(id, algorithm, &Raw::Ed25519(&info.subject_public_key.data));
    }
    if info.algorithm.algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY {
        let curve = info.algorithm.parameters.as_ref().and_then(|curve| Oid::try_from(curve).ok());
        let point = &*info.subject_public_key.data;
        // Before the coordinates stands how the point is written; only whole ones are taken.
        let Some((4, coordinates)) = point.split_first() else {
            return Err("the key's point is compressed".to_owned());
        };
        let (x, y) = coordinates.split_at(coordinates.len() / 2);
        return match curve {
            Some(curve) if curve == OID_EC_P256 => Key::new(id, algorithm, &Raw::P256 { x, y }),
            Some(curve) if curve == OID_NIST_EC_P384 => {
                Key::new(id, algorithm, &Raw::P384 { x, y })
            }
            _ => Err("neither P-256 nor P-384".to_owned()),
        };
    }
    match info.parsed() {
        Ok(PublicKey::RSA(rsa)) => {
            let raw = Raw::Rsa { modulus: rsa.modulus, exponent: rsa.exponent };
            Key::new(id, algorithm, &raw)
        }
        _ => Err("a kind of key that is not taken".to_owned()),
    }
}
