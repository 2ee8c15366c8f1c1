//! The task of one connection: bytes, time and commands in, bytes and answers out.

use std::{
    collections::{HashMap, VecDeque},
    future::poll_fn,
    io,
    mem::MaybeUninit,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf, BytesMut};
use paifang_mmtp::{
    code::CloseCode,
    greeting::{Closing, Hello, UserResult},
    session::{Key, Millis, Session},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::{Semaphore, mpsc, oneshot, watch},
    time::{Instant, Sleep},
};

use super::{
    Attempt, Chunk, Command, Head, Lost, Phase, Standing,
    coded::Coded,
    short::{self, Short},
    silence::Silence,
};
use crate::{coding::Agreed, connect::Wire, shared::Shared};

/// The most bytes that are given to the socket at once: what is urgent never waits behind more.
const WRITE: usize = 16 * 1024;
/// The most bytes that are read at once.
const READ: usize = 16 * 1024;
/// Commands that are taken before bytes have their turn.
const BATCH: usize = 64;
/// How long the last bytes may take.
pub(super) const PARTING: Duration = Duration::from_secs(2);

pub(super) struct Driver {
    pub(super) serial: u64,
    /// A conversation of the short form.
    pub(super) short: Option<Short>,
    pub(super) nonce: [u8; 16],
    /// Of the user that what is begun belongs to.
    pub(super) epoch: u32,
    pub(super) session: Session,
    pub(super) wire: Box<dyn Wire>,
    commands: mpsc::UnboundedReceiver<Command>,
    /// For messages, which may be acknowledged as long as somebody holds the connection.
    pub(super) own_commands: mpsc::WeakUnboundedSender<Command>,
    /// Nobody holds the connection any more.
    abandoned: bool,
    /// Written by the session and not taken by the wire.
    pub(super) out: BytesMut,
    unflushed: bool,
    /// Bytes that the session has written in all.
    pub(super) emitted: u64,
    pub(super) calls: HashMap<Key, Ongoing>,
    pub(super) tickets: HashMap<u64, Key>,
    /// Calls that wait for the server to take more.
    pub(super) waiting: VecDeque<Box<Attempt>>,
    pub(super) logins: VecDeque<oneshot::Sender<UserResult>>,
    pub(super) deliveries: VecDeque<(Key, oneshot::Sender<()>)>,
    pub(super) standing: watch::Sender<Standing>,
    pub(super) shared: Arc<Shared>,
    /// It closes once nothing is in flight.
    pub(super) draining: bool,
    pub(super) silence: Silence,
    /// How messages are compressed, once WELCOME has said so.
    pub(super) agreed: Agreed,
    began: Instant,
    timer: Pin<Box<Sleep>>,
    timer_at: Option<Millis>,
}

/// A call in flight.
pub(super) struct Ongoing {
    pub(super) ticket: u64,
    /// Who waits for the head.
    pub(super) reply: Option<oneshot::Sender<Result<Head, Lost>>>,
    /// Who takes what follows it.
    pub(super) rest: Option<mpsc::UnboundedSender<Result<Chunk, Lost>>>,
    pub(super) flow: Option<Arc<Semaphore>>,
    /// A compressed answer that is not whole.
    pub(super) coded: Option<Box<Coded>>,
    /// Permits that are given back when the session has room again.
    pub(super) held: usize,
    /// What the session had written in all before it.
    pub(super) before: u64,
}

/// What a turn came to.
enum Turn {
    Command(Option<Command>),
    /// Something has moved.
    Moved,
    Ended(io::Result<()>),
}

impl Driver {
    pub(super) fn new(
        (serial, short): (u64, Option<Short>),
        wire: Box<dyn Wire>,
        hello: &Hello,
        commands: (mpsc::WeakUnboundedSender<Command>, mpsc::UnboundedReceiver<Command>),
        standing: watch::Sender<Standing>,
        shared: &Arc<Shared>,
    ) -> Self {
        let began = Instant::now();
        let config = match &short {
            Some(_) => short::config(shared.options.session),
            None => shared.options.session,
        };
        Self {
            serial,
            short,
            nonce: hello.nonce,
            epoch: hello.epoch,
            session: Session::client(config, hello, Millis(0)),
            wire,
            commands: commands.1,
            own_commands: commands.0,
            abandoned: false,
            out: BytesMut::new(),
            unflushed: false,
            emitted: 0,
            calls: HashMap::new(),
            tickets: HashMap::new(),
            waiting: VecDeque::new(),
            logins: VecDeque::new(),
            deliveries: VecDeque::new(),
            standing,
            shared: shared.clone(),
            draining: false,
            silence: Silence::new(began),
            agreed: Agreed::none(),
            began,
            timer: Box::pin(tokio::time::sleep_until(began)),
            timer_at: None,
        }
    }

    pub(super) fn now(&self) -> Millis {
        let passed = self.began.elapsed().as_millis();
        Millis(u64::try_from(passed).unwrap_or(u64::MAX))
    }

