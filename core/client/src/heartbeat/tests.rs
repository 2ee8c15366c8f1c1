//! The rule against NATs of every patience, and the table's judgement of losses.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use paifang_mmtp::greeting::{Heartbeat, Network, NetworkKind};
use tokio::time::Instant;

use super::{Learner, Table};

const BOUNDS: Heartbeat = Heartbeat { initial: 60, least: 20, most: 600 };

/// Beats against a NAT that forgets after `patience` seconds; gives how often it forgot.
fn beat(learner: &mut Learner, patience: u32, times: usize) -> usize {
    let mut forgotten = 0;
    for _ in 0..times {
        let idle = learner.interval(false);
        if idle < patience {
            learner.survived(idle);
        } else {
            forgotten += 1;
            learner.forgotten(idle);
        }
    }
    forgotten
}

#[test]
fn every_nat_is_found_out() {
    for patience in 22..700 {
        let mut learner = Learner::new(BOUNDS);
        let forgotten = beat(&mut learner, patience, 100);
        let interval = learner.interval(false);
        assert!(learner.is_settled(), "{patience}: {learner:?}");
        assert!(interval < patience.max(21), "{patience}: {learner:?}");
        // The grain of the search and the margin: no more is given away.
        let best = patience.min(600);
        assert!(interval + 15 + 15 + 2 >= best, "{patience}: {learner:?}");
        assert!(forgotten <= 14, "{patience}: forgotten {forgotten} times");
    }
}

#[test]
fn one_loss_changes_nothing() {
    let mut learner = Learner::new(BOUNDS);
    beat(&mut learner, 300, 100);
    let before = learner.interval(false);
    for _ in 0..50 {
        // Two losses in a row, and then it works again.
        learner.forgotten(before);
        learner.forgotten(before);
        learner.survived(before);
        assert_eq!(learner.interval(false), before);
    }
}

#[test]
fn a_nat_that_becomes_impatient_is_followed_down() {
    let mut learner = Learner::new(BOUNDS);
    beat(&mut learner, 500, 100);
    assert!(learner.interval(false) > 400);
    beat(&mut learner, 90, 60);
    let interval = learner.interval(false);
    assert!(learner.is_settled() && (58..90).contains(&interval), "{learner:?}");
}

#[test]
fn a_longer_one_is_tried_again_but_seldom() {
    let mut learner = Learner::new(BOUNDS);
    beat(&mut learner, 200, 100);
    assert!(learner.interval(false) < 200);
    // A day of them in vain costs few losses.
    let vain = beat(&mut learner, 200, 2000);
    assert!((1..40).contains(&vain), "{vain}");
    // The NAT is another now: in the end that is found out.
    beat(&mut learner, 10_000, 20_000);
    assert!(learner.interval(false) >= 580, "{learner:?}");
}

#[test]
fn the_foreground_beats_at_the_servers_figure() {
    let mut learner = Learner::new(BOUNDS);
    assert_eq!((learner.interval(true), learner.interval(false)), (60, 60));
    beat(&mut learner, 10_000, 100);
    assert_eq!((learner.interval(true), learner.interval(false)), (60, 585));
    // Short silences prove nothing.
    let before = learner;
    learner.survived(60);
    assert_eq!(learner, before);
    let mut impatient = Learner::new(BOUNDS);
    beat(&mut impatient, 45, 100);
    assert!(impatient.interval(true) < 45);
}

#[test]
fn other_bounds_hold_at_once() {
    let mut learner = Learner::new(BOUNDS);
    beat(&mut learner, 10_000, 100);
    learner.set_bounds(Heartbeat { initial: 30, least: 10, most: 120 });
    assert!(learner.interval(false) <= 120);
    assert_eq!(learner.interval(true), 30);
}

fn wifi(carrier: &str) -> Network {
    Network { kind: NetworkKind::Wifi, carrier: carrier.into() }
}

/// Survives silences, or is lost after them, on connections numbered one after the other.
struct Device {
    table: Table,
    now: Instant,
    serial: u64,
}

impl Device {
    fn new(table: Table) -> Self {
        let mut device = Self { table, now: Instant::now(), serial: 0 };
        device.table.enter(Some(&wifi("home")));
        device.connect(1);
        device
    }

