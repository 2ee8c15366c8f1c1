//! `crypto`: hashes and signatures, by the gateway's one provider.

// The derived traits say how the contract's records are laid out.
#![allow(unsafe_code)]
// Variants are made by lifting, not by name.
#![allow(dead_code)]

use super::{Mode, misuse};
use crate::env::Ctx;
use ring::{
    digest,
    hmac::{self, HMAC_SHA256, HMAC_SHA384, HMAC_SHA512},
    rand::SystemRandom,
    signature::{self, UnparsedPublicKey, VerificationAlgorithm},
};
use wasmtime::component::{ComponentType, Lift, LinkerInstance};

#[derive(Debug, Clone, Copy, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
enum Hash {
    #[component(name = "sha256")]
    Sha256,
    #[component(name = "sha384")]
    Sha384,
    #[component(name = "sha512")]
    Sha512,
}

#[derive(Debug, Clone, Copy, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
enum Signature {
    #[component(name = "ed25519")]
    Ed25519,
    #[component(name = "ecdsa-p256-sha256")]
    EcdsaP256Sha256,
    #[component(name = "rsa-pkcs1-sha256")]
    RsaPkcs1Sha256,
    #[component(name = "rsa-pss-sha256")]
    RsaPssSha256,
}

type Bytes = Vec<u8>;

pub(super) fn link(to: &mut LinkerInstance<'_, Ctx>, _: Mode) -> wasmtime::Result<()> {
    to.func_wrap("hash", |_, (algorithm, data): (Hash, Bytes)| {
        let algorithm = match algorithm {
            Hash::Sha256 => &digest::SHA256,
            Hash::Sha384 => &digest::SHA384,
            Hash::Sha512 => &digest::SHA512,
        };
        Ok((digest::digest(algorithm, &data).as_ref().to_vec(),))
    })?;
    to.func_wrap("hmac", |_, (algorithm, key, data): (Hash, Bytes, Bytes)| {
        let algorithm = match algorithm {
            Hash::Sha256 => HMAC_SHA256,
            Hash::Sha384 => HMAC_SHA384,
            Hash::Sha512 => HMAC_SHA512,
        };
        let tag = hmac::sign(&hmac::Key::new(algorithm, &key), &data);
        Ok((tag.as_ref().to_vec(),))
    })?;
    to.func_wrap("verify", |_, parts: (Signature, Bytes, Bytes, Bytes)| {
        let (algorithm, key, data, sign) = parts;
        let algorithm: &'static dyn VerificationAlgorithm = match algorithm {
            Signature::Ed25519 => &signature::ED25519,
            Signature::EcdsaP256Sha256 => &signature::ECDSA_P256_SHA256_ASN1,
            Signature::RsaPkcs1Sha256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            Signature::RsaPssSha256 => &signature::RSA_PSS_2048_8192_SHA256,
        };
        Ok((UnparsedPublicKey::new(algorithm, &key).verify(&data, &sign).is_ok(),))
    })?;
    to.func_wrap("equal", |_, (a, b): (Bytes, Bytes)| {
        // Equal tags mean equal data, and comparing tags takes the same time whatever they are.
        let key = hmac::Key::generate(HMAC_SHA256, &SystemRandom::new());
        let key = key.or_else(|_| misuse("the system gives no randomness"))?;
        Ok((hmac::verify(&key, &a, hmac::sign(&key, &b).as_ref()).is_ok(),))
    })
}
