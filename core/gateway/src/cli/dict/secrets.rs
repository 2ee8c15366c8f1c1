//! What in a sample looks like a secret. A dictionary goes to every client with parts of its samples in it.
//!
//! These are guesses: they find careless samples, and are no proof of clean ones.

use std::fmt;

/// Names of fields whose values are secrets, in small letters without `_` and `-`.
const NAMES: [&str; 22] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "clientsecret",
    "authorization",
    "apikey",
    "accesstoken",
    "refreshtoken",
    "idtoken",
    "token",
    "authtoken",
    "sessiontoken",
    "sessionid",
    "cookie",
    "setcookie",
    "privatekey",
    "cvv",
    "cvc",
    "pin",
    "otp",
    "cardnumber",
];
/// A run of so many letters and digits may be a key, where it is mixed enough.
const LONG: usize = 32;
/// A run of so many hexadecimal digits may be one. Shorter ones are ids and hashes as messages have them.
const LONG_HEX: usize = 40;

/// A guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Suspicion<'a> {
    /// A field of this name that has a value.
    Named(&'a str),
    /// So many letters and digits as random as a key.
    Token(usize),
    /// A number that is a card's by its beginning, length and check digit.
    Card,
    /// A private key in PEM.
    Pem,
    /// Credentials as in the field `Authorization`.
    Credentials,
}

impl fmt::Display for Suspicion<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => write!(to, "a value of `{name}`"),
            Self::Token(length) => {
                write!(to, "{length} letters and digits that look random, as keys and tokens do")
            }
            Self::Card => write!(to, "a number such as cards have"),
            Self::Pem => write!(to, "a private key"),
            Self::Credentials => write!(to, "credentials"),
        }
    }
}

/// The first suspicion in a message, if there is one.
pub(super) fn suspect(message: &[u8]) -> Option<Suspicion<'_>> {
    let text = |part: &str| memchr::memmem::find(message, part.as_bytes()).is_some();
    if text("PRIVATE KEY-----") {
        return Some(Suspicion::Pem);
    }
    if ["Bearer ey", "Basic ", "Bearer "].iter().any(|scheme| credentials(message, scheme)) {
        return Some(Suspicion::Credentials);
    }
    named(message).or_else(|| token(message)).or_else(|| card(message).then_some(Suspicion::Card))
}

/// A scheme and something behind it that is long enough for a credential.
fn credentials(message: &[u8], scheme: &str) -> bool {
    memchr::memmem::find_iter(message, scheme.as_bytes()).any(|at| {
        let behind = message[at + scheme.len()..].iter();
        behind.take_while(|byte| is_key(**byte) || matches!(byte, b'.' | b'/' | b'=')).count() >= 12
    })
}

/// `"password": "…"`, `password=…`, `Cookie: …`: a name, a sign, and a value that says something.
fn named(message: &[u8]) -> Option<Suspicion<'_>> {
    for (from, to) in
        runs(message, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    {
        let name = &message[from..to];
        if name.len() > 24 || !is_secret(name) {
            continue;
        }
        let rest = &message[to..];
        let rest = rest
            .strip_prefix(b"\"")
            .or(rest.strip_prefix(b"\\\""))
            .unwrap_or(rest)
            .trim_ascii_start();
        let Some((b':' | b'=', rest)) = rest.split_first() else { continue };
        let value = rest.trim_ascii_start();
        let quoted = value.strip_prefix(b"\\\"").or(value.strip_prefix(b"\""));
        let bytes = quoted.unwrap_or(value);
        let length = bytes.iter().take_while(|byte| !b"\"\\,&;}\r\n".contains(byte)).count();
        let empty =
            quoted.is_none() && [&b"null"[..], b"true", b"false"].contains(&&bytes[..length]);
        let masked =
            bytes[..length].iter().all(|byte| matches!(byte, b'*' | b'x' | b'X' | b'.' | b' '));
        if length > 0 && !empty && !masked && !value.starts_with(b"{") && !value.starts_with(b"[") {
            return std::str::from_utf8(name).ok().map(Suspicion::Named);
        }
    }
    None
}

