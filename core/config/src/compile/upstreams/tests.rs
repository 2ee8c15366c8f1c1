//! What a step learns of upstreams, and that it is built anew when that has changed.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::{Arc, Mutex};

use http::Request;
use paifang_pipeline::ports::{HttpOrigin, HttpOut, HttpOutError, HttpOutLimits};
use paifang_pipeline::{BuildContext, Built, ConfigError, Handler, Plugin, Stages};

use crate::testing::{BASE, Workshop};

/// Asks for an upstream, and insists on it if it is told to. Keeps the way out.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<Arc<dyn HttpOut>>>>);

#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct CallsConfig {
    to: String,
    #[serde(default)]
    insist: bool,
    url: Option<String>,
}

impl Plugin for Calls {
    type Config = CallsConfig;
    fn kind(&self) -> &'static str {
        "calls"
    }
    fn build(&self, config: CallsConfig, with: &BuildContext<'_>) -> Result<Built, ConfigError> {
        if !with.http.has(&config.to) && config.insist {
            return Err(ConfigError::at("/to", format!("no upstream `{}`", config.to)));
        }
        if let Some(url) = &config.url {
            let origin = HttpOrigin::of(&url.parse().unwrap()).unwrap();
            assert_eq!(with.http.origin(&origin), Some(origin.to_string()));
        }
        self.0.lock().unwrap().push(with.http.clone());
        Ok(Built::new(Idle))
    }
}

struct Idle;
impl Handler for Idle {
    fn stages(&self) -> Stages {
        Stages::REQUEST
    }
}

const IDP: &str = "  idp: { endpoints: [ { address: 127.0.0.1:7002 } ] }\n";

fn config(upstreams: &str, step: &str) -> String {
    let base = BASE.replace(
        "upstreams: { orders: { endpoints: [ { address: 127.0.0.1:7001 } ] } }",
        "upstreams:\n  orders: { endpoints: [ { address: 127.0.0.1:7001 } ] }",
    );
    format!(
        "{base}{upstreams}apis:
  - {{ id: asks, match: {{ path: /a }}, upstream: orders, handlers: [ calls: {step} ] }}
  - {{ id: else, match: {{ path: /b }}, upstream: orders }}
"
    )
}

fn workshop(yaml: String) -> (Workshop, Calls) {
    let (mut shop, plugin) = (Workshop::new(yaml), Calls::default());
    shop.registry.add(Arc::new(plugin.clone())).unwrap();
    (shop, plugin)
}

#[test]
fn a_step_is_built_anew_when_what_it_asked_for_comes_or_goes() {
    let (mut shop, _) = workshop(config("", "{ to: idp }"));
    let first = shop.build(None).unwrap();
    shop.files.write("gateway.yaml", config(IDP, "{ to: idp }"));
    let second = shop.build(Some(&first)).unwrap();
    assert_eq!(second.built(), 1, "it has come");
    let other = IDP.replace("7002", "7003");
    shop.files.write("gateway.yaml", config(&other, "{ to: idp }"));
    let third = shop.build(Some(&second)).unwrap();
    assert_eq!(third.built(), 0, "it is there as before");
    shop.files.write("gateway.yaml", config("", "{ to: idp }"));
    assert_eq!(shop.build(Some(&third)).unwrap().built(), 1, "it has gone");
}

#[test]
fn a_release_without_an_upstream_that_a_step_needs_is_refused() {
    let (mut shop, _) = workshop(config(IDP, "{ to: idp, insist: true }"));
    let first = shop.build(None).unwrap();
    shop.files.write("gateway.yaml", config("", "{ to: idp, insist: true }"));
    let refused = shop.build(Some(&first)).unwrap_err().to_string();
    assert!(refused.contains("no upstream `idp`"), "{refused}");
}

#[test]
fn once_built_a_step_has_what_the_gateway_has() {
    let (mut shop, plugin) = workshop(config(IDP, "{ to: idp }"));
    let snapshot = shop.build(None).unwrap();
    let http = plugin.0.lock().unwrap()[0].clone();
    assert!(!http.has("idp"), "the gateway of this workshop has none");
    let used = &snapshot.api("asks").unwrap().used.upstreams;
    assert_eq!(used.len(), 1, "what is asked later is not noted");
    let limits = HttpOutLimits { timeout: std::time::Duration::ZERO, response_bytes: 0 };
    let mut called = http.call("idp", Request::default(), limits);
    let context = &mut std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(answer) = called.as_mut().poll(context) else {
        panic!("it is known at once")
    };
    assert_eq!(answer.unwrap_err(), HttpOutError::Unknown);
}

#[test]
fn a_release_has_the_origins_that_its_steps_ask_for_built_anew_or_not() {
    let step = |url: &str| config("", &format!("{{ to: orders, url: \"{url}\" }}"));
    let (mut shop, plugin) = workshop(step("https://Idp.test/keys"));
    let told = |snapshot: &crate::snapshot::Snapshot| {
        snapshot.origins().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let first = shop.build(None).unwrap();
    assert_eq!(told(&first), ["https://idp.test:443"]);
    let more = "  - { id: more, match: { path: /c }, upstream: orders }\n";
    shop.files.write("gateway.yaml", step("https://Idp.test/keys") + more);
    let second = shop.build(Some(&first)).unwrap();
    assert_eq!((second.built(), told(&second)), (1, told(&first)), "the step is kept");
    shop.files.write("gateway.yaml", step("http://[::1]:81/"));
    let third = shop.build(Some(&second)).unwrap();
    assert_eq!(told(&third), ["http://[::1]:81"]);
    let http = plugin.0.lock().unwrap()[0].clone();
    let late = HttpOrigin { tls: true, host: "late.test".to_owned(), port: 443 };
    assert_eq!(http.origin(&late), None, "what is asked later would have no upstream");
}
