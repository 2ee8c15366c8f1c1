//! The config of `cors`.

use paifang_pipeline::units::HumanDuration;
use schemars::JsonSchema;
use serde::Deserialize;

/// Says which other sites' pages may call, and answers the preflights of browsers.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CorsConfig {
    /// Origins whose pages may read answers, 1 to 1,000: `https://app.example.com`, with its port
    /// where that is not the scheme's own; `https://*.example.com` for every host below; `"null"`
    /// for pages without an origin. Or `"*"` alone: every page.
    pub origins: Vec<String>,
    /// Methods that pages may use, up to 64; GET, HEAD and POST need no leave. Or `"*"` alone:
    /// whichever is asked for. Default `[ GET, HEAD, POST ]`.
    #[serde(default = "methods")]
    pub methods: Vec<String>,
    /// Request headers that pages may set, up to 256, beside those that need no leave. Or `"*"`
    /// alone: whichever are asked for. Default: none.
    #[serde(default)]
    pub headers: Vec<String>,
    /// Response headers that pages may read, up to 256, beside those that need no leave. Or `"*"`
    /// alone, without `credentials`: all of them. Default: none.
    #[serde(default)]
    pub expose: Vec<String>,
    /// Whether pages may call with cookies, HTTP authentication and client certificates. Default
    /// false; neither `"*"` nor `"null"` may stand in `origins` with it.
    #[serde(default)]
    pub credentials: bool,
    /// How long browsers may remember a preflight's answer: whole seconds, up to 1d. Where absent
    /// they decide, for 5 seconds as a rule.
    pub max_age: Option<HumanDuration>,
}

fn methods() -> Vec<String> {
    ["GET", "HEAD", "POST"].map(str::to_owned).into()
}
