//! What the controller tells of MMTP's connections, and how one of them is ended.

use super::{controller::Controller, report::told};
use crate::access::{AccessHost, Carrier};
use paifang_access::{Connection, Handshake, Server, Wanted};
use paifang_mmtp::{code::CloseCode, greeting::Closing};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{fmt::Write, sync::Arc};

/// The most connections, and networks, of one answer.
const MOST: usize = 1000;
/// Connections of an answer where nothing else is asked for.
const FEW: usize = 50;
/// Milliseconds of which a client that is sent away waits a random part before it comes back.
const RETURN_JITTER_MS: u32 = 1000;

/// What is asked of connections.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskedConnections {
    app: Option<String>,
    device: Option<String>,
    user: Option<String>,
    #[serde(default)]
    after: u64,
    limit: Option<usize>,
}

type Access = Arc<Server<AccessHost>>;

impl Controller {
    /// Totals of all connections.
    pub(crate) fn mmtp(&self) -> Value {
        totals(&self.access)
    }

    /// The connections that are asked for. With very many it takes a while.
    pub(crate) fn mmtp_connections(&self, asked: &AskedConnections) -> Result<Value, String> {
        connections(&self.access, asked)
    }

    /// Asks the client of a connection to go; it comes back over another one. False: there is no such connection.
    pub(crate) fn mmtp_close(&self, number: u64) -> bool {
        let handle = self.access.registry().connection(number);
        if let Some(handle) = &handle {
            tracing::info!(connection = number, "a client is asked to go, by the admin API");
            handle
                .goaway(Closing { jitter: RETURN_JITTER_MS, ..Closing::new(CloseCode::DRAINING) });
        }
        handle.is_some()
    }
}

fn totals(access: &Access) -> Value {
    let stats = access.stats();
    let totals = stats.totals();
    let mut text = format!(
        "{} connections open, {} came; {} calls\n",
        totals.open, totals.opened, totals.calls
    );
    let mut groups: Vec<_> = stats.groups();
    groups.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let open: Vec<Value> = groups
        .iter()
        .map(|((app, version, network), count)| {
            let _ = writeln!(text, "  {app} {version}  {network}: {count}");
            json!({ "app": app, "version": version, "network": network, "connections": count })
        })
        .collect();
    let handshakes: serde_json::Map<String, Value> = Handshake::ALL
        .iter()
        .map(|kind| (kind.label().to_owned(), stats.handshakes(*kind).into()))
        .collect();
    let channels: Vec<Value> = stats
        .channels()
        .iter()
        .map(|own| {
            let _ = writeln!(
                text,
                "channel {}: {} in, {} bytes; {} out, {} bytes",
                own.channel, own.received, own.bytes_received, own.sent, own.bytes_sent
            );
            json!({
                "channel": own.channel,
                "received": own.received, "bytes_received": own.bytes_received,
                "sent": own.sent, "bytes_sent": own.bytes_sent,
            })
        })
        .collect();
    let closed: Vec<Value> = stats
        .closes()
        .iter()
        .map(|((by, code), count)| {
            let _ = writeln!(text, "closed by {by}, {code}: {count}");
            json!({ "by": by, "code": code, "connections": count })
        })
        .collect();
    let heartbeats: Vec<Value> = access
        .learnt(MOST)
        .iter()
        .map(|own| {
            let kind = own.network.kind.label();
            json!({
                "network": kind, "carrier": own.network.carrier,
                "devices": own.devices, "seconds": own.seconds,
            })
        })
        .collect();
    let data = json!({
        "open": totals.open,
        "opened": totals.opened,
        "greeted": totals.greeted,
        "calls": totals.calls,
        "bytes_received": totals.bytes_in,
        "bytes_sent": totals.bytes_out,
        "connections": open,
        "handshakes": handshakes,
        "channels": channels,
        "closed": closed,
        "heartbeats": heartbeats,
    });
    told(data, text)
}

fn connections(access: &Access, asked: &AskedConnections) -> Result<Value, String> {
    let limit = asked.limit.unwrap_or(FEW);
    if !(1..=MOST).contains(&limit) {
        return Err(format!("`limit` must be 1 to {MOST}"));
    }
    let device = asked.device.as_deref().map(bytes_of);
    let wanted = Wanted {
        app: asked.app.as_deref(),
        device: device.as_deref(),
        user: asked.user.as_deref(),
        after: asked.after,
        limit,
    };
    let found = access.registry().find(&wanted);
    let mut text = format!("{} of {} connections\n", found.connections.len(), found.total);
    let all: Vec<Value> = found.connections.iter().map(|own| one(own, &mut text)).collect();
    Ok(told(json!({ "found": found.total, "connections": all }), text))
}

fn one(own: &Connection<Arc<Carrier>>, text: &mut String) -> Value {
    let client = &own.client;
    let (user, network) = (client.user(), client.network());
    let user = user.as_ref().map(|user| &*user.id);
    let kind = network.as_ref().map_or("unknown", |network| network.kind.label());
    let device = name_of(&client.device);
    let seconds = own.age.as_secs();
    // Writing into a string cannot fail.
    let _ = writeln!(
        text,
        "{}  {} {}  {device}  {}  {kind}  {seconds} s  {} calls{}",
        client.connection,
        client.app,
        client.app_version,
        user.unwrap_or("-"),
        own.calls,
        if own.going { "  going" } else { "" },
    );
    json!({
        "id": client.connection,
        "app": &*client.app,
        "version": client.app_version,
        "device": device,
        "platform": client.platform,
        "user": user,
        "epoch": client.epoch(),
        "network": kind,
        "carrier": network.as_ref().map(|network| &*network.carrier),
        "foreground": client.foreground(),
        "address": client.transport.connection.client_addr.to_string(),
        "listener": &*client.transport.connection.listener,
        "age_seconds": seconds,
        "in_flight": own.calls,
        "queued_bytes": own.queued,
        "bytes_received": own.bytes_in,
        "bytes_sent": own.bytes_out,
        "going": own.going,
    })
}

/// A device's name as text: itself where it is plain, else `0x` and hexadecimal digits.
fn name_of(device: &[u8]) -> String {
    match std::str::from_utf8(device) {
        Ok(text) if text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.starts_with("0x") => {
            text.to_owned()
        }
        _ => device.iter().fold("0x".to_owned(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        }),
    }
}

/// The device that a text names.
fn bytes_of(name: &str) -> Vec<u8> {
    let digits = name.strip_prefix("0x").filter(|digits| digits.len().is_multiple_of(2));
    let bytes = digits.and_then(|digits| {
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        let pair = |two: &[u8]| Some((digit(&two[0])? * 16 + digit(&two[1])?) as u8);
        digits.as_bytes().chunks_exact(2).map(pair).collect()
    });
    bytes.unwrap_or_else(|| name.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::{bytes_of, name_of};

    #[test]
    fn devices_are_named_so_that_the_name_finds_them() {
        for device in [&b"a3f0-11"[..], b"\x00\xff", b"0xab", b"two words", &[7], b"0x", b"0xzz"] {
            assert_eq!(bytes_of(&name_of(device)), device);
        }
        assert_eq!((name_of(b"d-1").as_str(), name_of(&[0, 255]).as_str()), ("d-1", "0x00ff"));
        assert_eq!(bytes_of("0xabc"), b"0xabc");
    }
}
