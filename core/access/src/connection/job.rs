//! What a connection's task runs beside itself: calls, and messages being taken over.

use std::{
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use futures::FutureExt;
use paifang_mmtp::{code::CloseCode, greeting::Closing, session::Key};
use paifang_pipeline::error;

use super::{Shared, Waiting, dictionary, kept};
use crate::{BodyPace, Call, CallFront, Client, Delivery, Host, call::Target};

/// A host answers a call by its deadline; one that has not done so soon after it is cut off.
const GRACE: Duration = Duration::from_millis(100);

/// What a connection's task runs beside itself. Each in a box of its own size: a call takes some kilobytes, and what is kept for a device
/// waits as long as its connection lives.
pub(super) type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A call.
pub(super) fn call<H: Host>(
    host: &Arc<H>,
    shared: &Arc<Shared>,
    call: Call<H::Transport>,
    key: Key,
    ended: bool,
) -> Job {
    let pace = match call.length {
        Some(_) => BodyPace::default(),
        None => host.body_pace(&call.client.transport),
    };
    let front = CallFront::new(shared.clone(), key, ended, &call, pace);
    Box::pin(serve_call(host.clone(), call, front))
}

/// What is kept for the device's next connection.
pub(super) fn keep(shared: &Arc<Shared>) -> Job {
    Box::pin(kept::keep(shared.clone()))
}

/// The messages of a channel, one after the other.
pub(super) fn messages<H: Host>(
    host: &Arc<H>,
    shared: &Arc<Shared>,
    client: Arc<Client<H::Transport>>,
    channel: u8,
) -> Job {
    Box::pin(take_over(host.clone(), shared.clone(), client, channel))
}

async fn take_over<H: Host>(
    host: Arc<H>,
    shared: Arc<Shared>,
    client: Arc<Client<H::Transport>>,
    channel: u8,
) {
    loop {
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
    }
}

async fn serve_call<H: Host>(host: Arc<H>, mut call: Call<H::Transport>, mut front: CallFront) {
    let connection = call.client.connection;
    let deadline = call.deadline;
    if matches!(&call.target, Target::Path { method, .. } if &**method == "HEAD") {
        front.head_only();
    }
    let served = {
        // Pinned where it is made: what is moved leaves its room behind.
        let serve = pin!(
            AssertUnwindSafe(async {
                if let Some(dictionary) = call.coded.take() {
                    let Some(length) = front.decode(dictionary).await else { return };
                    call.length = Some(length);
                }
                if dictionary::is_asked_for(&call.target) {
                    return dictionary::answer(&mut front).await;
                }
                host.serve(call, &mut front).await;
            })
            .catch_unwind()
        );
        match deadline {
            None => Some(serve.await),
            Some(deadline) => tokio::time::timeout_at(deadline + GRACE, serve).await.ok(),
        }
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
