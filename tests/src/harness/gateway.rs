//! Gateways on ports that the system chooses, with their files in memory.

use super::Client;
use paifang::{Builder, Gateway, ReleaseError, StartError};
use paifang_config::source::MemoryFiles;
use paifang_pipeline::Plugin;
use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

/// The config's file.
const ROOT: &str = "paifang.yaml";

/// A gateway to be.
#[derive(Default)]
pub struct Setup {
    builder: Builder,
    files: Arc<MemoryFiles>,
    variables: Vec<(String, String)>,
}

impl Setup {
    /// With this config. Its listeners take port 0; one of them is called `public`.
    #[must_use]
    pub fn new(yaml: impl Into<String>) -> Self {
        let this = Self::default();
        this.files.write(ROOT, yaml.into());
        this
    }

    /// With one more file that the config may name.
    #[must_use]
    pub fn file(self, path: impl Into<PathBuf>, content: impl Into<Vec<u8>>) -> Self {
        self.files.write(path, content);
        self
    }

    /// With a variable; nothing else is taken from the environment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a plugin beside the built-in ones.
    #[must_use]
    pub fn plugin(self, plugin: impl Plugin) -> Self {
        self.build(|builder| builder.plugin(plugin))
    }

    /// With whatever else a builder can do.
    #[must_use]
    pub fn build(mut self, f: impl FnOnce(Builder) -> Builder) -> Self {
        self.builder = f(self.builder);
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// Why it does not start.
    pub async fn try_start(self) -> Result<Running, StartError> {
        let files: Arc<MemoryFiles> = Arc::clone(&self.files);
        let builder = self.builder.files(files).config(ROOT).environment(self.variables);
        Ok(Running { gateway: builder.start().await?, files: self.files })
    }

    /// Starts it.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start(self) -> Running {
        match self.try_start().await {
            Ok(running) => running,
            Err(wrong) => {
                let details = match &wrong {
                    StartError::Release(release) => release.details(),
                    _ => None,
                };
                panic!("{wrong}\n{}", details.unwrap_or_default());
            }
        }
    }
}

/// A gateway that serves.
#[derive(Debug)]
pub struct Running {
    /// The gateway.
    pub gateway: Gateway,
    /// The files that a reload reads.
    pub files: Arc<MemoryFiles>,
}

impl Running {
    /// A gateway with this config and the built-in plugins.
    pub async fn start(yaml: impl Into<String>) -> Self {
        Setup::new(yaml).start().await
    }

    /// Where the listener `public` listens.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listener("public")
    }

    /// Where a listener listens.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn listener(&self, name: &str) -> SocketAddr {
        self.gateway.address(name).unwrap_or_else(|| panic!("there is no listener `{name}`"))
    }

    /// A new connection to the listener `public`.
    pub async fn connect(&self) -> Client {
        Client::connect(self.address()).await
    }

    /// Writes this config and has it read.
    ///
    /// # Errors
    /// Why it was refused.
    pub async fn reload(&self, yaml: impl Into<String>) -> Result<u64, ReleaseError> {
        self.files.write(ROOT, yaml.into());
        self.gateway.reload().await
    }

    /// Stops it, with a minute for calls in flight.
    ///
    /// # Panics
    /// When a connection had to be cut.
    pub async fn stop(self) {
        let cut = self.gateway.stop(Duration::from_secs(60)).await;
        assert_eq!(cut, 0, "connections were cut");
    }
}

/// A config with the listener `public` and the upstream `up` at this address; `rest` is appended.
#[must_use]
pub fn one_upstream(up: SocketAddr, rest: &str) -> String {
    format!(
        "version: 1\n\
         listeners:\n  - {{ name: public, address: \"127.0.0.1:0\" }}\n\
         upstreams:\n  up: {{ endpoints: [ {{ address: \"{up}\" }} ] }}\n\
         {rest}"
    )
}

/// A config with the listener `public` and one API, `all`, that passes these steps (a YAML list in
/// flow style) and goes on to this upstream.
#[must_use]
pub fn one_api(up: SocketAddr, handlers: &str) -> String {
    let api =
        format!("{{ id: all, match: {{ path_prefix: / }}, handlers: {handlers}, upstream: up }}");
    one_upstream(up, &format!("apis:\n  - {api}\n"))
}
