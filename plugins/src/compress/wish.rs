//! What a step knows of a call between its stages, in one number that costs no allocation.

use super::codec::{CODECS, Codec};

/// The bits: 0-1 the response's coding, 2 identity is refused, 3 nothing may be transformed,
/// 4-5 the request's coding, 6 every piece goes out at once, 8-15 the response's length as a power
/// of two. A coding is its number plus one, so that zero is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Wish(pub(super) u64);

impl Wish {
    const REFUSES_IDENTITY: u64 = 1 << 2;
    const NO_TRANSFORM: u64 = 1 << 3;
    const FLUSHES: u64 = 1 << 6;

    fn codec_at(self, shift: u32) -> Option<Codec> {
        let number = (self.0 >> shift & 3) as usize;
        number.checked_sub(1).and_then(|index| CODECS.get(index).copied())
    }

    fn with_codec_at(self, shift: u32, codec: Option<Codec>) -> Self {
        let number = codec.map_or(0, |codec| codec as u64 + 1);
        Self(self.0 & !(3 << shift) | number << shift)
    }

    fn with(self, bit: u64, set: bool) -> Self {
        Self(if set { self.0 | bit } else { self.0 & !bit })
    }

    /// What the response is coded with.
    pub(super) fn response(self) -> Option<Codec> {
        self.codec_at(0)
    }

    pub(super) fn with_response(self, codec: Option<Codec>) -> Self {
        self.with_codec_at(0, codec)
    }

    /// What the request is coded with.
    pub(super) fn request(self) -> Option<Codec> {
        self.codec_at(4)
    }

    pub(super) fn with_request(self, codec: Option<Codec>) -> Self {
        self.with_codec_at(4, codec)
    }

    pub(super) fn refuses_identity(self) -> bool {
        self.0 & Self::REFUSES_IDENTITY != 0
    }

    pub(super) fn with_identity_refused(self, refused: bool) -> Self {
        self.with(Self::REFUSES_IDENTITY, refused)
    }

    pub(super) fn forbids_transform(self) -> bool {
        self.0 & Self::NO_TRANSFORM != 0
    }

    pub(super) fn with_transform_forbidden(self, forbidden: bool) -> Self {
        self.with(Self::NO_TRANSFORM, forbidden)
    }

    pub(super) fn flushes(self) -> bool {
        self.0 & Self::FLUSHES != 0
    }

    pub(super) fn with_flushes(self, flushes: bool) -> Self {
        self.with(Self::FLUSHES, flushes)
    }

    /// About how long the response is, where that is known: the next power of two.
    pub(super) fn length(self) -> Option<u64> {
        let power = (self.0 >> 8 & 0xFF) as u32;
        power.checked_sub(1).map(|power| 1u64.checked_shl(power).unwrap_or(u64::MAX))
    }

    pub(super) fn with_length(self, length: Option<u64>) -> Self {
        let power = |length: u64| u64::from(64 - length.saturating_sub(1).leading_zeros()) + 1;
        Self(self.0 & !(0xFF << 8) | length.map_or(0, power) << 8)
    }
}

#[cfg(test)]
mod tests {
    //! What is put in comes out, and changes nothing else.
    use super::{CODECS, Wish};

    #[test]
    fn each_part_has_its_own_bits() {
        let all = Wish::default()
            .with_identity_refused(true)
            .with_transform_forbidden(true)
            .with_flushes(true)
            .with_length(Some(1500));
        for request in CODECS.map(Some).into_iter().chain([None]) {
            for response in CODECS.map(Some).into_iter().chain([None]) {
                let wish = all.with_request(request).with_response(response);
                assert_eq!((wish.request(), wish.response()), (request, response));
                assert_eq!(wish.with_request(None).with_response(None), all);
            }
        }
        assert!(all.refuses_identity() && all.forbids_transform() && all.flushes());
        assert_eq!(all.length(), Some(2048));
        for (length, about) in [(0, 1), (1, 1), (2, 2), (1024, 1024), (u64::MAX, u64::MAX)] {
            assert_eq!(Wish::default().with_length(Some(length)).length(), Some(about));
        }
        assert_eq!(all.with_length(None).length(), None);
    }
}
