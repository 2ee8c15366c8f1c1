//! MMTP within HTTP: the short form over one POST, and WebSocket, on listeners that take MMTP. Their path is taken before routing.
//!
//! ```text
//! Front (h1, h2) <──> pump <──> pipe <──> access front
//!                      └─ WebSocket's frames, where it is that
//! ```
//!
//! All of it runs in the task of the HTTP call. The request itself is no call: what it carries are.

mod examine;
mod pipe;
mod pump;

use super::{AccessHost, carrier::Carrier, leave};
use crate::{
    edge::ConnInfo,
    front::{HttpLimits, Incoming, Service, WatchDrain},
    live::{Dispatcher, Live},
};
use examine::{Begins, Refused, examine};
use futures::{StreamExt, stream};
use http::HeaderValue;
use paifang_access::{Form, Server};
use paifang_mmtp::web::{Side, WebSocket};
use paifang_pipeline::{
    BodySize, ErrorCode, Frame, Front, FrontError, Response, Served, Termination,
};
use pump::{Pace, Wrapping, pump};
use std::{pin::pin, sync::Arc};

/// Serves HTTP's calls by the release that is live, and MMTP's path by the access front.
pub(crate) struct HttpDoors {
    dispatcher: Arc<Dispatcher>,
    live: Arc<Live>,
    access: Arc<Server<AccessHost>>,
}

impl HttpDoors {
    pub(crate) fn new(
        dispatcher: Arc<Dispatcher>,
        live: Arc<Live>,
        access: Arc<Server<AccessHost>>,
    ) -> Self {
        Self { dispatcher, live, access }
    }

    fn is_mmtp(&self, incoming: &Incoming) -> bool {
        let live = self.live.load();
        let Some(mmtp) = &live.mmtp else { return false };
        mmtp.is_at(incoming.head.uri.path(), &incoming.connection.listener)
    }

    async fn serve_mmtp<F: Front>(&self, mut incoming: Incoming, front: &mut F) -> Served {
        let served = match examine(&incoming) {
            Ok(Begins::Post) => self.converse(&mut incoming, front).await,
            Ok(Begins::WebSocket(head)) => {
                let drain = incoming.head.extensions.remove::<WatchDrain>();
                match front.send_head(*head, BodySize::Unknown).await {
                    Ok(()) => self.connect(&mut incoming, drain, front).await,
                    gone => gone,
                }
            }
            Err(refused) => self.refuse_mmtp(&incoming.connection, refused, front).await,
        };
        let termination = match served {
            Ok(()) => Termination::Completed,
            Err(error) => {
                tracing::debug!(connection = incoming.connection.id, %error, "MMTP within HTTP");
                front.abort().await;
                Termination::ClientGone
            }
        };
        Served { termination }
    }

    async fn refuse_mmtp<F: Front>(
        &self,
        connection: &ConnInfo,
        refused: Refused,
        front: &mut F,
    ) -> Result<(), FrontError> {
        let answer = self.dispatcher.refuse(connection, refused.code, refused.detail);
        let (mut head, body) = answer.into_parts();
        if let Some((name, value)) = refused.field {
            head.headers.insert(name, HeaderValue::from_static(value));
        }
        front.send_head(head, BodySize::Exact(body.len() as u64)).await?;
        front.send(Frame::last(body)).await
    }

    /// The short form.
    async fn converse<F: Front>(
        &self,
        incoming: &mut Incoming,
        front: &mut F,
    ) -> Result<(), FrontError> {
        let limits = self.dispatcher.limits(&incoming.connection);
        let pace = Pace { stall: limits.stall_timeout, total: limits.body_timeout };
        front.begin_body().await?;
        let wrapping = Wrapping::Body { pace, answered: false };
        let (stream, pieces) = pipe::pipe();
        let carrier = Arc::new(Carrier::within(incoming));
        let served = self.access.converse(stream, carrier);
        run(served, pump(front, &pieces, wrapping)).await
    }

    /// WebSocket, behind its handshake.
    async fn connect<F: Front>(
        &self,
        incoming: &mut Incoming,
        drain: Option<WatchDrain>,
        front: &mut F,
    ) -> Result<(), FrontError> {
        let wrapping = Wrapping::Frames(Box::new(WebSocket::new(Side::Server)));
        let (stream, pieces) = pipe::pipe();
        let carrier = Arc::new(Carrier::within(incoming));
        let leave = stream::iter(drain).flat_map(|WatchDrain(drain)| leave(drain));
        let served = self.access.serve_as(Form::WebSocket, stream, carrier, leave);
        run(served, pump(front, &pieces, wrapping)).await
    }
}

/// Runs the access front beside what moves its bytes, until the last of them is out.
async fn run(
    served: impl Future<Output = ()>,
    pumped: impl Future<Output = Result<(), FrontError>>,
) -> Result<(), FrontError> {
    let (mut served, mut pumped) = (pin!(served), pin!(pumped));
    let mut over = false;
    loop {
        tokio::select! {
            biased;
            () = &mut served, if !over => over = true,
            pumped = &mut pumped => return pumped,
        }
    }
}

impl Service for HttpDoors {
    fn limits(&self, connection: &ConnInfo) -> Arc<HttpLimits> {
        self.dispatcher.limits(connection)
    }

    async fn serve<F: Front>(&self, incoming: Incoming, front: &mut F) -> Served {
        if self.is_mmtp(&incoming) {
            // Boxed: other calls should not take the room that this future needs.
            return Box::pin(self.serve_mmtp(incoming, front)).await;
        }
        self.dispatcher.serve(incoming, front).await
    }

    fn refuse(&self, connection: &ConnInfo, code: &'static ErrorCode, detail: &str) -> Response {
        self.dispatcher.refuse(connection, code, detail)
    }
}
