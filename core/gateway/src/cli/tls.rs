//! What helps when TLS with a gateway fails: for commands that speak to one as apps do.

/// How what is said of a handshake's failure begins, and what may be done.
const ADVICE: [(&str, &str); 4] = [
    ("UnknownIssuer", "--ca FILE names whom to trust; --insecure takes any certificate"),
    ("ApplicationVerificationFailure", "no --pin is that of its key"),
    ("invalid peer certificate", "--insecure takes any certificate"),
    ("InvalidContentType", "is it TLS that is spoken there?"),
];

/// The reason, and behind it what may be done, where that is known.
pub(super) fn advised(why: &str) -> String {
    match ADVICE.iter().find(|(part, _)| why.contains(part)) {
        Some((_, advice)) => format!("{why} ({advice})"),
        None => why.to_owned(),
    }
}
