//! `redirect`: answers with another address to ask, or sends clear-text calls to TLS.

mod address;
mod config;
#[cfg(test)]
mod tests;

pub use config::{RedirectConfig, RedirectStatus};

use crate::{
    errors,
    template::{LINE_LIMIT, Rules, Template, Values},
};
use address::{BadAddress, Host};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header::LOCATION};
use paifang_pipeline::{
    BuildContext, Built, ConfigError, ErrorCode, Exchange, Handler, Plugin, Rejection, RequestCall,
    Response, Scheme, Stages, Verdict,
};

/// The plugin. Docs: `docs/plugins/redirect.md`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Redirect;

impl Plugin for Redirect {
    type Config = RedirectConfig;

    fn kind(&self) -> &'static str {
        "redirect"
    }

    fn errors(&self) -> &'static [&'static ErrorCode] {
        &[errors::TOO_LARGE, errors::REDIRECT_REFUSED]
    }

    fn build(&self, config: RedirectConfig, _: &BuildContext<'_>) -> Result<Built, ConfigError> {
        let to = match (&config.to, config.https) {
            (Some(_), true) => {
                return Err(ConfigError::at("/https", "`https` beside `to`")
                    .help("use two steps: the first sends clear text to TLS"));
            }
            (None, false) => {
                return Err(ConfigError::at("", "a redirect without an address")
                    .help("give `to: /path` or `https: true`"));
            }
            (None, true) if config.allow_host => {
                return Err(ConfigError::at("/allow_host", "`allow_host` belongs to `to`"));
            }
            (None, true) => To::Tls(config.https_port.map(u16::from).filter(|port| *port != 443)),
            (Some(_), false) if config.https_port.is_some() => {
                return Err(ConfigError::at("/https_port", "`https_port` belongs to `https`"));
            }
            (Some(text), false) => address(text, config.allow_host)?,
        };
        let always = matches!(to, To::Address(..));
        let keep_query = config.keep_query.unwrap_or(config.https);
        let built = Built::new(Redirector { to, status: config.status.0, keep_query });
        Ok(if always { built.always_answers() } else { built })
    }
}

fn address(text: &str, allow_host: bool) -> Result<To, ConfigError> {
    let wrong = |message: String| ConfigError::at("/to", message);
    let template =
        Template::compile(text, Rules::url()).map_err(|error| error.at_pointer("/to"))?;
    let host = Host::of(&template, allow_host).map_err(|bad| match bad {
        BadAddress::NoAddress => wrong(format!("`{text}` is no address to redirect to"))
            .help("begin with `/`, `{{ path }}`, or a scheme and a host: `https://example.com/`"),
        BadAddress::Scheme(scheme) => wrong(format!("a redirect must not lead to `{scheme}:`")),
        BadAddress::Stranger => wrong("the request would decide the host".to_owned())
            .help("write the host out, or say `allow_host: true` if strangers may choose it"),
    })?;
    if let Some(fixed) = template.fixed()
        && !std::str::from_utf8(fixed).is_ok_and(|fixed| host.admits(fixed))
    {
        return Err(wrong(format!("`{text}` is no address to redirect to"))
            .help("percent-encode blanks and what is not ASCII"));
    }
    Ok(To::Address(template, host))
}

/// Where calls are sent.
enum To {
    /// To an address, filled from the call.
    Address(Template, Host),
    /// To the same address over TLS, on this port where it is not 443.
    Tls(Option<u16>),
}

/// A step that sends clients elsewhere.
struct Redirector {
    to: To,
    status: StatusCode,
    keep_query: bool,
}

impl Handler for Redirector {
    fn stages(&self) -> Stages {
        Stages::REQUEST
    }

    fn request(&self, call: &mut RequestCall<'_>) -> Verdict {
        if matches!(self.to, To::Tls(_)) && call.facts().scheme == Scheme::Https {
            return Verdict::Continue;
        }
        match self.location(call) {
            Ok(location) => {
                let mut response = Response::new(Bytes::new());
                *response.status_mut() = self.status;
                response.headers_mut().insert(LOCATION, location);
                Verdict::Respond(response)
            }
            Err(rejection) => Verdict::Reject(rejection),
        }
    }
}

impl Redirector {
    fn location(&self, call: &Exchange) -> Result<HeaderValue, Rejection> {
        let address = match &self.to {
            To::Address(template, host) => {
                let filled = template
                    .render(&Values::of(call))
                    .map_err(|error| error.rejection("the address"))?;
                let admitted = std::str::from_utf8(&filled).is_ok_and(|text| host.admits(text));
                if !admitted {
                    return Err(refused("the filled address is not of the configured host"));
                }
                filled
            }
            To::Tls(port) => same_over_tls(call, *port)?.into(),
        };
        let address = match call.query().filter(|query| self.keep_query && !query.is_empty()) {
            Some(query) => with_query(&address, query),
            None => address,
        };
        if address.len() > LINE_LIMIT {
            return Err(Rejection::new(errors::TOO_LARGE).internal("the address"));
        }
        HeaderValue::from_maybe_shared(address).map_err(|_| refused("the address is no header"))
    }
}

fn refused(why: &'static str) -> Rejection {
    Rejection::new(errors::REDIRECT_REFUSED).internal(why)
}

/// The call's own host and path behind `https:`.
fn same_over_tls(call: &Exchange, port: Option<u16>) -> Result<String, Rejection> {
    let host = call.facts().host();
    if host.is_empty() || !call.path().starts_with('/') {
        return Err(refused("the request names no host, or no path"));
    }
    Ok(match port {
        None => format!("https://{host}{}", call.path()),
        Some(port) => format!("https://{host}:{port}{}", call.path()),
    })
}

/// Appends a query before the fragment, to the query that is there already if there is one.
fn with_query(address: &[u8], query: &str) -> Bytes {
    let cut = address.iter().position(|byte| *byte == b'#').unwrap_or(address.len());
    let (target, fragment) = address.split_at(cut);
    let glue: &[u8] = match target.iter().position(|byte| *byte == b'?') {
        None => b"?",
        Some(at) if at + 1 == target.len() => b"",
        Some(_) => b"&",
    };
    [target, glue, query.as_bytes(), fragment].concat().into()
}
