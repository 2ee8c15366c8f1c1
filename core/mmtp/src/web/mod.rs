//! MMTP within HTTP (spec section 1): what both sides must say alike, and the frames of WebSocket.

mod socket;

pub use socket::{Broken, MAX_MESSAGE, Side, WebSocket};

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::digest;

/// The path, unless an operator says other.
pub const PATH: &str = "/.well-known/mmtp";
/// The media type of the bodies of the short form.
pub const MEDIA_TYPE: &str = "application/mmtp";
/// WebSocket's subprotocol: version 1 of the frames.
pub const SUBPROTOCOL: &str = "mmtp.1";

/// What a server's key is made with (RFC 6455 section 1.3).
const SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A client's `Sec-WebSocket-Key` of 16 random bytes.
#[must_use]
pub fn key(random: &[u8; 16]) -> String {
    STANDARD.encode(random)
}

/// Whether this is a `Sec-WebSocket-Key`: 16 bytes in base64.
#[must_use]
pub fn is_key(key: &[u8]) -> bool {
    STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == 16)
}

/// The `Sec-WebSocket-Accept` that answers a key (RFC 6455 section 4.2.2). It proves nothing but that the server speaks WebSocket.
#[must_use]
pub fn accept(key: &[u8]) -> String {
    let mut context = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    context.update(key);
    context.update(SUFFIX);
    STANDARD.encode(context.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_the_rfc_is_answered_as_there() {
        let key = super::key(b"the sample nonce");
        assert_eq!(key, "dGhlIHNhbXBsZSBub25jZQ==");
        assert!(is_key(key.as_bytes()));
        assert_eq!(accept(key.as_bytes()), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        for bad in ["", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25j", "????"] {
            assert!(!is_key(bad.as_bytes()), "{bad}");
        }
    }
}
