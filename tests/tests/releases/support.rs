//! What these tests share: an admin client, gateways on real files, upstreams that wait.

use paifang::{Gateway, StartError};
use paifang_tests::harness::{Client, Message, Server, soon};
use serde_json::Value;
use std::{fs, net::SocketAddr, path::PathBuf, sync::Arc};
use tempfile::TempDir;
use tokio::sync::{Semaphore, mpsc};

/// One listener, an admin API, and no more.
pub(crate) const HEAD: &str = "version: 1
listeners: [ { name: public, address: \"127.0.0.1:0\" } ]
admin: { address: \"127.0.0.1:0\" }
";

/// A config with an admin API and one API that answers this text at `/`.
pub(crate) fn saying(text: &str) -> String {
    format!(
        "{HEAD}apis:\n  - {{ id: hello, match: {{ path: / }}, handlers: [ respond: {{ status: 200, body: \"{text}\" }} ] }}\n"
    )
}

/// An answer of the admin API.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) message: Message,
    pub(crate) json: Value,
}

impl Told {
    /// What it has for people.
    pub(crate) fn text(&self) -> &str {
        self.json["text"].as_str().unwrap_or_default()
    }
}

/// Sends a request head and body to an admin API as they are.
pub(crate) async fn raw(address: SocketAddr, head: &str, body: &str) -> Told {
    let mut client = Client::connect(address).await;
    let length = body.len();
    let request = format!("{head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
    let message = client.ask(request).await;
    let json = serde_json::from_slice(&message.body).unwrap_or_default();
    Told { status: message.status(), message, json }
}

/// Asks a gateway's admin API.
pub(crate) async fn ask(gateway: &Gateway, method: &str, path: &str) -> Told {
    send(gateway, method, path, "").await
}

/// Asks it with a JSON body.
pub(crate) async fn send(gateway: &Gateway, method: &str, path: &str, body: &str) -> Told {
    let address = gateway.admin_address().expect("no admin API");
    let head =
        format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json");
    raw(address, &head, body).await
}

/// A folder with a config in it, for gateways that read real files.
pub(crate) struct Folder {
    pub(crate) folder: TempDir,
    variables: Vec<(String, String)>,
}

impl Folder {
    pub(crate) fn new(yaml: &str) -> Self {
        let this = Self { folder: TempDir::new().unwrap(), variables: Vec::new() };
        this.write("paifang.yaml", yaml);
        this
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file as a whole, as editors do.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let (path, new) = (self.path(name), self.path(&format!("{name}.tmp")));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&new, text).unwrap();
        fs::rename(new, path).unwrap();
    }

    pub(crate) async fn try_start(&self) -> Result<Gateway, StartError> {
        let builder = Gateway::builder().config(self.path("paifang.yaml"));
        soon(builder.environment(self.variables.clone()).start()).await
    }

    pub(crate) async fn start(&self) -> Gateway {
        match self.try_start().await {
            Ok(gateway) => gateway,
            Err(wrong) => panic!("{wrong}: {}", details(&wrong)),
        }
    }
}

/// All that an error at the start knows.
pub(crate) fn details(error: &StartError) -> String {
    match error {
        StartError::Release(failed) => failed.details().unwrap_or_default(),
        _ => String::new(),
    }
}

/// What `/` of the listener `public` answers now.
pub(crate) async fn says(gateway: &Gateway) -> String {
    let mut client = Client::connect(gateway.address("public").unwrap()).await;
    client.get("/").await.text().to_owned()
}

/// An upstream that answers a request only when it is let.
pub(crate) struct Patient {
    pub(crate) server: Server,
    came: mpsc::UnboundedReceiver<()>,
    let_go: Arc<Semaphore>,
}

impl Patient {
    pub(crate) async fn start() -> Self {
        let (tell, came) = mpsc::unbounded_channel();
        let let_go = Arc::new(Semaphore::new(0));
        let gate = let_go.clone();
        let server = Server::start(move |_, mut client| {
            let (tell, gate) = (tell.clone(), gate.clone());
            async move {
                while client.request().await.is_some() {
                    tell.send(()).unwrap();
                    gate.acquire().await.unwrap().forget();
                    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\npatience";
                    if client.try_send(answer).await.is_err() {
                        return;
                    }
                }
            }
        })
        .await;
        Self { server, came, let_go }
    }

    /// Returns when a request has come.
    pub(crate) async fn called(&mut self) {
        soon(self.came.recv()).await.unwrap();
    }

    /// Answers one request.
    pub(crate) fn answer(&self) {
        self.let_go.add_permits(1);
    }
}
