//! Medians with the interval they were drawn from.

use std::fmt;

/// The median of some rounds, with the least and the greatest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) greatest: f64,
}

impl Spread {
    /// Of any rounds; of none it is NaN throughout.
    pub(crate) fn of(rounds: &[f64]) -> Self {
        let mut sorted = rounds.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |i: usize| sorted.get(i).copied().unwrap_or(f64::NAN);
        let last = sorted.len().saturating_sub(1);
        let median = f64::midpoint(at(last / 2), at(last.div_ceil(2)));
        Self { median, least: at(0), greatest: at(last) }
    }

    /// Of the ratios, round by round: what shook one round shook both its sides.
    pub(crate) fn of_ratios(ours: &[f64], theirs: &[f64]) -> Self {
        let ratios: Vec<f64> = ours.iter().zip(theirs).map(|(our, their)| our / their).collect();
        Self::of(&ratios)
    }
}

/// The value that so many hundredths of the values do not exceed; of none it is NaN.
pub(crate) fn hundredth(values: &[f64], hundredths: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (sorted.len().saturating_sub(1) * hundredths).div_ceil(100);
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(1);
        write!(f, "{:.digits$} ({:.digits$}–{:.digits$})", self.median, self.least, self.greatest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_even_one_and_none() {
        assert_eq!(Spread::of(&[3.0, 1.0, 2.0]).to_string(), "2.0 (1.0–3.0)");
        assert_eq!(Spread::of(&[4.0, 1.0, 2.0, 3.0]).median, 2.5);
        assert_eq!(format!("{:.0}", Spread::of(&[7.0])), "7 (7–7)");
        assert!(Spread::of(&[]).median.is_nan());
    }

    #[test]
    fn hundredths_are_of_what_is_there() {
        let values: Vec<f64> = (0..=200).rev().map(f64::from).collect();
        assert_eq!([50, 99, 100].map(|at| hundredth(&values, at)), [100.0, 198.0, 200.0]);
        assert!(hundredth(&[], 50).is_nan());
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        let spread = Spread::of_ratios(&[10.0, 30.0, 22.0], &[10.0, 20.0, 20.0]);
        assert_eq!((spread.median, spread.least, spread.greatest), (1.1, 1.0, 1.5));
    }
}
