//! Counts. Gauges by app, version and network move when connections come, change and go, never per call.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use paifang_mmtp::{
    code::CloseCode,
    greeting::NetworkKind,
    session::{ClosedBy, Traffic},
};
use parking_lot::Mutex;

use crate::{Form, Handshake};

/// The most different groups that are told apart; connections beyond are counted in the last one.
const MAX_GROUPS: usize = 1024;

/// What the front counts.
#[derive(Debug, Default)]
pub struct Stats {
    /// By [`Form::index`].
    forms: [OfForm; Form::ALL.len()],
    greeted: AtomicU64,
    refused: AtomicU64,
    messages_in: AtomicU64,
    messages_out: AtomicU64,
    dropped: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    logins: AtomicU64,
    denied: AtomicU64,
    handshakes: [AtomicU64; Handshake::ALL.len()],
    channels: [Channel; CHANNELS],
    /// Of messages that came, and went, compressed: as they are, and on the wire.
    zstd_in: [AtomicU64; 2],
    zstd_out: [AtomicU64; 2],
    groups: Mutex<BTreeMap<Group, u64>>,
    closes: Mutex<BTreeMap<(&'static str, &'static str), u64>>,
}

/// What is counted form by form.
#[derive(Debug, Default)]
struct OfForm {
    open: AtomicU64,
    opened: AtomicU64,
    calls: AtomicU64,
}

/// The counts of one form at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FormTotals {
    /// Connections, or conversations, that are open, greeted or not.
    pub open: u64,
    /// Those that ever were.
    pub opened: u64,
    /// Calls that were begun.
    pub calls: u64,
}

/// Channels that there are.
const CHANNELS: usize = 32;

/// Sums of a channel.
#[derive(Debug, Default)]
struct Channel {
    received: AtomicU64,
    bytes_received: AtomicU64,
    sent: AtomicU64,
    bytes_sent: AtomicU64,
}

/// Connections that are counted together: app, its version, network.
pub(crate) type Group = (Box<str>, Box<str>, &'static str);

/// The counts at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Connections that are open, greeted or not.
    pub open: u64,
    /// Connections that ever were.
    pub opened: u64,
    /// Connections that got a WELCOME.
    pub greeted: u64,
    /// Calls that were begun.
    pub calls: u64,
    /// Calls that the session refused by itself.
    pub refused: u64,
    /// Messages from clients.
    pub messages_in: u64,
    /// Messages to clients.
    pub messages_out: u64,
    /// Messages dropped for slow clients.
    pub dropped: u64,
    /// Bytes from clients, beside TLS.
    pub bytes_in: u64,
    /// Bytes to clients, beside TLS.
    pub bytes_out: u64,
    /// Credentials that were good.
    pub logins: u64,
    /// Credentials that were not.
    pub denied: u64,
    /// Messages that came compressed.
    pub zstd_in: Compressed,
    /// Messages that were sent compressed.
    pub zstd_out: Compressed,
}

/// Bytes of messages that were compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compressed {
    /// As they are.
    pub plain: u64,
    /// On the wire, beside what stands around them.
    pub wire: u64,
}

macro_rules! counters {
    ($($name:ident => $field:ident;)*) => {
        $(pub(crate) fn $name(&self, by: u64) {
            self.$field.fetch_add(by, Relaxed);
        })*
    };
}

impl Stats {
    counters! {
        count_greeted => greeted;
        count_refused => refused;
        count_messages_in => messages_in;
        count_messages_out => messages_out;
        count_dropped => dropped;
        count_in => bytes_in;
        count_out => bytes_out;
        count_logins => logins;
        count_denied => denied;
    }

    fn of(&self, form: Form) -> &OfForm {
        &self.forms[form.index()]
    }

    pub(crate) fn count_traffic(&self, own: &Traffic) {
        // No frame on another channel is taken.
        if let Some(channel) = self.channels.get(usize::from(own.channel)) {
            channel.received.fetch_add(own.received, Relaxed);
            channel.bytes_received.fetch_add(own.bytes_received, Relaxed);
            channel.sent.fetch_add(own.sent, Relaxed);
            channel.bytes_sent.fetch_add(own.bytes_sent, Relaxed);
        }
    }

