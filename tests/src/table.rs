//! Tables in documents that a test makes from the code, so that page and code cannot part.
//!
//! Such a table stands below a line `<!-- table: NAME -->`. Everything around it is written by hand.

use std::{collections::BTreeMap, fs};

use crate::tidy::root;

/// What stands before the name of a table.
const MARK: &str = "<!-- table: ";
/// Set to have the pages rewritten instead of compared.
const UPDATE: &str = "UPDATE_GOLDEN";

/// A table: the cells of its head, and those of its rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// The names of the columns.
    pub head: Vec<String>,
    /// The rows, each with as many cells as the head.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    #[must_use]
    pub fn new(head: &[&str]) -> Self {
        Self { head: head.iter().map(|cell| (*cell).to_owned()).collect(), rows: Vec::new() }
    }

    /// The cells of a column by those of the first one. Missing columns and cells are empty.
    #[must_use]
    pub fn column(&self, name: &str) -> BTreeMap<String, String> {
        let Some(at) = self.head.iter().position(|head| head == name) else {
            return BTreeMap::new();
        };
        let cell = |row: &[String], at: usize| row.get(at).cloned().unwrap_or_default();
        self.rows.iter().map(|row| (cell(row, 0), cell(row, at))).collect()
    }

    fn lines(&self) -> Vec<String> {
        let line = |cells: &[String]| {
            let cells = cells.iter().map(|cell| cell.replace('|', "\\|"));
            format!("| {} |", cells.collect::<Vec<_>>().join(" | "))
        };
        let rule = format!("|{}", "---|".repeat(self.head.len()));
        let mut lines = vec![line(&self.head), rule];
        lines.extend(self.rows.iter().map(|row| line(row)));
        lines
    }
}

/// The marked tables of a page, in its order.
#[must_use]
pub fn tables(page: &str) -> Vec<(String, Table)> {
    let mut found: Vec<(String, Table)> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        if let Some(name) = marked(line) {
            found.push((name.to_owned(), Table::default()));
            inside = true;
        } else if inside && line.starts_with('|') {
            let Some((_, table)) = found.last_mut() else { continue };
            match cells(line) {
                row if table.head.is_empty() => table.head = row,
                row if row
                    .iter()
                    .all(|cell| !cell.is_empty() && cell.chars().all(|c| c == '-')) => {}
                row => table.rows.push(row),
            }
        } else if !line.trim().is_empty() {
            inside = false;
        }
    }
    found
}

/// Holds the marked tables of a page to those that the code makes; `make` gets a table's name and
/// what stands there. With `UPDATE_GOLDEN=1` the page is rewritten.
///
/// # Panics
/// With every line that differs, or where the page cannot be read or has no marked table.
#[track_caller]
pub fn hold(path: &str, mut make: impl FnMut(&str, &Table) -> Table) {
    let file = root().join(path);
    let page = match fs::read_to_string(&file) {
        Ok(page) => page,
        Err(cause) => panic!("{path}: {cause}"),
    };
    let made: Vec<(Table, Table)> = tables(&page)
        .into_iter()
        .map(|(name, stands)| (make(&name, &stands), stands))
        .map(|(wanted, stands)| (stands, wanted))
        .collect();
    assert!(!made.is_empty(), "{path} has no line that begins with `{MARK}`");
    let faults: Vec<String> =
        made.iter().flat_map(|(stands, wanted)| differences(stands, wanted)).collect();
    if faults.is_empty() {
        return;
    }
    if std::env::var_os(UPDATE).is_some() {
        let wanted: Vec<Table> = made.into_iter().map(|(_, wanted)| wanted).collect();
        if let Err(cause) = fs::write(&file, rewritten(&page, &wanted)) {
            panic!("{path}: {cause}");
        }
        return;
    }
    panic!("{path} and the code differ; {UPDATE}=1 rewrites the tables:\n{}", faults.join("\n"));
}

