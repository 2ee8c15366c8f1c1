//! nginx's times, sizes and rates, and ours.

/// A time in milliseconds: `60`, `500ms`, `1h30m`. `M` and `y` are months of 30 and years of 365 days.
pub(crate) fn time(text: &str) -> Option<u64> {
    let mut total: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let count: u64 = rest[..digits].parse().ok()?;
        let unit_end = rest[digits..]
            .find(|c: char| c.is_ascii_digit() || c == ' ')
            .map_or(rest.len(), |at| at + digits);
        let scale = match &rest[digits..unit_end] {
            "ms" => 1,
            "" | "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 7 * 86_400_000,
            "M" => 30 * 86_400_000,
            "y" => 365 * 86_400_000,
            _ => return None,
        };
        total = total.checked_add(count.checked_mul(scale)?)?;
        rest = rest[unit_end..].trim_start();
    }
    (!text.is_empty()).then_some(total)
}

/// Milliseconds as we write them: `90s`, `500ms`, `1h`.
pub(crate) fn duration(ms: u64) -> String {
    for (unit, scale) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)] {
        if ms >= scale && ms.is_multiple_of(scale) {
            return format!("{}{unit}", ms / scale);
        }
    }
    format!("{ms}ms")
}

/// A size in bytes: `8k`, `10m`, `1g`, `512`.
pub(crate) fn size(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let count: u64 = text[..digits].parse().ok()?;
    let scale = match &text[digits..] {
        "" => 1,
        "k" | "K" => 1 << 10,
        "m" | "M" => 1 << 20,
        "g" | "G" => 1 << 30,
        _ => return None,
    };
    count.checked_mul(scale)
}

/// Bytes as we write them: `10MiB`.
pub(crate) fn bytes(count: u64) -> String {
    for (unit, scale) in [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if count >= scale && count.is_multiple_of(scale) {
            return format!("{}{unit}", count / scale);
        }
    }
    format!("{count}B")
}

/// A name as ours may be: other characters become `-`.
pub(crate) fn name(text: &str) -> String {
    let keep = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let mut name: String = text.chars().map(keep).collect();
    while name.contains("--") {
        name = name.replace("--", "-");
    }
    let name = name.trim_matches(['-', '.', '_']);
    let cut: String = name.chars().take(100).collect();
    if cut.is_empty() { "root".into() } else { cut }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_sizes_and_names() {
        assert_eq!(time("60"), Some(60_000));
        assert_eq!(time("1h30m"), Some(5_400_000));
        assert_eq!(time("500ms"), Some(500));
        assert_eq!(time("1d 2h"), Some(93_600_000));
        assert_eq!((time(""), time("x"), time("1q")), (None, None, None));
        assert_eq!((size("10m"), size("8K"), size("5")), (Some(10 << 20), Some(8192), Some(5)));
        assert_eq!((size("10mb"), size("99999999999999999999")), (None, None));
        assert_eq!(
            [duration(90_000), duration(1500), duration(3_600_000)],
            ["90s", "1500ms", "1h"]
        );
        assert_eq!([bytes(10 << 20), bytes(1500), bytes(2048)], ["10MiB", "1500B", "2KiB"]);
        assert_eq!([name("/api/v1/"), name("~ \\.php$"), name("/")], ["api-v1", "php", "root"]);
    }
}
