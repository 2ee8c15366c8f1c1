//! `paifang import`: another gateway's config, or an API's description, as a config of ours, with a report of
//! every line.

use super::{Failed, terminal::complain, terminal::say};
use clap::{Args, ValueEnum};
use paifang_config::source::RealFiles;
use paifang_import::{Entry, Fate, Imported, Options, Report};
use std::{
    fs::OpenOptions,
    io::Write,
    path::{Path, PathBuf},
};

/// Exit code where some lines were not taken, or an API is offline.
const PARTLY: u8 = 4;
/// Exit code where no API came of it that is online.
const NOTHING: u8 = 5;

/// What to import, and how.
#[derive(Debug, Args)]
pub(super) struct ImportArguments {
    /// Whose config it is.
    #[arg(value_enum)]
    pub(super) format: SourceFormat,
    /// The config; what it includes is read too.
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// A file that is not there yet, or a directory for a paifang.yaml. Default: standard output.
    #[arg(long, value_name = "FILE|DIR")]
    pub(super) out: Option<PathBuf>,
    /// Fail, and write nothing, when anything that changes answers is not taken.
    #[arg(long)]
    pub(super) strict: bool,
    /// Leave APIs online though something that protected them is not taken.
    #[arg(long)]
    pub(super) allow_unprotected: bool,
    /// How the report is written: to standard output beside --out, else to standard error.
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub(super) report: ReportFormat,
}

/// Whose config it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum SourceFormat {
    /// nginx, with its `http` block.
    Nginx,
    /// APISIX: the apisix.yaml of its standalone mode.
    Apisix,
    /// OpenAPI 3.0 or 3.1, in YAML or JSON: an API for each operation.
    Openapi,
}

/// How the report of an import is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ReportFormat {
    /// For people.
    Text,
    /// One JSON document.
    Json,
}

pub(super) fn import(wanted: &ImportArguments) -> Result<(), Failed> {
    let said = |why: String| Failed::Said(why);
    let root = std::path::absolute(&wanted.file)
        .map_err(|error| said(format!("{}: {error}", wanted.file.display())))?;
    let options = Options { allow_unprotected: wanted.allow_unprotected };
    let imported = match wanted.format {
        SourceFormat::Nginx => paifang_import::nginx::import(&root, &RealFiles, options),
        SourceFormat::Apisix => paifang_import::apisix::import(&root, &RealFiles, options),
        SourceFormat::Openapi => paifang_import::openapi::import(&root, &RealFiles, options),
    }
    .map_err(|fault| said(fault.to_string()))?;
    let report = match wanted.report {
        ReportFormat::Text => imported.report.text(),
        ReportFormat::Json => serde_json::to_string_pretty(&told(&imported.report))
            .map_err(|error| said(error.to_string()))?,
    };
    let lost = lost(&imported.report);
    if wanted.strict && lost > 0 {
        complain(report.trim_end());
        return Err(said(format!(
            "--strict: {lost} lines or APIs were not taken; nothing is written"
        )));
    }
    match &wanted.out {
        Some(out) => {
            let file = place(out);
            write(&file, &imported.yaml)
                .map_err(|error| said(format!("{}: {error}", file.display())))?;
            say(report.trim_end());
            say(&format!("written: {}; try it with `paifang check {0}`", file.display()));
        }
        None => {
            complain(report.trim_end());
            say(imported.yaml.trim_end());
        }
    }
    outcome(&imported, lost)
}

/// The exit code says at a glance what came of it.
fn outcome(imported: &Imported, lost: usize) -> Result<(), Failed> {
    let offline = imported.report.offline.len();
    match lost {
        0 => Ok(()),
        _ if imported.apis <= offline => {
            Err(Failed::Coded(NOTHING, "no API is online: the report says why".into()))
        }
        _ => Err(Failed::Coded(PARTLY, format!("taken in part: {lost} lines or APIs were not"))),
    }
}

/// What changes answers and was not taken.
fn lost(report: &Report) -> usize {
    report.count(Fate::NotTaken) + report.offline.len()
}

fn told(report: &Report) -> serde_json::Value {
    let entries: &[Entry] = &report.entries;
    serde_json::json!({
        "counts": {
            "taken": report.count(Fate::Taken),
            "approximated": report.count(Fate::Approximated),
            "not_taken": report.count(Fate::NotTaken),
            "no_effect": report.count(Fate::NoEffect),
        },
        "offline": report.offline.iter().map(|(api, why)| serde_json::json!({ "api": api, "why": why })).collect::<Vec<_>>(),
        "entries": entries,
    })
}

/// The file to write: in a directory it is called paifang.yaml.
fn place(out: &Path) -> PathBuf {
    let folder = out.is_dir() || out.as_os_str().to_string_lossy().ends_with('/');
    if folder { out.join("paifang.yaml") } else { out.to_path_buf() }
}

/// Writes a file that is not there yet: a config that somebody has worked on is not lost.
fn write(file: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(file)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
