//! The device's key: what shows that a resume token is this device's own (spec section 10).

use std::sync::Arc;

use paifang_mmtp::greeting::{DeviceKey, DeviceKeyKind, proof_text};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};

/// Signs with a key that stays where it is, such as in a phone's secure hardware.
pub trait Sign: Send + Sync + 'static {
    /// The public key.
    fn public_key(&self) -> DeviceKey;
    /// Ed25519: RFC 8032's signature; P-256: ECDSA with SHA-256, r and s. 64 bytes either way. `None` when the key cannot be used
    /// at the moment; the connection is made without a resume token then.
    fn sign(&self, text: &[u8]) -> Option<[u8; 64]>;
}

/// The key of this device.
#[derive(Clone)]
pub struct DeviceIdentity(Arc<dyn Sign>);

impl std::fmt::Debug for DeviceIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("DeviceIdentity").field(&self.0.public_key().kind).finish()
    }
}

/// A key is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the device's key cannot be used: {0}")]
pub struct KeyRejected(String);

impl DeviceIdentity {
    /// One that signs elsewhere.
    pub fn new(sign: impl Sign) -> Self {
        Self(Arc::new(sign))
    }

    /// A new Ed25519 key, with its PKCS#8 form for the app to keep.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn generate() -> Result<(Self, Vec<u8>), KeyRejected> {
        let random = SystemRandom::new();
        let rejected = |_| KeyRejected("there is no randomness".into());
        let document = Ed25519KeyPair::generate_pkcs8(&random).map_err(rejected)?;
        Ok((Self::ed25519(document.as_ref())?, document.as_ref().to_vec()))
    }

    /// An Ed25519 key in PKCS#8.
    ///
    /// # Errors
    /// When it is none.
    pub fn ed25519(pkcs8: &[u8]) -> Result<Self, KeyRejected> {
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8);
        Ok(Self::new(Ed25519(pair.map_err(|cause| KeyRejected(cause.to_string()))?)))
    }

    /// A P-256 key in PKCS#8.
    ///
    /// # Errors
    /// When it is none.
    pub fn p256(pkcs8: &[u8]) -> Result<Self, KeyRejected> {
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8, &random);
        Ok(Self::new(P256(pair.map_err(|cause| KeyRejected(cause.to_string()))?, random)))
    }

    pub(crate) fn public_key(&self) -> DeviceKey {
        self.0.public_key()
    }

    /// The signature that HELLO with a resume token has.
    pub(crate) fn proof(
        &self,
        authority: &str,
        device: &[u8],
        nonce: &[u8; 16],
        token: &[u8],
    ) -> Option<[u8; 64]> {
        self.0.sign(&proof_text(authority, device, nonce, token))
    }
}

struct Ed25519(Ed25519KeyPair);

impl Sign for Ed25519 {
    fn public_key(&self) -> DeviceKey {
        let key = self.0.public_key().as_ref().into();
        DeviceKey { kind: DeviceKeyKind::Ed25519, key }
    }

    fn sign(&self, text: &[u8]) -> Option<[u8; 64]> {
        self.0.sign(text).as_ref().try_into().ok()
    }
}

struct P256(EcdsaKeyPair, SystemRandom);

impl Sign for P256 {
    fn public_key(&self) -> DeviceKey {
        let key = self.0.public_key().as_ref().into();
        DeviceKey { kind: DeviceKeyKind::P256, key }
    }

    fn sign(&self, text: &[u8]) -> Option<[u8; 64]> {
        self.0.sign(&self.1, text).ok()?.as_ref().try_into().ok()
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey};

    use super::*;

    #[test]
    fn either_key_proves_itself() {
        let (first, kept) = DeviceIdentity::generate().unwrap();
        let again = DeviceIdentity::ed25519(&kept).unwrap();
        assert_eq!(first.public_key(), again.public_key());
        let random = SystemRandom::new();
        let pkcs8 =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let hardware = DeviceIdentity::p256(pkcs8.as_ref()).unwrap();
        let text = proof_text("a.example", b"d", &[7; 16], b"token");
        let proof = again.proof("a.example", b"d", &[7; 16], b"token").unwrap();
        let key = UnparsedPublicKey::new(&ED25519, again.public_key().key);
        assert!(key.verify(&text, &proof).is_ok());
        assert!(key.verify(b"another", &proof).is_err());
        let proof = hardware.proof("a.example", b"d", &[7; 16], b"token").unwrap();
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, hardware.public_key().key);
        assert!(key.verify(&text, &proof).is_ok());
    }

    #[test]
    fn what_is_no_key() {
        assert!(DeviceIdentity::ed25519(b"x").is_err());
        assert!(DeviceIdentity::p256(b"x").is_err());
    }
}
