//! The partners' keys.

use crate::encoding::Encoding;
use paifang_guest::{
    ConfigError,
    host::crypto::{self, HashAlgorithm, SignatureAlgorithm},
    prelude::*,
};

/// A shorter secret can be found out by trying.
const MIN_SECRET_BYTES: usize = 16;
const MAX_KEYS: usize = 1000;

/// A key as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyConfig {
    id: String,
    algorithm: Algorithm,
    secret: Option<String>,
    public_key: Option<String>,
    subject: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Algorithm {
    HmacSha256,
    HmacSha512,
    Ed25519,
}

/// A partner's key. It is never printed.
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) subject: Option<String>,
    material: Material,
}

enum Material {
    Hmac(HashAlgorithm, Vec<u8>),
    Ed25519(Vec<u8>),
}

impl KeyConfig {
    /// Checks the key that stands at this place of the list.
    pub(crate) fn ready(self, at: usize) -> Result<Key, ConfigError> {
        let wrong = |field: &str, message: String| {
            Err(ConfigError::at(format!("/keys/{at}{field}"), message))
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if !(1..=128).contains(&self.id.len()) || !self.id.bytes().all(plain) {
            return wrong("/id", "1 to 128 letters, digits, `.`, `_`, `-`".to_owned());
        }
        let decoded = |text: &str| Encoding::Base64.decode(text);
        let material = match (self.algorithm, self.secret, self.public_key) {
            (Algorithm::Ed25519, None, Some(key)) => match decoded(&key) {
                Some(key) if key.len() == 32 => Material::Ed25519(key),
                _ => return wrong("/public_key", "32 bytes in base64".to_owned()),
            },
            (Algorithm::Ed25519, ..) => {
                return wrong("", "a key of Ed25519 has a `public_key` and no `secret`".to_owned());
            }
            (algorithm, Some(secret), None) => match decoded(&secret) {
                Some(secret) if secret.len() >= MIN_SECRET_BYTES => {
                    let hash = match algorithm {
                        Algorithm::HmacSha512 => HashAlgorithm::Sha512,
                        _ => HashAlgorithm::Sha256,
                    };
                    Material::Hmac(hash, secret)
                }
                _ => {
                    let message = format!("at least {MIN_SECRET_BYTES} bytes in base64");
                    return wrong("/secret", message);
                }
            },
            _ => return wrong("", "a key of HMAC has a `secret` and no `public_key`".to_owned()),
        };
        Ok(Key { id: self.id, subject: self.subject, material })
    }
}

impl Key {
    /// How many bytes its signatures have.
    pub(crate) fn signature_bytes(&self) -> usize {
        match self.material {
            Material::Hmac(HashAlgorithm::Sha256, _) => 32,
            Material::Hmac(..) | Material::Ed25519(_) => 64,
        }
    }

    /// Whether this key's signature of the text is this one. Asks the host.
    pub(crate) fn signed(&self, text: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Hmac(hash, secret) => {
                crypto::equal(&crypto::hmac(*hash, secret, text), signature)
            }
            Material::Ed25519(key) => {
                crypto::verify(SignatureAlgorithm::Ed25519, key, text, signature)
            }
        }
    }
}

/// All keys, by their ids.
pub(crate) struct Keys(Vec<Key>);

impl Keys {
    /// `named`: requests say which key is theirs.
    pub(crate) fn new(mut keys: Vec<Key>, named: bool) -> Result<Self, ConfigError> {
        let wrong = |message: String| Err(ConfigError::at("/keys", message));
        if !(1..=MAX_KEYS).contains(&keys.len()) {
            return wrong(format!("1 to {MAX_KEYS} keys"));
        }
        if !named && keys.len() > 1 {
            return Err(ConfigError::at("/key_header", "which of several keys is a request's?")
                .help("name the header that carries the key's id"));
        }
        let with_subject = keys.iter().filter(|key| key.subject.is_some()).count();
        if with_subject != 0 && with_subject != keys.len() {
            return wrong("`subject` stands at all keys or at none".to_owned());
        }
        keys.sort_by(|a, b| a.id.cmp(&b.id));
        if let Some(pair) = keys.windows(2).find(|pair| pair[0].id == pair[1].id) {
            return wrong(format!("`{}` is there twice", pair[0].id));
        }
        Ok(Self(keys))
    }

    /// The key of this id; without one, the only key.
    pub(crate) fn find(&self, id: Option<&str>) -> Option<&Key> {
        let at = match id {
            Some(id) => self.0.binary_search_by(|key| key.id.as_str().cmp(id)).ok()?,
            None => 0,
        };
        self.0.get(at)
    }

    /// Whether callers are given an identity.
    pub(crate) fn tell_subjects(&self) -> bool {
        self.0.iter().any(|key| key.subject.is_some())
    }
}
