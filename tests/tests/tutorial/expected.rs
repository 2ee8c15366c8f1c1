//! What a page says is printed, against what is.

/// Any text in a line; alone, any lines.
const ANY: &str = "…";

/// How many of the lines the pattern takes from the first on, the fewest that do. With `whole` it must
/// take all of them.
pub(crate) fn taken(pattern: &[String], lines: &[String], whole: bool) -> Option<usize> {
    let Some((first, rest)) = pattern.split_first() else {
        return (!whole || lines.is_empty()).then_some(0);
    };
    if first.trim() == ANY {
        return (0..=lines.len())
            .find_map(|skipped| Some(skipped + taken(rest, &lines[skipped..], whole)?));
    }
    let (line, others) = lines.split_first()?;
    if fits(first, line) { taken(rest, others, whole).map(|more| 1 + more) } else { None }
}

fn fits(pattern: &str, line: &str) -> bool {
    let (pattern, line) = (pattern.trim_end(), line.trim_end());
    let Some((head, tail)) = pattern.split_once(ANY) else { return pattern == line };
    let Some(rest) = line.strip_prefix(head) else { return false };
    // The shortest that is skipped first; pages have few of them in a line.
    let mut ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    ends.any(|at| fits(tail, &rest[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn any_text_in_a_line_and_any_lines() {
        let printed = lines("cargo says\nmore\n  size 12 bytes\nok\n");
        let whole = |pattern: &str| taken(&lines(pattern), &printed, true);
        assert_eq!(whole("…\n  size … bytes\nok"), Some(4));
        assert_eq!(whole("cargo says\nmore\n…\n…\nok\n…"), Some(4));
        assert_eq!(whole("…\n  size … bytes"), None, "a line is left");
        assert_eq!(whole("cargo …\n  size 12 bytes\nok"), None, "a line is missing");
        assert_eq!(whole("…\n  size 1… byte\nok"), None);
    }

    #[test]
    fn of_what_goes_on_the_fewest_lines_are_taken() {
        let printed = lines("a\nb\nready\nc\nready\n");
        assert_eq!(taken(&lines("…\nready"), &printed, false), Some(3));
        assert_eq!(taken(&lines("c"), &printed[3..], false), Some(1));
        assert_eq!(taken(&lines("b"), &printed, false), None);
        assert_eq!(taken(&[], &[], true), Some(0));
    }
}
