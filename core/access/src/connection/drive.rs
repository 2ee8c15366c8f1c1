//! What a connection does with what its client says: events become decisions, answers and calls.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use paifang_mmtp::{
    code::CloseCode,
    greeting::{Closing, Hello, Update, UserChange, Welcome},
    session::{ClosedBy, Event, Request},
};
use paifang_pipeline::error;

use super::{
    Handle, Shared, Waiting,
    decide::{self, Decided},
    io::Io,
    job::{self, Job},
    refuse::refuse,
    settle::Settling,
    timer::Leaving,
};
use crate::{
    Call, Client, Form, Host, Limits, Permit, Server,
    call::{Inbox, Piece},
    stats::Group,
};

/// Calls that may be on their way to an end, those in flight among them, in multiples of `max_calls`.
const CANCELLED: usize = 2;

type Deciding<T> = Pin<Box<dyn Future<Output = Decided<T>> + Send>>;

/// What a connection's task knows.
pub(super) struct Driver<'a, H: Host> {
    pub(super) server: &'a Arc<Server<H>>,
    pub(super) form: Form,
    pub(super) shared: Arc<Shared>,
    pub(super) limits: Arc<Limits>,
    transport: H::Transport,
    deciding: Option<Deciding<H::Transport>>,
    pub(super) settling: Option<Settling>,
    /// A job that is to be run.
    pub(super) begun: Option<Job>,
    /// Once it is admitted.
    pub(super) client: Option<Arc<Client<H::Transport>>>,
    group: Option<Group>,
    pub(super) leaving: Option<Leaving>,
}

impl<'a, H: Host> Driver<'a, H> {
    pub(super) fn new(
        server: &'a Arc<Server<H>>,
        form: Form,
        transport: H::Transport,
        shared: Arc<Shared>,
        limits: Arc<Limits>,
    ) -> Self {
        server.stats().count_open(form);
        server.stats().count_handshake(server.host().handshake(&transport));
        Self {
            server,
            form,
            shared,
            limits,
            transport,
            deciding: None,
            settling: None,
            begun: None,
            client: None,
            group: None,
            leaving: None,
        }
    }

    fn handle(&self) -> Handle {
        Handle::new(self.shared.clone(), self.limits.push_bytes)
    }

    /// Counts what has moved since it was last counted.
    pub(super) fn count<S>(&self, io: &mut Io<S>) {
        let stats = self.server.stats();
        let (bytes_in, bytes_out) =
            (std::mem::take(&mut io.bytes_in), std::mem::take(&mut io.bytes_out));
        let mut state = self.shared.lock();
        for traffic in state.session.take_traffic() {
            stats.count_traffic(&traffic);
        }
        state.bytes.0 += bytes_in;
        state.bytes.1 += bytes_out;
        drop(state);
        stats.count_in(bytes_in);
        stats.count_out(bytes_out);
    }

    pub(super) fn next_event(&self) -> Option<Event> {
        self.shared.lock().session.poll_event()
    }

