//! A handler for measures: it does as little as its config says.

use paifang_guest::prelude::*;

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    reads: Vec<String>,
    #[serde(default)]
    sets: usize,
}

fn configure(config: Config) -> Result<(Config, Manifest), ConfigError> {
    let reads = config.reads.iter().fold(Reads::new(), |reads, name| reads.header(name));
    Ok((config, Manifest::new().on_request(reads)))
}

fn request(config: &Config, call: &Call) -> RequestVerdict {
    let mut verdict = next();
    for n in 0..config.sets {
        let value = call.fields().next().map_or(&b"none"[..], |(_, value)| value);
        verdict = verdict.set_header(format!("x-set-{n}"), value);
    }
    verdict.into()
}

fn response(_: &Config, _: &Call, _: &Response) -> ResponseVerdict {
    next_response().set_header("x-seen", "yes").into()
}

fn log(_: &Config, _: &Call, _: &Outcome) {}

paifang_guest::handler! {
    state: Config,
    configure: configure,
    request: request,
    response: response,
    log: log,
}