fn is_secret(name: &[u8]) -> bool {
    NAMES.iter().any(|secret| {
        let letters = name.iter().filter(|byte| !matches!(byte, b'_' | b'-'));
        letters.map(u8::to_ascii_lowercase).eq(secret.bytes())
    })
}

/// A run as random as a key.
fn token(message: &[u8]) -> Option<Suspicion<'_>> {
    runs(message, is_key)
        .map(|(from, to)| &message[from..to])
        .find(|run| is_random(run))
        .map(|run| Suspicion::Token(run.len()))
}

fn is_key(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+')
}

fn is_random(run: &[u8]) -> bool {
    let count = |is: fn(&u8) -> bool| run.iter().filter(|byte| is(byte)).count();
    let digits = count(u8::is_ascii_digit);
    if run.len() >= LONG_HEX && run.iter().all(u8::is_ascii_hexdigit) {
        // Long numbers and words of the letters a to f have few of the one or the other.
        return digits >= run.len() / 4 && digits <= run.len() * 7 / 8 && entropy(run) > 3.0;
    }
    let mixed =
        count(u8::is_ascii_lowercase) >= 4 && count(u8::is_ascii_uppercase) >= 4 && digits >= 2;
    run.len() >= LONG && mixed && entropy(run) > 4.2
}

/// Bits a letter, by how often each comes in the run itself.
fn entropy(run: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in run {
        counts[usize::from(*byte)] += 1;
    }
    let share = |count: &u32| f64::from(*count) / run.len() as f64;
    counts.iter().filter(|count| **count > 0).map(|count| -share(count) * share(count).log2()).sum()
}

/// Digits, alone or in groups with one space or hyphen between, that are a card's number. Numbers of JSON are passed over: cards
/// are written as texts, and one id in ten has the right check digit by chance.
fn card(message: &[u8]) -> bool {
    runs(message, |byte| byte.is_ascii_digit() || matches!(byte, b' ' | b'-')).any(|(from, to)| {
        let alone = |at: Option<&u8>| {
            at.is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'.' && *byte != b'_')
        };
        let groups = message[from..to].trim_ascii();
        let tight = !groups.windows(2).any(|pair| pair.iter().all(|byte| !byte.is_ascii_digit()));
        let digits: Vec<_> =
            groups.iter().filter(|byte| byte.is_ascii_digit()).map(|byte| byte - b'0').collect();
        let before = from.checked_sub(1).and_then(|at| message.get(at));
        let number =
            message[..from].trim_ascii_end().last().is_some_and(|byte| matches!(byte, b':' | b'['));

        tight && !number && alone(before) && alone(message.get(to)) && is_card(&digits)
    })
}

/// Beginnings and lengths of ISO/IEC 7812 as the large schemes use them, and the check digit of Luhn.
fn is_card(digits: &[u8]) -> bool {
    if digits.len() < 13 {
        return false;
    }
    let first = |count: usize| {
        digits[..count].iter().fold(0_u32, |number, digit| number * 10 + u32::from(*digit))
    };
    let scheme = match digits.len() {
        13 => first(1) == 4,
        15 => matches!(first(2), 34 | 37),
        16 => {
            matches!(first(2), 40..=49 | 51..=55 | 62 | 65)
                || matches!(first(4), 2221..=2720 | 3528..=3589 | 6011)
        }
        17..=19 => matches!(first(2), 62) || digits.len() == 19 && first(1) == 4,
        _ => false,
    };
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match (place % 2, u32::from(*digit)) {
            (0, digit) => digit,
            (_, digit) => digit * 2 / 10 + digit * 2 % 10,
        })
        .sum();
    scheme && sum.is_multiple_of(10)
}

/// The longest parts of these bytes: where each begins and ends.
fn runs(bytes: &[u8], is: fn(u8) -> bool) -> impl Iterator<Item = (usize, usize)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let from = at + bytes[at..].iter().position(|byte| is(*byte))?;
        at = from + bytes[from..].iter().take_while(|byte| is(**byte)).count();
        Some((from, at))
    })
}