    /// What follows from an event; a job where there is one to be run.
    pub(super) fn on(&mut self, event: Event) -> Option<Job> {
        match event {
            Event::Hello(hello) => self.decide_hello(hello),
            Event::Login(change) => self.decide_login(change),
            Event::Request(request) => return self.begin(*request),
            Event::Data { key, data, end, tlvs, cost } => {
                let mut state = self.shared.lock();
                match state.inbox(key) {
                    Some(inbox) => {
                        inbox.pieces.push_back(Piece { data, end, tlvs, cost });
                        inbox.wake();
                    }
                    None => state.session.consumed(key.channel, cost),
                }
            }
            Event::Cancelled { key, .. } => {
                if let Some(inbox) = self.shared.lock().inbox(key) {
                    inbox.gone = true;
                    inbox.wake();
                }
            }
            Event::Drained(key) => {
                if let Some(inbox) = self.shared.lock().inbox(key) {
                    inbox.full = false;
                    inbox.wake();
                }
            }
            Event::Message(message) => {
                self.server.stats().count_messages_in(1);
                let channel = message.key.channel;
                let message = self.decoded(message)?;
                let client = self.client.clone()?;
                let (user, authorization) = (client.user(), client.authorization());
                let waiting = Waiting { message: *message, user, authorization };
                let first = self.shared.lock().enqueue(waiting);
                let host = self.server.host();
                return first.then(|| job::messages(host, &self.shared, client, channel));
            }
            Event::Update(update) => {
                self.learn(&update.dictionaries);
                self.updated(*update);
                self.regroup();
            }
            Event::Refused { .. } => self.server.stats().count_refused(1),
            Event::Closed(closed) => {
                let code = closed.closing.code;
                self.server.stats().count_close(closed.by, code);
                if closed.by == ClosedBy::Us && code.0 >= 4000 {
                    let connection = self.client.as_ref().map(|client| client.connection);
                    let detail = &*closed.closing.detail;
                    tracing::debug!(connection, %code, detail, "a connection was ended");
                }
                self.shared.lock().all_gone();
                (self.deciding, self.settling) = (None, None);
            }
            // ACKs are for who pushes; the others never come to a server.
            Event::Acked(_)
            | Event::Suspect
            | Event::Welcome(_)
            | Event::Response(_)
            | Event::User(_)
            | Event::Goaway(_) => {}
        }
        None
    }

    /// A call begins.
    fn begin(&mut self, request: Request) -> Option<Job> {
        self.server.stats().count_call(self.form);
        let client = self.client.clone()?;
        let key = request.key;
        let permitted = client.permit.as_ref().map_or(Ok(()), Permit::call);
        let mut state = self.shared.lock();
        // Calls that were cancelled are not in flight any more, but take a moment to end.
        if state.inboxes.len() >= CANCELLED * self.limits.session.settings.max_calls as usize {
            let why = "it cancels calls faster than they end";
            state.session.close(Closing::new(CloseCode::TOO_FAST).detail(why));
            return None;
        }
        if let Err(after) = permitted {
            refuse(&mut state.session, &request, error::APP_CALL_RATE, after);
            self.server.stats().count_refused(1);
            return None;
        }
        match Call::new(client, &request) {
            Ok(call) => {
                let mut inbox = Inbox::default();
                let ended = request.end && request.data.is_empty();
                if ended || request.data.is_empty() {
                    state.session.consumed(key.channel, request.cost);
                } else {
                    let Request { data, end, cost, .. } = request;
                    inbox.pieces.push_back(Piece { data, end, tlvs: Bytes::new(), cost });
                }
                state.add(key, inbox);
                drop(state);
                Some(job::call(self.server.host(), &self.shared, call, key, ended))
            }
            Err(malformed) => {
                tracing::debug!(%malformed, "a call was refused");
                refuse(&mut state.session, &request, error::MALFORMED_REQUEST, 0);
                None
            }
        }
    }

    /// Ends a conversation whose requests have all come and are answered; true when that is now.
    pub(super) fn end_if_answered(&mut self) -> bool {
        let mut state = self.shared.lock();
        let answered =
            self.deciding.is_none() && state.session.is_quiet() && !state.session.is_closed();
        if answered {
            state.session.close(Closing::new(CloseCode::DONE));
        }
        answered
    }

    fn decide_hello(&mut self, mut hello: Box<Hello>) {
        self.form.strip(&mut hello);
        let (host, transport) = (self.server.host().clone(), self.transport.clone());
        let connection = self.server.next_connection();
        let deadline = self.limits.decision;
        self.deciding = Some(Box::pin(decide::hello(host, transport, connection, hello, deadline)));
    }

    fn decide_login(&mut self, change: UserChange) {
        let Some(client) = self.client.clone() else { return };
        let (host, deadline) = (self.server.host().clone(), self.limits.decision);
        let shared = self.shared.clone();
        self.deciding = Some(Box::pin(async move {
            if !host.confirmed(&client.transport).await {
                // The connection's end is on its way.
                std::future::pending::<()>().await;
            }
            let held = shared.lock().kept.as_ref().map(|kept| kept.held());
            decide::login(host, client, change, deadline, held).await
        }));
    }

