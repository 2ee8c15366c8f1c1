//! What a line says of a call: one half when the call comes to the step, the other at its end.

use super::{
    config::{AccessLogConfig, Field},
    line::Line,
    redact::{REDACTED, Secrets},
};
use crate::{fields::pointer, split::VARIANT};
use http::{HeaderMap, HeaderName, header::REFERER};
use paifang_pipeline::{ConfigError, Exchange};
use std::{
    fmt::{self, Display},
    time::UNIX_EPOCH,
};

/// The most headers that a line takes of a request, and of a response.
const MAX_HEADERS: usize = 32;

/// What is written of each call.
#[derive(Debug)]
pub(super) struct Record {
    /// A bit for each [`Field`].
    fields: u32,
    api: String,
    request_headers: Vec<LoggedHeader>,
    response_headers: Vec<LoggedHeader>,
    secrets: Secrets,
}

/// A header to log.
#[derive(Debug)]
struct LoggedHeader {
    name: HeaderName,
    /// The name as JSON, with its colon.
    key: String,
    hidden: bool,
}

impl Record {
    /// What the config asks for.
    pub(super) fn new(config: &AccessLogConfig, api: &str) -> Result<Self, ConfigError> {
        let names = |list: &[String], at: &str| -> Result<Vec<HeaderName>, ConfigError> {
            let parse = |(index, text): (usize, &String)| {
                HeaderName::from_bytes(text.as_bytes()).map_err(|_| {
                    let at = pointer(at, &index.to_string());
                    ConfigError::at(at, format!("`{text}` is no header's name"))
                })
            };
            list.iter().enumerate().map(parse).collect()
        };
        let hidden = names(&config.redact.headers, "/redact/headers")?;
        let secrets = Secrets::new(hidden, &config.redact.query);
        let logged = |list: &[String], at: &str| -> Result<Vec<LoggedHeader>, ConfigError> {
            if list.len() > MAX_HEADERS {
                return Err(ConfigError::at(at, format!("more than {MAX_HEADERS} headers")));
            }
            let header = |name: HeaderName| LoggedHeader {
                key: format!("\"{name}\":"),
                hidden: secrets.hides_header(&name),
                name,
            };
            Ok(names(list, at)?.into_iter().map(header).collect())
        };
        let request_headers = logged(&config.headers.request, "/headers/request")?;
        let response_headers = logged(&config.headers.response, "/headers/response")?;
        if config.fields.is_empty() && request_headers.is_empty() && response_headers.is_empty() {
            return Err(ConfigError::at("/fields", "the lines would be empty"));
        }
        let fields = config.fields.iter().fold(0, |bits, field| bits | 1 << *field as u8);
        Ok(Self { fields, api: api.to_owned(), request_headers, response_headers, secrets })
    }

    /// Whether response headers are wanted.
    pub(super) fn wants_response(&self) -> bool {
        !self.response_headers.is_empty()
    }

    /// Writes what is known when the call comes.
    pub(super) fn arrival(&self, line: &mut Line, call: &Exchange) {
        line.begin();
        let mut out = Half { fields: self.fields, line };
        let facts = call.facts();
        let time = humantime::format_rfc3339_millis(UNIX_EPOCH + facts.received_unix);
        out.shown(Field::Time, Some(time));
        out.text(Field::Api, Some(&self.api));
        out.text(Field::Listener, Some(&*facts.listener));
        out.text(Field::Front, Some(facts.front.as_str()));
        out.text(Field::Scheme, Some(facts.scheme.as_str()));
        out.shown(Field::ClientIp, Some(facts.client_ip));
        out.shown(Field::Peer, Some(facts.peer));
        if let Some(tls) = facts.tls.as_deref() {
            out.text(Field::TlsVersion, Some(tls.version));
            out.text(Field::Sni, tls.sni.as_deref());
            out.text(Field::ClientCertSha256, tls.client_cert_sha256.as_deref());
        }
        out.text(Field::Method, Some(call.method().as_str()));
        out.text(Field::Host, Some(facts.host()).filter(|host| !host.is_empty()));
        out.text(Field::Path, Some(call.path()));
        if let Some(query) = call.query().map(str::as_bytes).filter(|_| out.has(Field::Query)) {
            match self.secrets.query(query) {
                None => out.text(Field::Query, Some(query)),
                Some(redacted) => out.text(Field::Query, Some(&redacted)),
            }
        }
        self.headers(line, "\"request_headers\":", &self.request_headers, call.headers());
    }

