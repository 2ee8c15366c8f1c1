//! MMTP: what a small call costs beside HTTP/2, what an idle connection takes, what a message to many costs.

mod calls;
mod fan_out;
mod gateway;
pub(super) mod hold;
mod idle;

use super::{Args, build, report::Report};
use crate::failure::Result;
use gateway::Kit;

/// Measures and writes three tables.
///
/// # Errors
/// When a gateway or a fleet fails.
pub(crate) fn measure(args: &Args, report: &mut Report) -> Result<()> {
    if !args.no_build {
        build::fan_out()?;
    }
    let kit = Kit::new(report)?;
    calls::measure(args, &kit, report)?;
    idle::measure(&kit, report)?;
    fan_out::measure(args, report)
}
