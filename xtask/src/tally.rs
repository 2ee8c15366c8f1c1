//! Counts of tests, read off the closing lines of cargo test and cargo nextest.

use std::{fmt, ops::AddAssign};

/// How many tests passed, failed and were skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Tally {
    /// Sums up the closing lines of `cargo test`, one for each test program, coloured or not.
    pub(crate) fn of_cargo(output: &str) -> Self {
        let mut sum = Self::default();
        for line in output.lines().map(plain) {
            // What a failed test printed is indented or stands elsewhere.
            let result = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". "));
            sum += result.map(|(_, counts)| Self::counts(counts)).unwrap_or_default();
        }
        sum
    }

    /// Reads nextest's one closing line; what failed tests printed before it, closing lines of their
    /// own among it, counts nothing.
    pub(crate) fn of_nextest(output: &str) -> Self {
        let lines = output.lines().rev().map(plain);
        let mut closing = lines.filter(|line| line.trim_start().starts_with("Summary ["));
        let line = closing.next().unwrap_or_default();
        line.split_once(" run: ").map(|(_, counts)| Self::counts(counts)).unwrap_or_default()
    }

    /// `3 passed (1 slow), 1 failed, 2 skipped` or `3 passed; 1 failed; 2 ignored; …`.
    fn counts(text: &str) -> Self {
        let words: Vec<&str> = text.split([' ', ',', ';', '(', ')']).collect();
        let mut tally = Self::default();
        for pair in words.windows(2) {
            let Ok(n) = pair[0].parse::<u64>() else { continue };
            match pair[1] {
                "passed" => tally.passed += n,
                "failed" | "exec" | "timed" => tally.failed += n,
                "skipped" | "ignored" => tally.skipped += n,
                _ => {}
            }
        }
        tally
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// The line without terminal colours.
fn plain(line: &str) -> String {
    let mut rest = line;
    let mut kept = String::with_capacity(line.len());
    while let Some((before, after)) = rest.split_once("\x1b[") {
        kept.push_str(before);
        rest = after.split_once('m').map_or("", |(_, after)| after);
    }
    kept.push_str(rest);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_test_lines_add_up() {
        let output = "test a ... ok\n\
            \x1b[1mtest result: ok\x1b[0m. 3 passed; 0 failed; 1 ignored; 0 measured; 9 filtered out\n\
            test result: FAILED. 2 passed; 5 failed; 0 ignored; 0 measured; 0 filtered out\n";
        assert_eq!(Tally::of_cargo(output), Tally { passed: 5, failed: 5, skipped: 1 });
    }

    #[test]
    fn a_nextest_summary_counts_once_whatever_its_remarks() {
        let output = "\x1b[31;1m     Summary\x1b[0m [   1.3s] 12/14 tests run: \
            \x1b[1m9\x1b[0m passed (2 slow, 1 flaky), 2 failed, 1 timed out, 4 skipped";
        assert_eq!(Tally::of_nextest(output), Tally { passed: 9, failed: 3, skipped: 4 });
    }

    #[test]
    fn what_a_failed_test_printed_under_nextest_counts_nothing() {
        let output = "    test result: FAILED. 0 passed; 1 failed; 0 ignored\n\
            test result: FAILED. 0 passed; 1 failed; 0 ignored\n\
            \x20    Summary [   0.010s] 2 tests run: 1 passed, 1 failed, 0 skipped\n\
            \x20       FAIL [   0.009s] (2/2) a bad\nerror: test run failed\n";
        assert_eq!(Tally::of_nextest(output), Tally { passed: 1, failed: 1, skipped: 0 });
    }

    #[test]
    fn other_lines_count_nothing() {
        assert_eq!(Tally::of_cargo("7 passed\n"), Tally::default());
        assert_eq!(Tally::of_nextest("Summary of 7 passed\n"), Tally::default());
    }
}
