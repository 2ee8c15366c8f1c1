//! HTTP/1.1 with keep-alive, by hyper.

use async_trait::async_trait;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;

use super::Session;
use crate::cli::fleet::{
    trouble::{Kind, Trouble},
    wire::Stream,
};

struct Http1(SendRequest<Full<Bytes>>);

pub(super) async fn open(stream: Box<dyn Stream>) -> Result<Box<dyn Session>, Trouble> {
    let (sender, connection) =
        handshake(TokioIo::new(stream)).await.map_err(|error| Trouble::of(&error).unsent())?;
    // How it ends is told to whoever calls over it.
    tokio::spawn(connection);
    Ok(Box::new(Http1(sender)))
}

#[async_trait]
impl Session for Http1 {
    async fn call(&mut self, request: &Request<Bytes>) -> Result<u16, Trouble> {
        self.0.ready().await.map_err(|error| Trouble::of(&error).unsent())?;
        let request = request.clone().map(Full::new);
        let answer = self.0.send_request(request).await.map_err(|error| told(&error))?;
        let status = answer.status().as_u16();
        let mut body = answer.into_body();
        while let Some(frame) = body.frame().await {
            frame.map_err(|error| told(&error))?;
        }
        Ok(status)
    }

    async fn heartbeat(&mut self) -> Result<(), Trouble> {
        Ok(())
    }

    fn alive(&self) -> bool {
        !self.0.is_closed()
    }
}

fn told(error: &hyper::Error) -> Trouble {
    let mut trouble = Trouble::of(error);
    if error.is_incomplete_message() {
        trouble.kind = Kind::Closed;
    }
    trouble.unsent = error.is_canceled();
    trouble
}
