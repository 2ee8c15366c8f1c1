//! Words of an nginx config: white space parts them, `;`, `{` and `}` end them, quotes and backslashes as
//! nginx itself reads them (`ngx_conf_read_token`).

use super::limits;
use super::tree::Word;
use crate::{Fault, Place};

/// What a file is made of.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token {
    Word(Word),
    /// `;`
    End(Place),
    /// `{`
    Open(Place),
    /// `}`
    Close(Place),
}

/// Reads tokens from one file's text.
pub(super) struct Lexer<'t> {
    chars: std::iter::Peekable<std::str::Chars<'t>>,
    here: Place,
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str, start: Place) -> Self {
        Self { chars: text.chars().peekable(), here: start }
    }

    /// Where the next character stands.
    pub(super) fn place(&self) -> Place {
        self.here.clone()
    }

    fn next_char(&mut self) -> Option<char> {
        let c = self.chars.next()?;
        if c == '\n' {
            self.here.line += 1;
            self.here.column = 1;
        } else {
            self.here.column += 1;
        }
        Some(c)
    }

    /// The next token; `None` at the end of the file.
    pub(super) fn token(&mut self) -> Result<Option<Token>, Fault> {
        loop {
            let place = self.place();
            match self.chars.peek() {
                None => return Ok(None),
                Some(c) if c.is_ascii_whitespace() => {
                    self.next_char();
                }
                Some('#') => while self.next_char().is_some_and(|c| c != '\n') {},
                Some(';') => {
                    self.next_char();
                    return Ok(Some(Token::End(place)));
                }
                Some('{') => {
                    self.next_char();
                    return Ok(Some(Token::Open(place)));
                }
                Some('}') => {
                    self.next_char();
                    return Ok(Some(Token::Close(place)));
                }
                Some(&quote @ ('"' | '\'')) => {
                    self.next_char();
                    return self.quoted(quote, place).map(|word| Some(Token::Word(word)));
                }
                Some(_) => return self.bare(place).map(|word| Some(Token::Word(word))),
            }
        }
    }

    fn bare(&mut self, place: Place) -> Result<Word, Fault> {
        let mut text = String::new();
        let mut variable = false;
        while let Some(&c) = self.chars.peek() {
            match c {
                '{' if variable => {}
                c if c.is_ascii_whitespace() || c == ';' || c == '{' => break,
                '\\' => {
                    self.next_char();
                    self.escaped(&mut text);
                    variable = false;
                    continue;
                }
                _ => {}
            }
            variable = c == '$';
            text.push(c);
            self.next_char();
            limit(&text, &place)?;
        }
        Ok(Word { text, place })
    }

    fn quoted(&mut self, quote: char, place: Place) -> Result<Word, Fault> {
        let mut text = String::new();
        loop {
            match self.next_char() {
                None => {
                    return Err(Fault::new(place, "a quote that is not closed")
                        .help("close it; a quote inside a word is written \\\" or \\'"));
                }
                Some('\\') => self.escaped(&mut text),
                Some(c) if c == quote => break,
                Some(c) => text.push(c),
            }
            limit(&text, &place)?;
        }
        match self.chars.peek().copied() {
            Some(c) if !c.is_ascii_whitespace() && !matches!(c, ';' | '{' | ')') => {
                Err(Fault::new(self.place(), format!("`{c}` directly behind a closing quote"))
                    .help("put white space or `;` between them"))
            }
            _ => Ok(Word { text, place }),
        }
    }

    /// What follows a backslash: quotes and backslashes stand for themselves, `\t`, `\r` and `\n` for
    /// control characters; elsewhere the backslash stays.
    fn escaped(&mut self, text: &mut String) {
        match self.next_char() {
            Some(c @ ('"' | '\'' | '\\')) => text.push(c),
            Some('t') => text.push('\t'),
            Some('r') => text.push('\r'),
            Some('n') => text.push('\n'),
            Some(c) => {
                text.push('\\');
                text.push(c);
            }
            None => text.push('\\'),
        }
    }

    /// Skips a block of Lua up to the brace that closes it: braces in strings and comments do not count.
    pub(super) fn skip_lua(&mut self, open: &Place) -> Result<(), Fault> {
        let mut depth = 1usize;
        while let Some(c) = self.next_char() {
            match c {
                '{' => depth += 1,
                '}' => {
                    depth -= 1;
                    if depth == 0 {
                        return Ok(());
                    }
                }
                '"' | '\'' => self.skip_lua_string(c),
                '[' if self.chars.peek() == Some(&'[') => self.skip_to_brackets(),
                '-' if self.chars.peek() == Some(&'-') => {
                    self.next_char();
                    if self.chars.peek() == Some(&'[') {
                        self.next_char();
                        if self.chars.peek() == Some(&'[') {
                            self.skip_to_brackets();
                            continue;
                        }
                    }
                    while self.chars.peek().is_some_and(|c| *c != '\n') {
                        self.next_char();
                    }
                }
                _ => {}
            }
        }
        Err(Fault::new(open.clone(), "a block of Lua that is not closed"))
    }

    fn skip_lua_string(&mut self, quote: char) {
        while let Some(c) = self.next_char() {
            match c {
                '\\' => {
                    self.next_char();
                }
                c if c == quote => return,
                _ => {}
            }
        }
    }

    fn skip_to_brackets(&mut self) {
        let mut last = ' ';
        while let Some(c) = self.next_char() {
            if c == ']' && last == ']' {
                return;
            }
            last = c;
        }
    }
}

fn limit(text: &str, place: &Place) -> Result<(), Fault> {
    if text.len() <= limits::WORD_BYTES {
        return Ok(());
    }
    let most = limits::WORD_BYTES;
    Err(Fault::new(place.clone(), format!("a word of more than {most} bytes"))
        .help("is a quote missing that should close it?"))
}
