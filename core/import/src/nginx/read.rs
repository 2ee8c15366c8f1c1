//! From files to a tree of directives, includes followed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use paifang_config::source::FileSource;

use super::lex::{Lexer, Token};
use super::limits;
use super::tree::{Directive, Word};
use crate::{Fault, Place};

/// Reads a config with all that it includes.
///
/// # Errors
/// The first mistake in its syntax, a file that cannot be read, or a limit.
pub(super) fn read(root: &Path, files: &dyn FileSource) -> Result<Vec<Directive>, Fault> {
    let folder = root.parent().unwrap_or(Path::new("")).to_path_buf();
    let mut reader = Reader { files, folder, open: Vec::new(), count: 0, bytes: 0, directives: 0 };
    let place = Place { order: 0, file: name(root), line: 1, column: 1 };
    reader.file(root, &place, 0)
}

struct Reader<'f> {
    files: &'f dyn FileSource,
    /// Where relative includes begin: the folder of the first file, as nginx has it.
    folder: PathBuf,
    /// The files that include each other at this moment.
    open: Vec<PathBuf>,
    count: u32,
    bytes: u64,
    directives: usize,
}

impl Reader<'_> {
    fn file(&mut self, path: &Path, from: &Place, depth: usize) -> Result<Vec<Directive>, Fault> {
        let text = self.text(path, from)?;
        let start = Place { order: self.count, file: name(path), line: 1, column: 1 };
        self.count += 1;
        self.open.push(self.files.canonical(path).unwrap_or_else(|_| path.to_path_buf()));
        let mut lexer = Lexer::new(&text, start);
        let block = self.block(&mut lexer, None, depth);
        self.open.pop();
        block
    }

    fn text(&mut self, path: &Path, from: &Place) -> Result<String, Fault> {
        let shown = path.display();
        let wrong = |message: String| Fault::new(from.clone(), message);
        if self.count >= limits::FILES {
            return Err(wrong(format!("more than {} files", limits::FILES)));
        }
        let bytes = self.files.read(path, limits::FILE_BYTES).map_err(|error| {
            wrong(format!("{shown} cannot be read: {error}")).help(
                "copy the whole folder of the config: what a missing file says might protect something",
            )
        })?;
        self.bytes += bytes.len() as u64;
        if bytes.len() as u64 > limits::FILE_BYTES || self.bytes > limits::ALL_BYTES {
            return Err(wrong(format!(
                "{shown} is too large: a file has at most {} MiB, all together {} MiB",
                limits::FILE_BYTES >> 20,
                limits::ALL_BYTES >> 20
            )));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let place = end_of(&String::from_utf8_lossy(valid), self.count, name(path));
            Fault::new(place, "not UTF-8").help("is this an nginx config?")
        })?;
        if let Some(at) = text.find('\0') {
            let place = end_of(&text[..at], self.count, name(path));
            return Err(Fault::new(place, "a zero byte").help("is this an nginx config?"));
        }
        Ok(text)
    }

    /// Directives up to the `}` that closes the block, or the end of the file.
    fn block(
        &mut self,
        lexer: &mut Lexer<'_>,
        opened: Option<&Place>,
        depth: usize,
    ) -> Result<Vec<Directive>, Fault> {
        if depth > limits::DEPTH {
            let place = opened.cloned().unwrap_or_else(|| lexer.place());
            return Err(Fault::new(place, format!("more than {} blocks deep", limits::DEPTH)));
        }
        let mut block = Vec::new();
        let mut words: Vec<Word> = Vec::new();
        while let Some(token) = lexer.token()? {
            match token {
                Token::Word(word) if words.len() < limits::WORDS => words.push(word),
                Token::Word(word) => {
                    let message = format!("more than {} words in a directive", limits::WORDS);
                    return Err(Fault::new(word.place, message).help("is a `;` missing?"));
                }
                Token::End(place) => {
                    let directive = self.directive(&mut words, place)?;
                    if directive.name == "include" {
                        block.extend(self.include(&directive, depth)?);
                    } else {
                        block.push(directive);
                    }
                }
                Token::Open(place) => {
                    let mut directive = self.directive(&mut words, place.clone())?;
                    let inner = if directive.name.ends_with("_by_lua_block") {
                        lexer.skip_lua(&place)?;
                        Vec::new()
                    } else {
                        self.block(lexer, Some(&directive.place), depth + 1)?
                    };
                    directive.block = Some(inner);
                    block.push(directive);
                }
                Token::Close(place) => {
                    if let Some(word) = words.first() {
                        return Err(unfinished(word));
                    }
                    return match opened {
                        Some(_) => Ok(block),
                        None => Err(Fault::new(place, "`}` without a `{` before it")),
                    };
                }
            }
        }
        match (words.first(), opened) {
            (Some(word), _) => Err(unfinished(word)),
            (None, Some(place)) => {
                Err(Fault::new(place.clone(), "a block that is not closed").help("add `}`"))
            }
            (None, None) => Ok(block),
        }
    }

    fn directive(&mut self, words: &mut Vec<Word>, end: Place) -> Result<Directive, Fault> {
        self.directives += 1;
        if self.directives > limits::DIRECTIVES {
            return Err(Fault::new(end, format!("more than {} directives", limits::DIRECTIVES)));
        }
        if words.is_empty() {
            return Err(Fault::new(end, "a directive without a name"));
        }
        let first = words.remove(0);
        let args = std::mem::take(words);
        Ok(Directive { name: first.text, args, place: first.place, block: None })
    }

    fn include(&mut self, directive: &Directive, depth: usize) -> Result<Vec<Directive>, Fault> {
        let wrong = |message: String| Fault::new(directive.place.clone(), message);
        let [pattern] = &*directive.args else {
            return Err(wrong("`include` takes one file or pattern".into()));
        };
        if self.open.len() >= limits::INCLUDES {
            return Err(wrong(format!("more than {} files in a row", limits::INCLUDES)));
        }
        let path = self.folder.join(&pattern.text);
        let paths = if pattern.text.contains(['*', '?', '[']) {
            let found = self.files.glob(&path);
            found.map_err(|error| wrong(format!("`{}`: {error}", pattern.text)))?
        } else {
            vec![path]
        };
        let mut block = Vec::new();
        for path in paths {
            let real = self.files.canonical(&path).unwrap_or_else(|_| path.clone());
            if self.open.contains(&real) {
                return Err(wrong(format!("{} includes itself in the end", path.display())));
            }
            block.extend(self.file(&path, &directive.place, depth)?);
        }
        Ok(block)
    }
}

