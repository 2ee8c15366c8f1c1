//! When APISIX runs a plugin: phase and priority, from its sources (`apisix/plugins`, 3.14).

/// A step's place in a chain; the lesser comes first.
pub(super) type Place = (u8, i32);

/// Before all plugins.
pub(super) const FIRST: Place = (0, 0);

/// Plugin, priority, whether it works in the access phase (else in the rewrite phase, before it).
const ORDER: &[(&str, i32, bool)] = &[
    ("real-ip", 23000, false),
    ("client-control", 22000, false),
    ("proxy-control", 21990, false),
    ("request-id", 12015, false),
    ("zipkin", 12011, false),
    ("opentelemetry", 12009, false),
    ("fault-injection", 11000, false),
    ("mocking", 10900, true),
    ("cors", 4000, false),
    ("ip-restriction", 3000, true),
    ("ua-restriction", 2999, true),
    ("referer-restriction", 2990, true),
    ("csrf", 2980, true),
    ("uri-blocker", 2900, false),
    ("request-validation", 2800, false),
    ("chaitin-waf", 2700, true),
    ("multi-auth", 2600, false),
    ("openid-connect", 2599, false),
    ("authz-casbin", 2560, false),
    ("ldap-auth", 2540, false),
    ("hmac-auth", 2530, false),
    ("basic-auth", 2520, false),
    ("jwt-auth", 2510, false),
    ("key-auth", 2500, false),
    ("acl", 2410, true),
    ("consumer-restriction", 2400, true),
    ("forward-auth", 2002, true),
    ("opa", 2001, true),
    ("authz-keycloak", 2000, true),
    ("proxy-cache", 1085, true),
    ("body-transformer", 1080, false),
    ("proxy-mirror", 1010, false),
    ("proxy-rewrite", 1008, false),
    ("workflow", 1006, true),
    ("api-breaker", 1005, true),
    ("limit-conn", 1003, true),
    ("limit-count", 1002, true),
    ("limit-req", 1001, true),
    ("brotli", 996, true),
    ("gzip", 995, true),
    ("traffic-split", 966, true),
    ("redirect", 900, false),
    ("response-rewrite", 899, true),
    ("prometheus", 500, true),
];

/// The place of a plugin's step. `own` is a priority that the config gives it.
pub(super) fn place(plugin: &str, own: Option<i32>) -> Place {
    let known = ORDER.iter().find(|(name, ..)| *name == plugin);
    let (priority, access) = known.map_or((0, true), |(_, priority, access)| (*priority, *access));
    (1 + u8::from(access), -own.unwrap_or(priority))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rewrite_phase_comes_before_the_access_phase() {
        assert!(place("redirect", None) < place("ip-restriction", None));
        assert!(place("key-auth", None) < place("consumer-restriction", None));
        assert!(place("limit-conn", None) < place("limit-count", None));
        assert!(place("limit-req", Some(5000)) < place("limit-count", None));
    }
}
