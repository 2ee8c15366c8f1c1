//! What is said at the beginning of a connection and when its user changes, as types (spec sections 3, 6 and 10).

mod closing;
mod hello;
mod settings;
#[cfg(test)]
mod tests;
mod user;
mod welcome;

pub use closing::Closing;
pub use hello::{Auth, DeviceKey, DeviceKeyKind, Hello, Network, NetworkKind, proof_text};
pub use settings::Settings;
pub use user::{UserChange, UserResult};
pub use welcome::{Dictionary, Heartbeat, Resumed, Token, Update, Welcome};

use crate::{
    reader::{Malformed, text},
    tlv::pair,
};

/// A field as in HTTP: its name in lower case and its value.
pub type Field = (Box<str>, Box<[u8]>);

/// The bit of FEATURES that says that its sender takes compressed messages.
pub const FEATURE_ZSTD: u32 = 1;

/// The most bytes of a credential.
pub const MAX_CREDENTIAL: usize = 8192;
/// The most bytes of a resume token.
pub const MAX_TOKEN: usize = 1024;
/// The most bytes of a cursor.
pub const MAX_CURSOR: usize = 64;
/// The most FIELDs, CURSORs, ALTERNATEs, DICTIONARYs or LASTs of a frame that is no call.
pub const MAX_REPEATS: usize = 64;

/// Name and value of a FIELD. The name is checked to be a token in lower case (RFC 9110 section 5.6.2), the value to hold no line
/// breaks and no zero bytes.
///
/// # Errors
/// When either is not.
pub fn field(value: &[u8]) -> Result<(&str, &[u8]), Malformed> {
    let (name, value) = pair(value, "FIELD")?;
    let token = |byte: &u8| {
        matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*'
            | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~')
    };
    if name.is_empty() || name.len() > 256 || !name.iter().all(token) {
        return Err(Malformed::Value("FIELD's name"));
    }
    if value.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n')) {
        return Err(Malformed::Value("FIELD's value"));
    }
    Ok((text(name, 256, "FIELD's name")?, value))
}

/// Adds to a list that may have [`MAX_REPEATS`] members.
fn push<T>(list: &mut Vec<T>, member: T) -> Result<(), Malformed> {
    if list.len() == MAX_REPEATS {
        return Err(Malformed::TooManyTlvs);
    }
    list.push(member);
    Ok(())
}

/// A text of 1 to `most` bytes.
fn named(value: &[u8], most: usize, field: &'static str) -> Result<Box<str>, Malformed> {
    if value.is_empty() {
        return Err(Malformed::Value(field));
    }
    Ok(text(value, most, field)?.into())
}

/// Between `least` and `most` bytes.
fn sized(
    value: &[u8],
    least: usize,
    most: usize,
    field: &'static str,
) -> Result<Box<[u8]>, Malformed> {
    if (least..=most).contains(&value.len()) {
        Ok(value.into())
    } else {
        Err(Malformed::Value(field))
    }
}
