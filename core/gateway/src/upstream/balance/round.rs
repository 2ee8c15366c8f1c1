//! The order of a round: smooth weighted round robin, as nginx has it.
//!
//! Within a round each endpoint comes as often as its weight says, spread as evenly as can be. The
//! order is worked out when the set of endpoints changes, so that a call only advances a counter.

/// A round is at most so long, unless there are more endpoints; weights are scaled down to fit.
const ROUND_MAX: u64 = 4096;

/// The order of one round: indices of `weights`.
pub(super) fn round(weights: &[u32]) -> Vec<u32> {
    let divisor = weights.iter().copied().fold(0, gcd).max(1);
    let mut weights: Vec<u64> = weights.iter().map(|&weight| u64::from(weight / divisor)).collect();
    if weights.iter().all(|&weight| weight == 1) {
        return (0..weights.len() as u32).collect();
    }
    let sum: u64 = weights.iter().sum();
    if sum > ROUND_MAX {
        for weight in weights.iter_mut().filter(|weight| **weight > 0) {
            *weight = (*weight * ROUND_MAX / sum).max(1);
        }
    }
    let sum: i64 = weights.iter().sum::<u64>() as i64;
    let mut credits = vec![0_i64; weights.len()];
    let mut order = Vec::with_capacity(sum as usize);
    for _ in 0..sum {
        let mut best = 0;
        for (index, credit) in credits.iter_mut().enumerate() {
            *credit += weights[index] as i64;
        }
        for (index, credit) in credits.iter().enumerate() {
            // The first of the largest wins, so the order is one and the same for all.
            if *credit > credits[best] {
                best = index;
            }
        }
        credits[best] -= sum;
        order.push(best as u32);
    }
    order
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    //! Rounds.
    use super::{ROUND_MAX, round};
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    #[test]
    fn the_known_smooth_order() {
        assert_eq!(round(&[5, 1, 1]), [0, 0, 1, 0, 2, 0, 0]);
        assert_eq!(round(&[7, 7, 7]), [0, 1, 2]);
        assert_eq!(round(&[2, 0, 4]), [2, 0, 2]);
        assert!(round(&[0, 0]).is_empty());
        assert!(round(&[]).is_empty());
    }

    #[test]
    fn rounds_stay_short() {
        let order = round(&[1000, 999, 997, 991, 1, 0]);
        assert!(order.len() as u64 <= ROUND_MAX);
        assert!(order.contains(&4) && !order.contains(&5));
    }

    proptest! {
        #[test]
        fn shares_are_exact_and_spread(seed in any::<[u8; 5]>()) {
            let weights = seed.map(|byte| u32::from(byte % 12));
            let order = round(&weights);
            let total: u32 = weights.iter().sum();
            for (index, &weight) in weights.iter().enumerate() {
                let count = order.iter().filter(|&&at| at == index as u32).count();
                if total > 0 {
                    prop_assert_eq!(count as u64 * u64::from(total), u64::from(weight) * order.len() as u64);
                }
                // No stretch without an endpoint is longer than twice its fair distance.
                if count > 1 {
                    let places: Vec<_> = (0..order.len()).filter(|&at| order[at] == index as u32).collect();
                    let gap = places.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0);
                    prop_assert!(gap <= 2 * order.len().div_ceil(count));
                }
            }
        }
    }
}
