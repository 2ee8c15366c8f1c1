//! Hops between gateways of different zones, by `CDN-Loop` (RFC 8586): who sends a call to another zone adds itself, and who finds itself
//! there, or too many, refuses the call.

use http::{HeaderMap, HeaderName, HeaderValue};
use paifang_pipeline::{Rejection, error};

pub(super) const CDN_LOOP: HeaderName = HeaderName::from_static("cdn-loop");
/// So many gateways and caches a call may have passed.
const MOST: usize = 8;
/// What this gateway is called there, before the name of its zone.
const NAME: &str = "paifang-";

/// Whether a call may go on at the gateway of the zone `here`.
pub(super) fn check(headers: &HeaderMap, here: &str) -> Result<(), Rejection> {
    let mut passed = 0;
    for value in headers.get_all(CDN_LOOP) {
        // What is no text names nobody, but counts.
        let text = value.to_str().unwrap_or_default();
        for hop in text.split(',') {
            // Behind the name may stand parameters.
            let name = hop.split(';').next().unwrap_or_default().trim();
            passed += 1;
            let own = name.strip_prefix(NAME).is_some_and(|zone| zone.eq_ignore_ascii_case(here));
            if own || passed > MOST {
                let detail = format!("CDN-Loop: {passed} hops, the last of them `{name}`");
                return Err(Rejection::new(error::LOOP_DETECTED).internal(detail));
            }
        }
    }
    Ok(())
}

/// Adds this gateway to a call that it sends to another zone.
pub(super) fn leave(headers: &mut HeaderMap, here: &str) {
    if let Ok(name) = HeaderValue::try_from(format!("{NAME}{here}")) {
        headers.append(CDN_LOOP, name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (CDN_LOOP, HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn who_was_here_before_is_refused() {
        let mut headers = passed(&["cdn.example; trace=\"a\", paifang-west"]);
        assert!(check(&headers, "east").is_ok());
        leave(&mut headers, "east");
        for zone in ["east", "EAST", "west"] {
            assert!(check(&headers, zone).is_err(), "{zone}");
        }
        assert!(check(&headers, "south").is_ok());
        assert!(check(&passed(&["paifang-east;a=b"]), "east").is_err());
        assert!(check(&passed(&["my-paifang-east, paifang-easter"]), "east").is_ok());
    }

    #[test]
    fn there_is_an_end_to_hops() {
        assert!(check(&passed(&["a,b,c,d", "e,f,g,h"]), "east").is_ok());
        assert!(check(&passed(&["a,b,c,d", "e,f,g,h", "i"]), "east").is_err());
        assert!(check(&passed(&[",,,,,,,,"]), "east").is_err());
    }
}
