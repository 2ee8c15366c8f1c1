//! What a release of 10,000 APIs costs the running gateway, when one file of a hundred APIs has
//! changed and when all have.

use super::{Args, conf, peer::Peer, reload, report::Report, stats::Spread};
use crate::{
    failure::{Failure, Result},
    say,
};

/// How many APIs there are, in files of a hundred.
const APIS: usize = 10_000;
/// CPU milliseconds that the release may cost, parsing of unchanged files apart.
const GOAL: f64 = 200.0;

/// Measures and writes the table.
///
/// # Errors
/// When the gateway does not come up or refuses a reload.
pub(crate) fn measure(args: &Args, report: &mut Report) -> Result<()> {
    let upstream = Peer::upstream(report.dir())?;
    let dir = report.subdir("compile")?;
    let ports = conf::Ports::free()?;
    let config = conf::many_apis(&dir, ports, upstream.port, APIS)?;
    let gateway = Peer::gateway("10,000 APIs", &config, ports)?;
    // The first reload finds nothing to reuse; those after it are the usual ones.
    reload::reload(&gateway)?;

    let (mut one, mut all, mut none) = (Vec::new(), Vec::new(), Vec::new());
    for number in 1..=args.rounds {
        none.push(milliseconds(&gateway)?);
        conf::api_file(&dir, 500, APIS, number)?;
        one.push(milliseconds(&gateway)?);
        for first in (0..APIS).step_by(100) {
            conf::api_file(&dir, first, APIS, number + 1_000)?;
        }
        all.push(milliseconds(&gateway)?);
        say::note(&format!("round {number}/{}", args.rounds));
    }
    if Spread::of(&all).median <= 0.0 {
        return Err(Failure::Failed("every file changed, yet the reload used no CPU".to_owned()));
    }
    let row =
        |what: &str, rounds: &[f64]| vec![what.to_owned(), format!("{:.0}", Spread::of(rounds))];
    report.table(
        "Compile and swap of 10,000 APIs",
        "CPU of the whole gateway process for one `paifang reload`: reading, parsing what changed, \
         checking, compiling, storing and swapping. Median (least–greatest).",
        &["changed", "CPU ms"],
        &[row("nothing", &none), row("one file of 100 APIs", &one), row("every file", &all)],
    );
    let found = Spread::of(&one);
    report.goal(
        "compile and swap cost at most 200 ms of CPU, parsing of unchanged files apart",
        format!("{found:.0} ms"),
        found.median <= GOAL,
    );
    Ok(())
}

fn milliseconds(gateway: &Peer) -> Result<f64> {
    let before = gateway.cpu_seconds()?;
    reload::reload(gateway)?;
    Ok((gateway.cpu_seconds()? - before) * 1_000.0)
}
