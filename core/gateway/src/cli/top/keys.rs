//! What is on the screen, and what keys do to it.

use super::feed::{Picture, Wish};
use crate::insight::Sort;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// The keys, for the last line.
pub(super) const HELP: &str = "sort: r rate  e errors  s error %  5 p50  9 p99  f in flight  i id   / filter  p pause  ↑↓ scroll  q quit";

/// The longest filter.
const LONGEST: usize = 128;

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Nothing,
    /// Another picture.
    Ask,
    Leave,
}

/// All that is shown.
pub(super) struct Screen {
    pub(super) wish: Wish,
    pub(super) picture: Picture,
    /// Pictures that come are not shown.
    pub(super) paused: bool,
    /// The filter while it is typed.
    pub(super) typing: Option<String>,
    /// The first API that is shown.
    pub(super) offset: usize,
    /// Why the picture is an old one.
    pub(super) trouble: Option<String>,
}

impl Screen {
    pub(super) fn new(wish: Wish, picture: Picture) -> Self {
        Self { wish, picture, paused: false, typing: None, offset: 0, trouble: None }
    }

    /// A picture has come.
    pub(super) fn show(&mut self, picture: Picture) {
        self.trouble = None;
        if !self.paused {
            self.picture = picture;
            self.scroll(0);
        }
    }

    /// A key was pressed.
    pub(super) fn key(&mut self, key: KeyEvent) -> Act {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        if control && matches!(key.code, KeyCode::Char('c' | 'd')) {
            return Act::Leave;
        }
        if self.typing.is_some() {
            return self.type_key(key.code);
        }
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => Act::Leave,
            KeyCode::Char('p' | ' ') => {
                self.paused = !self.paused;
                if self.paused { Act::Nothing } else { Act::Ask }
            }
            KeyCode::Char('/') => {
                self.typing = Some(self.wish.filter.clone());
                Act::Nothing
            }
            KeyCode::Up | KeyCode::Char('k') => self.scroll(-1),
            KeyCode::Down | KeyCode::Char('j') => self.scroll(1),
            KeyCode::PageUp => self.scroll(-10),
            KeyCode::PageDown => self.scroll(10),
            KeyCode::Home => self.scroll(isize::MIN),
            KeyCode::Char(letter) => match by(letter) {
                Some(sort) => {
                    self.wish.sort = sort;
                    self.ask_anew()
                }
                None => Act::Nothing,
            },
            _ => Act::Nothing,
        }
    }

    fn type_key(&mut self, code: KeyCode) -> Act {
        let Some(text) = &mut self.typing else { return Act::Nothing };
        match code {
            KeyCode::Enter => {
                self.wish.filter = std::mem::take(text);
                self.typing = None;
                return self.ask_anew();
            }
            KeyCode::Esc => self.typing = None,
            KeyCode::Backspace => drop(text.pop()),
            KeyCode::Char(letter) if text.len() < LONGEST && !letter.is_control() => {
                text.push(letter);
            }
            _ => {}
        }
        Act::Nothing
    }

    /// Another order or filter shows another picture, also while it is paused.
    fn ask_anew(&mut self) -> Act {
        self.offset = 0;
        self.paused = false;
        Act::Ask
    }

    /// Moves by so many lines, within what there is.
    fn scroll(&mut self, by: isize) -> Act {
        let last = Picture::items(&self.picture.apis).len().saturating_sub(1);
        self.offset = self.offset.saturating_add_signed(by).min(last);
        Act::Nothing
    }
}

fn by(letter: char) -> Option<Sort> {
    Some(match letter {
        'r' => Sort::Rate,
        'e' => Sort::Errors,
        's' => Sort::ErrorShare,
        '5' => Sort::P50,
        '9' => Sort::P99,
        'f' => Sort::InFlight,
        'i' => Sort::Id,
        _ => return None,
    })
}
