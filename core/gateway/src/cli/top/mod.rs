//! `paifang top`: what the running gateway does now, as a picture that is drawn anew, or once.

mod args;
mod feed;
mod keys;
mod once;
mod view;

#[cfg(test)]
mod tests;

pub(super) use args::TopArguments;

use super::{Failed, remote::Remote, terminal::say};
use feed::{Feed, News, Wish};
use keys::{Act, Screen};
use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyEventKind},
};
use std::{
    io::{self, IsTerminal},
    time::Duration,
};

/// The shortest time between two questions. The gateway itself looks every 2 s.
const SHORTEST: Duration = Duration::from_millis(500);

/// How long a key may wait before the picture is looked at.
const GLANCE: Duration = Duration::from_millis(100);

/// Shows it.
pub(super) fn top(arguments: &TopArguments) -> Result<(), Failed> {
    let interval = arguments.interval.get();
    if interval < SHORTEST {
        return Err(Failed::Said("--interval must be at least 500ms".to_owned()));
    }
    let remote = Remote::find(&arguments.gateway.reach);
    let wish = Wish {
        sort: arguments.sort,
        filter: arguments.filter.clone().unwrap_or_default(),
        limit: arguments.limit,
    };
    // Whatever is wrong with address or token is told on the terminal as it is.
    let first = feed::ask(&remote, &wish)?;
    if arguments.gateway.json {
        say(&format!("{:#}", first.json()));
        return Ok(());
    }
    if arguments.once {
        say(&once::text(&first, &wish));
        return Ok(());
    }
    if !io::stdout().is_terminal() {
        let told = "standard output is no terminal; `--once` prints a table, `--json` the numbers";
        return Err(Failed::Said(told.to_owned()));
    }
    let mut screen = Screen::new(wish.clone(), first);
    let feed = Feed::start(remote, wish, interval);
    let mut terminal = ratatui::try_init().map_err(|error| said(&error))?;
    let done = run(&mut terminal, &mut screen, &feed);
    ratatui::restore();
    done.map_err(|error| said(&error))
}

fn said(error: &io::Error) -> Failed {
    Failed::Said(format!("the terminal does not take it: {error}"))
}

/// Draws until somebody wants out.
fn run(terminal: &mut DefaultTerminal, screen: &mut Screen, feed: &Feed) -> io::Result<()> {
    loop {
        while let Some(news) = feed.news() {
            match news {
                News::Picture(picture) => screen.show(*picture),
                News::Trouble(why) => screen.trouble = Some(why),
            }
        }
        terminal.draw(|frame| view::draw(frame, screen))?;
        if !event::poll(GLANCE)? {
            continue;
        }
        let Event::Key(key) = event::read()? else { continue };
        if key.kind == KeyEventKind::Release {
            continue;
        }
        match screen.key(key) {
            Act::Nothing => {}
            Act::Ask => feed.wish(screen.wish.clone()),
            Act::Leave => return Ok(()),
        }
    }
}
