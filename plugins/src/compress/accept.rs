//! `Accept-Encoding` (RFC 9110 section 12.5.3): which codings a client takes, and how gladly.

use super::codec::{CODECS, Codec};

/// Weights run from 0 to this; three digits behind the point are all that a weight may have.
const MOST: u16 = 1000;

/// What a client takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Accepts {
    named: [Option<u16>; CODECS.len()],
    identity: Option<u16>,
    rest: Option<u16>,
}

impl Accepts {
    /// Reads the values of all `Accept-Encoding` fields. An element that breaks the syntax is as if
    /// it were not there; of two elements with one name the first counts.
    pub fn read<'a>(values: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut accepts = Self::default();
        for element in values.flat_map(|value| value.split(|byte| *byte == b',')) {
            let Some((name, weight)) = element_of(element) else { continue };
            let place = if name == b"*" {
                &mut accepts.rest
            } else if name.eq_ignore_ascii_case(b"identity") {
                &mut accepts.identity
            } else if let Some(codec) = Codec::of(name) {
                &mut accepts.named[codec as usize]
            } else {
                continue;
            };
            place.get_or_insert(weight);
        }
        accepts
    }

    /// The weight of a coding, 0 to 1000; 0 where the client does not take it.
    #[must_use]
    pub fn weight(&self, codec: Codec) -> u16 {
        self.named[codec as usize].or(self.rest).unwrap_or(0)
    }

    /// Whether the client takes no bytes as they are.
    #[must_use]
    pub fn refuses_identity(&self) -> bool {
        self.identity.or(self.rest) == Some(0)
    }

    /// The coding that the client takes most gladly, the first in `preference` of several; `None`
    /// where it takes none of them or would rather have the bytes as they are.
    #[must_use]
    pub fn choose(&self, preference: &[Codec]) -> Option<Codec> {
        let mut best: Option<(Codec, u16)> = None;
        for &codec in preference {
            let weight = self.weight(codec);
            if weight > best.map_or(0, |(_, weight)| weight) {
                best = Some((codec, weight));
            }
        }
        best.filter(|(_, weight)| *weight >= self.identity.unwrap_or(0)).map(|(codec, _)| codec)
    }
}

/// A coding's name and its weight.
fn element_of(element: &[u8]) -> Option<(&[u8], u16)> {
    let mut parts = element.splitn(2, |byte| *byte == b';');
    let name = parts.next()?.trim_ascii();
    let weight = match parts.next() {
        None => MOST,
        Some(weight) => weight_of(weight.trim_ascii())?,
    };
    (!name.is_empty()).then_some((name, weight))
}

/// `q=0.5` in thousandths (RFC 9110 section 12.4.2).
fn weight_of(text: &[u8]) -> Option<u16> {
    let [b'q' | b'Q', b'=', value @ ..] = text else { return None };
    let (whole, digits): (u16, &[u8]) = match value {
        [b'0'] => (0, &[]),
        [b'1'] => (1, &[]),
        [b'0', b'.', digits @ ..] => (0, digits),
        [b'1', b'.', digits @ ..] => (1, digits),
        _ => return None,
    };
    if digits.len() > 3 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let place = |(index, digit): (usize, &u8)| u16::from(digit - b'0') * [100, 10, 1][index];
    let weight = whole * MOST + digits.iter().enumerate().map(place).sum::<u16>();
    (weight <= MOST).then_some(weight)
}

#[cfg(test)]
mod tests {
    //! The grammar and the choice.
    use super::Accepts;
    use crate::compress::codec::Codec::{self, Br, Gzip, Zstd};

    fn choice(fields: &[&str]) -> Option<Codec> {
        Accepts::read(fields.iter().map(|field| field.as_bytes())).choose(&[Zstd, Br, Gzip])
    }

    #[test]
    fn the_client_weighs_and_the_config_breaks_ties() {
        for (field, wanted) in [
            ("gzip", Some(Gzip)),
            ("GZip", Some(Gzip)),
            ("x-gzip", Some(Gzip)),
            ("gzip, deflate, br, zstd", Some(Zstd)),
            ("gzip;q=1.0, br;q=0.5", Some(Gzip)),
            ("gzip ; q=0.3 ,\tbr;Q=0.31", Some(Br)),
            ("*", Some(Zstd)),
            ("*;q=0.1, gzip;q=0.2", Some(Gzip)),
            ("zstd;q=0, *", Some(Br)),
            ("gzip;q=0, br;q=0.0, zstd;q=0.000", None),
            ("*;q=0, gzip", Some(Gzip)),
            ("identity", None),
            ("identity, gzip;q=0.9", None),
            ("identity;q=0.9, gzip;q=0.9", Some(Gzip)),
            ("identity;q=0, gzip;q=0.001", Some(Gzip)),
            ("deflate, compress", None),
            ("", None),
            (",, ,gzip,", Some(Gzip)),
            ("gzip;q=0, gzip", None),
        ] {
            assert_eq!(choice(&[field]), wanted, "{field}");
        }
        assert_eq!(choice(&["gzip;q=0.5", "br"]), Some(Br));
        assert_eq!(choice(&[]), None);
    }

    #[test]
    fn what_breaks_the_syntax_is_not_there() {
        for field in [
            "gzip;q=2",
            "gzip;q=1.001",
            "gzip;q=.5",
            "gzip;q=0.1234",
            "gzip;q=-1",
            "gzip;q",
            "gzip;",
            "gzip;q=",
            "gzip;level=9",
            "gzip;q=1;q=1",
            "gzip q=1",
            "gz ip",
            "\"gzip\"",
            "gzip;q=1,5x",
        ] {
            let accepts = Accepts::read([field.as_bytes()].into_iter());
            let wanted = if field.starts_with("gzip;q=1,") { Some(Gzip) } else { None };
            assert_eq!(accepts.choose(&[Gzip]), wanted, "{field}");
        }
    }

    #[test]
    fn identity_is_refused_by_name_or_by_a_star() {
        for (field, refused) in [
            ("identity;q=0", true),
            ("*;q=0", true),
            ("gzip, *;q=0", true),
            ("*;q=0, identity;q=0.1", false),
            ("gzip", false),
            ("*", false),
            ("", false),
        ] {
            let accepts = Accepts::read([field.as_bytes()].into_iter());
            assert_eq!(accepts.refuses_identity(), refused, "{field}");
        }
    }
}
