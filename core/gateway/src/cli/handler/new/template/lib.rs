//! @NAME@: greets callers by the name that they give in a header.
//!
//! A handler of the Paifang gateway. Replace what it does by what yours does: `Config` is what may
//! stand in the step's YAML, `configure` says what the stages read, each stage is a function.

use paifang_guest::prelude::*;

/// The step's config. `schema.json` says the same to those who write the YAML.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The header in which callers give their name.
    header: HeaderName,
    /// What they are greeted with.
    #[serde(default = "hello")]
    greeting: String,
}

fn hello() -> String {
    "Hello".to_owned()
}

impl Config {
    fn greet(&self, name: &str) -> String {
        format!("{}, {name}!", self.greeting)
    }
}

/// Runs once for each config, before any call: check here what the schema cannot, and compute what
/// does not depend on a call. Of a call only that is copied into the handler which is asked for.
fn configure(config: Config) -> Result<(Config, Manifest), ConfigError> {
    if config.greeting.chars().any(char::is_control) {
        return Err(ConfigError::at("/greeting", "it must be one line of text"));
    }
    let reads = || Reads::new().header(&config.header);
    @MANIFEST@
    Ok((config, manifest))
}
//: request

/// On the way to the upstream: greets the caller in the request's `x-greeting`.
fn request(config: &Config, call: &Call) -> RequestVerdict {
    match call.header(&config.header) {
        //: request !request-with-body
        Some(name) => next().set_header("x-greeting", config.greet(name)).into(),
        //: request request-with-body
        // The bytes are kept: they come back with the call.
        Some(_) => need_body([]),
        //: request
        None => reject(Refusal::BadRequest).detail("Who are you?").into(),
    }
}
//: request-with-body

/// The like with the whole body in hand: says in `x-body-bytes` how long it is.
fn request_with_body(config: &Config, call: &Call, body: Vec<u8>) -> RequestVerdict {
    match call.header(&config.header) {
        Some(name) => next()
            .set_header("x-greeting", config.greet(name))
            .set_header("x-body-bytes", body.len().to_string())
            .into(),
        None => reject(Refusal::BadRequest).detail("Who are you?").into(),
    }
}
//: response

/// On the way back to the client: greets the caller in the response's `x-greeting`.
//: response !response-with-body
fn response(config: &Config, call: &Call, _head: &Response) -> ResponseVerdict {
    match call.header(&config.header) {
        Some(name) => next_response()
            .set_header("x-greeting", config.greet(name))
            .into(),
        None => next_response().into(),
    }
}
//: response response-with-body
fn response(config: &Config, call: &Call, _head: &Response) -> ResponseVerdict {
    match call.header(&config.header) {
        // The bytes are kept: they come back with the call.
        Some(_) => need_response_body([]),
        None => next_response().into(),
    }
}
//: response-with-body

/// The like with the whole body in hand: greets the caller in it too.
fn response_with_body(
    config: &Config,
    call: &Call,
    _head: &Response,
    body: Vec<u8>,
) -> ResponseVerdict {
    match call.header(&config.header) {
        Some(name) => {
            let greeting = config.greet(name);
            let body = [greeting.as_bytes(), b"\n", &body].concat();
            next_response()
                .set_header("x-greeting", greeting)
                .body(body)
                .into()
        }
        None => next_response().into(),
    }
}
//: log

/// At the end of each call, whatever became of it: a line in the gateway's log.
fn log(config: &Config, call: &Call, outcome: &Outcome) {
    let name = call.header(&config.header).unwrap_or("nobody");
    let greeting = config.greet(name);
    host::log(host::Level::Info, &format!("{greeting} {}", outcome.status));
}
//: end

paifang_guest::handler! {
    state: Config,
    configure: configure,
    //: request
    request: request,
    //: request-with-body
    request_with_body: request_with_body,
    //: response
    response: response,
    //: response-with-body
    response_with_body: response_with_body,
    //: log
    log: log,
    //: end
    schema: "../schema.json",
    probes: "../probes.yaml",
}

/// Functions are tested as any: `cargo test`. What is imported from the gateway is not there; cases
/// try the handler with it, in the gateway's own host: probes.yaml and tests/cases.yaml.
#[cfg(test)]
mod tests {
    use super::*;

    fn config(greeting: &str) -> Config {
        Config {
            header: HeaderName::known("x-caller"),
            greeting: greeting.to_owned(),
        }
    }

    #[test]
    fn a_greeting_is_one_line() {
        assert!(configure(config("Good day")).is_ok());
        let error = configure(config("Good\nday")).err();
        assert!(error.is_some_and(|error| error.pointer == "/greeting"));
    }

    #[test]
    fn a_caller_is_greeted_by_name() {
        assert_eq!(config("Hello").greet("Ada"), "Hello, Ada!");
    }
    //: request

    #[test]
    fn a_caller_without_a_name_is_refused() {
        let verdict = request(&config("Hello"), &Call::default());
        assert!(matches!(verdict, RequestVerdict::Reject(_)));
    }
    //: end
}
