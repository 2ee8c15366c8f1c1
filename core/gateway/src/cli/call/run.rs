//! The call itself, and what is told of it.

use super::{
    prepare::{Called, Prepared, Transport},
    traced::{Trace, Traced},
};
use crate::cli::{Failed, tls::advised};
use paifang_client::{
    Client, Connected, Error, Form, ResponseHead, State,
    connect::{EarlyData, Plain},
};
use std::time::Duration;
use tokio::time::Instant;

/// How long the end of the connection may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// What is told while the call is made.
#[derive(Debug)]
pub(super) enum Told<'a> {
    /// A piece of the answer's body.
    Body(&'a [u8]),
    /// A line for people.
    Line(&'a str),
}

type Tell<'a> = &'a mut dyn FnMut(Told<'_>) -> Result<(), Failed>;

/// Makes it.
pub(super) async fn run(prepared: Prepared, tell: Tell<'_>) -> Result<(), Failed> {
    let begun = Instant::now();
    let Prepared { builder, transport, trace, .. } = prepared;
    let client = match (transport, trace.clone()) {
        (Transport::Plain, None) => builder.build(Plain),
        (Transport::Plain, Some(trace)) => builder.build(Traced::new(Plain, trace)),
        (Transport::Tls(tls), None) => builder.build(tls),
        (Transport::Tls(tls), Some(trace)) => builder.build(Traced::new(tls, trace)),
    };
    let client = client.map_err(|error| Failed::Coded(2, error.to_string()))?;
    let mut call = match &prepared.called {
        Called::Operation(name) => client.call(name),
        Called::Target(method, path) => client.request(method, path),
    };
    if prepared.idempotent {
        call = call.idempotent(true);
    }
    for (name, value) in &prepared.params {
        call = call.param(name, value);
    }
    for (name, value) in &prepared.fields {
        call = call.field(name, value);
    }
    if let Some(query) = &prepared.query {
        call = call.query(query);
    }
    let call = call.body(prepared.body).deadline(prepared.deadline);
    let opened = tokio::select! {
        biased;
        opened = call.open() => opened.map_err(|error| failed(&client, &error)),
        why = unreachable(&client, prepared.tries) => Err(Failed::Unreachable(advised(&why))),
    };
    let (head, mut body) = match opened {
        Ok(opened) => opened,
        Err(failed) => {
            frames(trace.as_ref(), tell)?;
            return Err(failed);
        }
    };
    let first_byte = begun.elapsed();
    let mut bytes = 0;
    loop {
        match body.chunk().await {
            Ok(Some(chunk)) => {
                bytes += chunk.len();
                tell(Told::Body(&chunk))?;
            }
            Ok(None) => break,
            Err(error) => {
                frames(trace.as_ref(), tell)?;
                return Err(failed(&client, &error));
            }
        }
    }
    if let Some(trace) = &trace {
        frames(Some(trace), tell)?;
        let connected = match client.state() {
            State::Connected(connected) => Some(connected),
            _ => None,
        };
        let whole = begun.elapsed();
        for line in report(&head, connected.as_ref(), first_byte, whole, bytes) {
            tell(Told::Line(&line))?;
        }
    }
    leave(&client).await;
    if head.status() < 400 {
        return Ok(());
    }
    Err(Failed::Said(match head.error() {
        Some(error) => format!("status {} (PF-{error})", head.status()),
        None => format!("status {}", head.status()),
    }))
}

/// Closes the client, and waits a moment until the server has been told.
async fn leave(client: &Client) {
    let mut states = client.states();
    client.close();
    let closed = states.wait_for(|state| matches!(state, State::Closed));
    // A server that takes nothing any more is not waited for.
    let _ = tokio::time::timeout(FAREWELL, closed).await;
}

fn failed(client: &Client, error: &Error) -> Failed {
    match error {
        Error::Invalid(_) => Failed::Coded(2, error.to_string()),
        Error::NotConnected(_) | Error::Ended { .. } => {
            Failed::Unreachable(advised(&error.to_string()))
        }
        // A server says the time in its first words.
        Error::UnknownOutcome { .. } if client.time_offset().is_none() => Failed::Said(format!(
            "{error} (and before a word of the server: is it MMTP that is spoken there, and with TLS or without?)"
        )),
        _ => Failed::Said(error.to_string()),
    }
}

/// Waits until so many tries to connect have failed; for ever once there is a connection.
async fn unreachable(client: &Client, mut tries: u32) -> String {
    let mut states = client.states();
    loop {
        match &*states.borrow_and_update() {
            State::Waiting { why, .. } => {
                tries = tries.saturating_sub(1);
                if tries == 0 {
                    return why.clone();
                }
            }
            State::Ended { code, detail } => {
                return Error::Ended { code: *code, detail: detail.clone() }.to_string();
            }
            State::Closed => return Error::Closed.to_string(),
            State::Connected(_) => break,
            State::Connecting | State::Unconnected => {}
        }
        if states.changed().await.is_err() {
            break;
        }
    }
    std::future::pending().await
}

fn frames(trace: Option<&Trace>, tell: Tell<'_>) -> Result<(), Failed> {
    let lines = trace.map(Trace::lines).unwrap_or_default();
    lines.iter().try_for_each(|line| tell(Told::Line(line)))
}

/// What took how long, and the head of the answer.
fn report(
    head: &ResponseHead,
    connected: Option<&Connected>,
    first_byte: Duration,
    whole: Duration,
    bytes: usize,
) -> Vec<String> {
    let ms = |duration: Duration| format!("{:.1} ms", duration.as_secs_f64() * 1000.0);
    let mut lines = Vec::new();
    if let Some(connected) = connected {
        let form = match connected.form {
            Form::Long => "",
            Form::WebSocket => " by WebSocket",
            Form::Post => " by POST",
        };
        let Connected { address, number, .. } = connected;
        lines.push(format!("* connected to {address}{form}, number {number}"));
        lines.push(format!("* TCP {}", ms(connected.timing.tcp)));
        if let Some(tls) = connected.timing.tls {
            lines.push(format!("* TLS {}", ms(tls)));
        }
        if connected.early_data != EarlyData::None {
            lines.push(format!("* early data: {:?}", connected.early_data));
        }
        if let Some(user) = &connected.user {
            lines.push(format!("* user {user}"));
        }
    }
    lines.push(format!(
        "* first byte after {}, all {bytes} bytes after {}",
        ms(first_byte),
        ms(whole)
    ));
    lines.push(format!("* call {}, sent {} times", head.call_id(), head.attempts()));
    lines.push(format!("< status {}", head.status()));
    for (name, value) in head.fields() {
        lines.push(format!("< {name}: {}", value.escape_ascii()));
    }
    lines
}
