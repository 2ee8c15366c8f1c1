//! The least of an HTTP client: bytes out, an answer in, one connection each.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Status line and header fields as they came.
    pub head: String,
    /// What follows them.
    pub body: String,
}

/// Sends a GET for `path` and reads the answer to the connection's end.
///
/// # Panics
/// When there is no connection or no HTTP answer.
pub async fn get(address: SocketAddr, path: &str) -> Answer {
    send(address, &format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"))
        .await
}

/// Sends a request as it stands there and reads the answer to the connection's end.
///
/// # Panics
/// When there is no connection or no HTTP answer.
pub async fn send(address: SocketAddr, request: &str) -> Answer {
    match exchange(address, request).await {
        Ok(text) => {
            let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
            let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
            let Some(status) = status else { panic!("{address} answers `{text}`") };
            Answer { status, head: head.to_owned(), body: body.to_owned() }
        }
        Err(cause) => panic!("{address}: {cause}"),
    }
}

async fn exchange(address: SocketAddr, request: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut text = Vec::new();
    stream.read_to_end(&mut text).await?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