fn unfinished(word: &Word) -> Fault {
    Fault::new(word.place.clone(), format!("`{}` ends nowhere", cut(&word.text)))
        .help("a directive ends with `;` or has a block")
}

fn cut(text: &str) -> String {
    text.chars().take(60).collect()
}

fn name(path: &Path) -> Arc<str> {
    path.display().to_string().into()
}

/// The place behind this text.
fn end_of(text: &str, order: u32, file: Arc<str>) -> Place {
    let line = text.matches('\n').count() as u32 + 1;
    let last = text.rsplit('\n').next().unwrap_or_default();
    Place { order, file, line, column: last.chars().count() as u32 + 1 }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use paifang_config::source::MemoryFiles;

    fn try_read(files: &[(&str, &[u8])]) -> Result<Vec<Directive>, Fault> {
        let files = MemoryFiles::new(files.iter().map(|(name, text)| (*name, text.to_vec())));
        read(Path::new("/n/nginx.conf"), &files)
    }

    #[track_caller]
    fn lines(text: &str) -> Vec<String> {
        let read =
            try_read(&[("/n/nginx.conf", text.as_bytes())]).unwrap_or_else(|f| panic!("{f}"));
        read.iter().map(|d| format!("{:?} {:?}", d.name, d.words().collect::<Vec<_>>())).collect()
    }

    #[track_caller]
    fn fault(files: &[(&str, &[u8])]) -> String {
        try_read(files).expect_err("it was read").to_string()
    }

    #[test]
    fn words_are_those_that_nginx_reads() {
        assert_eq!(
            lines("a b  'c d' \"e\\\"f\"; # x;\n g ${h}i j\\;k; 'l;m' n#o;\n\\d\\. p\\\\q;"),
            [
                r#""a" ["b", "c d", "e\"f"]"#,
                r#""g" ["${h}i", "j\\;k"]"#,
                r#""l;m" ["n#o"]"#,
                r#""\\d\\." ["p\\q"]"#,
            ]
        );
    }

    #[test]
    fn blocks_know_their_places_and_lua_is_skipped() {
        let text = "http {\n  content_by_lua_block { local s = \"}\" -- }\n if x then y = { } end }\n  z 1;\n}";
        let read = try_read(&[("/n/nginx.conf", text.as_bytes())]).unwrap();
        let inner = read[0].inner();
        assert_eq!(inner.len(), 2);
        assert_eq!((inner[1].place.line, inner[1].place.column), (4, 3));
        assert_eq!(inner[0].line(), "content_by_lua_block {");
    }

    #[test]
    fn includes_begin_at_the_first_file() {
        let read = try_read(&[
            ("/n/nginx.conf", b"include a/*.conf; include b.conf; include none/*;".as_slice()),
            ("/n/a/2.conf", b"two;"),
            ("/n/a/1.conf", b"one; include b.conf;"),
            ("/n/b.conf", b"b;"),
        ]);
        let names: Vec<_> = read.unwrap().into_iter().map(|d| d.name).collect();
        assert_eq!(names, ["one", "b", "two", "b"]);
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        let one = |text: &'static str| fault(&[("/n/nginx.conf", text.as_bytes())]);
        let at = "/n/nginx.conf";
        assert_eq!(
            one("a {\n b;\n"),
            format!("{at}:1:1: a block that is not closed\n  help: add `}}`")
        );
        assert!(one("a;\n }").starts_with(&format!("{at}:2:2: `}}` without")));
        assert!(one("a 'b").starts_with(&format!("{at}:1:3: a quote that is not closed")));
        assert!(one("a 'b'c;").starts_with(&format!("{at}:1:6: `c` directly behind")));
        assert!(one("a b\n").starts_with(&format!("{at}:1:1: `a` ends nowhere")));
        assert!(one(";").starts_with(&format!("{at}:1:1: a directive without a name")));
        assert!(one("include x y;").contains("takes one file"));
    }

    #[test]
    fn what_cannot_be_read_or_is_too_much_is_refused() {
        let missing = fault(&[("/n/nginx.conf", b"x;\ninclude gone.conf;")]);
        assert!(missing.starts_with("/n/nginx.conf:2:1: /n/gone.conf cannot be read"), "{missing}");
        let cycle = fault(&[
            ("/n/nginx.conf", b"include a.conf;".as_slice()),
            ("/n/a.conf", b"\ninclude nginx.conf;"),
        ]);
        assert!(cycle.starts_with("/n/a.conf:2:1: /n/nginx.conf includes itself"), "{cycle}");
        let binary = fault(&[("/n/nginx.conf", b"ok;\nb\xFF\xFE")]);
        assert!(binary.starts_with("/n/nginx.conf:2:2: not UTF-8"), "{binary}");
        let zero = fault(&[("/n/nginx.conf", b"a\0")]);
        assert!(zero.starts_with("/n/nginx.conf:1:2: a zero byte"), "{zero}");
        let huge = vec![b' '; (limits::FILE_BYTES + 1) as usize];
        assert!(fault(&[("/n/nginx.conf", &huge)]).contains("too large"));
        let deep = "a {".repeat(40);
        assert!(fault(&[("/n/nginx.conf", deep.as_bytes())]).contains("blocks deep"));
        let long = format!("a {};", "x".repeat(20_000));
        assert!(fault(&[("/n/nginx.conf", long.as_bytes())]).contains("a word of more than"));
        let wide = format!("a {};", "x ".repeat(1001));
        assert!(fault(&[("/n/nginx.conf", wide.as_bytes())]).contains("more than 1000 words"));
    }
}