/// The lines that one of two tables has and the other has not.
fn differences(stands: &Table, wanted: &Table) -> Vec<String> {
    if stands == wanted {
        return Vec::new();
    }
    let (stands, wanted) = (stands.lines(), wanted.lines());
    let gone = stands.iter().filter(|line| !wanted.contains(line));
    let new = wanted.iter().filter(|line| !stands.contains(line));
    let mut all: Vec<String> = gone.map(|line| format!("page: {line}")).collect();
    all.extend(new.map(|line| format!("code: {line}")));
    if all.is_empty() {
        all.push("the rows stand in another order, or one stands twice".to_owned());
    }
    all
}

fn rewritten(page: &str, tables: &[Table]) -> String {
    let mut out = String::new();
    let mut next = tables.iter();
    let mut inside = false;
    for line in page.lines() {
        if inside && (line.starts_with('|') || line.trim().is_empty()) {
            continue;
        }
        if std::mem::take(&mut inside) {
            out.push('\n');
        }
        out.push_str(line);
        out.push('\n');
        if marked(line).is_some()
            && let Some(table) = next.next()
        {
            out.push('\n');
            table.lines().iter().for_each(|line| {
                out.push_str(line);
                out.push('\n');
            });
            inside = true;
        }
    }
    out
}

fn marked(line: &str) -> Option<&str> {
    line.strip_prefix(MARK)?.strip_suffix("-->").map(str::trim)
}

/// The cells of a line; `\|` is no border.
fn cells(line: &str) -> Vec<String> {
    let inner = line.trim().trim_start_matches('|');
    let inner = inner.strip_suffix('|').unwrap_or(inner);
    let mut all = vec![String::new()];
    let mut escaped = false;
    for c in inner.chars() {
        match c {
            '\\' if !escaped => escaped = true,
            '|' if !escaped => all.push(String::new()),
            c => {
                if std::mem::take(&mut escaped)
                    && c != '|'
                    && let Some(cell) = all.last_mut()
                {
                    cell.push('\\');
                }
                if let Some(cell) = all.last_mut() {
                    cell.push(c);
                }
            }
        }
    }
    all.into_iter().map(|cell| cell.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# A\n\n<!-- table: one -->\n\n| a | b |\n|---|---|\n| x | y \\| `\\d` |\n\n\
                        Text.\n\n| no | table |\n\n<!-- table: two -->\n\nMore.\n";

    #[test]
    fn marked_tables_are_read_and_written() {
        let read = tables(PAGE);
        assert_eq!(read.len(), 2);
        let (name, one) = &read[0];
        assert_eq!((name.as_str(), &one.head[..]), ("one", &["a".to_owned(), "b".to_owned()][..]));
        assert_eq!(one.rows, [["x".to_owned(), "y | `\\d`".to_owned()]]);
        assert_eq!(one.column("b")["x"], "y | `\\d`");
        assert_eq!(read[1], ("two".to_owned(), Table::default()));
        let mut two = Table::new(&["c"]);
        two.rows.push(vec!["z".to_owned()]);
        let page = rewritten(PAGE, &[one.clone(), two.clone()]);
        assert_eq!(
            tables(&page),
            [("one".to_owned(), one.clone()), ("two".to_owned(), two.clone())]
        );
        assert_eq!(rewritten(&page, &[one.clone(), two]), page, "a second time changes nothing");
        assert!(page.contains("\n\nText.\n\n| no | table |\n"), "{page}");
    }

    #[test]
    fn differences_are_told_line_by_line() {
        let mut one = Table::new(&["a"]);
        one.rows = vec![vec!["x".to_owned()], vec!["y".to_owned()]];
        let mut other = one.clone();
        assert!(differences(&one, &other).is_empty());
        other.rows[1][0] = "z".to_owned();
        assert_eq!(differences(&one, &other), ["page: | y |", "code: | z |"]);
        other.rows = vec![vec!["y".to_owned()], vec!["x".to_owned()]];
        assert_eq!(differences(&one, &other).len(), 1);
    }
}
