//! MMTP, by the client SDK: it keeps its connection by itself, over what the fleet dials for it.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::Request;
use paifang_client::{
    Client, ClientBuilder, Error, Forms,
    connect::{BoxFuture, Connect, Dialed, EarlyData, Encrypted, Plain, Target, Timing},
};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use super::{Session, Whose};
use crate::cli::fleet::{
    dial::{Handshake, Line, OwnDialer},
    tally::Present,
    trouble::{Kind, Trouble},
    wire::Wire,
};

/// The app that a fleet's clients are of.
const APP: &str = "fleet";

struct Mmtp {
    client: Client,
    operation: Option<Arc<str>>,
    idempotent: bool,
    timeout: Duration,
    dialled: Arc<Dialled>,
}

/// How the last try to dial went.
#[derive(Default)]
struct Dialled {
    /// There was a connection, and no other has been tried since.
    connected: AtomicBool,
    trouble: Mutex<Option<Trouble>>,
}

/// A session whose first call may go with its first bytes.
pub(super) fn open(
    whose: &Whose,
    dialer: &Arc<OwnDialer>,
    wire: &Arc<Wire>,
) -> Result<Box<dyn Session>, Trouble> {
    let Whose { plan, number, .. } = whose;
    let dialled = Arc::new(Dialled::default());
    let connect = Dial {
        dialer: dialer.clone(),
        wire: wire.clone(),
        whose: whose.clone(),
        dialled: dialled.clone(),
    };
    // The same device at each return; two fleets of one seed have the same devices.
    let device = [plan.seed.to_be_bytes().as_slice(), &number.to_be_bytes()].concat();
    let builder = ClientBuilder::new(APP, device)
        .address(&plan.dialer.target.to_string())
        .authority(&plan.authority)
        .deadline(plan.timeout)
        .dial_timeout(plan.timeout)
        .forms(Forms::Long);
    let builder = match &plan.compression {
        Some(common) => builder.share_compression(common),
        None => builder.compression(false),
    };
    let client = builder.build(connect).map_err(|error| told(&error))?;
    Ok(Box::new(Mmtp {
        client,
        operation: plan.operation.clone(),
        idempotent: plan.idempotent,
        timeout: plan.timeout,
        dialled,
    }))
}

#[async_trait]
impl Session for Mmtp {
    async fn call(&mut self, request: &Request<Bytes>) -> Result<u16, Trouble> {
        let mut call = match &self.operation {
            Some(operation) => self.client.call(operation),
            None => {
                let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
                self.client.request(request.method().as_str(), path)
            }
        };
        if self.idempotent {
            call = call.idempotent(true);
        }
        for (name, value) in request.headers() {
            call = call.field(name.as_str(), value.as_bytes());
        }
        if !request.body().is_empty() {
            call = call.body(request.body().clone());
        }
        call.send().await.map(|answer| answer.status()).map_err(|error| self.told(&error))
    }

    async fn ready(&mut self) -> Result<(), Trouble> {
        self.client.connected(self.timeout).await.map(drop).map_err(|error| self.told(&error))
    }

    async fn heartbeat(&mut self) -> Result<(), Trouble> {
        Ok(())
    }

    /// There is always another connection to come.
    fn alive(&self) -> bool {
        true
    }

    fn keeps_itself(&self) -> bool {
        true
    }

    fn why(&self) -> Option<Trouble> {
        self.dialled.trouble.lock().clone()
    }
}

impl Mmtp {
    /// What went wrong with a call; dialling, where it was never sent for that.
    fn told(&self, error: &Error) -> Trouble {
        let trouble = told(error);
        if trouble.unsent { self.why().unwrap_or(trouble) } else { trouble }
    }
}

fn told(error: &Error) -> Trouble {
    let (kind, unsent) = match error {
        Error::NotConnected(_) | Error::Ended { .. } => (Kind::Connect, true),
        Error::Deadline { call_id } => (Kind::Timeout, call_id.is_none()),
        Error::UnknownOutcome { .. } => (Kind::Closed, false),
        Error::Invalid(_) | Error::Busy | Error::Closed => (Kind::Protocol, true),
        _ => (Kind::Protocol, false),
    };
    let trouble = Trouble::new(kind, error.to_string());
    if unsent { trouble.unsent() } else { trouble }
}

/// What the SDK dials with.
struct Dial {
    dialer: Arc<OwnDialer>,
    wire: Arc<Wire>,
    whose: Whose,
    dialled: Arc<Dialled>,
}

impl Connect for Dial {
    fn resolve<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async { Ok(vec![self.whose.plan.dialer.target]) })
    }

    fn dial<'a>(&'a self, _: &'a Target) -> BoxFuture<'a, io::Result<Dialed>> {
        Box::pin(async {
            let Whose { tally, number, .. } = &self.whose;
            if self.dialled.connected.swap(false, Relaxed) {
                tally.dropped(*number, None);
            }
            let (begun, before) = (Instant::now(), self.wire.now());
            let line = match self.dialer.dial(&self.wire).await {
                Ok(line) => line,
                Err(trouble) => {
                    let why = io::Error::other(trouble.said.clone());
                    *self.dialled.trouble.lock() = Some(trouble);
                    return Err(why);
                }
            };
            *self.dialled.trouble.lock() = None;
            self.dialled.connected.store(true, Relaxed);
            let present = Present::new(tally.clone());
            let (inner, kind): (Box<dyn paifang_client::connect::Wire>, _) = match line {
                Line::Plain(stream) => (Plain::over(stream), Handshake::Plain),
                Line::Tls(stream, kind) => (Box::new(Encrypted::new(*stream)), kind),
            };
            if inner.early_data() == EarlyData::Offered {
                tally.early(*number);
            }
            tally.connected(*number, kind, begun.elapsed(), self.wire.now().since(before));
            let timing = Timing { tcp: begun.elapsed(), tls: None };
            Ok(Dialed {
                wire: Box::new(Held { inner, _present: present }),
                server_name: None,
                timing,
            })
        })
    }
}

/// A connection that is counted while it is there.
struct Held {
    inner: Box<dyn paifang_client::connect::Wire>,
    _present: Present,
}

impl AsyncRead for Held {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Held {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl paifang_client::connect::Wire for Held {
    fn early_data(&self) -> EarlyData {
        self.inner.early_data()
    }
}