    /// Goes on deciding; true when it is decided.
    pub(super) fn poll_decision(&mut self, cx: &mut Context<'_>) -> bool {
        // A change of the user waits for what HELLO has shown.
        let Some(deciding) = self.deciding.as_mut().filter(|_| self.settling.is_none()) else {
            return false;
        };
        let Poll::Ready(decided) = deciding.as_mut().poll(cx) else { return false };
        self.deciding = None;
        match decided {
            Decided::Admitted { client, hello, welcome, settled, codec } => {
                self.shared.lock().codec = codec;
                if self.admit(&client, &hello, *welcome) {
                    self.settle(&client, hello.resume, settled);
                }
            }
            Decided::Refused { closing, denied } => {
                self.server.stats().count_denied(u64::from(denied));
                self.shared.lock().session.close(*closing);
            }
            Decided::User { mut result, user, auth, kept } => {
                self.keep_for_user(kept);
                let Some(client) = &self.client else { return true };
                match result.status {
                    0 => self.server.stats().count_logins(1),
                    _ => self.server.stats().count_denied(1),
                }
                let before = client.user();
                if self.form.is_kept() {
                    let (registry, handle) = (self.server.registry(), self.handle());
                    registry.change_user(client, &handle, before.as_deref(), user.as_deref());
                }
                client.change_user(result.epoch, user, auth.as_ref());
                result.server_time = unix_ms();
                self.shared.lock().session.user(&result);
                self.replace_others();
            }
        }
        true
    }

    /// Lets a client in; false when it is gone.
    fn admit(
        &mut self,
        client: &Arc<Client<H::Transport>>,
        hello: &Hello,
        mut welcome: Welcome,
    ) -> bool {
        let stats = self.server.stats();
        stats.count_greeted(1);
        if hello.auth.is_some() {
            stats.count_logins(1);
        }
        welcome.server_time = unix_ms();
        welcome.connection = client.connection;
        let network = client.network();
        let heartbeat = self.server.gathered().heartbeat(network.as_ref(), self.limits.heartbeat);
        welcome.heartbeat = self.form.is_kept().then_some(heartbeat);
        if welcome.alternates.is_empty() {
            welcome.alternates = self.limits.alternates.to_vec();
        }
        {
            let mut state = self.shared.lock();
            if state.session.is_closed() {
                return false;
            }
            state.session.accept(welcome, hello.epoch);
        }
        if self.form.is_kept() {
            let (registry, handle) = (self.server.registry(), self.handle());
            registry.arrive(client, &handle);
            registry.change_user(client, &handle, None, client.user().as_deref());
        }
        self.client = Some(client.clone());
        self.regroup();
        true
    }

    /// The client says what is another now.
    fn updated(&self, update: Update) {
        let Some(client) = &self.client else { return };
        let mut state = client.state.write();
        state.foreground = update.foreground.or(state.foreground);
        if update.network.is_some() && update.network != state.network {
            state.network = update.network;
            self.shared.lock().session.forget_silence();
        }
        let network = state.network.clone();
        drop(state);
        if let (Some(seconds), Some(network)) = (update.learnt, network)
            && let Some(who) = client.voter()
        {
            let silence = self.shared.lock().session.silence_ms();
            self.server.gathered().vote(&network, who, seconds, silence);
        }
    }

    /// Counts the connection where it belongs now.
    fn regroup(&mut self) {
        let Some(client) = self.client.as_ref().filter(|_| self.form.is_kept()) else { return };
        let stats = self.server.stats();
        let network = client.network().map(|network| network.kind).unwrap_or_default();
        let group = stats.join(&client.app, &client.app_version, network);
        if let Some(before) = self.group.replace(group) {
            stats.leave(&before);
        }
    }
}

impl<H: Host> Drop for Driver<'_, H> {
    fn drop(&mut self) {
        let stats = self.server.stats();
        stats.count_gone(self.form);
        if let Some(client) = self.client.as_ref().filter(|_| self.form.is_kept()) {
            self.server.registry().leave(client);
        }
        if let Some(group) = &self.group {
            stats.leave(group);
        }
        let mut state = self.shared.lock();
        state.session.lost();
        state.all_gone();
    }
}

/// Milliseconds since 1970.
fn unix_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
}