    pub(super) async fn run(mut self) {
        loop {
            self.take_events();
            self.begin_waiting();
            self.drain();
            if self.session.is_closed() {
                break;
            }
            match poll_fn(|cx| self.poll_turn(cx)).await {
                Turn::Command(first) => {
                    // What is begun now is begun now, however long nothing happened before.
                    let now = self.now();
                    self.session.handle_timeout(now);
                    self.obey_some(first);
                }
                Turn::Moved => {}
                Turn::Ended(why) => {
                    if let Err(cause) = why {
                        self.note_refusal(&cause);
                        tracing::debug!(serial = self.serial, %cause, "the connection broke");
                    }
                    self.session.lost();
                }
            }
        }
        self.take_events();
        self.fail_all();
        if self.short.is_some() {
            return self.part().await;
        }
        // The last bytes: CLOSE.
        let parted = tokio::time::timeout(PARTING, poll_fn(|cx| self.poll_parting(cx)));
        if let Ok(Err(cause)) = parted.await {
            tracing::trace!(serial = self.serial, %cause, "the last bytes were not taken");
        }
    }

    /// Takes no more commands. Who told some sees that nothing came of them.
    pub(super) fn end_commands(&mut self) {
        self.commands.close();
        while self.commands.try_recv().is_ok() {}
    }

    fn obey_some(&mut self, first: Option<Command>) {
        let Some(first) = first else {
            self.abandoned = true;
            self.session.close(Closing::new(CloseCode::DONE));
            return;
        };
        self.obey(first);
        for _ in 1..BATCH {
            let Ok(next) = self.commands.try_recv() else { return };
            self.obey(next);
        }
    }

    /// Closes what is not needed any more.
    fn drain(&mut self) {
        if self.short.is_some() {
            return self.end_answered();
        }
        let going = self.draining || self.standing.borrow().phase == Phase::Going;
        let logins = self.logins.iter().any(|reply| !reply.is_closed());
        let owes = logins || self.deliveries.iter().any(|(_, taken)| !taken.is_closed());
        if going && !owes && self.session.is_quiet() && self.calls.is_empty() {
            self.session.close(Closing::new(CloseCode::DONE));
        }
    }

    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Turn> {
        if !self.abandoned
            && let Poll::Ready(command) = self.commands.poll_recv(cx)
        {
            return Poll::Ready(Turn::Command(command));
        }
        if let Poll::Ready(Err(cause)) = self.poll_write(cx) {
            return Poll::Ready(Turn::Ended(Err(cause)));
        }
        // Writing makes room, which somebody may wait for.
        if self.take_events() {
            return Poll::Ready(Turn::Moved);
        }
        let mut space = [MaybeUninit::uninit(); READ];
        let mut buf = ReadBuf::uninit(&mut space);
        if let Poll::Ready(read) = Pin::new(&mut self.wire).poll_read(cx, &mut buf) {
            if read.is_err() || buf.filled().is_empty() {
                return Poll::Ready(Turn::Ended(read));
            }
            let now = self.now();
            self.came();
            self.session.receive(buf.filled(), now);
            self.heard();
            return Poll::Ready(Turn::Moved);
        }
        if self.poll_timer(cx).is_ready() {
            let now = self.now();
            self.session.handle_timeout(now);
            return Poll::Ready(Turn::Moved);
        }
        Poll::Pending
    }

    /// Something came, so the connection is not half-dead.
    fn heard(&mut self) {
        let early_data = self.wire.early_data();
        self.standing.send_if_modified(|standing| {
            let before = (standing.phase, standing.early_data);
            if standing.phase == Phase::Suspect {
                standing.phase = Phase::Open;
            }
            standing.early_data = early_data;
            before != (standing.phase, standing.early_data)
        });
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.short.as_ref().is_some_and(|short| !short.begun) {
            // HELLO goes with the first call.
            return Poll::Pending;
        }
        loop {
            if self.out.is_empty() && !self.fill() {
                break;
            }
            match Pin::new(&mut self.wire).poll_write(cx, &self.out) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => {
                    self.out.advance(written);
                    self.unflushed = true;
                }
                Poll::Ready(Err(cause)) => return Poll::Ready(Err(cause)),
                Poll::Pending => break,
            }
        }
        if self.ends_request() {
            // Sends what is held, too.
            let ended = Pin::new(&mut self.wire).poll_shutdown(cx);
            return match ended {
                Poll::Ready(Ok(())) => {
                    self.unflushed = false;
                    self.request_ended();
                    Poll::Pending
                }
                other => other,
            };
        }
        if self.unflushed
            && let Poll::Ready(flushed) = Pin::new(&mut self.wire).poll_flush(cx)
        {
            self.unflushed = false;
            return Poll::Ready(flushed);
        }
        Poll::Pending
    }

    /// Has the session write; an idle connection keeps no buffer.
    fn fill(&mut self) -> bool {
        self.out = BytesMut::new();
        self.session.advance(self.now());
        let wrote = self.session.poll_transmit(&mut self.out, WRITE);
        self.emitted += self.out.len() as u64;
        if wrote {
            self.silence.went(Instant::now());
        }
        wrote
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.session.timeout() else { return Poll::Pending };
        if self.timer_at != Some(at) {
            self.timer_at = Some(at);
            let at = self.began + Duration::from_millis(at.0);
            self.timer.as_mut().reset(at);
        }
        let ready = self.timer.as_mut().poll(cx);
        if ready.is_ready() {
            self.timer_at = None;
        }
        ready
    }

    fn poll_parting(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.out.is_empty() || self.fill() {
            match Pin::new(&mut self.wire).poll_write(cx, &self.out) {
                Poll::Ready(Ok(written)) if written > 0 => self.out.advance(written),
                Poll::Ready(Ok(_)) => return Poll::Ready(Ok(())),
                Poll::Ready(Err(cause)) => return Poll::Ready(Err(cause)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Pin::new(&mut self.wire).poll_shutdown(cx)
    }
}
