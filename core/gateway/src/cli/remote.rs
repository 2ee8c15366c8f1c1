//! Talking to a running gateway's admin API.

use super::{Failed, args::Reach};
use paifang_config::source::{ParseCache, RealFiles};
use serde_json::Value;
use std::time::Duration;

/// Where the admin API is when nothing says other.
const DEFAULT_ADMIN: &str = "127.0.0.1:9900";

/// A running gateway.
pub(super) struct Remote {
    agent: ureq::Agent,
    address: String,
    token: Option<String>,
}

impl Remote {
    /// Finds the gateway: by argument, environment, config file, or the usual address.
    pub(super) fn find(arguments: &Reach) -> Self {
        let address = arguments
            .admin
            .clone()
            // As people paste it.
            .map(|address| address.trim_start_matches("http://").trim_end_matches('/').to_owned())
            .or_else(|| configured(arguments))
            .unwrap_or_else(|| DEFAULT_ADMIN.to_owned());
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            // A reload of a large config takes its time; a hanging gateway should be told apart.
            .timeout_global(Some(Duration::from_secs(120)))
            .timeout_connect(Some(Duration::from_secs(3)))
            .proxy(None)
            // Who switched a plan is remembered.
            .user_agent(concat!("paifang/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { agent: config.into(), address, token: arguments.token.clone() }
    }

    pub(super) fn get(&self, path: &str) -> Result<Value, Failed> {
        let request = self.agent.get(self.url(path)).header("authorization", self.bearer());
        self.read(request.call())
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Value, Failed> {
        let request = self.agent.post(self.url(path)).header("authorization", self.bearer());
        self.read(request.header("content-type", "application/json").send(body.to_string()))
    }

    /// [`Self::post`] of what may take longer than all else.
    pub(super) fn post_within(
        &self,
        limit: Duration,
        path: &str,
        body: &Value,
    ) -> Result<Value, Failed> {
        let request = self.agent.post(self.url(path)).header("authorization", self.bearer());
        let request = request.config().timeout_global(Some(limit)).build();
        self.read(request.header("content-type", "application/json").send(body.to_string()))
    }

    pub(super) fn put(&self, path: &str, body: &Value) -> Result<Value, Failed> {
        let request = self.agent.put(self.url(path)).header("authorization", self.bearer());
        self.read(request.header("content-type", "application/json").send(body.to_string()))
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn bearer(&self) -> String {
        self.token.as_ref().map_or_else(|| "none".to_owned(), |token| format!("Bearer {token}"))
    }

    fn read(
        &self,
        answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<Value, Failed> {
        let unreachable = |why: String| {
            Failed::Unreachable(format!(
                "no gateway answers at {}: {why}\nIs it running? Name its admin address with --admin.",
                self.address
            ))
        };
        let mut answer = answer.map_err(|why| unreachable(why.to_string()))?;
        let text =
            answer.body_mut().read_to_string().map_err(|why| unreachable(why.to_string()))?;
        let value: Value = serde_json::from_str(&text).map_err(|_| {
            Failed::Said(format!("{} does not speak like an admin API", self.address))
        })?;
        if answer.status().is_success() {
            return Ok(value);
        }
        let part = |name: &str| value.get(name).and_then(Value::as_str);
        let mut message = part("error").unwrap_or("the gateway refused").to_owned();
        if let Some(details) = part("details") {
            message = format!("{message}\n{details}");
        }
        if answer.status() == 401 {
            message.push_str("\nWith this command: --token TOKEN, or PAIFANG_ADMIN_TOKEN.");
        }
        Err(Failed::Said(message))
    }
}

/// `admin.address` of the config file, where there is one that loads.
fn configured(arguments: &Reach) -> Option<String> {
    let origin = arguments.config.origin();
    let environment = |name: &str| std::env::var(name).ok();
    let mut cache = ParseCache::new();
    let loaded = paifang_config::load(&origin, &environment, &RealFiles, &mut cache).ok()?;
    Some(loaded.config.admin?.value.address.value().to_string())
}
