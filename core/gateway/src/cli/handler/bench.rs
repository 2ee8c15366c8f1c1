//! `paifang handler bench`: what a call costs.

use super::{args::HandlerBench, open, wrong};
use crate::cli::{Failed, terminal::say};
use paifang_wasm::cases::{self, Timing};
use std::fs;

/// How many calls a reused instance serves here: it is never replaced while measured.
const REUSE: u32 = 1_000_000_000;

pub(super) fn bench(wanted: &HandlerBench) -> Result<(), Failed> {
    let module = open(&wanted.module.file)?;
    let text = match &wanted.cases {
        Some(file) => fs::read_to_string(file).map_err(|why| wrong(file, why))?,
        None => module
            .probes()
            .ok_or_else(|| Failed::Said("the module carries no probes; name --cases".to_owned()))?
            .to_owned(),
    };
    let micros = |timing: Timing| {
        let of = |time: std::time::Duration| time.as_secs_f64() * 1e6;
        format!("p50 {:>8.2} µs   p99 {:>8.2} µs", of(timing.p50), of(timing.p99))
    };
    for case in cases::parse(&text).map_err(Failed::Said)? {
        let measure = |reuse| {
            cases::measure(&module, &case, wanted.calls, reuse)
                .map_err(|why| Failed::Said(format!("`{}`: {why}", case.name)))
        };
        say(&format!(
            "{}\n  fresh instance   {}\n  reused instance  {}",
            case.name,
            micros(measure(0)?),
            micros(measure(REUSE)?),
        ));
    }
    Ok(())
}
