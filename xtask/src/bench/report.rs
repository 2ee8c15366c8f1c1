//! The report: Markdown, on standard output and in target/bench/report.md; and the folder of a run.

use std::{
    fmt::{Display, Write},
    fs,
    path::{Path, PathBuf},
    process::{self, Command},
};

use crate::{failure::Result, run, say, tree};

/// Where all runs have their folders, and the newest report is.
fn common() -> PathBuf {
    tree::target().join("bench")
}

/// This run's folder: two at a time have nothing in common.
pub(crate) fn folder() -> PathBuf {
    common().join(process::id().to_string())
}

/// Takes the folders of runs that are over away, and tells of one that is not: its load is on the same cores.
fn clear() {
    for entry in fs::read_dir(common()).into_iter().flatten().flatten() {
        let Some(number) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        let name = fs::read_to_string(format!("/proc/{number}/comm")).unwrap_or_default();
        if name.trim() != "xtask" {
            // What cannot be removed is in nobody's way.
            let _ = fs::remove_dir_all(entry.path());
        } else if number != process::id() {
            say::note(&format!("process {number} measures too: both find less than there is"));
        }
    }
}

/// What has been measured so far.
pub(crate) struct Report {
    dir: PathBuf,
    text: String,
}

impl Report {
    /// A report that begins with the machine and the commit.
    ///
    /// # Errors
    /// When its folder cannot be made.
    pub(crate) fn new() -> Result<Self> {
        clear();
        let dir = tree::scratch(&format!("bench/{}", process::id()))?;
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
    pub(crate) fn save(&self) -> Result<()> {
        tree::write(&self.dir.join("report.md"), &self.text)
    }

    /// Prints the report and writes its file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn write(self) -> Result<()> {
        self.save()?;
        let file = common().join("report.md");
        tree::write(&file, &self.text)?;
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
