//! What pages may do and read, as header fields that are made once.

use super::config::CorsConfig;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS,
        ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
        ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD,
    },
};
use paifang_pipeline::{ConfigError, units::HumanDuration};

const MAX_METHODS: usize = 64;
const MAX_HEADERS: usize = 256;
const MAX_AGE_SECONDS: u64 = 86_400;

/// What is granted to the origins that are let in.
pub(super) struct Grants {
    methods: Granted,
    headers: Granted,
    expose: Option<HeaderValue>,
    credentials: bool,
    max_age: Option<HeaderValue>,
}

/// What a preflight asks for.
enum Granted {
    /// Nothing that needs leave.
    None,
    /// This list, whatever is asked for.
    These(HeaderValue),
    /// Whatever is asked for.
    Asked,
}

impl Grants {
    /// Reads all options but `origins`.
    pub(super) fn new(config: &CorsConfig) -> Result<Self, ConfigError> {
        let expose = match list(&config.expose, "/expose", MAX_HEADERS, header)? {
            Granted::Asked if config.credentials => {
                return Err(ConfigError::at("/expose/0", "`*` with `credentials`")
                    .help("browsers take it as a header's name then: name the headers"));
            }
            Granted::Asked => Some(HeaderValue::from_static("*")),
            Granted::These(names) => Some(names),
            Granted::None => None,
        };
        Ok(Self {
            methods: list(&config.methods, "/methods", MAX_METHODS, method)?,
            headers: list(&config.headers, "/headers", MAX_HEADERS, header)?,
            expose,
            credentials: config.credentials,
            max_age: config.max_age.map(max_age).transpose()?,
        })
    }

    /// Adds what the answer to a preflight that asks so says, beside the origin.
    pub(super) fn preflight(&self, asks: &HeaderMap, answer: &mut HeaderMap) {
        for (granted, asked, name) in [
            (&self.methods, ACCESS_CONTROL_REQUEST_METHOD, ACCESS_CONTROL_ALLOW_METHODS),
            (&self.headers, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_ALLOW_HEADERS),
        ] {
            match granted {
                Granted::None => {}
                Granted::These(list) => drop(answer.insert(name, list.clone())),
                Granted::Asked => asks.get_all(asked).iter().for_each(|value| {
                    answer.append(&name, value.clone());
                }),
            }
        }
        if let Some(seconds) = &self.max_age {
            answer.insert(ACCESS_CONTROL_MAX_AGE, seconds.clone());
        }
        self.credentials(answer);
    }

    /// Adds what any other answer says, beside the origin.
    pub(super) fn answer(&self, answer: &mut HeaderMap) {
        if let Some(names) = &self.expose {
            answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, names.clone());
        }
        self.credentials(answer);
    }

    fn credentials(&self, answer: &mut HeaderMap) {
        if self.credentials {
            answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }
}

/// Reads a list of names, or `*` alone.
fn list(
    names: &[String],
    at: &str,
    most: usize,
    check: impl Fn(&str) -> Result<(), (String, Option<String>)>,
) -> Result<Granted, ConfigError> {
    if names.len() > most {
        let message = format!("at most {most} stand here, not {}", names.len());
        return Err(ConfigError::at(at, message));
    }
    for (index, name) in names.iter().enumerate() {
        let wrong = |message| ConfigError::at(format!("{at}/{index}"), message);
        match name.as_str() {
            "*" if names.len() > 1 => return Err(wrong("`*` stands alone".to_owned())),
            "*" => return Ok(Granted::Asked),
            name => check(name).map_err(|(message, help)| match help {
                None => wrong(message),
                Some(help) => wrong(message).help(help),
            })?,
        }
    }
    if names.is_empty() {
        return Ok(Granted::None);
    }
    // Names are tokens, so this is a header's value.
    let value = HeaderValue::try_from(names.join(", "));
    value.map(Granted::These).map_err(|error| ConfigError::at(at, error.to_string()))
}

fn header(name: &str) -> Result<(), (String, Option<String>)> {
    let known = HeaderName::from_bytes(name.as_bytes());
    known.map(drop).map_err(|_| (format!("`{name}` is no header's name"), None))
}

/// Methods keep their case (RFC 9110 section 9.1), and all that are registered are upper case.
fn method(name: &str) -> Result<(), (String, Option<String>)> {
    if Method::from_bytes(name.as_bytes()).is_err() {
        return Err((format!("`{name}` is no method"), None));
    }
    let upper = name.to_ascii_uppercase();
    if upper == name {
        Ok(())
    } else {
        Err((
            format!("`{name}` is another method than `{upper}`"),
            Some(format!("write `{upper}`")),
        ))
    }
}

fn max_age(age: HumanDuration) -> Result<HeaderValue, ConfigError> {
    let age = age.get();
    if age.subsec_nanos() != 0 || age.as_secs() > MAX_AGE_SECONDS {
        return Err(ConfigError::at("/max_age", "expected whole seconds, up to 1d")
            .help("no browser remembers a preflight for longer than a day"));
    }
    Ok(age.as_secs().into())
}