    pub(crate) fn count_handshake(&self, kind: Handshake) {
        self.handshakes[kind as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn count_zstd_in(&self, wire: usize, plain: usize) {
        self.zstd_in[0].fetch_add(plain as u64, Relaxed);
        self.zstd_in[1].fetch_add(wire as u64, Relaxed);
    }

    pub(crate) fn count_zstd_out(&self, plain: usize, wire: usize) {
        self.zstd_out[0].fetch_add(plain as u64, Relaxed);
        self.zstd_out[1].fetch_add(wire as u64, Relaxed);
    }

    pub(crate) fn count_open(&self, form: Form) {
        self.of(form).open.fetch_add(1, Relaxed);
        self.of(form).opened.fetch_add(1, Relaxed);
    }

    pub(crate) fn count_gone(&self, form: Form) {
        self.of(form).open.fetch_sub(1, Relaxed);
    }

    pub(crate) fn count_call(&self, form: Form) {
        self.of(form).calls.fetch_add(1, Relaxed);
    }

    /// A greeted connection belongs to a group; the name that it is counted under.
    pub(crate) fn join(&self, app: &str, version: &str, network: NetworkKind) -> Group {
        let mut groups = self.groups.lock();
        let group = (app.into(), version.into(), network.label());
        let known = groups.len() < MAX_GROUPS || groups.contains_key(&group);
        let group = if known { group } else { ("other".into(), "".into(), "unknown") };
        *groups.entry(group.clone()).or_default() += 1;
        group
    }

    pub(crate) fn leave(&self, group: &Group) {
        let mut groups = self.groups.lock();
        if let Some(count) = groups.get_mut(group) {
            *count -= 1;
            if *count == 0 {
                groups.remove(group);
            }
        }
    }

    pub(crate) fn count_close(&self, by: ClosedBy, code: CloseCode) {
        let by = match by {
            ClosedBy::Us => "server",
            ClosedBy::Peer => "client",
            ClosedBy::Lost => "lost",
        };
        *self.closes.lock().entry((by, code.label())).or_default() += 1;
    }

    /// The counts.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        let forms = Form::ALL.map(|form| self.form(form));
        let sum = |count: fn(&FormTotals) -> u64| forms.iter().map(count).sum();
        let both =
            |[plain, wire]: &[AtomicU64; 2]| Compressed { plain: read(plain), wire: read(wire) };
        Totals {
            open: sum(|own| own.open),
            opened: sum(|own| own.opened),
            greeted: read(&self.greeted),
            calls: sum(|own| own.calls),
            refused: read(&self.refused),
            messages_in: read(&self.messages_in),
            messages_out: read(&self.messages_out),
            dropped: read(&self.dropped),
            bytes_in: read(&self.bytes_in),
            bytes_out: read(&self.bytes_out),
            logins: read(&self.logins),
            denied: read(&self.denied),
            zstd_in: both(&self.zstd_in),
            zstd_out: both(&self.zstd_out),
        }
    }

    /// The counts of one form.
    #[must_use]
    pub fn form(&self, form: Form) -> FormTotals {
        let own = self.of(form);
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        FormTotals { open: read(&own.open), opened: read(&own.opened), calls: read(&own.calls) }
    }

    /// Connections that ever were whose handshake began so.
    #[must_use]
    pub fn handshakes(&self, kind: Handshake) -> u64 {
        self.handshakes[kind as usize].load(Relaxed)
    }

    /// What has gone over each channel that was used, 1 to 4 in any case, as it is seen whenever a connection comes to rest.
    #[must_use]
    pub fn channels(&self) -> Vec<Traffic> {
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        let all = self.channels.iter().zip(0_u8..).map(|(own, channel)| Traffic {
            channel,
            received: read(&own.received),
            bytes_received: read(&own.bytes_received),
            sent: read(&own.sent),
            bytes_sent: read(&own.bytes_sent),
        });
        all.filter(|own| (1..=4).contains(&own.channel) || own.received + own.sent > 0).collect()
    }

    /// Open connections by app, its version and the network.
    #[must_use]
    pub fn groups(&self) -> Vec<(Group, u64)> {
        self.groups.lock().iter().map(|(group, count)| (group.clone(), *count)).collect()
    }

    /// Connections that ended, by who ended them and why.
    #[must_use]
    pub fn closes(&self) -> Vec<((&'static str, &'static str), u64)> {
        self.closes.lock().iter().map(|(why, count)| (*why, *count)).collect()
    }
}
