//! Who may have a call traced: whoever shows a header that this gateway has signed.
//!
//! The header is `<expiry>.<signature>`: seconds since the Unix epoch, and the HMAC-SHA256 of
//! `paifang-trace:<expiry>` in lower-case hex under a key that lives as long as the process.

use ring::{hmac, rand::SystemRandom};
use std::{fmt::Write, time::Duration};

/// The request header that asks for a trace.
pub(crate) const TRACE_HEADER: &str = "x-paifang-trace";

/// Signs and checks trace headers.
pub(crate) struct TraceKey(hmac::Key);

impl TraceKey {
    /// A fresh random key.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub(crate) fn generate() -> Result<Self, ring::error::Unspecified> {
        hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).map(Self)
    }

    /// A header value that is good until `expiry`, since the Unix epoch.
    pub(crate) fn sign(&self, expiry: Duration) -> String {
        let seconds = expiry.as_secs();
        let tag = hmac::sign(&self.0, message(seconds).as_bytes());
        let mut value = format!("{seconds}.");
        for byte in tag.as_ref() {
            // Writing into a string cannot fail.
            let _ = write!(value, "{byte:02x}");
        }
        value
    }

    /// Whether a header value was signed here and is still good at `now`. Constant-time in the
    /// signature.
    pub(crate) fn admits(&self, value: &[u8], now: Duration) -> bool {
        let Ok(text) = std::str::from_utf8(value) else { return false };
        let Some((seconds, signature)) = text.split_once('.') else { return false };
        let Ok(expiry) = seconds.parse::<u64>() else { return false };
        let Some(tag) = unhex(signature) else { return false };
        expiry >= now.as_secs() && hmac::verify(&self.0, message(expiry).as_bytes(), &tag).is_ok()
    }
}

fn message(expiry: u64) -> String {
    format!("paifang-trace:{expiry}")
}

/// 64 hex digits as 32 bytes.
fn unhex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    let mut bytes = [0; 32];
    if digits.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::TraceKey;
    use std::time::Duration;

    #[test]
    fn only_own_unexpired_signatures_are_admitted() {
        let (ours, theirs) = (TraceKey::generate().unwrap(), TraceKey::generate().unwrap());
        let expiry = Duration::from_secs(1_000);
        let value = ours.sign(expiry);
        assert!(ours.admits(value.as_bytes(), Duration::from_secs(1_000)));
        assert!(!ours.admits(value.as_bytes(), Duration::from_secs(1_001)), "expired");
        assert!(!theirs.admits(value.as_bytes(), Duration::ZERO), "another key");
        let later = value.replacen("1000", "2000", 1);
        assert!(!ours.admits(later.as_bytes(), Duration::ZERO), "another expiry");
        for garbage in ["", ".", "1.", "x.00", "1.zz", &format!("1.{}", "é".repeat(32))] {
            assert!(!ours.admits(garbage.as_bytes(), Duration::ZERO), "{garbage}");
        }
    }
}
