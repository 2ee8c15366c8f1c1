//! What a request says of its signature, before anything is computed.

use crate::{
    config::{Settings, Timestamp, Unit},
    keys::Key,
};
use paifang_guest::{Call, Repeated};

/// The fields that carry a signature, read and in time.
pub(crate) struct Head<'a> {
    pub(crate) key: &'a Key,
    pub(crate) signature: Vec<u8>,
    /// The nonce, and how long it must be remembered, in milliseconds.
    pub(crate) nonce: Option<(&'a str, u64)>,
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A field that belongs to the signature is not there.
    Missing,
    /// A field that belongs to the signature is not written as it should be.
    Malformed,
    /// Signed too long ago, or in the future.
    Expired,
    /// No such key, or not its signature: nobody learns which.
    Invalid,
    /// Seen before.
    Replayed,
    /// The form could be read in two ways.
    Ambiguous,
}

/// The gateway's clock may be set back by so much without a nonce being taken twice.
const SLACK_MILLIS: u64 = 10_000;

impl<'a> Head<'a> {
    /// Reads it. `now` is milliseconds since the Unix epoch.
    pub(crate) fn read(settings: &'a Settings, call: &'a Call, now: u64) -> Result<Self, Fault> {
        let text = field(call, &settings.signature.header)?;
        let text = text.strip_prefix(&*settings.signature.prefix).ok_or(Fault::Malformed)?;
        let signature = settings.signature.encoding.decode(text).ok_or(Fault::Malformed)?;
        let id = match &settings.key_header {
            Some(name) => Some(field(call, name)?),
            None => None,
        };
        let valid_millis = match &settings.timestamp {
            Some(timestamp) => left(timestamp, field(call, &timestamp.header)?, now)?,
            None => 0,
        };
        let nonce = match &settings.nonce {
            Some(nonce) => Some((fit_nonce(field(call, &nonce.header)?)?, valid_millis)),
            None => None,
        };
        let key = settings.keys.find(id).ok_or(Fault::Invalid)?;
        if signature.len() != key.signature_bytes() {
            return Err(Fault::Invalid);
        }
        Ok(Self { key, signature, nonce })
    }
}

fn field<'a>(call: &'a Call, name: &'a str) -> Result<&'a str, Fault> {
    match call.one_header(name) {
        Ok(Some(value)) => Ok(value.trim_matches([' ', '\t'])),
        Ok(None) => Err(Fault::Missing),
        Err(Repeated) => Err(Fault::Malformed),
    }
}

/// How long a request of this time is still taken, in milliseconds, with some slack.
fn left(timestamp: &Timestamp, text: &str, now: u64) -> Result<u64, Fault> {
    let plain = (1..=14).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse::<u64>().ok().filter(|_| plain).ok_or(Fault::Malformed)?;
    let at = match timestamp.unit {
        Unit::Seconds => number.saturating_mul(1000),
        Unit::Millis => number,
    };
    let skew = timestamp.max_skew.as_millis();
    if at.abs_diff(now) > skew {
        return Err(Fault::Expired);
    }
    Ok(at.saturating_add(skew).saturating_sub(now).saturating_add(SLACK_MILLIS))
}

fn fit_nonce(text: &str) -> Result<&str, Fault> {
    let fits = (8..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(text) } else { Err(Fault::Malformed) }
}
