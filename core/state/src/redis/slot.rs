//! Hash slots of a Redis Cluster, cut into lanes that fail apart.
//!
//! A slot is the CRC16 (XMODEM) of what stands between the first `{` and the next `}` of a key,
//! modulo 16384 (Redis Cluster specification, "Key distribution model"). A lane is an equal range
//! of slots. Masters commonly hold ranges, so when one dies only the lanes of its range are down.

/// Slots of a cluster.
const SLOTS: u16 = 16_384;

/// Lanes of a cluster; a single server has one.
pub(super) const LANES: usize = 16;

/// The slot of a key that has a hash tag in braces.
pub(super) fn slot(key: &[u8]) -> u16 {
    crc16(tag(key)) % SLOTS
}

/// The lane of a key among `lanes`.
pub(super) fn lane(key: &[u8], lanes: usize) -> usize {
    usize::from(slot(key)) * lanes / usize::from(SLOTS)
}

/// For each lane a key that lies in it, for looking whether it takes writes.
pub(super) fn probes(prefix: &str, lanes: usize) -> Box<[Vec<u8>]> {
    (0..lanes)
        .map(|wanted| {
            let mut key = Vec::new();
            // A try hits one lane in `lanes`: this ends after a few of them.
            for attempt in 0_u32.. {
                key = format!("{prefix}:probe:{{{attempt}}}").into_bytes();
                if lane(&key, lanes) == wanted {
                    break;
                }
            }
            key
        })
        .collect()
}

fn tag(key: &[u8]) -> &[u8] {
    let Some(open) = key.iter().position(|byte| *byte == b'{') else { return key };
    let inner = &key[open + 1..];
    match inner.iter().position(|byte| *byte == b'}') {
        Some(0) | None => key,
        Some(close) => &inner[..close],
    }
}

fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 }
        })
    })
}

#[cfg(test)]
mod tests {
    //! Against the numbers of the cluster's specification, and what `CLUSTER KEYSLOT` says.
    use super::{LANES, crc16, lane, probes, slot};

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
        assert_eq!(slot(b"foo"), 12_182);
        assert_eq!(slot(b"{user1000}.following"), slot(b"{user1000}.followers"));
        assert_eq!(slot(b"foo{}{bar}"), crc16(b"foo{}{bar}") % 16_384, "an empty tag is none");
        assert_eq!(slot(b"foo{{bar}}zap"), crc16(b"{bar") % 16_384);
    }

    #[test]
    fn each_lane_has_a_probe() {
        for lanes in [1, LANES] {
            let keys = probes("paifang", lanes);
            assert_eq!(keys.len(), lanes);
            for (index, key) in keys.iter().enumerate() {
                assert_eq!(lane(key, lanes), index);
            }
        }
    }
}
