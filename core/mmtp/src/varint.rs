//! Variable-length integers: unsigned LEB128, as in protocol buffers, in their shortest form only.

use bytes::BufMut;

/// Why bytes are no integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bad {
    /// The bytes end within it.
    Short,
    /// It is longer than its value needs, or wider than allowed.
    Form,
}

/// Reads an integer of up to `bits` bits: it and how many bytes it has.
#[inline]
pub(crate) fn read(bytes: &[u8], bits: u32) -> Result<(u64, usize), Bad> {
    // Nearly all have one byte.
    match bytes.first() {
        Some(&byte) if byte < 0x80 => return Ok((u64::from(byte), 1)),
        Some(_) => {}
        None => return Err(Bad::Short),
    }
    let most = bits.div_ceil(7) as usize;
    let mut value = 0u64;
    for (index, &byte) in bytes.iter().take(most).enumerate() {
        let (shift, low) = (7 * index as u32, u64::from(byte & 0x7f));
        if shift + (u64::BITS - low.leading_zeros()) > bits {
            return Err(Bad::Form);
        }
        value |= low << shift;
        if byte < 0x80 {
            let shortest = byte != 0;
            return if shortest { Ok((value, index + 1)) } else { Err(Bad::Form) };
        }
    }
    Err(if bytes.len() < most { Bad::Short } else { Bad::Form })
}

/// Writes an integer.
#[inline]
pub(crate) fn write(out: &mut impl BufMut, mut value: u64) {
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

/// How many bytes [`write`] takes.
#[inline]
#[must_use]
pub(crate) fn length(value: u64) -> usize {
    (u64::BITS - (value | 1).leading_zeros()).div_ceil(7) as usize
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_at_every_width() {
        for shift in 0..64 {
            for value in [(1u64 << shift) - 1, 1 << shift, (1 << shift) + 1] {
                let mut bytes = Vec::new();
                write(&mut bytes, value);
                assert_eq!(bytes.len(), length(value), "{value}");
                assert_eq!(read(&bytes, 64), Ok((value, bytes.len())), "{value}");
                let narrow = read(&bytes, 32);
                assert_eq!(narrow.is_ok(), u32::try_from(value).is_ok(), "{value}");
                for cut in 0..bytes.len() {
                    assert_eq!(read(&bytes[..cut], 64), Err(Bad::Short), "{value} {cut}");
                }
            }
        }
    }

    #[test]
    fn long_forms_are_refused() {
        for bytes in [&[0x80, 0][..], &[0xff, 0x80, 0], &[0xff; 11], &[0x80, 0x80, 0x80, 0x80, 0]] {
            assert_eq!(read(bytes, 64), Err(Bad::Form), "{bytes:?}");
        }
        assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0x1f], 32), Err(Bad::Form));
        assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0x0f], 32), Ok((u64::from(u32::MAX), 5)));
        assert_eq!(read(&[0xff; 6], 32), Err(Bad::Form));
    }
}
