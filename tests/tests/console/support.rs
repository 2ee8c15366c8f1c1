//! What these tests share: a gateway with releases and traffic, and how to find things in its console.

use paifang_tests::harness::{Chromium, Running, Server, Setup};
use std::net::SocketAddr;
use tempfile::TempDir;

/// A gateway with an upstream, its kept releases, and its console in a browser.
pub(crate) struct Desk {
    pub(crate) running: Running,
    pub(crate) browser: Chromium,
    pub(crate) up: Server,
    _releases: TempDir,
}

/// A config with this admin section, an API with a chain and an upstream, and one that a step answers.
pub(crate) fn config(up: SocketAddr, admin: &str, rate: &str) -> String {
    format!(
        "version: 1
listeners: [ {{ name: public, address: \"127.0.0.1:0\" }} ]
admin: {admin}
defaults: {{ handlers: [ request_id: {{}} ] }}
upstreams: {{ up: {{ endpoints: [ {{ address: \"{up}\" }} ] }} }}
apis:
  - id: orders.read
    match: {{ method: GET, path: \"/orders/{{id}}\" }}
    handlers:
      - throttle: {{ rate: {rate}, by: client_ip }}
      - headers: {{ response: {{ set: {{ x-seen: \"yes\" }} }} }}
    upstream: up
  - id: ping
    match: {{ path: /ping }}
    handlers: [ respond: {{ status: 204 }} ]
"
    )
}

pub(crate) const ADMIN: &str = "{ address: \"127.0.0.1:0\" }";

impl Desk {
    /// With the page open.
    pub(crate) async fn start(admin: &str) -> Self {
        let this = Self::closed(admin).await;
        this.opened().await
    }

    /// With no page open.
    pub(crate) async fn closed(admin: &str) -> Self {
        let up = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        let releases = tempfile::tempdir().unwrap();
        let kept = releases.path().to_owned();
        let setup = Setup::new(config(up.address, admin, "9000/s"))
            .variable("TOKEN", "s3cret-token")
            .build(|builder| builder.releases(kept));
        let running = setup.start().await;
        let browser = Chromium::start("MAP evil.example 127.0.0.1").await;
        Self { running, browser, up, _releases: releases }
    }

    async fn opened(mut self) -> Self {
        let page = self.page("127.0.0.1");
        self.browser.open(&page).await;
        self
    }

    /// The console under one of this machine's names.
    pub(crate) fn page(&self, name: &str) -> String {
        format!("http://{name}:{}/console/", self.admin().port())
    }

    pub(crate) fn admin(&self) -> SocketAddr {
        self.running.gateway.admin_address().unwrap()
    }

    /// Goes to a view by its place in the page.
    pub(crate) async fn go(&mut self, place: &str) {
        self.browser.value(&format!("location.hash = {place:?}; 0")).await;
    }

    /// Waits until the page shows this text.
    pub(crate) async fn shows(&mut self, text: &str) {
        self.browser.wait(&format!("document.body.innerText.includes({text:?})")).await;
    }

    /// Clicks the button or link with this name.
    pub(crate) async fn press(&mut self, name: &str) {
        self.browser.click(&named(name)).await;
    }

    /// Fails where anything has gone wrong in the page.
    pub(crate) async fn is_sound(&mut self) {
        assert_eq!(self.browser.faults().await, [""; 0]);
    }

    pub(crate) async fn call(&self, path: &str, times: usize) {
        let mut client = self.running.connect().await;
        for _ in 0..times {
            client.get(path).await;
        }
    }
}

/// An expression that finds a button or link by its label or text; the last one that is seen, so that one of a
/// dialog wins.
pub(crate) fn named(name: &str) -> String {
    format!(
        "[...document.querySelectorAll('button, a, summary')].findLast((node) => node.checkVisibility() && \
         (node.getAttribute('aria-label') ?? node.textContent.trim()) === {name:?})"
    )
}
