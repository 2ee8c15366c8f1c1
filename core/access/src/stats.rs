//! Counts. Gauges by app, version and network move when connections come, change and go, never per call.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use paifang_mmtp::{code::CloseCode, greeting::NetworkKind, session::ClosedBy};
use parking_lot::Mutex;

use crate::Form;

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
        }
    }

    /// The counts of one form.
    #[must_use]
    pub fn form(&self, form: Form) -> FormTotals {
        let own = self.of(form);
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        FormTotals { open: read(&own.open), opened: read(&own.opened), calls: read(&own.calls) }
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
