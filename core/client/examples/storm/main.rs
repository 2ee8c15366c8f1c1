//! The other side of `cargo xtask bench storm`: clients that all come back at once, where only a part of them may be let in a second.
//!
//! ```text
//! storm ADDRESS CLIENTS HELD SECONDS [CERTIFICATE]
//! ```
//!
//! HELD connections are open before and say PING four times a second; then CLIENTS come within a second, each until it is let in or
//! SECONDS are over. With a certificate (PEM) they speak TLS 1.3, trusting it. Prints one line of JSON.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod crowd;
mod figures;
mod wire;

use std::{error::Error, net::SocketAddr, process::ExitCode, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use crowd::{Crowd, Figures};
use wire::Wire;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// How long the held connections are watched before the storm.
const CALM: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(run(&args)));
    match done {
        Ok(figures) => {
            println!("{}", figures.json());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("storm: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &[String]) -> Result<Figures> {
    let [address, clients, held, seconds, certificate @ ..] = args else {
        return Err("storm ADDRESS CLIENTS HELD SECONDS [CERTIFICATE]".into());
    };
    let address: SocketAddr = address.parse()?;
    let (clients, held): (u32, u32) = (clients.parse()?, held.parse()?);
    let most = Duration::from_secs(seconds.parse()?);
    let crowd = Arc::new(Crowd::new(Wire::new(address, certificate.first())?));
    let mut holding = Vec::new();
    for device in 0..held {
        holding.push(crowd.hold(device).await?);
    }
    let keeping = crowd.clone().keep(holding);
    sleep(CALM).await;
    crowd.begin();
    let began = Instant::now();
    let tasks: Vec<_> = (0..clients)
        .map(|index| tokio::spawn(crowd.clone().come(held + index, began + most)))
        .collect();
    for task in tasks {
        task.await?;
    }
    keeping.abort();
    crowd.figures(clients)
}
