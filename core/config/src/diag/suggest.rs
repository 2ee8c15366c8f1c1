//! "Did you mean": the known name nearest to a mistyped one.

/// The known name that a mistyped one most probably meant, if any is near enough: at most one
/// edit for each three characters (swapped neighbours count once), or the same but for `-`, `_`
/// and case.
#[must_use]
pub fn closest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = |name: &str| name.replace('-', "_").to_lowercase();
    let typed_folded = folded(typed);
    let most = (typed.chars().count() / 3).max(1);
    known
        .into_iter()
        .filter_map(|name| {
            let distance =
                if folded(name) == typed_folded { 0 } else { strsim::osa_distance(typed, name) };
            (distance <= most && name != typed).then_some((distance, name))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// The help text for an unknown name: the nearest known one, or the list of all when it is short.
#[must_use]
pub fn did_you_mean<'a>(
    typed: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
) -> Option<String> {
    if let Some(name) = closest(typed, known.clone()) {
        return Some(format!("did you mean `{name}`?"));
    }
    let all: Vec<&str> = known.into_iter().collect();
    match all.len() {
        0 => None,
        1..=24 => Some(format!("known here: {}", all.join(", "))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_known_name_is_offered() {
        let known = ["listeners", "upstreams", "apis", "body_limit", "address"];
        for (typed, meant) in [
            ("lisenters", Some("listeners")),
            ("upstream", Some("upstreams")),
            ("api", Some("apis")),
            ("bodyLimit", Some("body_limit")),
            ("body-limit", Some("body_limit")),
            ("adress", Some("address")),
            ("zzz", None),
            ("x", None),
        ] {
            assert_eq!(closest(typed, known), meant, "{typed}");
        }
        assert_eq!(did_you_mean("zzz", ["a", "b"]).as_deref(), Some("known here: a, b"));
        assert_eq!(did_you_mean("zzz", []), None);
    }
}
