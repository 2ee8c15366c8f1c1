//! The gateway's whole command line, with one plugin more: `run`, `check`, `schema` and `explain`
//! know `greeting` too.

use std::process::ExitCode;

use own_plugin::Greeting;
use paifang::Gateway;

fn main() -> ExitCode {
    Gateway::builder().plugin(Greeting).run()
}
