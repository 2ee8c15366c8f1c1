//! The format of case files: a YAML list.

use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// The most cases of one file.
const MOST: usize = 1_000;

/// Texts by name.
pub(super) type Texts = BTreeMap<String, String>;

/// One case.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What it shows.
    pub name: String,
    /// The step's config.
    #[serde(default = "empty")]
    pub(super) config: Value,
    /// What is granted; everything that the module imports where it is absent.
    pub(super) grants: Option<Vec<Grant>>,
    /// What the clock says, RFC 3339. It stands still.
    #[serde(default = "clock")]
    pub(super) clock: String,
    /// Values that are there before.
    #[serde(default)]
    pub(super) kv: Texts,
    /// Answers of upstreams, in order.
    #[serde(default)]
    pub(super) http: Vec<Exchange>,
    /// The request.
    pub(super) request: Request,
    /// What the handler must say of it.
    pub(super) verdict: Option<RequestSays>,
    /// The upstream's answer, if the response stages are to run.
    pub(super) response: Option<Message>,
    /// What the handler must say of that.
    pub(super) response_verdict: Option<ResponseSays>,
    /// Values that must be there afterwards; none where null stands.
    #[serde(default)]
    pub(super) kv_after: BTreeMap<String, Option<String>>,
    /// How often the request comes; the expectations are of the last time.
    #[serde(default = "once")]
    pub(super) repeat: u32,
}

fn empty() -> Value {
    Value::Object(serde_json::Map::new())
}

fn clock() -> String {
    "2026-01-01T00:00:00Z".to_owned()
}

const fn once() -> u32 {
    1
}

/// A grant, as the config writes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Grant {
    /// By its name.
    Name(String),
    /// Upstreams.
    Http(HttpGrant),
}

/// Upstreams that may be called.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HttpGrant {
    pub(super) http: Vec<String>,
}

/// A call to an upstream.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Exchange {
    #[serde(default)]
    pub(super) expect: Outgoing,
    pub(super) answer: Option<Message>,
    pub(super) error: Option<HttpError>,
}

/// What the handler must ask; what is absent is not compared.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Outgoing {
    pub(super) upstream: Option<String>,
    pub(super) method: Option<String>,
    pub(super) path: Option<String>,
    #[serde(default)]
    pub(super) headers: Texts,
    pub(super) body: Option<String>,
}

/// How a call to an upstream fails.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum HttpError {
    Timeout,
    Unavailable,
    TooLarge,
}

/// A request.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {
    #[serde(default = "get")]
    pub(super) method: String,
    #[serde(default = "root")]
    pub(super) path: String,
    #[serde(default = "host")]
    pub(super) host: String,
    #[serde(default = "client")]
    pub(super) client_ip: String,
    #[serde(default)]
    pub(super) headers: Texts,
    #[serde(default)]
    pub(super) body: String,
    #[serde(default)]
    pub(super) params: Texts,
    pub(super) app: Option<String>,
    pub(super) request_id: Option<String>,
    pub(super) identity: Option<Identity>,
    #[serde(default)]
    pub(super) slots: Texts,
    #[serde(default = "api")]
    pub(super) api: String,
}

impl Request {
    /// The path, and the query where there is one.
    pub(super) fn target(&self) -> (&str, Option<&str>) {
        match self.path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (&self.path, None),
        }
    }
}

fn get() -> String {
    "GET".to_owned()
}

fn root() -> String {
    "/".to_owned()
}

fn host() -> String {
    "api.example.com".to_owned()
}

fn client() -> String {
    "192.0.2.1".to_owned()
}

fn api() -> String {
    "case".to_owned()
}

/// Who the caller is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Identity {
    pub(super) subject: String,
    pub(super) app: Option<String>,
    #[serde(default)]
    pub(super) claims: Texts,
}

/// An answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Message {
    #[serde(default = "ok")]
    pub(super) status: u16,
    #[serde(default)]
    pub(super) headers: Texts,
    #[serde(default)]
    pub(super) body: String,
}

const fn ok() -> u16 {
    200
}

/// What a handler must say of a request.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RequestSays {
    Next(Changed),
    Respond(Answered),
    Reject(Rejected),
    Fail,
}

/// What a handler must say of a response.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ResponseSays {
    Next(Changed),
    Replace(Answered),
    Fail,
}

/// A message as it must be afterwards; what is absent is not compared.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Changed {
    #[serde(default)]
    pub(super) headers: Texts,
    #[serde(default)]
    pub(super) removed: Vec<String>,
    pub(super) path: Option<String>,
    pub(super) query: Option<String>,
    pub(super) status: Option<u16>,
    pub(super) body: Option<String>,
    pub(super) identity: Option<Identity>,
    #[serde(default)]
    pub(super) slots: Texts,
}

/// An answer as it must be; what is absent is not compared.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answered {
    pub(super) status: Option<u16>,
    #[serde(default)]
    pub(super) headers: Texts,
    pub(super) body: Option<String>,
}

/// A refusal as it must be; what is absent is not compared.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rejected {
    pub(super) code: Option<String>,
    pub(super) detail: Option<String>,
    #[serde(default)]
    pub(super) headers: Texts,
}

/// Reads a case file.
///
/// # Errors
/// What is wrong with it, with line and column.
pub fn parse(text: &str) -> Result<Vec<Case>, String> {
    let mut cases: Vec<Case> = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    if cases.is_empty() {
        return Err("no case in it".to_owned());
    }
    if cases.len() > MOST {
        return Err(format!("{} cases, at most {MOST}", cases.len()));
    }
    for case in &mut cases {
        lower(&mut case.request.headers);
        case.response.iter_mut().for_each(|response| lower(&mut response.headers));
    }
    match cases.iter().find(|case| case.repeat == 0 || case.repeat > 10_000) {
        Some(case) => Err(format!("`{}`: `repeat` is 1 to 10000", case.name)),
        None => Ok(cases),
    }
}

/// Names of header fields reach handlers in lower case.
fn lower(headers: &mut Texts) {
    *headers = std::mem::take(headers)
        .into_iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .collect();
}
