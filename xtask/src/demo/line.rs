//! One line of the demo: what is typed, and what must come back.

use std::process::Command;

use crate::{failure::Result, run, tree};

/// A shell line with its expectation.
pub(crate) struct Line {
    /// What it shows.
    pub(crate) title: &'static str,
    /// As typed at the workspace's root.
    pub(crate) command: String,
    /// The HTTP status line must carry it; `None` for lines that make no single call.
    pub(crate) status: Option<u16>,
    /// Each must stand in the output.
    pub(crate) contains: Vec<&'static str>,
}

impl Line {
    /// Types the line; the text is its output and its errors.
    ///
    /// # Errors
    /// When there is no shell.
    pub(crate) fn run(&self) -> Result<String> {
        let mut shell = Command::new("sh");
        shell.args(["-c", &self.command]).current_dir(tree::root());
        run::captured(&mut shell).map(|output| output.text)
    }

    /// Whether the output is the expected one; the error says why not.
    pub(crate) fn judge(&self, output: &str) -> std::result::Result<(), String> {
        if let Some(wanted) = self.status {
            match status(output) {
                Some(found) if found == wanted => {}
                found => return Err(format!("status {wanted} was expected, got {found:?}")),
            }
        }
        match self.contains.iter().find(|text| !output.contains(**text)) {
            None => Ok(()),
            Some(text) => Err(format!("`{text}` was expected")),
        }
    }
}

/// The status of the last final response in `curl -i`'s output.
fn status(output: &str) -> Option<u16> {
    let codes = output.lines().filter(|line| line.starts_with("HTTP/"));
    codes.filter_map(|line| line.split(' ').nth(1)?.trim().parse().ok()).next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(status: Option<u16>, contains: &[&'static str]) -> Line {
        Line { title: "", command: String::new(), status, contains: contains.to_vec() }
    }

    #[test]
    fn the_final_status_counts_not_the_interim_one() {
        let output = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 401 Unauthorized\r\n\r\nPF-x";
        assert_eq!(line(Some(401), &["PF-x"]).judge(output), Ok(()));
        assert!(line(Some(100), &[]).judge(output).is_err());
    }

    #[test]
    fn a_missing_text_or_answer_fails() {
        assert!(line(None, &["refused"]).judge("reloaded").is_err());
        assert!(line(Some(200), &[]).judge("curl: (7) Failed to connect").is_err());
    }
}
