//! The task that runs commands: many at once over one connection, each within its deadline.

use super::{super::failure::Failure, Command, Connection, Shared};
use futures::{StreamExt, stream::FuturesUnordered};
use redis::Value;
use std::sync::Arc;
use tokio::{sync::mpsc, time::timeout_at};

/// Runs until nobody can send any more.
pub(super) async fn run(shared: Arc<Shared>, mut queue: mpsc::Receiver<Command>) {
    let most = shared.settings.queue.max(1);
    let mut running = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            Some(()) = running.next() => {}
            command = queue.recv(), if running.len() < most => match command {
                Some(command) => running.push(one(&shared, command)),
                None => return,
            },
        }
    }
}

async fn one(shared: &Shared, command: Command) {
    let outcome = answer(shared, &command).await;
    shared.counts.note(outcome.as_ref().err());
    if shared.lanes.note(command.lane, outcome.as_ref().err()) {
        if let Err(failure) = &outcome {
            shared.tell_down(command.lane, failure);
        }
        shared.wake.notify_one();
    }
    command.finish(outcome);
}

async fn answer(shared: &Shared, command: &Command) -> Result<Value, Failure> {
    let run = async {
        let mut connections = shared.connection.subscribe();
        let connected = match connections.wait_for(Option::is_some).await {
            Ok(connected) => connected.clone(),
            Err(_) => None,
        };
        let Some((number, mut connection)) = connected else { return Err(Failure::Down) };
        shared.run(number, &mut connection, command).await
    };
    timeout_at(command.deadline, run).await.unwrap_or_else(|_| {
        let within = shared.settings.command_timeout;
        Err(Failure::Away(format!("nothing came within {} ms", within.as_millis())))
    })
}

impl Shared {
    async fn run(
        &self,
        number: u64,
        connection: &mut Connection,
        command: &Command,
    ) -> Result<Value, Failure> {
        let done = connection.run(command.script, &command.keys, &command.arguments).await;
        done.map_err(|error| {
            let failure = Failure::from(&error);
            // A cluster's client looks for its nodes itself; one server's connection ends with it,
            // and one that has become a replica will not take writes soon.
            if !self.settings.cluster && self.is_over(&error) {
                self.give_up(number);
            }
            failure
        })
    }
}
