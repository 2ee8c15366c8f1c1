//! The HttpOut port: calls of handlers to the gateway's upstreams.

use super::BoxFuture;
use bytes::Bytes;
use http::{Request, Response};
use std::{fmt, time::Duration};

/// Makes calls to upstreams by name. They go the way that proxied calls go: the same balancing,
/// health, connections and TLS.
///
/// A handler that outlives the release that built it calls the upstreams of the release that is
/// live; one that is not live yet calls those of its own release.
pub trait HttpOut: Send + Sync {
    /// Whether there is an upstream of this name. Ask while a handler is built, so that a wrong
    /// name fails the release: what was asked then is asked again for each release that keeps the
    /// handler, and it is built anew where the answer has changed.
    fn has(&self, upstream: &str) -> bool;

    /// The name of an upstream that goes to this origin and nowhere else, with TLS that is verified
    /// by the system's roots where it is `https`. Ask while a handler is built: the release then has
    /// such an upstream as long as it has the handler. `None` where the gateway makes none.
    fn origin(&self, origin: &HttpOrigin) -> Option<String> {
        let _ = origin;
        None
    }

    /// Sends `request` and gives the whole response; its trailers are dropped.
    ///
    /// Of the URI, path and query are sent as they are; an authority is the `Host` where the
    /// headers have none. Headers that belong to a connection (RFC 9110, section 7.6.1) and
    /// `Content-Length` are removed and set anew by what is sent; headers that tell of a client
    /// are not added. The call is made once, whatever becomes of it, and no redirect is followed.
    ///
    /// Dropping the future ends the call.
    fn call(
        &self,
        upstream: &str,
        request: Request<Bytes>,
        limits: HttpOutLimits,
    ) -> BoxFuture<Result<Response<Bytes>, HttpOutError>>;
}

/// Where a URL leads to: a scheme, a host and a port (RFC 6454). Prints as `https://host:port`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HttpOrigin {
    /// `https`, not `http`.
    pub tls: bool,
    /// A DNS name in lower case, or an address; IPv6 without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl HttpOrigin {
    /// The origin of an absolute `http` or `https` URL without user information.
    #[must_use]
    pub fn of(uri: &http::Uri) -> Option<Self> {
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'))?;
        let tls = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let host = authority.host();
        let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = inner.unwrap_or(host).to_ascii_lowercase();
        let port = match authority.port() {
            Some(_) => authority.port_u16().filter(|port| *port != 0)?,
            None => {
                if tls {
                    443
                } else {
                    80
                }
            }
        };
        (!host.is_empty()).then_some(Self { tls, host, port })
    }
}

impl fmt::Display for HttpOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tls, host, port } = self;
        let scheme = if *tls { "https" } else { "http" };
        match host.contains(':') {
            true => write!(f, "{scheme}://[{host}]:{port}"),
            false => write!(f, "{scheme}://{host}:{port}"),
        }
    }
}

/// The limits of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpOutLimits {
    /// For all of it, from connecting to the last byte of the response.
    pub timeout: Duration,
    /// The largest body of a response, in bytes.
    pub response_bytes: usize,
}

/// Why a call has no response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpOutError {
    /// There is no upstream of this name; or the handler is still being built.
    #[error("there is no such upstream")]
    Unknown,
    /// The request cannot be sent.
    #[error("the request cannot be sent: {0}")]
    Invalid(String),
    /// There was no whole response in time.
    #[error("no answer in time")]
    Timeout,
    /// The response is larger than its limit.
    #[error("the response is larger than allowed")]
    TooLarge,
    /// The upstream cannot be reached, or broke off: a label of the error table.
    #[error("the upstream is not available: {0}")]
    Unavailable(String),
}

/// For gateways that have no upstreams: there is none, and every call is [`HttpOutError::Unknown`].
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHttpOut;

impl HttpOut for NoHttpOut {
    fn has(&self, _: &str) -> bool {
        false
    }

    fn call(
        &self,
        _: &str,
        _: Request<Bytes>,
        _: HttpOutLimits,
    ) -> BoxFuture<Result<Response<Bytes>, HttpOutError>> {
        Box::pin(std::future::ready(Err(HttpOutError::Unknown)))
    }
}

#[cfg(test)]
mod tests {
    //! Where URLs lead to.
    use super::HttpOrigin;

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        for (url, origin) in [
            ("https://Idp.Example.com/keys?a", Some("https://idp.example.com:443")),
            ("http://127.0.0.1:7080/", Some("http://127.0.0.1:7080")),
            ("https://[::1]:8443/", Some("https://[::1]:8443")),
            ("http://a", Some("http://a:80")),
            ("https://user@a/", None),
            ("ftp://a/", None),
            ("https://a:0/", None),
            ("/keys", None),
        ] {
            let found = url.parse().ok().as_ref().and_then(HttpOrigin::of);
            assert_eq!(found.map(|origin| origin.to_string()).as_deref(), origin, "{url}");
        }
    }
}
