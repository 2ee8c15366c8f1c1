//! A set of numbers as ranges that neither meet nor overlap, looked up by halving.

/// Ranges, their ends included, in ascending order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ranges<T> {
    /// Beside their ends rather than in pairs with them: halving reads starts alone.
    starts: Box<[T]>,
    ends: Box<[T]>,
}

impl<T: Copy + Ord> Ranges<T> {
    /// The numbers of all these ranges, whatever their order and however they overlap.
    pub(super) fn new(mut ranges: Vec<(T, T)>) -> Self {
        ranges.sort_unstable();
        let (mut starts, mut ends) = (Vec::new(), Vec::<T>::new());
        for (start, end) in ranges {
            match ends.last_mut() {
                Some(last) if start <= *last => *last = end.max(*last),
                _ => {
                    starts.push(start);
                    ends.push(end);
                }
            }
        }
        Self { starts: starts.into(), ends: ends.into() }
    }

    /// Whether the number is in one of them.
    pub(super) fn has(&self, number: T) -> bool {
        let after = self.starts.partition_point(|start| *start <= number);
        after.checked_sub(1).is_some_and(|at| number <= self.ends[at])
    }
}

#[cfg(test)]
mod tests {
    //! Sets held against a plain search.
    use super::Ranges;
    use proptest::prelude::*;

    #[test]
    fn ends_belong_to_a_range_and_nothing_has_no_number() {
        let ranges = Ranges::new(vec![(250, 255), (3, 5), (4, 9), (3, 5), (11, 11)]);
        let inside: Vec<u8> = (0..=255).filter(|number| ranges.has(*number)).collect();
        assert_eq!(inside, [3, 4, 5, 6, 7, 8, 9, 11, 250, 251, 252, 253, 254, 255]);
        assert_eq!(ranges.starts.len(), 3, "overlapping ranges are one");
        assert!(!Ranges::<u8>::new(Vec::new()).has(0));
        assert!((0..=u8::MAX).all(|number| Ranges::new(vec![(0, u8::MAX)]).has(number)));
    }

    proptest! {
        #[test]
        fn what_a_plain_search_finds(ends in prop::collection::vec((0u8.., 0u8..), 0..40)) {
            let all: Vec<(u8, u8)> = ends.iter().map(|(a, b)| (*a.min(b), *a.max(b))).collect();
            let ranges = Ranges::new(all.clone());
            for number in 0..=u8::MAX {
                let found = all.iter().any(|(start, end)| (*start..=*end).contains(&number));
                prop_assert_eq!(ranges.has(number), found, "{}", number);
            }
        }
    }
}
