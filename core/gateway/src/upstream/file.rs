//! Members from a file that another program writes.
//!
//! The content is compared, not the time of change: clocks of file systems are coarse, and mounted
//! configuration changes by swapping a link. The file is small and read once an interval. A program
//! that writes it should write another and rename it; what is caught half-written is refused, and
//! read again the next time.

use super::{discover::Found, spec::EndpointSpec};
use paifang_config::{endpoints, model, yaml::Digest};
use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    time::Duration,
};

/// The largest file, in bytes.
const LARGEST: u64 = 4 << 20;

/// Reads the file; `None` when it is as `known` has it.
pub(super) async fn look(
    path: &Path,
    interval: Duration,
    known: &mut Option<Digest>,
) -> Result<Option<Found>, String> {
    let path = path.to_path_buf();
    let name = path.display().to_string();
    let read = tokio::task::spawn_blocking(move || read(path)).await;
    let bytes = match read {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) => {
            // When it is back, it is news whatever is in it.
            *known = None;
            return Err(format!("cannot read {name}: {error}"));
        }
        Err(_) => return Err(format!("reading {name} was broken off")),
    };
    if bytes.len() as u64 > LARGEST {
        *known = None;
        return Err(format!("{name} has more than 4 MiB"));
    }
    let digest = Digest::of_bytes(&bytes);
    if known.replace(digest) == Some(digest) {
        return Ok(None);
    }
    let list = endpoints::read(&name, &bytes).map_err(|wrong| first_words(&wrong.render()))?;
    Ok(Some(Found { endpoints: list.iter().map(EndpointSpec::of).collect(), ttl: interval }))
}

fn read(path: PathBuf) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The first problem on one line: message and place.
fn first_words(rendered: &str) -> String {
    let mut lines = rendered.lines().map(str::trim);
    let message = lines.next().unwrap_or_default();
    let message = message.strip_prefix("error: ").unwrap_or(message);
    match lines.next().and_then(|place| place.strip_prefix("--> ")) {
        Some(place) => format!("{place}: {message}"),
        None => message.to_owned(),
    }
}

impl EndpointSpec {
    /// As the config, or a file beside it, has it.
    pub(crate) fn of(endpoint: &model::Endpoint) -> Self {
        let (host, port) = match endpoint.address.value() {
            model::HostPort::Ip(address) => (address.ip().to_string(), address.port()),
            model::HostPort::Name(name, port) => (name.clone(), *port),
        };
        Self {
            host,
            port,
            weight: *endpoint.weight,
            priority: *endpoint.priority,
            zone: endpoint.zone.as_ref().map(|zone| zone.value().as_str().into()),
        }
    }
}
