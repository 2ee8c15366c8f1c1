//! Signature algorithms (RFC 7518 section 3.1, RFC 8037 section 3.1). There is no `none`.

use ring::{
    hmac,
    signature::{self, RsaParameters, VerificationAlgorithm},
};
use schemars::JsonSchema;
use serde::Deserialize;

/// An algorithm that a token may be signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
pub enum Algorithm {
    /// HMAC with SHA-256.
    HS256,
    /// HMAC with SHA-384.
    HS384,
    /// HMAC with SHA-512.
    HS512,
    /// RSA, PKCS #1 1.5, with SHA-256.
    RS256,
    /// RSA, PKCS #1 1.5, with SHA-384.
    RS384,
    /// RSA, PKCS #1 1.5, with SHA-512.
    RS512,
    /// RSA, PSS, with SHA-256.
    PS256,
    /// RSA, PSS, with SHA-384.
    PS384,
    /// RSA, PSS, with SHA-512.
    PS512,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// ECDSA on P-384 with SHA-384.
    ES384,
    /// EdDSA on Ed25519; tokens may call it `Ed25519` too (RFC 9864).
    #[serde(alias = "Ed25519")]
    EdDSA,
}

use Algorithm::{
    ES256, ES384, EdDSA, HS256, HS384, HS512, PS256, PS384, PS512, RS256, RS384, RS512,
};

/// How an algorithm's signatures are verified.
pub(super) enum Method {
    Hmac(hmac::Algorithm),
    Rsa(&'static RsaParameters),
    Curve(&'static dyn VerificationAlgorithm),
}

impl Algorithm {
    /// As tokens and keys name it; names are compared exactly.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "HS256" => HS256,
            "HS384" => HS384,
            "HS512" => HS512,
            "RS256" => RS256,
            "RS384" => RS384,
            "RS512" => RS512,
            "PS256" => PS256,
            "PS384" => PS384,
            "PS512" => PS512,
            "ES256" => ES256,
            "ES384" => ES384,
            "EdDSA" | "Ed25519" => EdDSA,
            _ => return None,
        })
    }

    pub(super) fn method(self) -> Method {
        match self {
            HS256 => Method::Hmac(hmac::HMAC_SHA256),
            HS384 => Method::Hmac(hmac::HMAC_SHA384),
            HS512 => Method::Hmac(hmac::HMAC_SHA512),
            RS256 => Method::Rsa(&signature::RSA_PKCS1_2048_8192_SHA256),
            RS384 => Method::Rsa(&signature::RSA_PKCS1_2048_8192_SHA384),
            RS512 => Method::Rsa(&signature::RSA_PKCS1_2048_8192_SHA512),
            PS256 => Method::Rsa(&signature::RSA_PSS_2048_8192_SHA256),
            PS384 => Method::Rsa(&signature::RSA_PSS_2048_8192_SHA384),
            PS512 => Method::Rsa(&signature::RSA_PSS_2048_8192_SHA512),
            ES256 => Method::Curve(&signature::ECDSA_P256_SHA256_FIXED),
            ES384 => Method::Curve(&signature::ECDSA_P384_SHA384_FIXED),
            EdDSA => Method::Curve(&signature::ED25519),
        }
    }
}

/// A set of algorithms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Algorithms(u16);

impl Algorithms {
    pub(super) const HMAC: Self = Self::of(&[HS256, HS384, HS512]);
    pub(super) const RSA: Self = Self::of(&[RS256, RS384, RS512, PS256, PS384, PS512]);

    pub(super) const fn of(list: &[Algorithm]) -> Self {
        let (mut bits, mut at) = (0, 0);
        while at < list.len() {
            bits |= 1 << list[at] as u16;
            at += 1;
        }
        Self(bits)
    }

    pub(super) const fn has(self, algorithm: Algorithm) -> bool {
        self.0 & (1 << algorithm as u16) != 0
    }
}
