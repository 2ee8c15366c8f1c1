//! The tutorial, run as it stands: its commands in terminals, its edits in the files, and what it says
//! they print compared with what they print.
//!
//! | tag | what becomes of the block |
//! |---|---|
//! | `sh terminal=N` | typed in terminal N; every command of it must succeed |
//! | `sh terminal=N stays` | the like, and it goes on in the foreground |
//! | `text terminal=N` | what terminal N prints next: all of it, or what a command that stays has printed until then. `…` is any text in a line, alone any lines |
//! | `text terminal=N ends` | the like, of what has stayed and ends by itself: all that it prints to its end |
//! | `text keys=N` | `Ctrl-C`: ends what stays in terminal N |
//! | `diff edit=PATH` | applied to a file; what it removes must stand there once |
//! | `LANGUAGE made=PATH` | must stand in a file that was made, line by line, indentation apart |

mod edit;
mod expected;
mod page;
mod terminal;

use page::{Act, Page};
use paifang_tests::{binaries, tidy::root};
use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
};
use terminal::Terminal;

/// What the page and the package that it makes listen on.
const ADDRESSES: [&str; 2] = ["127.0.0.1:8080", "127.0.0.1:9900"];

#[test]
fn the_tutorial_for_handlers_works_as_it_stands() {
    let text = fs::read_to_string(root().join("docs/tutorial-handler.md")).unwrap_or_default();
    let ours = free();
    let text = ADDRESSES.iter().zip(&ours).fold(text, |text, (from, to)| text.replace(from, to));
    let page = Page::read(&text);
    let home = fresh();
    let binaries = binaries::built(&[]);
    let mut terminals: BTreeMap<u8, Terminal> = BTreeMap::new();
    for (line, act) in page.acts {
        let at = format!("docs/tutorial-handler.md:{line}");
        let done = match act {
            Act::Type { terminal, text, stays } => {
                let begin = || Terminal::begin(&home, &binaries);
                let terminal = terminals.entry(terminal).or_insert_with(begin);
                terminal.type_in(&text, stays).and_then(|()| listen_there(&home, &ours))
            }
            Act::Printed { terminal, lines, ends } => match terminals.get_mut(&terminal) {
                Some(terminal) => terminal.printed(&lines, ends),
                None => Err("nothing was typed there".to_owned()),
            },
            Act::Interrupt { terminal } => match terminals.get_mut(&terminal) {
                Some(terminal) => terminal.interrupt(),
                None => Err("nothing was typed there".to_owned()),
            },
            Act::Edit { file, text } => edit::apply(&home.join(file), &text),
            Act::Made { file, text } => edit::stands_in(&home.join(file), &text),
        };
        if let Err(why) = done {
            let all =
                terminals.iter().map(|(number, of)| format!("terminal {number}:\n{}", of.all()));
            panic!("{at}: {why}\n\n{}", all.collect::<Vec<_>>().join("\n"));
        }
    }
}

/// Two addresses that nobody else uses. A port that was free a moment ago may be another's by now, so
/// they are on an address of this machine that is this process's alone (Linux has all of 127.0.0.0/8).
fn free() -> [String; 2] {
    let [.., high, low] = std::process::id().to_be_bytes();
    let ours = if cfg!(target_os = "linux") {
        Ipv4Addr::new(127, 78, high, low)
    } else {
        Ipv4Addr::LOCALHOST
    };
    let bind = || match TcpListener::bind((ours, 0)) {
        Ok(listener) => listener,
        Err(why) => panic!("no port at {ours}: {why}"),
    };
    // Both are held until both are known.
    let both = [bind(), bind()];
    both.map(|listener| {
        listener.local_addr().as_ref().map(SocketAddr::to_string).unwrap_or_default()
    })
}

/// The folder that the reader begins in: the same from run to run, so that what cargo has built
/// serves again, and empty.
fn fresh() -> PathBuf {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tutorial");
    // There is none at the first run.
    let _ = fs::remove_dir_all(&home);
    match fs::create_dir_all(&home) {
        Ok(()) => home,
        Err(why) => panic!("{}: {why}", home.display()),
    }
}

/// Has the gateway of the package listen where the page, as it is read here, says.
fn listen_there(home: &Path, ours: &[String; 2]) -> Result<(), String> {
    let file = home.join("greet/paifang.yaml");
    let Ok(text) = fs::read_to_string(&file) else { return Ok(()) };
    let new =
        ADDRESSES.iter().zip(ours).fold(text.clone(), |text, (from, to)| text.replace(from, to));
    // A file that is written anew would be a change to those who watch it.
    if new == text { Ok(()) } else { fs::write(&file, new).map_err(|why| why.to_string()) }
}
