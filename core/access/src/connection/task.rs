//! A connection's task: it moves bytes, hands events on, and runs the connection's jobs.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures::{
    Stream, StreamExt,
    stream::{Fuse, FuturesUnordered},
};
use paifang_mmtp::session::Session;
use pin_project_lite::pin_project;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, Sleep, sleep_until},
};

use super::{Shared, drive::Driver, io::Io, job::Job};
use crate::{Form, Host, Server};

/// How long the stream may take to end.
const SHUTDOWN: Duration = Duration::from_secs(5);
/// How long a closing connection waits for the client to close too.
const LINGER: Duration = Duration::from_secs(1);

pin_project! {
    /// Serves one connection to its end. A type of its own: an async function has room for what it is given beside what it makes of it,
    /// and a connection lives for hours.
    pub(crate) struct Serving<'a, H: Host, S, L> {
        // None once all is said, and only the stream is to be ended.
        driver: Option<Driver<'a, H>>,
        io: Io<S>,
        // Bytes that may still be read, once the stream is shut down.
        linger: Option<usize>,
        jobs: FuturesUnordered<Job>,
        #[pin]
        leave: Fuse<L>,
        #[pin]
        timer: Sleep,
    }
}

impl<'a, H, S, L> Serving<'a, H, S, L>
where
    H: Host,
    S: AsyncRead + AsyncWrite + Send + Unpin,
    L: Stream<Item = Duration> + Send,
{
    /// `leave` tells when the connection should come to an end, by the time within which it says so.
    pub(crate) fn new(
        server: &'a Arc<Server<H>>,
        form: Form,
        stream: S,
        transport: H::Transport,
        leave: L,
    ) -> Self {
        let limits = form.limits(server.host().limits(&transport));
        let session = Session::server(limits.session, Default::default());
        let shared = Arc::new(Shared::new(session, server.shared_stats().clone(), &limits));
        Self {
            driver: Some(Driver::new(server, form, transport, shared, limits)),
            io: Io::new(stream, form),
            linger: None,
            jobs: FuturesUnordered::new(),
            leave: leave.fuse(),
            timer: sleep_until(Instant::now()),
        }
    }
}

impl<H, S, L> Future for Serving<'_, H, S, L>
where
    H: Host,
    S: AsyncRead + AsyncWrite + Send + Unpin,
    L: Stream<Item = Duration> + Send,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        if let Some(driver) = this.driver {
            let (leave, timer) = (this.leave.as_mut(), this.timer.as_mut());
            ready!(run(driver, this.io, this.jobs, leave, timer, cx));
            *this.driver = None;
            this.timer.as_mut().reset(Instant::now() + SHUTDOWN);
        }
        if this.linger.is_none() {
            let Poll::Ready(shut) = this.io.poll_shutdown(cx) else {
                return this.timer.poll(cx);
            };
            // Where it fails there is nobody left to tell.
            *this.linger = Some(if shut.is_ok() { this.io.lingers() } else { 0 });
            this.timer.as_mut().reset(Instant::now() + LINGER);
        }
        if this.linger.as_mut().is_some_and(|left| this.io.poll_linger(left, cx).is_pending()) {
            ready!(this.timer.poll(cx));
        }
        Poll::Ready(())
    }
}

/// Runs a connection until all is said.
fn run<H: Host, S: AsyncRead + AsyncWrite + Unpin>(
    driver: &mut Driver<'_, H>,
    io: &mut Io<S>,
    jobs: &mut FuturesUnordered<Job>,
    mut leave: Pin<&mut Fuse<impl Stream<Item = Duration>>>,
    mut timer: Pin<&mut Sleep>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    driver.shared.task.register(cx.waker());
    loop {
        let now = Instant::now();
        let mut busy = io.poll_read(&driver.shared, now, cx).is_ready();
        while let Some(event) = driver.next_event() {
            busy = true;
            if let Some(job) = driver.on(event) {
                jobs.push(job);
            }
        }
        busy |= driver.poll_decision(cx);
        busy |= driver.poll_settling(cx);
        if let Some(job) = driver.begun.take() {
            busy = true;
            jobs.push(job);
        }
        while let Poll::Ready(Some(())) = jobs.poll_next_unpin(cx) {
            busy = true;
        }
        while let Poll::Ready(Some(spread)) = leave.as_mut().poll_next(cx) {
            driver.leave_within(spread);
            busy = true;
        }
        let written = io.poll_write(&driver.shared, cx);
        if matches!(written, Poll::Ready(Err(_))) {
            driver.shared.lock().session.lost();
        }
        // Writing makes events too: who waited for room has it.
        busy |= driver.shared.lock().session.has_events();
        busy |= driver.poll_timer(io.stalled(), now, timer.as_mut(), cx);
        if busy || driver.shared.lock().let_go() {
            continue;
        }
        driver.count(io);
        if io.awaits_answers() && jobs.is_empty() && driver.end_if_answered() {
            continue;
        }
        let over = driver.shared.lock().session.is_closed();
        if over && jobs.is_empty() && (written.is_ready() || driver.gave_up(io.stalled())) {
            return Poll::Ready(());
        }
        return Poll::Pending;
    }
}
