//! Which of the fields that the gateway itself acts on a head has.
//!
//! Mostly it has few of them, and looking up what is missing costs a hash each time. So the names are
//! gone through once, and what is not there is never asked for.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CONNECTION, CONTENT_LENGTH, EXPECT, FORWARDED, HOST, TE, TRANSFER_ENCODING, UPGRADE},
};

/// Declares the fields: variant, name, and what names a field to the header map.
macro_rules! fields {
    ($($(#[$doc:meta])* $field:ident = $text:literal, $name:expr;)*) => {
        /// A field that the gateway acts on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Field { $($(#[$doc])* $field),* }

        impl Field {
            /// The field of this name, if it is one of these.
            fn of(name: &HeaderName) -> Option<Self> {
                match name.as_str() {
                    $($text => Some(Self::$field),)*
                    _ => None,
                }
            }

            /// Its name.
            #[must_use]
            pub const fn name(self) -> HeaderName {
                match self { $(Self::$field => const { $name }),* }
            }
        }
    };
}

fields! {
    /// RFC 9110 section 7.6.1.
    Connection = "connection", CONNECTION;
    /// RFC 2068 section 19.7.1.1.
    KeepAlive = "keep-alive", HeaderName::from_static("keep-alive");
    /// Sent by clients that take us for a proxy of old.
    ProxyConnection = "proxy-connection", HeaderName::from_static("proxy-connection");
    /// RFC 9110 section 10.1.4.
    Te = "te", TE;
    /// RFC 9112 section 6.1.
    TransferEncoding = "transfer-encoding", TRANSFER_ENCODING;
    /// RFC 9110 section 7.8.
    Upgrade = "upgrade", UPGRADE;
    /// RFC 7540 section 3.2.1.
    Http2Settings = "http2-settings", HeaderName::from_static("http2-settings");
    /// RFC 9110 section 8.6.
    ContentLength = "content-length", CONTENT_LENGTH;
    /// RFC 9110 section 10.1.1.
    Expect = "expect", EXPECT;
    /// RFC 9110 section 7.2.
    Host = "host", HOST;
    /// RFC 8470 section 5.1.
    EarlyData = "early-data", HeaderName::from_static("early-data");
    /// RFC 7239.
    Forwarded = "forwarded", FORWARDED;
    /// The addresses that a call came through.
    ForwardedFor = "x-forwarded-for", HeaderName::from_static("x-forwarded-for");
    /// The scheme that the client used.
    ForwardedProto = "x-forwarded-proto", HeaderName::from_static("x-forwarded-proto");
    /// The host that the client asked for.
    ForwardedHost = "x-forwarded-host", HeaderName::from_static("x-forwarded-host");
    /// The port that the client connected to.
    ForwardedPort = "x-forwarded-port", HeaderName::from_static("x-forwarded-port");
}

/// A set of [`Field`]s: those of one head, at the moment it was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fields(u16);

impl Fields {
    /// Those that `headers` has.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        headers.keys().filter_map(Field::of).fold(Self::default(), Self::with)
    }

    const fn with(self, field: Field) -> Self {
        Self(self.0 | 1 << field as u16)
    }

    /// Whether `field` is among them.
    #[must_use]
    pub const fn has(self, field: Field) -> bool {
        self.0 & 1 << field as u16 != 0
    }

    /// The values of `field` in `headers`, whose fields these are.
    pub fn values(self, field: Field, headers: &HeaderMap) -> impl Iterator<Item = &HeaderValue> {
        self.has(field).then(|| headers.get_all(field.name())).into_iter().flatten()
    }

    /// Takes `field` out of `headers`, where it is among these.
    pub fn take(self, field: Field, headers: &mut HeaderMap) {
        if self.has(field) {
            headers.remove(field.name());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Field, Fields};
    use http::{HeaderMap, HeaderValue};

    #[test]
    fn what_is_there_is_found_by_its_name() {
        let mut headers = HeaderMap::new();
        for field in [Field::Connection, Field::Http2Settings, Field::ForwardedPort] {
            assert!(!Fields::of(&headers).has(field));
            headers.append(field.name(), HeaderValue::from_static("x"));
            headers.append(field.name(), HeaderValue::from_static("y"));
            headers.append("accept", HeaderValue::from_static("*/*"));
            let found = Fields::of(&headers);
            assert!(found.has(field) && !found.has(Field::Host), "{field:?}");
            assert_eq!(found.values(field, &headers).collect::<Vec<_>>(), ["x", "y"]);
            assert_eq!(found.values(Field::Host, &headers).next(), None);
            found.take(Field::Host, &mut headers);
            found.take(field, &mut headers);
            assert_eq!(headers.keys().len(), 1, "{field:?}");
            assert_eq!(Fields::of(&headers), Fields::default());
        }
    }
}
