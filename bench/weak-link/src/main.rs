//! A weak network between two TUN devices, packet by packet, so that it is the kernel's TCP that meets delay and loss.
//!
//! `weak-link --profile 3g --seed 1 pf-up pf-down` makes the devices, prints `ready`, and moves IP packets between them until
//! its standard input ends. Whoever started it gives the devices addresses, each in a network namespace of its own. What the client sends
//! goes into the first one.

#![forbid(unsafe_code)]

mod lane;
// The figures that the simulated network of the client has too.
#[path = "../../../core/client/src/simnet/presets.rs"]
mod presets;
#[allow(dead_code)]
#[path = "../../../core/client/src/simnet/profile.rs"]
mod profile;

use std::{
    io::{self, Read},
    process::ExitCode,
    sync::Arc,
    thread,
    time::Instant,
};

use clap::Parser;
use lane::Lane;
use profile::Profile;
use tun_rs::{DeviceBuilder, Layer, SyncDevice};

/// Bytes of the largest packet.
pub(crate) const MTU: u16 = 1500;

/// A weak network between two TUN devices.
#[derive(Parser)]
struct Arguments {
    /// Its figures, by name.
    #[arg(long)]
    profile: Profile,
    /// Seed of jitter and loss.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The device on the client's side, to be made.
    client: String,
    /// The device on the server's side, to be made.
    server: String,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("weak-link: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> io::Result<()> {
    let client = Arc::new(device(&arguments.client)?);
    let server = Arc::new(device(&arguments.server)?);
    let profile = &arguments.profile;
    let origin = Instant::now();
    let ways = [
        (profile.up, &client, &server, arguments.seed),
        (profile.down, &server, &client, !arguments.seed),
    ];
    for (figures, from, to, seed) in ways {
        let (from, to) = (Arc::clone(from), Arc::clone(to));
        let lane = Lane::new(figures, profile.outages, origin, seed);
        // They end with the process.
        thread::spawn(move || lane.carry(&from, &to));
    }
    println!("ready");
    io::stdin().read_to_end(&mut Vec::new()).map(drop)
}

fn device(name: &str) -> io::Result<SyncDevice> {
    DeviceBuilder::new().name(name).layer(Layer::L3).mtu(MTU).enable(false).build_sync()
}