    fn connect(&mut self, after: u64) {
        self.now += Duration::from_secs(after);
        self.serial += 1;
        self.table.connected(self.serial, BOUNDS, self.now);
    }

    fn interval(&mut self) -> u32 {
        self.table.interval(BOUNDS, false)
    }

    /// Beats against a NAT; a new connection is there after `back` seconds.
    fn beat(&mut self, patience: u32, back: u64, times: usize) {
        for _ in 0..times {
            let idle = self.interval();
            self.now += Duration::from_secs(u64::from(idle));
            if idle < patience {
                self.table.survived(self.serial, BOUNDS, idle);
            } else {
                self.table.lost(self.serial, BOUNDS, idle, self.now);
                self.connect(back);
            }
        }
    }
}

#[test]
fn a_loss_counts_where_the_network_is_well() {
    let mut device = Device::new(Table::default());
    device.beat(200, 2, 100);
    let learnt = device.interval();
    assert!((168..200).contains(&learnt), "{learnt}");

    // A tunnel: every silence ends in a loss, and a connection is to be had only long after.
    let mut tunnel = Device::new(Table::default());
    tunnel.beat(10_000, 2, 100);
    let before = tunnel.interval();
    tunnel.beat(0, 60, 50);
    assert_eq!(tunnel.interval(), before);
}

#[test]
fn a_connection_that_took_over_before_the_loss_was_sure_tells_as_much() {
    let mut device = Device::new(Table::default());
    for _ in 0..2 {
        let (old, idle) = (device.serial, device.interval());
        device.connect(3);
        device.table.lost(old, BOUNDS, idle, device.now);
    }
    assert!(device.interval() < 60);
}

#[test]
fn networks_are_learnt_apart_and_changes_of_them_tell_nothing() {
    let mut device = Device::new(Table::default());
    device.beat(10_000, 2, 100);
    let home = device.interval();
    for _ in 0..10 {
        // Each time the device goes, its connection dies after a silence, and the next is there soon.
        let (old, idle) = (device.serial, device.interval());
        device.table.enter(Some(&wifi("office")));
        device.table.lost(old, BOUNDS, idle, device.now);
        device.connect(1);
        assert_eq!(device.interval(), 60, "nothing is known of this one");
        device.table.enter(Some(&wifi("home")));
        device.connect(1);
    }
    assert_eq!(device.interval(), home);
}

#[test]
fn other_bounds_on_the_old_connection_say_nothing_of_the_new_network() {
    let mut device = Device::new(Table::default());
    let old = device.serial;
    device.table.enter(Some(&wifi("office")));
    device.table.rebound(old, BOUNDS);
    // It was made in the other network, so that it dies now, or does not, tells nothing of this one.
    device.table.lost(old, BOUNDS, 60, device.now);
    for _ in 0..10 {
        device.table.survived(old, BOUNDS, 600);
    }
    device.connect(1);
    assert_eq!(device.interval(), 60);
    let other = Heartbeat { initial: 30, least: 20, most: 40 };
    device.table.rebound(device.serial, other);
    assert!(device.table.interval(other, false) <= 40);
}

#[test]
fn what_was_learnt_is_kept_as_text() {
    let mut device = Device::new(Table::default());
    device.beat(200, 2, 100);
    let learnt = device.interval();
    let text = device.table.to_text();
    let mut again = Device::new(Table::restore(&text));
    assert_eq!(again.interval(), learnt);
    for nonsense in ["", "x", "a\tb", "a\t1 2 3", "a\t0 0 0 0 0 0 0 0", "a\t9 20 5 1 1 1 1 1"] {
        assert_eq!(Table::restore(nonsense).to_text(), "", "{nonsense}");
    }
    // No text makes an interval that the server does not allow.
    let mut wild = Device::new(Table::restore("wifi:home\t60 20 600 99999 0 99999 0 0"));
    assert!(wild.interval() <= 600);
    let many: String = (0..200).map(|n| format!("{n}\t60 20 600 60 0 60 0 0\n")).collect();
    assert_eq!(Table::restore(&many).to_text().lines().count(), 64);
}
