//! Origins as browsers write them (RFC 6454 section 6.2), and which of them are let in.

use http::HeaderValue;
use paifang_pipeline::ConfigError;
use std::collections::HashMap;

/// The most entries.
const MAX_ORIGINS: usize = 1_000;

/// The origins whose pages may read answers.
pub(super) enum Origins {
    /// Every one, and no need to say which.
    Any,
    /// Those of a list.
    Some(List),
}

/// See [`Origins`].
pub(super) struct List {
    /// Written out, with their place in `values`.
    exact: HashMap<Box<[u8]>, usize>,
    values: Box<[HeaderValue]>,
    below: Box<[Below]>,
}

/// Every host below a domain: `https://*.example.com:8443`.
struct Below {
    /// `https://`
    scheme: Box<[u8]>,
    /// `.example.com:8443`
    end: Box<[u8]>,
}

/// How an origin is let in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It is written out; [`List::value`] has it under this number.
    Exact(usize),
    /// It is a host below a domain.
    Below,
}

impl Origins {
    /// Reads the option `origins`.
    pub(super) fn new(list: &[String], credentials: bool) -> Result<Self, ConfigError> {
        if !(1..=MAX_ORIGINS).contains(&list.len()) {
            let message = format!("expected 1 to {MAX_ORIGINS} origins, found {}", list.len());
            return Err(ConfigError::at("/origins", message)
                .help("write `origins: [ \"https://app.example.com\" ]`, or `[ \"*\" ]` for all"));
        }
        let (mut exact, mut values, mut below) = (HashMap::new(), Vec::new(), Vec::new());
        for (index, text) in list.iter().enumerate() {
            let wrong = |message: String| ConfigError::at(format!("/origins/{index}"), message);
            match text.as_str() {
                "*" | "null" if credentials => {
                    return Err(wrong(format!("`{text}` with `credentials`")).help(
                        "any page could act as the user who is logged in: name the origins",
                    ));
                }
                "*" if list.len() > 1 => {
                    return Err(wrong("`*` stands alone: it is every origin".to_owned()));
                }
                "*" => return Ok(Self::Any),
                "null" => {}
                origin => {
                    let end = check(origin).map_err(|(message, help)| {
                        let error = wrong(message);
                        if help.is_empty() { error } else { error.help(help) }
                    })?;
                    if let Some((scheme, end)) = end {
                        below.push(Below {
                            scheme: scheme.as_bytes().into(),
                            end: end.as_bytes().into(),
                        });
                        continue;
                    }
                }
            }
            let value =
                HeaderValue::from_str(text).map_err(|_| wrong(format!("`{text}` is no origin")))?;
            exact.insert(text.as_bytes().into(), values.len());
            values.push(value);
        }
        Ok(Self::Some(List { exact, values: values.into(), below: below.into() }))
    }
}

impl List {
    /// Whether the pages of an origin, as `Origin` names it, may read answers.
    pub(super) fn find(&self, origin: &[u8]) -> Option<Found> {
        match self.exact.get(origin) {
            Some(at) => Some(Found::Exact(*at)),
            None => self.below.iter().any(|below| below.has(origin)).then_some(Found::Below),
        }
    }

    /// An origin that is written out.
    pub(super) fn value(&self, at: usize) -> Option<&HeaderValue> {
        self.values.get(at)
    }
}

impl Below {
    fn has(&self, origin: &[u8]) -> bool {
        let labels =
            origin.strip_prefix(&*self.scheme).and_then(|rest| rest.strip_suffix(&*self.end));
        // What is not a name, such as `https://evil.test/.example.com`, no browser sends.
        labels.is_some_and(|labels| labels.split(|byte| *byte == b'.').all(is_label))
    }
}

/// Lower case, as browsers write it.
fn is_label(label: &[u8]) -> bool {
    let inner = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    !label.is_empty() && label.iter().all(inner)
}

type Wrong = (String, String);

/// Holds that a browser could send this; for `https://*.example.com` its scheme and its end.
fn check(text: &str) -> Result<Option<(&str, &str)>, Wrong> {
    let wrong = |message: String, help: &str| Err((message, help.to_owned()));
    let like = "write scheme and host, and the port where it is not the scheme's own: \
        `https://app.example.com`, `http://localhost:5173`";
    let none = || wrong(format!("`{text}` is no origin"), like);
    let Some((scheme, rest)) = text.split_once("://") else { return none() };
    let letter = scheme.starts_with(|first: char| first.is_ascii_alphabetic());
    if !letter || !scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    {
        return none();
    }
    if let Some(at) = rest.find(['/', '?', '#']) {
        let end = text.len() - rest.len() + at;
        let help = format!("write `{}`", &text[..end]);
        return wrong("an origin ends with its host or port".to_owned(), &help);
    }
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        let help = format!("write `{}`", text.to_ascii_lowercase());
        return wrong("browsers write origins in lower case".to_owned(), &help);
    }
    let (host, port) = host_and_port(rest);
    if let Some(port) = port {
        if !port.parse::<u16>().is_ok_and(|number| number > 0 && number.to_string() == port) {
            return none();
        }
        if matches!((scheme, port), ("https" | "wss", "443") | ("http" | "ws", "80")) {
            let help = format!("write `{scheme}://{host}`");
            return wrong("browsers leave the scheme's own port away".to_owned(), &help);
        }
    }
    let Some(domain) = host.strip_prefix("*.") else {
        let is_v6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_v6 = is_v6.is_some_and(|host| host.parse::<std::net::Ipv6Addr>().is_ok());
        return if is_v6 || is_name(host) { Ok(None) } else { none() };
    };
    if !is_name(domain) {
        return none();
    }
    if !domain.contains('.') && domain != "localhost" {
        let help = "name the domain too: `https://*.example.com`";
        return wrong(format!("every site below `.{domain}` would be let in"), help);
    }
    Ok(Some((&text[..scheme.len() + 3], &text[scheme.len() + 4..])))
}

fn is_name(host: &str) -> bool {
    host.len() <= 253 && host.split('.').all(|label| is_label(label.as_bytes()))
}

fn host_and_port(rest: &str) -> (&str, Option<&str>) {
    match rest.rfind(':') {
        Some(at) if !rest.ends_with(']') => (&rest[..at], Some(&rest[at + 1..])),
        _ => (rest, None),
    }
}
