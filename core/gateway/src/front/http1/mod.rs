//! HTTP/1.0 and HTTP/1.1 (RFC 9112): one connection, one call after the other.
//!
//! Heads are read and parsed here (`scan`, `parse`), since Pingora's session takes in what must be
//! refused and rewrites what must not be. Bodies, answers, chunks, and reuse are the session's: it is
//! given a head of our making that says how the call is framed.
//!
//! Limits of the host: request trailers are read and dropped, and response trailers are not sent,
//! because Pingora's HTTP/1 session has none. `Date` and `Connection` of answers are the session's; it
//! puts its own `Date` in the place of the upstream's.
//!
//! A client that closes its sending side while it waits is taken to be gone, as nginx does. Once a
//! client has sent bytes of its next request, its going is only noticed by a failing write.

mod call;
mod diagnose;
mod parse;
mod scan;

#[cfg(test)]
mod parse_tests;

use super::{
    HttpLimits, Incoming, Service,
    deadline::{Deadline, after},
    drain::Drain,
    refusal::Refusal,
    response,
};
use crate::edge::{ChunkCheck, ConnInfo, EdgeStream};
use bytes::BytesMut;
use call::Http1Front;
use paifang_pipeline::{BodySize, FrontKind, error};
use pingora_core::protocols::{Stream, http::v1::server::HttpSession};
use pingora_error::BError;
use pingora_http::ResponseHeader;
use scan::{Scanner, Section};
use std::sync::Arc;
use tokio::io::AsyncReadExt;

/// Read at once: most heads fit.
const READ: usize = 2048;

/// Serves a connection to its end.
pub(super) async fn serve<S: Service>(
    stream: Box<EdgeStream>,
    info: Arc<ConnInfo>,
    service: &S,
    drain: Drain,
) {
    let limits = service.limits(&info);
    let mut connection = Connection {
        service,
        info,
        drain,
        limits,
        deadline: Deadline::default(),
        buffer: BytesMut::new(),
        served: 0,
    };
    let mut stream: Option<Stream> = Some(stream);
    while let Some(open) = stream.take() {
        stream = connection.serve_next(open).await;
    }
}

/// What a connection keeps from one call to the next.
struct Connection<'a, S> {
    service: &'a S,
    info: Arc<ConnInfo>,
    drain: Drain,
    /// The limits of the latest request.
    limits: Arc<HttpLimits>,
    deadline: Deadline,
    /// What was read and belongs to no call yet.
    buffer: BytesMut,
    /// Calls so far.
    served: u64,
}

/// What comes of waiting for a head.
enum Next {
    Section(Section),
    /// The connection ends: idle too long, closed by the client, or drained.
    End,
    Refused(Refusal),
}

