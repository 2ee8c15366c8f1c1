//! Bytes as text, in the three ways that partners write them.

use base64::{
    Engine,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode::Indifferent, GeneralPurpose, GeneralPurposeConfig},
};
use paifang_guest::prelude::*;

/// How bytes are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Encoding {
    /// Lower case where it is made; either case where it is read.
    #[default]
    Hex,
    /// RFC 4648 section 4; padded where it is made, and read with or without padding.
    Base64,
    /// RFC 4648 section 5; made without padding, and read with or without it.
    Base64Url,
}

const READ_EITHER: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(Indifferent);
const PLAIN: GeneralPurpose = GeneralPurpose::new(&STANDARD, READ_EITHER);
const URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, READ_EITHER.with_encode_padding(false));

impl Encoding {
    pub(crate) fn encode(self, bytes: &[u8]) -> String {
        match self {
            Self::Hex => hex::encode(bytes),
            Self::Base64 => PLAIN.encode(bytes),
            Self::Base64Url => URL.encode(bytes),
        }
    }

    /// `None` where the text is not so written.
    pub(crate) fn decode(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Self::Hex => hex::decode(text).ok(),
            Self::Base64 => PLAIN.decode(text).ok(),
            Self::Base64Url => URL.decode(text).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Encoding::{Base64, Base64Url, Hex};

    #[test]
    fn bytes_are_written_and_read() {
        let bytes = [0xFB, 0xEF, 0xFF, 0x00];
        for (encoding, text) in [(Hex, "fbefff00"), (Base64, "++//AA=="), (Base64Url, "--__AA")] {
            assert_eq!(encoding.encode(&bytes), text);
            assert_eq!(encoding.decode(text).as_deref(), Some(&bytes[..]));
        }
        assert_eq!(Hex.decode("FBEFFF00").as_deref(), Some(&bytes[..]));
        assert_eq!(Base64.decode("++//AA").as_deref(), Some(&bytes[..]));
        assert_eq!(Base64Url.decode("--__AA==").as_deref(), Some(&bytes[..]));
        for (encoding, text) in
            [(Hex, "fb e"), (Hex, "f"), (Base64, "--__AA=="), (Base64, "AA=A"), (Base64Url, "++//")]
        {
            assert_eq!(encoding.decode(text), None, "{text}");
        }
    }
}
