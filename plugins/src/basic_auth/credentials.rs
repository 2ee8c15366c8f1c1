//! Name and password, as a request carries them (RFC 7617 section 2).

use super::config::Config;
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, header::AUTHORIZATION};
use paifang_pipeline::ConfigError;

/// The longest password, here and in configs.
pub(super) const MAX_PASSWORD_BYTES: usize = 1_024;
/// The longest name.
pub(super) const MAX_NAME_BYTES: usize = 255;
/// Both with their colon.
const MAX_BYTES: usize = MAX_NAME_BYTES + 1 + MAX_PASSWORD_BYTES;
/// As base64.
const MAX_TOKEN_BYTES: usize = MAX_BYTES.div_ceil(3) * 4;
const SCHEME: &[u8] = b"basic";

/// Room for what a header says when decoded.
pub(super) type Room = [u8; MAX_TOKEN_BYTES / 4 * 3];

/// Room that is empty.
pub(super) const ROOM: Room = [0; MAX_TOKEN_BYTES / 4 * 3];

/// What a client presents.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Presented<'a> {
    pub(super) name: &'a [u8],
    pub(super) password: &'a [u8],
}

/// There is nothing to check.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Nothing {
    Missing,
    Malformed,
}

/// Reads the credentials; their bytes stand in `room`.
pub(super) fn read<'a>(headers: &HeaderMap, room: &'a mut Room) -> Result<Presented<'a>, Nothing> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let field = fields.next().ok_or(Nothing::Missing)?.as_bytes();
    if fields.next().is_some() {
        return Err(Nothing::Malformed);
    }
    let token = match field.split_at_checked(SCHEME.len()) {
        Some((scheme, [b' ', token @ ..])) if scheme.eq_ignore_ascii_case(SCHEME) => token,
        Some((scheme, [])) if scheme.eq_ignore_ascii_case(SCHEME) => b"",
        _ => return Err(Nothing::Missing),
    };
    let token = token.trim_ascii();
    if token.len() > MAX_TOKEN_BYTES {
        return Err(Nothing::Malformed);
    }
    let length = STANDARD.decode_slice(token, room).map_err(|_| Nothing::Malformed)?;
    let bytes = &room[..length];
    let colon = bytes.iter().position(|byte| *byte == b':').ok_or(Nothing::Malformed)?;
    if bytes.iter().any(u8::is_ascii_control) {
        return Err(Nothing::Malformed);
    }
    Ok(Presented { name: &bytes[..colon], password: &bytes[colon + 1..] })
}

/// The challenge of a 401.
pub(super) fn challenge(config: &Config) -> Result<http::HeaderValue, ConfigError> {
    let realm = &config.realm;
    let plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
    let fits = (1..=128).contains(&realm.len()) && realm.bytes().all(plain);
    http::HeaderValue::try_from(format!("Basic realm=\"{realm}\", charset=\"UTF-8\""))
        .ok()
        .filter(|_| fits)
        .ok_or_else(|| {
            ConfigError::at("/realm", "a realm is 1 to 128 printable ASCII characters")
                .help("without quotes and backslashes")
        })
}
