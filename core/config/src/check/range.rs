//! Ranges of numbers, times and sizes.

use std::fmt::Display;
use std::time::Duration;

use paifang_pipeline::units::{ByteSize, HumanDuration};

use crate::diag::{Problem, Problems};
use crate::yaml::Located;

pub(super) const HOUR: Duration = Duration::from_secs(3600);
pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const MILLI: Duration = Duration::from_millis(1);

/// A number outside of what is allowed.
pub(super) fn number<T: PartialOrd + Display>(
    value: &Located<T>,
    least: T,
    most: T,
    problems: &mut Problems,
) {
    if **value < least || **value > most {
        problems.push(Problem::new(
            value.span(),
            format!("expected {least} to {most}, found {}", value.value()),
        ));
    }
}

/// A time outside of what is allowed.
pub(super) fn time(
    value: &Located<HumanDuration>,
    least: Duration,
    most: Duration,
    problems: &mut Problems,
) {
    if value.get() < least || value.get() > most {
        problems.push(Problem::new(
            value.span(),
            format!(
                "expected {} to {}, found {}",
                HumanDuration::new(least),
                HumanDuration::new(most),
                value.value()
            ),
        ));
    }
}

/// A size outside of what is allowed, in bytes.
pub(super) fn size(value: &Located<ByteSize>, least: u64, most: u64, problems: &mut Problems) {
    number(value, ByteSize::new(least), ByteSize::new(most), problems);
}
