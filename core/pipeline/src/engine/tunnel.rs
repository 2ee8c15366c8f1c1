//! What follows a 101: bytes both ways, without body stages, until either side ends.

use super::{Run, Stop, deliver::Answer, origin::Reply};
use crate::{
    front::{BodySize, Front, Inbound},
    origin::{OriginCall, OriginEvent},
};
use http::StatusCode;

impl Run<'_> {
    /// Switches protocols and relays. The chain sees the 101 in `response`, not the tunnel's bytes.
    pub(super) async fn tunnel<F: Front, C: OriginCall>(
        &mut self,
        front: &mut F,
        reply: Reply<C>,
    ) -> Result<(), Stop> {
        let Reply { mut call, head, ended: _ } = reply;
        let mut answer = Answer::<C>::without_body(head, self.passed);
        if self.walk_up(front, &mut answer).await.is_err() {
            return Err(Stop::Gone);
        }
        if answer.head.status != StatusCode::SWITCHING_PROTOCOLS {
            // A step has answered otherwise: the origin is told that nothing comes of it.
            call.finish(false).await;
            return self.deliver_answer(front, answer).await;
        }
        self.exchange.outcome.upgraded = true;
        self.send_head(front, answer.head, BodySize::Unknown).await?;
        let mut client_open = true;
        let backlog = call.backlog();
        let ending = loop {
            tokio::select! {
                biased;
                event = call.recv() => match event {
                    Ok(OriginEvent::Frame(frame)) => {
                        let end = frame.end;
                        self.send_frame(front, frame).await?;
                        if end {
                            break Ok(());
                        }
                    }
                    Ok(_) => break Err(Stop::OriginBrokeOff),
                    Err(failed) => {
                        self.exchange.outcome.error_detail = Some(failed.detail);
                        break Err(Stop::OriginBrokeOff);
                    }
                },
                inbound = backlog.gate(front.recv()), if client_open => match inbound {
                    Ok(Inbound::Frame(frame)) => {
                        self.exchange.outcome.request_bytes += frame.data.len() as u64;
                        // A half-closed client may still be owed the origin's last bytes.
                        client_open = !frame.end;
                        if call.send(frame).await.is_err() {
                            break Err(Stop::OriginBrokeOff);
                        }
                    }
                    Ok(Inbound::Gone) | Err(_) => break Err(Stop::Gone),
                },
            }
        };
        call.finish(false).await;
        ending
    }
}
