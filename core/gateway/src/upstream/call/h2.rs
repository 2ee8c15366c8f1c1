//! An attempt over HTTP/2: one stream of the h2 crate, interim responses and trailers included.
//!
//! As with HTTP/1.1 sending never waits: pieces that the server's flow control does not admit yet
//! are queued, and receiving moves them on.

use super::{
    MAX_INFORMATIONAL, Patience, Phase,
    head::{Prepared, h2_target},
};
use crate::front::{fields::Fields, hop::strip_response};
use crate::upstream::{endpoint::Endpoint, error, hop, streams::Slot, timer::Timer};
use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream, client::ResponseFuture};
use http::{HeaderMap, Version};
use paifang_pipeline::{Backlog, Frame, OriginError, OriginEvent, ResponseHead};
use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

pub(super) struct H2Call {
    slot: Slot,
    endpoint: Arc<Endpoint>,
    upload: Upload,
    response: Option<ResponseFuture>,
    body: Option<RecvStream>,
    informational: u8,
    timer: Timer,
}

/// The request body on its way.
#[derive(Default)]
struct Upload {
    stream: Option<SendStream<Bytes>>,
    queue: VecDeque<Bytes>,
    /// What comes after the queue: nothing yet, the end, trailers.
    end: End,
    /// Bytes in the queue; the call's backlog.
    pending: Arc<AtomicUsize>,
    sent: u64,
}

#[derive(Default)]
enum End {
    #[default]
    Open,
    Due(Option<HeaderMap>),
    /// The end is with the stream, or the server takes no more.
    Done,
}

impl H2Call {
    pub(super) fn new(endpoint: &Arc<Endpoint>, slot: Slot) -> Self {
        Self {
            slot,
            endpoint: Arc::clone(endpoint),
            upload: Upload::default(),
            response: None,
            body: None,
            informational: 0,
            timer: Timer::default(),
        }
    }

    pub(super) fn backlog(&self) -> Backlog {
        Backlog::new(Arc::clone(&self.upload.pending))
    }

    pub(super) fn start(&mut self, mut head: Prepared) -> Result<(), OriginError> {
        let uri = h2_target(&mut head, self.endpoint.identity.server_name.is_some())?;
        let mut request = http::Request::new(());
        *request.method_mut() = head.method;
        *request.uri_mut() = uri;
        *request.headers_mut() = head.headers;
        *request.version_mut() = Version::HTTP_2;
        match self.slot.send.send_request(request, !head.has_body) {
            Ok((response, stream)) => {
                self.response = Some(response);
                if head.has_body {
                    self.upload.stream = Some(stream);
                } else {
                    self.upload.end = End::Done;
                }
                Ok(())
            }
            Err(failed) => {
                self.slot.retire();
                Err(error::h2_unopened(&failed))
            }
        }
    }

    pub(super) async fn send(&mut self, frame: Frame) -> Result<(), OriginError> {
        let upload = &mut self.upload;
        if upload.stream.is_none() {
            return match upload.end {
                // There was no body to send.
                End::Done if frame.data.is_empty() => Ok(()),
                _ => Err(error::unsendable("the server takes no more of the request")),
            };
        }
        if !frame.data.is_empty() {
            upload.pending.fetch_add(frame.data.len(), Relaxed);
            upload.queue.push_back(frame.data);
        }
        if frame.end {
            let trailers = frame.trailers.map(|mut trailers| {
                hop::trailers(&mut trailers);
                *trailers
            });
            upload.end = End::Due(trailers);
        }
        // What is admitted goes at once; the rest when the call receives.
        poll_fn(|cx| {
            upload.push(cx);
            Poll::Ready(())
        })
        .await;
        Ok(())
    }

