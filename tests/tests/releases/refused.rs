//! What is refused changes nothing, not even for a moment, and says where it is wrong.

use crate::support::{HEAD, ask, saying, says};
use paifang::{
    ReleaseError,
    pipeline::{BuildContext, Built, ConfigError, Handler, Plugin, Stages, ports::Spawn},
};
use paifang_tests::harness::{Running, Setup};
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
};

#[tokio::test]
async fn a_broken_config_under_load_fails_no_request_and_tells_where_it_is_wrong() {
    let running = Arc::new(Running::start(saying("hello")).await);
    let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let (running, stop, served) = (running.clone(), stop.clone(), served.clone());
            tokio::spawn(async move {
                let mut client = running.connect().await;
                while !stop.load(SeqCst) {
                    let answer = client.get("/").await;
                    assert_eq!((answer.status(), answer.text()), (200, "hello"));
                    served.fetch_add(1, SeqCst);
                }
            })
        })
        .collect();
    let broken = saying("hello").replace("- { id: hello", "- { id: hello, upstraem: x");
    for round in 0..10 {
        let before = served.load(SeqCst);
        let refused = running.reload(broken.clone()).await.unwrap_err();
        let details = refused.details().unwrap();
        assert!(details.contains("paifang.yaml:5:18"), "{details}");
        assert!(details.contains("did you mean `upstream`"), "{details}");
        paifang_tests::harness::until(|| served.load(SeqCst) > before + 20).await;
        let status = ask(&running.gateway, "GET", "/v1/status").await;
        assert_eq!(status.json["release"], 1, "round {round}");
        let failure = status.json["last_failure"].as_str().unwrap();
        assert!(failure.contains("paifang.yaml:5:18"), "{failure}");
    }
    let metrics = ask(&running.gateway, "GET", "/metrics").await;
    let text = metrics.message.text();
    assert!(text.contains("paifang_reloads_total{result=\"failed\"} 10"), "{text}");
    running.reload(saying("hello")).await.unwrap();
    let status = ask(&running.gateway, "GET", "/v1/status").await;
    assert!(status.json["last_failure"].is_null(), "a success ends it: {}", status.json);
    stop.store(true, SeqCst);
    for caller in callers {
        caller.await.unwrap();
    }
    Arc::into_inner(running).unwrap().stop().await;
}

/// A plugin whose handlers note when they start and drain; `fail: true` keeps one from starting.
#[derive(Clone, Default)]
struct Starts(Arc<Mutex<Vec<String>>>);

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct StartsConfig {
    name: String,
    #[serde(default)]
    fail: bool,
    #[serde(default)]
    panic: Option<String>,
}

struct Started(StartsConfig, Starts);

impl Starts {
    fn note(&self, what: &str, name: &str) {
        self.0.lock().unwrap().push(format!("{what} {name}"));
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Plugin for Starts {
    type Config = StartsConfig;

    fn kind(&self) -> &'static str {
        "starts"
    }

    fn build(&self, config: StartsConfig, _: &BuildContext<'_>) -> Result<Built, ConfigError> {
        assert_ne!(config.panic.as_deref(), Some("build"), "this handler panics when it is built");
        Ok(Built::new(Started(config, self.clone())))
    }
}

impl Handler for Started {
    fn stages(&self) -> Stages {
        Stages::LOG
    }

    fn start(&self, _: &Arc<dyn Spawn>) -> Result<(), String> {
        assert_ne!(self.0.panic.as_deref(), Some("start"), "this handler panics when it starts");
        if self.0.fail {
            return Err("its helper is not installed".to_owned());
        }
        self.1.note("start", &self.0.name);
        Ok(())
    }

    fn drain(&self) {
        self.1.note("drain", &self.0.name);
    }
}

fn starting(steps: &str) -> String {
    format!(
        "{HEAD}apis:\n  - id: a\n    match: {{ path: / }}\n    handlers: [ {steps}, respond: {{ status: 200, body: fine }} ]\n"
    )
}

#[tokio::test]
async fn a_handler_that_cannot_start_refuses_the_release_and_those_before_it_are_drained() {
    let plugin = Starts::default();
    let setup = Setup::new(starting("starts: { name: old }")).plugin(plugin.clone());
    let running = setup.start().await;
    assert_eq!(plugin.take(), ["start old"]);
    let refused = running
        .reload(starting(
            "starts: { name: new }, { id: second, starts: { name: bad, fail: true } }",
        ))
        .await
        .unwrap_err();
    let text = refused.to_string();
    assert!(matches!(refused, ReleaseError::Handler(_)));
    assert!(text.contains("`second` of a: its helper is not installed"), "{text}");
    assert_eq!(plugin.take(), ["start new", "drain new"]);
    assert_eq!(says(&running.gateway).await, "fine");

    running.reload(starting("starts: { name: new }")).await.unwrap();
    assert_eq!(plugin.take(), ["start new", "drain old"]);
    // What did not change is not started again.
    running.gateway.reload().await.unwrap();
    assert_eq!(plugin.take(), [""; 0]);
    running.stop().await;
    assert_eq!(plugin.take(), ["drain new"]);
}

#[tokio::test]
async fn a_plugin_that_panics_refuses_the_release() {
    let running = Setup::new(starting("starts: { name: old }")).plugin(Starts::default());
    let running = running.start().await;
    for place in ["build", "start"] {
        let panics = starting(&format!("starts: {{ name: new, panic: {place} }}"));
        let refused = running.reload(panics).await.unwrap_err().to_string();
        assert!(refused.contains("ended early"), "{refused}");
        assert_eq!(says(&running.gateway).await, "fine");
        let status = ask(&running.gateway, "GET", "/v1/status").await;
        assert_eq!(status.json["last_failure"], *refused, "{place}");
    }
    assert_eq!(running.reload(starting("starts: { name: next }")).await.unwrap(), 2);
    running.stop().await;
}

#[tokio::test]
async fn handlers_of_a_gateway_that_is_dropped_are_drained_once() {
    let plugin = Starts::default();
    let setup = Setup::new(starting("starts: { name: a }")).plugin(plugin.clone());
    let running = setup.start().await;
    assert_eq!(plugin.take(), ["start a"]);
    drop(running);
    assert_eq!(plugin.take(), ["drain a"]);
}

#[tokio::test]
async fn a_gateway_that_cannot_start_says_why_and_leaves_nothing() {
    let plugin = Starts::default();
    let fails = starting("starts: { name: a }, { id: b, starts: { name: b, fail: true } }");
    let wrong = Setup::new(fails).plugin(plugin.clone()).try_start().await.unwrap_err();
    assert!(wrong.to_string().contains("its helper is not installed"), "{wrong}");
    assert_eq!(plugin.take(), ["start a", "drain a"]);
}
