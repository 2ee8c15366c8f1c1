//! Origins of web pages.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// The origin of a web page as browsers send it (RFC 6454 section 6.2): a scheme, a host, and a port
/// unless it is the scheme's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebOrigin(String);

impl WebOrigin {
    /// As a browser sends it, in small letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for WebOrigin {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let uri: http::Uri = text.parse().map_err(|_| ())?;
        let (scheme, usual) = match uri.scheme_str() {
            Some("http") => ("http", 80),
            Some("https") => ("https", 443),
            _ => return Err(()),
        };
        let authority = uri.authority().ok_or(())?;
        let whole = text.get(scheme.len() + "://".len()..).ok_or(())?;
        // No path, not even `/`, no query, nobody's name: browsers send none of them here.
        if authority.as_str() != whole || whole.contains('@') || authority.host().is_empty() {
            return Err(());
        }
        let host = authority.host().to_ascii_lowercase();
        match authority.port() {
            Some(port) if port.as_u16() == usual => Ok(Self(format!("{scheme}://{host}"))),
            Some(port) => Ok(Self(format!("{scheme}://{host}:{}", port.as_u16()))),
            // What stands behind the host is no port.
            None if whole.len() > authority.host().len() => Err(()),
            None => Ok(Self(format!("{scheme}://{host}"))),
        }
    }
}

impl fmt::Display for WebOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

super::net::from_text!(
    WebOrigin,
    "an origin such as https://gateway.example.com, with scheme and host and no path"
);

#[cfg(test)]
mod tests {
    //! What is an origin, and how browsers write it.
    #![allow(clippy::unwrap_used)]
    use super::WebOrigin;

    #[test]
    fn origins_are_written_as_browsers_send_them() {
        for (text, sent) in [
            ("https://gateway.example.com", "https://gateway.example.com"),
            ("https://Gateway.Example.com:443", "https://gateway.example.com"),
            ("http://127.0.0.1:9900", "http://127.0.0.1:9900"),
            ("http://[::1]:80", "http://[::1]"),
        ] {
            assert_eq!(text.parse::<WebOrigin>().unwrap().as_str(), sent, "{text}");
        }
        for wrong in [
            "gateway.example.com",
            "null",
            "*",
            "",
            "https://",
            "https://gateway.example.com/",
            "https://gateway.example.com/console",
            "https://gateway.example.com?a",
            "https://user@gateway.example.com",
            "https://gateway.example.com:",
            "https://gateway.example.com:99999",
            "ftp://gateway.example.com",
        ] {
            assert!(wrong.parse::<WebOrigin>().is_err(), "{wrong}");
        }
    }
}
