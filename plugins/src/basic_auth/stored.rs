//! Passwords as they are kept: by a slow hash, or as secrets.

use super::credentials::MAX_PASSWORD_BYTES;
use argon2::{Algorithm, Argon2, Params, Version};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use bcrypt::HashParts;
use ring::digest::{SHA256, digest};
use std::ops::RangeInclusive;
use subtle::ConstantTimeEq;

/// bcrypt looks at no more bytes.
const BCRYPT_BYTES: usize = 72;
/// 14 takes about a second.
const COSTS: RangeInclusive<u32> = 4..=14;
const MAX_ARGON2_KIB: u32 = 64 * 1024;
const MAX_ARGON2_PASSES: u32 = 16;
const MAX_ARGON2_LANES: u32 = 16;
const ARGON2_BYTES: RangeInclusive<usize> = 8..=64;

/// What a presented password is held against.
pub(super) enum Stored {
    Bcrypt(Box<str>),
    Argon2 {
        params: Params,
        salt: Box<[u8]>,
        hash: Box<[u8]>,
    },
    /// A password's SHA-256.
    Plain([u8; 32]),
}

impl Stored {
    /// Reads a hash; the error says what is wrong with it, never what it is.
    pub(super) fn hash(text: &str) -> Result<Self, String> {
        if text.starts_with("$argon2id$") {
            return argon2(text);
        }
        if ["$2a$", "$2b$", "$2y$"].iter().any(|start| text.starts_with(start)) {
            let parts: HashParts = text.parse().map_err(|_| "no whole bcrypt hash".to_owned())?;
            let cost = parts.get_cost();
            if !COSTS.contains(&cost) {
                let (least, most) = COSTS.into_inner();
                return Err(format!("bcrypt of cost {cost}, not {least} to {most}"));
            }
            return Ok(Self::Bcrypt(text.into()));
        }
        Err("neither bcrypt nor Argon2id".to_owned())
    }

    /// A password that is known itself.
    pub(super) fn plain(password: &[u8]) -> Self {
        Self::Plain(sha256(password))
    }

    /// The longest password that it can tell from others.
    pub(super) fn longest(&self) -> usize {
        match self {
            Self::Bcrypt(_) => BCRYPT_BYTES,
            _ => MAX_PASSWORD_BYTES,
        }
    }

    /// Whether checking takes milliseconds.
    pub(super) fn is_slow(&self) -> bool {
        !matches!(self, Self::Plain(_))
    }

    /// Whether this is the password.
    pub(super) fn is(&self, password: &[u8]) -> bool {
        match self {
            Self::Bcrypt(hash) => bcrypt::verify(password, hash).unwrap_or(false),
            Self::Argon2 { params, salt, hash } => {
                let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
                let mut found = vec![0; hash.len()];
                argon2.hash_password_into(password, salt, &mut found).is_ok()
                    && found.ct_eq(hash).into()
            }
            Self::Plain(digest) => digest.ct_eq(&sha256(password)).into(),
        }
    }
}

fn sha256(password: &[u8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, password).as_ref());
    bytes
}

/// `$argon2id$v=19$m=65536,t=3,p=4$salt$hash`, salt and hash in base64 without padding.
fn argon2(text: &str) -> Result<Stored, String> {
    let malformed = || "no whole Argon2id hash".to_owned();
    let mut parts = text.split('$').skip(2);
    let mut part = || parts.next().ok_or_else(malformed);
    let (version, costs, salt, hash) = (part()?, part()?, part()?, part()?);
    if parts.next().is_some() {
        return Err(malformed());
    }
    if version != "v=19" {
        return Err("Argon2id of another version than 19".to_owned());
    }
    let mut costs = costs.split(',');
    let mut cost = |name: &str, most: u32| {
        let text = costs.next().and_then(|cost| cost.strip_prefix(name)).ok_or_else(malformed)?;
        let cost: u32 = text.parse().map_err(|_| malformed())?;
        if (1..=most).contains(&cost) {
            Ok(cost)
        } else {
            Err(format!("Argon2id with {name}{cost}, not 1 to {most}"))
        }
    };
    let memory = cost("m=", MAX_ARGON2_KIB)?;
    let (passes, lanes) = (cost("t=", MAX_ARGON2_PASSES)?, cost("p=", MAX_ARGON2_LANES)?);
    if costs.next().is_some() {
        return Err(malformed());
    }
    let bytes = |text: &str| {
        let bytes = STANDARD_NO_PAD.decode(text).map_err(|_| malformed())?;
        if ARGON2_BYTES.contains(&bytes.len()) {
            Ok(bytes.into_boxed_slice())
        } else {
            Err("Argon2id with a salt or a hash of another length than 8 to 64 bytes".to_owned())
        }
    };
    let (salt, hash) = (bytes(salt)?, bytes(hash)?);
    let params = Params::new(memory, passes, lanes, Some(hash.len())).map_err(|_| malformed())?;
    Ok(Stored::Argon2 { params, salt, hash })
}
