//! Whose a token is: a device with its key, and a user in an epoch.

use paifang_mmtp::greeting::{DeviceKey, DeviceKeyKind, Hello, proof_text};
use ring::signature::{ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey, VerificationAlgorithm};

use super::token::{Digest, half};

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    /// Of app, device and its key.
    pub(super) device: Digest,
    /// Of the user epoch and the user.
    pub(super) user: Digest,
}

impl Owner {
    /// The owner of the tokens that a connection is given.
    pub(crate) fn new(
        app: &str,
        device: &[u8],
        key: &Digest,
        epoch: u32,
        user: Option<&str>,
    ) -> Self {
        let device = half(&[b"device", app.as_bytes(), device, key]);
        let epoch = epoch.to_be_bytes();
        let user = match user {
            Some(user) => half(&[b"user", &epoch, user.as_bytes()]),
            None => half(&[b"nobody", &epoch]),
        };
        Self { device, user }
    }
}

/// What an app's user is known by.
pub(crate) fn user_digest(app: &str, user: &str) -> Digest {
    half(&[app.as_bytes(), user.as_bytes()])
}

/// What a device key is known by.
pub(crate) fn key_digest(key: &DeviceKey) -> Digest {
    half(&[&key.to_bytes()])
}

/// Whether HELLO proves that its device has the key that it shows. `server_name` is what TLS was told.
pub(crate) fn is_proven(hello: &Hello, server_name: Option<&str>) -> bool {
    let (Some(key), Some(proof)) = (&hello.device_key, &hello.proof) else { return false };
    let authority = hello.authority.as_deref().or(server_name).unwrap_or_default();
    let resume = hello.resume.as_deref().unwrap_or_default();
    let text = proof_text(authority, &hello.device, &hello.nonce, resume);
    let algorithm: &'static dyn VerificationAlgorithm = match key.kind {
        DeviceKeyKind::P256 => &ECDSA_P256_SHA256_FIXED,
        DeviceKeyKind::Ed25519 => &ED25519,
    };
    UnparsedPublicKey::new(algorithm, &key.key).verify(&text, proof).is_ok()
}
