//! The report: Markdown, on standard output and in target/bench/report.md.

use std::{
    fmt::{Display, Write},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{failure::Result, run, say, tree};

/// What has been measured so far.
pub(crate) struct Report {
    dir: PathBuf,
    text: String,
}

impl Report {
    /// A report that begins with the machine and the commit.
    ///
    /// # Errors
    /// When target/bench cannot be made.
    pub(crate) fn new() -> Result<Self> {
        let dir = tree::scratch("bench")?;
        let mut text = String::from("# Measures\n\n");
        for (what, fact) in machine() {
            let _ = writeln!(text, "- {what}: {fact}");
        }
        Ok(Self { dir, text })
    }

    /// The directory of the run's files.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// A directory inside it.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn subdir(&self, name: &str) -> Result<PathBuf> {
        let dir = self.dir.join(name);
        fs::create_dir_all(&dir).map_err(|e| crate::failure::Failure::file(&dir, &e))?;
        Ok(dir)
    }

    /// A table under a heading, with a line of how it was measured.
    pub(crate) fn table(&mut self, title: &str, how: &str, head: &[&str], rows: &[Vec<String>]) {
        let _ = write!(self.text, "\n## {title}\n\n{how}\n\n| {} |\n|", head.join(" | "));
        self.text.push_str(&"---|".repeat(head.len()));
        self.text.push('\n');
        for row in rows {
            let _ = writeln!(self.text, "| {} |", row.join(" | "));
        }
    }

    /// A finding against its goal.
    pub(crate) fn goal(&mut self, what: &str, found: impl Display, met: bool) {
        let verdict = if met { "met" } else { "**not met**" };
        let _ = writeln!(self.text, "\nGoal: {what}: {found}, {verdict}.");
    }

    /// Writes its file as far as it is, so that a measure of an hour is not lost with the one behind it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn save(&self) -> Result<PathBuf> {
        let file = self.dir.join("report.md");
        tree::write(&file, &self.text)?;
        Ok(file)
    }

    /// Prints the report and writes its file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn write(self) -> Result<()> {
        let file = self.save()?;
        println!("{}", self.text);
        say::note(&format!("written to {}", file.display()));
        Ok(())
    }
}

fn machine() -> Vec<(&'static str, String)> {
    let said = |program: &str, args: &[&str]| {
        let output = run::captured(Command::new(program).args(args).current_dir(tree::root()));
        let output = output.ok().filter(|output| output.success);
        output.map_or_else(|| "not known".to_owned(), |output| output.text.trim().to_owned())
    };
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    vec![
        ("commit", said("git", &["describe", "--always", "--dirty"])),
        ("processor", format!("{} x {}", cores, model.map_or("not known", |(_, model)| model))),
        ("kernel", said("uname", &["-sr"])),
        ("compiler", said("rustc", &["--version"])),
    ]
}