    /// Writes the response's headers.
    pub(super) fn response(&self, line: &mut Line, headers: &HeaderMap) {
        self.headers(line, "\"response_headers\":", &self.response_headers, headers);
    }

    /// Writes what became of the call, and ends the line.
    pub(super) fn outcome(&self, line: &mut Line, call: &Exchange) {
        let mut out = Half { fields: self.fields, line };
        let (slots, outcome) = (call.slots(), call.outcome());
        out.text(Field::RequestId, slots.request_id());
        out.shown(Field::TraceId, call.span().map(|span| span.trace));
        out.text(Field::App, slots.app().map(|app| &*app.id));
        out.text(Field::Identity, slots.identity().map(|who| &*who.subject));
        if let Some(variant) = slots.get(&VARIANT) {
            out.text(Field::Variant, Some(variant.name()));
        }
        out.number(Field::Status, outcome.status.map(|status| status.as_u16().into()));
        out.shown(Field::Error, outcome.error.map(|error| Code(error.number)));
        out.text(Field::ErrorDetail, outcome.error_detail.as_ref());
        out.text(Field::AnsweredBy, outcome.answered_by.as_deref());
        out.text(Field::Termination, Some(outcome.termination.as_str()));
        if outcome.upgraded && out.has(Field::Upgraded) {
            out.line.key(Field::Upgraded.key());
            out.line.yes();
        }
        out.number(Field::Attempts, Some(outcome.attempts.into()).filter(|count| *count > 0));
        out.shown(Field::Endpoint, outcome.endpoint);
        out.text(Field::Cache, outcome.cache);
        out.number(Field::RequestBytes, Some(outcome.request_bytes));
        out.number(Field::ResponseBytes, Some(outcome.response_bytes));
        out.millis(Field::DurationMs, Some(outcome.total_nanos));
        out.millis(Field::OriginMs, outcome.origin_head_nanos);
        line.end();
    }

    fn headers(&self, line: &mut Line, key: &str, wanted: &[LoggedHeader], headers: &HeaderMap) {
        if !wanted.iter().any(|header| headers.contains_key(&header.name)) {
            return;
        }
        line.open(key);
        for header in wanted {
            let mut values = headers.get_all(&header.name).iter();
            let Some(first) = values.next() else { continue };
            line.key(&header.key);
            if header.hidden {
                line.string(REDACTED);
            } else if header.name == REFERER {
                // Addresses carry secrets too.
                match self.secrets.url(first.as_bytes()) {
                    None => line.string(first.as_bytes()),
                    Some(redacted) => line.string(&redacted),
                }
            } else if values.next().is_none() {
                line.string(first.as_bytes());
            } else {
                // Several fields of one name are one list (RFC 9110 section 5.3).
                let all = headers.get_all(&header.name).iter().map(|value| value.as_bytes());
                line.string(&all.collect::<Vec<_>>().join(&b", "[..]));
            }
        }
        line.close();
    }
}

/// One half of a line: writes the fields that are wanted and there.
struct Half<'a> {
    fields: u32,
    line: &'a mut Line,
}

impl Half<'_> {
    fn has(&self, field: Field) -> bool {
        self.fields & (1 << field as u8) != 0
    }

    /// Writes what `write` does with the value, under the field's key.
    fn put<T>(&mut self, field: Field, value: Option<T>, write: impl FnOnce(&mut Line, T)) {
        if let Some(value) = value.filter(|_| self.has(field)) {
            self.line.key(field.key());
            write(self.line, value);
        }
    }

    fn text(&mut self, field: Field, value: Option<&(impl AsRef<[u8]> + ?Sized)>) {
        self.put(field, value, |line, value| line.string(value.as_ref()));
    }

    fn shown(&mut self, field: Field, value: Option<impl Display>) {
        self.put(field, value, Line::quoted);
    }

    fn number(&mut self, field: Field, value: Option<u64>) {
        self.put(field, value, Line::number);
    }

    fn millis(&mut self, field: Field, value: Option<u64>) {
        self.put(field, value, Line::millis);
    }
}

/// `PF-1003`, without the allocation of a string.
struct Code(u16);

impl Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PF-{:04}", self.0)
    }
}
