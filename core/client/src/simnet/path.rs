//! A connection's two ways and what is known of its ends.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tokio::time::Instant;

use super::flow::{Flow, Next};
use super::profile::{Forgotten, Nat, Profile};
use super::retransmit::Sender;

/// What both ends and the handle share.
#[derive(Debug)]
pub(super) struct Path(Mutex<State>);

/// The state of a connection. Way 0 is up: from end 0, the client, to end 1.
#[derive(Debug)]
pub(super) struct State {
    pub(super) flows: [Flow; 2],
    ends: [Side; 2],
    rng: fastrand::Rng,
    origin: Instant,
    nat: Option<Nat>,
    /// When something was last sent, either way.
    moved: Instant,
    forgotten: Option<Forgotten>,
}

/// An end as the path knows it.
#[derive(Debug, Default)]
struct Side {
    /// When it learns that the connection is gone.
    reset: Option<Instant>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Side {
    fn wake(&mut self) {
        self.reader.take().into_iter().chain(self.writer.take()).for_each(Waker::wake);
    }
}

/// What a poll of an end found, when it has to wait.
pub(super) enum Wait<T> {
    Done(io::Result<T>),
    Until(Option<Instant>),
}

impl Path {
    pub(super) fn new(profile: &Profile, seed: u64, origin: Instant) -> Self {
        let now = Instant::now();
        let flow = |lane| Flow::new(Sender::new(profile, lane, origin), profile.window, now);
        Self(Mutex::new(State {
            flows: [flow(profile.up), flow(profile.down)],
            ends: [Side::default(), Side::default()],
            rng: fastrand::Rng::with_seed(seed),
            origin,
            nat: profile.nat,
            moved: now,
            forgotten: None,
        }))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads at `end` up to `most` bytes; none are the end of the stream.
    pub(super) fn read(&self, end: usize, most: usize, cx: &Context<'_>) -> Wait<Bytes> {
        let mut state = self.lock();
        let now = Instant::now();
        let reset = state.ends[end].reset;
        let next = state.flows[1 - end].take(reset.map_or(now, |at| at.min(now)), most);
        let wait = match next {
            Next::Data(data) => {
                if let Some(writer) = state.ends[1 - end].writer.take() {
                    writer.wake();
                }
                return Wait::Done(Ok(data));
            }
            Next::End => return Wait::Done(Ok(Bytes::new())),
            Next::Later(at) => Some(reset.map_or(at, |reset| reset.min(at))),
            Next::Never => reset,
        };
        if reset.is_some_and(|at| at <= now) {
            return Wait::Done(Err(io::ErrorKind::ConnectionReset.into()));
        }
        state.ends[end].reader = Some(cx.waker().clone());
        Wait::Until(wait)
    }

    /// Writes at `end` what there is room for; says how much.
    pub(super) fn write(&self, end: usize, data: &[u8], cx: &Context<'_>) -> Wait<usize> {
        let mut state = self.lock();
        let now = Instant::now();
        if state.ends[end].reset.is_some_and(|at| at <= now) {
            return Wait::Done(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let count = data.len().min(state.flows[end].room());
        if count == 0 && !data.is_empty() {
            state.ends[end].writer = Some(cx.waker().clone());
            return Wait::Until(state.ends[end].reset);
        }
        state.send(end, Bytes::copy_from_slice(&data[..count]), now);
        Wait::Done(Ok(count))
    }

    /// Whether at `end` there is room, and how much. A connection that is being reset has some, so that whoever
    /// waited writes and learns of it.
    pub(super) fn poll_room(&self, end: usize, cx: &Context<'_>) -> Poll<usize> {
        let mut state = self.lock();
        match state.flows[end].room() {
            0 if state.ends[end].reset.is_some() => Poll::Ready(1),
            0 => {
                state.ends[end].writer = Some(cx.waker().clone());
                Poll::Pending
            }
            room => Poll::Ready(room),
        }
    }

    /// `end` sends no more.
    pub(super) fn finish(&self, end: usize) {
        self.lock().send(end, Bytes::new(), Instant::now());
    }

    /// `end` is gone: it neither sends nor reads.
    pub(super) fn leave(&self, end: usize, finished: bool) {
        let mut state = self.lock();
        let now = Instant::now();
        if !finished {
            state.send(end, Bytes::new(), now);
        }
        state.flows[1 - end].deaf = true;
        if state.flows[1 - end].busy() {
            state.refuse(1 - end, now);
        }
    }
}

impl State {
    fn send(&mut self, end: usize, data: Bytes, now: Instant) {
        if let Some(nat) = self.nat
            && self.forgotten.is_none()
            && now.saturating_duration_since(self.moved) > nat.idle
        {
            self.forget(nat.answer, now);
        }
        self.moved = now;
        if end == 0 && self.forgotten == Some(Forgotten::Reset) {
            self.reset_at(0, now + self.flows[0].sender.round_trip());
        }
        let empty = data.is_empty();
        self.flows[end].send(data, now, &mut self.rng);
        if self.flows[end].deaf && !empty {
            self.refuse(end, now);
        }
        if let Some(reader) = self.ends[1 - end].reader.take() {
            reader.wake();
        }
    }

    /// `end` wrote to one who is gone: it learns so after a round trip, if anything gets through.
    fn refuse(&mut self, end: usize, now: Instant) {
        if self.flows.iter().all(Flow::open) {
            self.reset_at(end, now + self.flows[end].sender.round_trip());
        }
    }

    fn reset_at(&mut self, end: usize, at: Instant) {
        self.ends[end].reset.get_or_insert(at);
        self.ends[end].wake();
    }

    pub(super) fn forget(&mut self, answer: Forgotten, now: Instant) {
        self.forgotten.get_or_insert(answer);
        self.flows.iter_mut().for_each(|flow| flow.forget(now));
    }

    /// Both ends learn at once that the connection is gone.
    pub(super) fn reset(&mut self, now: Instant) {
        (0..2).for_each(|end| self.reset_at(end, now));
    }

    pub(super) fn stall(&mut self, ways: [bool; 2], now: Instant) {
        for (flow, stalled) in self.flows.iter_mut().zip(ways) {
            if stalled {
                flow.stall(now);
            }
        }
    }

    pub(super) fn restore(&mut self, now: Instant) {
        self.flows.iter_mut().for_each(|flow| flow.restore(now, &mut self.rng));
        for end in 0..2 {
            if self.flows[end].deaf && self.flows[end].busy() {
                self.refuse(end, now);
            }
        }
        self.ends.iter_mut().for_each(Side::wake);
    }

    /// Other figures for what is sent from now on. A change of network keeps nothing that a NAT forgot.
    pub(super) fn become_like(&mut self, profile: &Profile) {
        let lanes = [profile.up, profile.down];
        for (flow, lane) in self.flows.iter_mut().zip(lanes) {
            flow.sender = Sender::new(profile, lane, self.origin);
            flow.window = profile.window;
        }
        self.nat = profile.nat;
        self.ends.iter_mut().for_each(Side::wake);
    }
}
