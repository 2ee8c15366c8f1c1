//! `greeting`: greets the caller by a name that the path holds.
//!
//! Shown here: config with limits, an error row of one's own, a handler at two stages, and what it
//! remembers of a call between them.

use http::{HeaderValue, StatusCode};
use paifang::pipeline::{
    BuildContext, Built, ConfigError, ErrorCode, Handler, Plugin, Rejection, RequestCall,
    ResponseCall, ResponseVerdict, Stages, Verdict,
};
use schemars::JsonSchema;
use serde::Deserialize;

/// The plugin: makes a handler of each step's config.
#[derive(Debug, Clone, Copy, Default)]
pub struct Greeting;

/// The step's config. What stands in these comments is its reference and comes out of
/// `paifang schema`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GreetingConfig {
    /// The word before the name: 1 to 40 visible ASCII characters. Default `Hello`.
    #[serde(default = "hello")]
    pub word: String,
    /// The path parameter that holds the name. Default `name`.
    #[serde(default = "name")]
    pub param: String,
}

fn hello() -> String {
    "Hello".to_owned()
}

fn name() -> String {
    "name".to_owned()
}

/// The path holds no name, or none that could stand in a header. Numbers from 9000 on are left to
/// plugins from elsewhere.
pub const NO_NAME: &ErrorCode =
    &ErrorCode::new(9000, StatusCode::BAD_REQUEST, "greeting_no_name", "There is nobody to greet.");

impl Plugin for Greeting {
    type Config = GreetingConfig;

    fn kind(&self) -> &'static str {
        "greeting"
    }

    fn errors(&self) -> &'static [&'static ErrorCode] {
        &[NO_NAME]
    }

    fn build(&self, config: GreetingConfig, _: &BuildContext<'_>) -> Result<Built, ConfigError> {
        let GreetingConfig { word, param } = config;
        if !(1..=40).contains(&word.len()) || !word.bytes().all(|byte| byte.is_ascii_graphic()) {
            let wrong = ConfigError::at("/word", "a greeting has 1 to 40 visible ASCII characters");
            return Err(wrong.help("write word: Hello"));
        }
        Ok(Built::new(Greeter { word, param }))
    }
}

/// One step of one chain.
struct Greeter {
    word: String,
    param: String,
}

impl Handler for Greeter {
    fn stages(&self) -> Stages {
        Stages::REQUEST.and(Stages::RESPONSE)
    }

    /// On the way down: the greeting is made, or the call refused before any upstream is touched.
    fn request(&self, call: &mut RequestCall<'_>) -> Verdict {
        let name = call.param(&self.param).filter(|name| !name.is_empty());
        let greeting = name.map(|name| format!("{}, {name}!", self.word));
        match greeting.map(HeaderValue::try_from) {
            Some(Ok(greeting)) => {
                call.keep(greeting);
                Verdict::Continue
            }
            _ => Verdict::Reject(Rejection::new(NO_NAME)),
        }
    }

    /// On the way back: the answer, whoever made it, carries the greeting.
    fn response(&self, call: &mut ResponseCall<'_>) -> ResponseVerdict {
        if let Some(greeting) = call.take_kept::<HeaderValue>() {
            call.response_mut().headers.insert("x-greeting", *greeting);
        }
        ResponseVerdict::Continue
    }
}
