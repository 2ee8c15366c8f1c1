//! Plain scalars by the core schema of YAML 1.2 (section 10.3.2): null, booleans, numbers; all
//! else is text. `yes`, `on` and a date are texts, `0o17` is a number.

/// What a plain scalar means when nobody asks for a type.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Plain {
    /// `null`, `~`, or nothing.
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// A whole number that is not negative.
    Unsigned(u64),
    /// A negative whole number.
    Signed(i64),
    /// Any other number.
    Float(f64),
    /// Everything else.
    Text,
}

impl Plain {
    /// Resolves a text. Whole numbers beyond 64 bits become floats, as JSON readers do.
    #[must_use]
    pub fn of(text: &str) -> Self {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => return Self::Null,
            "true" | "True" | "TRUE" => return Self::Bool(true),
            "false" | "False" | "FALSE" => return Self::Bool(false),
            _ => {}
        }
        // Most texts are decided by their first byte.
        if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
            return Self::Text;
        }
        if let Some(number) = unsigned(text) {
            return Self::Unsigned(number);
        }
        if let Some(number) = signed(text) {
            return Self::Signed(number);
        }
        float(text).map_or(Self::Text, Self::Float)
    }
}

/// A whole number, not negative: decimal, `0x` or `0o`.
#[must_use]
pub(super) fn unsigned(text: &str) -> Option<u64> {
    if let Some(hex) = text.strip_prefix("0x") {
        return digits(hex, 16);
    }
    if let Some(octal) = text.strip_prefix("0o") {
        return digits(octal, 8);
    }
    digits(text.strip_prefix('+').unwrap_or(text), 10)
}

/// A whole number with a sign.
#[must_use]
pub(super) fn signed(text: &str) -> Option<i64> {
    if let Some(magnitude) = text.strip_prefix('-') {
        let magnitude = digits(magnitude, 10)?;
        return 0_i64.checked_sub_unsigned(magnitude);
    }
    unsigned(text).and_then(|number| i64::try_from(number).ok())
}

/// `[-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`, finite.
#[must_use]
pub(super) fn float(text: &str) -> Option<f64> {
    let body = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match body.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (body, None),
    };
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let mantissa_fits = match mantissa.split_once('.') {
        Some((whole, fraction)) => {
            all_digits(whole) && all_digits(fraction) && !(whole.is_empty() && fraction.is_empty())
        }
        None => !mantissa.is_empty() && all_digits(mantissa),
    };
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !exponent.is_empty() && all_digits(exponent)
    });
    if !mantissa_fits || !exponent_fits {
        return None;
    }
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// Digits only: no sign, no blank, no underscore.
fn digits(text: &str, radix: u32) -> Option<u64> {
    if text.is_empty() || !text.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    u64::from_str_radix(text, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_follow_the_core_schema() {
        for (text, meaning) in [
            ("", Plain::Null),
            ("~", Plain::Null),
            ("true", Plain::Bool(true)),
            ("yes", Plain::Text),
            ("on", Plain::Text),
            ("0", Plain::Unsigned(0)),
            ("+12", Plain::Unsigned(12)),
            ("-12", Plain::Signed(-12)),
            ("0x1F", Plain::Unsigned(31)),
            ("0o17", Plain::Unsigned(15)),
            ("1_000", Plain::Text),
            ("0777", Plain::Unsigned(777)),
            ("1.", Plain::Float(1.0)),
            (".5", Plain::Float(0.5)),
            ("1e3", Plain::Float(1000.0)),
            (".", Plain::Text),
            ("-", Plain::Text),
            ("--1", Plain::Text),
            ("1e", Plain::Text),
            ("1e999", Plain::Text),
            ("5s", Plain::Text),
            ("18446744073709551616", Plain::Float(18_446_744_073_709_551_616.0)),
            ("-9223372036854775808", Plain::Signed(i64::MIN)),
            ("10.0.0.0/8", Plain::Text),
        ] {
            assert_eq!(Plain::of(text), meaning, "{text}");
        }
    }
}
