//! What a connection's task runs beside itself: calls, and messages being taken over.

use std::{panic::AssertUnwindSafe, pin::Pin, sync::Arc, time::Duration};

use futures::FutureExt;
use paifang_mmtp::{code::CloseCode, greeting::Closing, session::Key};
use paifang_pipeline::error;

use super::{Shared, Waiting, dictionary, kept};
use crate::{BodyPace, Call, CallFront, Client, Delivery, Host, call::Target};

/// A host answers a call by its deadline; one that has not done so soon after it is cut off.
const GRACE: Duration = Duration::from_millis(100);

/// What a connection's task runs beside itself.
pub(super) enum Job<T> {
    Call(Box<(Call<T>, Key, bool)>),
    /// The messages of a channel, one after the other.
    Messages(Arc<Client<T>>, u8),
    /// What is kept for the device's next connection.
    Keep,
}

/// Runs a job to its end. Boxed: even an empty set of futures has room for one, and a call's takes thirteen kilobytes.
pub(super) fn work<H: Host>(
    host: Arc<H>,
    shared: Arc<Shared>,
    job: Job<H::Transport>,
) -> Pin<Box<impl Future<Output = ()>>> {
    Box::pin(run(host, shared, job))
}

async fn run<H: Host>(host: Arc<H>, shared: Arc<Shared>, job: Job<H::Transport>) {
    match job {
        Job::Call(call) => {
            let (call, key, ended) = *call;
            serve_call(&*host, shared, call, key, ended).await;
        }
        Job::Keep => kept::keep(shared).await,
        Job::Messages(client, channel) => loop {
            let Some(next) = shared.lock().dequeue(channel) else { return };
            let Waiting { message, user, authorization } = next;
            let (key, delivery, cost) = (message.key, message.delivery, message.cost);
            let headers = client.call_fields_of(authorization);
            let next = Delivery { message, user, headers };
            let taken = AssertUnwindSafe(host.deliver(&client, next)).catch_unwind().await;
            let mut state = shared.lock();
            state.session.consumed(channel, cost);
            match taken {
                Ok(true) if delivery => state.session.acknowledge(key),
                Ok(true) => {}
                // An ACK of a later one would stand for this one too; so the client sends them again, over another connection.
                _ if delivery => {
                    let closing = Closing::new(CloseCode::UNAVAILABLE);
                    state.session.close(closing.detail("a delivery was not taken over"));
                    return;
                }
                _ => {}
            }
        },
    }
}

async fn serve_call<H: Host>(
    host: &H,
    shared: Arc<Shared>,
    mut call: Call<H::Transport>,
    key: Key,
    ended: bool,
) {
    let connection = call.client.connection;
    let deadline = call.deadline;
    let pace = match call.length {
        Some(_) => BodyPace::default(),
        None => host.body_pace(&call.client.transport),
    };
    let mut front = CallFront::new(shared, key, ended, &call, pace);
    if matches!(&call.target, Target::Path { method, .. } if &**method == "HEAD") {
        front.head_only();
    }
    let serve = async {
        if let Some(dictionary) = call.coded.take() {
            let Some(length) = front.decode(dictionary).await else { return };
            call.length = Some(length);
        }
        if dictionary::is_asked_for(&call.target) {
            return dictionary::answer(&mut front).await;
        }
        host.serve(call, &mut front).await;
    };
    let serve = AssertUnwindSafe(serve).catch_unwind();
    let served = match deadline {
        None => Some(serve.await),
        Some(deadline) => tokio::time::timeout_at(deadline + GRACE, serve).await.ok(),
    };
    match served {
        Some(Ok(())) => {}
        Some(Err(_)) => tracing::error!(connection, "a call ended by a panic"),
        None => {
            let row = error::UPSTREAM_TIMEOUT;
            front.refuse(row.status.as_u16(), u32::from(row.number));
        }
    }
}