impl<S: Service> Connection<'_, S> {
    /// Serves one call. Gives the stream back when another may follow.
    async fn serve_next(&mut self, mut stream: Stream) -> Option<Stream> {
        let section = match self.next_section(&mut stream).await {
            Next::Section(section) => section,
            Next::End => return None,
            Next::Refused(refusal) => return self.refuse(stream, &refusal, &[]).await,
        };
        let mut bytes = self.buffer.split_to(section.end).freeze();
        let bytes = bytes.split_off(section.start);
        let (mut head, host, framing) = match parse::parse(&bytes, section, &self.limits) {
            Ok(parsed) => parsed,
            Err(refusal) => return self.refuse(stream, &refusal, &bytes).await,
        };
        self.served += 1;
        let session = self.open_session(stream, framing).await?;
        if framing.upgrade {
            head.extensions.insert(self.drain.watch());
        }
        let last = self.served >= self.limits.requests_per_connection;
        let mut front = Http1Front::new(
            session,
            framing,
            &self.limits,
            &mut self.deadline,
            &mut self.drain,
            last,
        );
        let connection = self.info.clone();
        let incoming = Incoming::new(head, host, connection, FrontKind::Http1);
        // How it ended is in the front's own state: what was sent, and whether it was broken off.
        let _served = self.service.serve(incoming, &mut front).await;
        let (stream, rest) = front.finish().await?.into_parts();
        if let Some(rest) = rest {
            // Behind what was read before it.
            match self.buffer.is_empty() {
                true => self.buffer = rest,
                false => self.buffer.extend_from_slice(&rest),
            }
        }
        Some(stream)
    }

    /// Waits for a whole header section.
    async fn next_section(&mut self, stream: &mut Stream) -> Next {
        let mut scanner = Scanner::default();
        let mut begun = false;
        let mut header_until = None;
        loop {
            if !self.buffer.is_empty() {
                if !begun {
                    // A request begins: what a reload has changed holds from here on.
                    self.limits = self.service.limits(&self.info);
                    begun = true;
                }
                match scanner.scan(&self.buffer, &self.limits) {
                    Ok(Some(section)) => return Next::Section(section),
                    Ok(None) => {}
                    Err(refusal) => return Next::Refused(refusal),
                }
                header_until.get_or_insert_with(|| after(self.limits.header_timeout));
            }
            self.buffer.reserve(READ);
            let read = stream.read_buf(&mut self.buffer);
            let read = match header_until {
                Some(until) => match self.deadline.at(until, read).await {
                    Some(read) => read,
                    None => return Next::Refused(too_slow()),
                },
                None => tokio::select! {
                    biased;
                    read = self.deadline.within(self.limits.idle_timeout, read) => match read {
                        Some(read) => read,
                        None => return Next::End,
                    },
                    () = self.drain.begun() => return Next::End,
                },
            };
            if !matches!(read, Ok(1..)) {
                return Next::End;
            }
        }
    }

    /// A session that has read the head of our making.
    async fn open_session(
        &mut self,
        stream: Stream,
        framing: parse::Framing,
    ) -> Option<Box<HttpSession>> {
        let mut head = framing.to_session();
        let chunked = framing.body == parse::Body::Chunked;
        if let Some(stream) = stream.as_any().downcast_ref::<EdgeStream>() {
            let mut check = ChunkCheck::default();
            check.saw(&self.buffer);
            stream.check_chunks(chunked.then_some(check));
        }
        // What follows a request without a body is the next request and stays here.
        if framing.upgrade || framing.body != parse::Body::None {
            head.extend_from_slice(&self.buffer);
            self.buffer.clear();
        }
        let mut session = Box::new(HttpSession::new(stream));
        session.set_read_timeout(None);
        session.set_pipelining_enabled(true);
        // Whether the connection lives on is decided by the call's front.
        session.set_close_on_response_before_downstream_finish(false);
        session.set_pipelined_prefix(head);
        match session.read_request().await {
            Ok(Some(_)) => Some(session),
            Ok(None) => None,
            Err(error) => {
                // The head was ours, so this is our mistake. The error's own text may hold a body.
                tracing::error!(kind = ?error.etype(), ?framing, "the session refused our head");
                None
            }
        }
    }

    /// Answers a request that is no call, and ends the connection: after a request that two readers
    /// could understand in two ways, nobody knows where the next one begins.
    async fn refuse(
        &mut self,
        stream: Stream,
        refusal: &Refusal,
        section: &[u8],
    ) -> Option<Stream> {
        let answer = self.service.refuse(&self.info, refusal.code, &refusal.detail);
        let (mut head, body) = answer.into_parts();
        let begun = if section.is_empty() { &*self.buffer } else { section };
        let to_head = begun.starts_with(b"HEAD ");
        response::frame(&mut head, BodySize::Exact(body.len() as u64), to_head);
        head.version = http::Version::HTTP_11;
        let mut session = HttpSession::new(stream);
        let write = async {
            session.write_response_header(Box::new(ResponseHeader::from(head))).await?;
            if !to_head {
                session.write_body(&body).await?;
                session.finish_body().await?;
            }
            Ok::<_, BError>(())
        };
        let written = self.deadline.within(self.limits.stall_timeout, write).await;
        if matches!(written, Some(Ok(_))) {
            // Sends what is held, too.
            session.shutdown().await;
        }
        None
    }
}

fn too_slow() -> Refusal {
    Refusal::new(error::HEADER_TIMEOUT, "the header section took too long to arrive")
}
