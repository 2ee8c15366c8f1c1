//! One key, and what it may verify. The key decides: a secret never verifies what claims to be signed
//! by RSA, nor a public key what claims to be an HMAC (RFC 8725 section 3.1).

use super::algorithm::{Algorithm, Algorithms, Method};
use ring::{hmac, signature::RsaPublicKeyComponents, signature::UnparsedPublicKey};
use std::ops::RangeInclusive;

/// Bits of an RSA modulus (RFC 7518 section 3.3 wants 2048 at least).
const RSA_BITS: RangeInclusive<usize> = 2_048..=8_192;
/// Bytes of an RSA exponent.
const RSA_EXPONENT: RangeInclusive<usize> = 1..=4;
/// The longest secret.
const MAX_SECRET_BYTES: usize = 1_024;
/// A point that is not compressed (SEC 1 section 2.3.3).
const UNCOMPRESSED: u8 = 4;

/// A key.
pub(super) struct Key {
    /// What tokens call it.
    pub(super) id: Option<Box<str>>,
    algorithms: Algorithms,
    /// Nothing says which of them are meant.
    open: bool,
    material: Material,
}

enum Material {
    Secret(hmac::Key),
    Rsa(RsaPublicKeyComponents<Box<[u8]>>),
    /// A point on P-256 or P-384, or an Ed25519 key.
    Curve(Box<[u8]>),
}

/// A key as it comes: its parts, not yet looked at.
pub(super) enum Raw<'a> {
    Secret(&'a [u8]),
    Rsa { modulus: &'a [u8], exponent: &'a [u8] },
    P256 { x: &'a [u8], y: &'a [u8] },
    P384 { x: &'a [u8], y: &'a [u8] },
    Ed25519(&'a [u8]),
}

impl Key {
    /// Makes a key for one algorithm, or for those that its kind is for.
    ///
    /// # Errors
    /// What is wrong with it, without any of it.
    pub(super) fn new(
        id: Option<&str>,
        algorithm: Option<Algorithm>,
        raw: &Raw<'_>,
    ) -> Result<Self, String> {
        let kinds = match raw {
            Raw::Secret(_) => Algorithms::HMAC,
            Raw::Rsa { .. } => Algorithms::RSA,
            Raw::P256 { .. } => Algorithms::of(&[Algorithm::ES256]),
            Raw::P384 { .. } => Algorithms::of(&[Algorithm::ES384]),
            Raw::Ed25519(_) => Algorithms::of(&[Algorithm::EdDSA]),
        };
        if let Some(algorithm) = algorithm
            && !kinds.has(algorithm)
        {
            return Err(format!("such a key is not for {algorithm:?}"));
        }
        let material = match raw {
            Raw::Secret(secret) => Material::Secret(self::secret(secret, algorithm)?),
            Raw::Rsa { modulus, exponent } => Material::Rsa(rsa(modulus, exponent)?),
            Raw::P256 { x, y } => Material::Curve(point(x, y, 32)?),
            Raw::P384 { x, y } => Material::Curve(point(x, y, 48)?),
            Raw::Ed25519(key) if key.len() == 32 => Material::Curve((*key).into()),
            Raw::Ed25519(key) => {
                return Err(format!("an Ed25519 key has 32 bytes, not {}", key.len()));
            }
        };
        let algorithms = algorithm.map_or(kinds, |algorithm| Algorithms::of(&[algorithm]));
        let open = algorithm.is_none() && algorithms == Algorithms::RSA;
        Ok(Self { id: id.map(Into::into), algorithms, open, material })
    }

    /// Whether a token that names this key, or none, may mean it.
    pub(super) fn is_called(&self, id: Option<&str>) -> bool {
        match (&self.id, id) {
            (Some(ours), Some(theirs)) => **ours == *theirs,
            _ => true,
        }
    }

    /// Whether it is for this algorithm, in a step that takes these.
    pub(super) fn is_for(&self, algorithm: Algorithm, taken: Option<Algorithms>) -> bool {
        self.algorithms.has(algorithm)
            && match taken {
                Some(taken) => taken.has(algorithm),
                None => !self.open || algorithm == Algorithm::RS256,
            }
    }

    /// Whether the signature is this key's. To be asked only where [`Key::is_for`] holds.
    pub(super) fn verifies(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> bool {
        match (&self.material, algorithm.method()) {
            // The key carries its own hash, the one of its only algorithm; the comparison takes
            // constant time.
            (Material::Secret(key), Method::Hmac(hash)) if key.algorithm() == hash => {
                hmac::verify(key, signed, signature).is_ok()
            }
            (Material::Rsa(key), Method::Rsa(parameters)) => {
                key.verify(parameters, signed, signature).is_ok()
            }
            (Material::Curve(key), Method::Curve(curve)) => {
                UnparsedPublicKey::new(curve, key).verify(signed, signature).is_ok()
            }
            _ => false,
        }
    }
}

fn secret(secret: &[u8], algorithm: Option<Algorithm>) -> Result<hmac::Key, String> {
    let Some(Method::Hmac(hash)) = algorithm.map(Algorithm::method) else {
        return Err("a secret needs one of HS256, HS384 and HS512 as its algorithm".to_owned());
    };
    // RFC 7518 section 3.2.
    let least = hash.digest_algorithm().output_len();
    if !(least..=MAX_SECRET_BYTES).contains(&secret.len()) {
        let found = secret.len();
        return Err(format!("a secret here has {least} to {MAX_SECRET_BYTES} bytes, not {found}"));
    }
    Ok(hmac::Key::new(hash, secret))
}

fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<RsaPublicKeyComponents<Box<[u8]>>, String> {
    let (n, e) = (significant(modulus), significant(exponent));
    let bits = n.len() * 8 - n.first().map_or(0, |byte| byte.leading_zeros() as usize);
    if !RSA_BITS.contains(&bits) {
        let (least, most) = RSA_BITS.into_inner();
        return Err(format!("an RSA key has {least} to {most} bits, not {bits}"));
    }
    // Even numbers and 1 are no exponents.
    if !RSA_EXPONENT.contains(&e.len()) || e == [1] || e.last().is_none_or(|byte| byte % 2 == 0) {
        return Err("the RSA key's exponent is none".to_owned());
    }
    if n.last().is_none_or(|byte| byte % 2 == 0) {
        return Err("the RSA key's modulus is none".to_owned());
    }
    Ok(RsaPublicKeyComponents { n: n.into(), e: e.into() })
}

/// A number without leading zeros.
fn significant(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}

/// Coordinates have the curve's full length (RFC 7518 section 6.2.1.2). That the point lies on the
/// curve is checked by each verification.
fn point(x: &[u8], y: &[u8], length: usize) -> Result<Box<[u8]>, String> {
    if x.len() != length || y.len() != length {
        return Err(format!("the coordinates of this curve have {length} bytes each"));
    }
    Ok([&[UNCOMPRESSED], x, y].concat().into())
}