    /// Cancel-safe: nothing is taken from the stream that is not returned.
    pub(super) async fn recv(&mut self) -> Result<OriginEvent, OriginError> {
        let phase = if self.response.is_some() { Phase::Head } else { Phase::Body };
        let mut patience = Patience::new();
        poll_fn(|cx| {
            self.upload.push(cx);
            if let Poll::Ready(event) = self.poll_event(cx) {
                return Poll::Ready(event);
            }
            let progress = (self.upload.sent, self.upload.pending.load(Relaxed));
            let limits = &self.endpoint.common.spec.timeouts;
            patience.poll(cx, &mut self.timer, limits, phase, progress).map(Err)
        })
        .await
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<OriginEvent, OriginError>> {
        let reused = self.slot.reused;
        if let Some(response) = &mut self.response {
            match response.poll_informational(cx) {
                Poll::Ready(Some(Ok(interim))) => {
                    self.informational += 1;
                    if self.informational > MAX_INFORMATIONAL {
                        return Poll::Ready(Err(error::malformed("too many interim responses")));
                    }
                    let head = relayed(interim.into_parts().0);
                    return Poll::Ready(Ok(OriginEvent::Info(head)));
                }
                // Errors come with the response itself.
                Poll::Ready(_) | Poll::Pending => {}
            }
            let answer = ready!(Pin::new(response).poll(cx));
            self.response = None;
            let (head, body) = match answer {
                Ok(answer) => answer.into_parts(),
                Err(failed) => return Poll::Ready(Err(self.failed(&failed))),
            };
            let ended = body.is_end_stream();
            self.body = Some(body);
            return Poll::Ready(Ok(OriginEvent::Head(relayed(head), ended)));
        }
        let Some(body) = &mut self.body else {
            return Poll::Ready(Err(error::malformed("no response")));
        };
        let frame = match ready!(body.poll_data(cx)) {
            Some(Ok(data)) => {
                // The engine asks for more only when this is with the client.
                let _ = body.flow_control().release_capacity(data.len());
                Frame { data, end: body.is_end_stream(), trailers: None }
            }
            Some(Err(failed)) => return Poll::Ready(Err(error::from_h2(&failed, reused, true))),
            None => match ready!(body.poll_trailers(cx)) {
                Ok(trailers) => Frame {
                    data: Bytes::new(),
                    end: true,
                    trailers: trailers.map(|mut trailers| {
                        hop::trailers(&mut trailers);
                        Box::new(trailers)
                    }),
                },
                Err(failed) => return Poll::Ready(Err(error::from_h2(&failed, reused, true))),
            },
        };
        Poll::Ready(Ok(OriginEvent::Frame(frame)))
    }

    fn failed(&self, failed: &h2::Error) -> OriginError {
        if failed.is_go_away() || failed.is_io() {
            self.slot.retire();
        }
        error::from_h2(failed, self.slot.reused, false)
    }

    pub(super) fn finish(mut self, complete: bool) {
        if let (false, Some(stream)) = (complete, &mut self.upload.stream) {
            stream.send_reset(Reason::CANCEL);
        }
        // A stream that has not ended is cancelled by the drop of its handles.
    }
}

impl Upload {
    /// Moves on what the server's windows admit. Afterwards the queue is empty, or the task is
    /// woken when there is room.
    fn push(&mut self, cx: &mut Context<'_>) {
        let Some(stream) = &mut self.stream else { return };
        while let Some(front) = self.queue.front_mut() {
            let mut room = stream.capacity();
            if room == 0 {
                // Asking tells only of increments, so the wish comes first.
                stream.reserve_capacity(front.len());
                room = stream.capacity();
            }
            if room == 0 {
                match stream.poll_capacity(cx) {
                    Poll::Pending => return,
                    Poll::Ready(Some(Ok(more))) => room = more,
                    Poll::Ready(_) => return self.give_up(),
                }
            }
            let piece = front.split_to(room.min(front.len()));
            if piece.is_empty() {
                continue;
            }
            let length = piece.len();
            if front.is_empty() {
                self.queue.pop_front();
            }
            let last = self.queue.is_empty() && matches!(self.end, End::Due(None));
            if stream.send_data(piece, last).is_err() {
                return self.give_up();
            }
            self.sent += length as u64;
            self.pending.fetch_sub(length, Relaxed);
            if last {
                self.end = End::Done;
            }
        }
        if let End::Due(trailers) = &mut self.end {
            let sent = match trailers.take() {
                Some(trailers) => stream.send_trailers(trailers),
                None => stream.send_data(Bytes::new(), true),
            };
            match sent {
                Ok(()) => self.end = End::Done,
                Err(_) => self.give_up(),
            }
        }
    }

    /// The server takes no more; what it answers tells why.
    fn give_up(&mut self) {
        self.stream = None;
        self.queue.clear();
        self.pending.store(0, Relaxed);
    }
}

/// The head as the chain sees it.
fn relayed(mut head: ResponseHead) -> ResponseHead {
    strip_response(Fields::of(&head.headers), &mut head.headers, false);
    head.version = Version::HTTP_11;
    head
}
