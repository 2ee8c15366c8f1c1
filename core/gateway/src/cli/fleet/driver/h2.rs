//! HTTP/2, by h2.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use async_trait::async_trait;
use bytes::Bytes;
use h2::{Ping, PingPong, Reason, client::SendRequest};
use http::Request;

use super::Session;
use crate::cli::fleet::{
    trouble::{Kind, Trouble},
    wire::Stream,
};

/// Bytes that a server may send ahead, of a stream and of the connection: no answer waits for credit.
const WINDOW: u32 = 1 << 20;

struct Http2 {
    sender: SendRequest<Bytes>,
    pings: Option<PingPong>,
    ended: Arc<AtomicBool>,
}

pub(super) async fn open(stream: Box<dyn Stream>) -> Result<Box<dyn Session>, Trouble> {
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(WINDOW).initial_connection_window_size(WINDOW).enable_push(false);
    let opened = builder.handshake(stream).await;
    let (sender, mut connection) = opened.map_err(|error| told(&error).unsent())?;
    let pings = connection.ping_pong();
    let ended = Arc::new(AtomicBool::new(false));
    let ending = Arc::clone(&ended);
    tokio::spawn(async move {
        // How it ended is told to whoever calls over it.
        let _ended = connection.await;
        ending.store(true, Relaxed);
    });
    Ok(Box::new(Http2 { sender, pings, ended }))
}

#[async_trait]
impl Session for Http2 {
    async fn call(&mut self, request: &Request<Bytes>) -> Result<u16, Trouble> {
        let mut sender =
            self.sender.clone().ready().await.map_err(|error| told(&error).unsent())?;
        let (parts, body) = request.clone().into_parts();
        let bodiless = body.is_empty();
        let head = Request::from_parts(parts, ());
        let (answer, mut upload) =
            sender.send_request(head, bodiless).map_err(|error| told(&error).unsent())?;
        if !bodiless {
            upload.send_data(body, true).map_err(|error| told(&error))?;
        }
        let answer = answer.await.map_err(|error| told(&error))?;
        let status = answer.status().as_u16();
        let mut body = answer.into_body();
        while let Some(data) = body.data().await {
            let count = data.map_err(|error| told(&error))?.len();
            body.flow_control().release_capacity(count).map_err(|error| told(&error))?;
        }
        Ok(status)
    }

    async fn heartbeat(&mut self) -> Result<(), Trouble> {
        match &mut self.pings {
            None => Ok(()),
            Some(pings) => pings.ping(Ping::opaque()).await.map(drop).map_err(|error| told(&error)),
        }
    }

    fn alive(&self) -> bool {
        !self.ended.load(Relaxed)
    }
}

fn told(error: &h2::Error) -> Trouble {
    let mut trouble = Trouble::of(error);
    // An io error is not among the sources that the library tells of.
    if let Some(io) = error.get_io() {
        trouble = Trouble::of(io);
    } else if error.is_go_away() {
        trouble.kind = Kind::Closed;
    }
    trouble.unsent = error.reason() == Some(Reason::REFUSED_STREAM);
    trouble
}
