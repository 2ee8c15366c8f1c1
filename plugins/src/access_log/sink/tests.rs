//! The sink's promises: callers never wait, what is lost is told, moved files are followed, the
//! last lines are written.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::{Options, Sink, Sinks};
use crate::access_log::config::Destination;
use paifang_pipeline::{ports::Clock, testkit::TestClock};
use std::{fs, path::Path, sync::Arc, thread, time::Duration};

/// Longer than any machine needs; only a broken sink takes it.
const PATIENCE: Duration = Duration::from_secs(60);

fn sinks(queue: usize) -> Sinks {
    Sinks::with_options(Options { queue, check: Duration::ZERO })
}

fn sink(sinks: &Sinks, path: &Path) -> Arc<Sink> {
    let clock: Arc<dyn Clock> = Arc::new(TestClock::new());
    sinks.get(&Destination::File(path.to_owned()), &clock)
}

/// Queues the line `{"n":n}`.
fn push(sink: &Sink, n: u64) {
    let mut line = sink.line();
    line.begin();
    line.key("\"n\":");
    line.number(n);
    line.end();
    sink.push(line);
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

fn counts(sinks: &Sinks) -> Vec<u64> {
    sinks.counters().iter().map(|counter| counter.value).collect()
}

#[test]
fn what_was_queued_is_written_before_the_sink_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let sinks = sinks(2000);
    let sink = sink(&sinks, &path);
    sink.start().unwrap();
    (0..1000).for_each(|n| push(&sink, n));
    drop(sink);
    let wanted: Vec<_> = (0..1000).map(|n| format!("{{\"n\":{n}}}")).collect();
    assert_eq!(lines(&path), wanted);
    assert_eq!(counts(&sinks), [1000, 0]);
}

#[test]
fn a_full_queue_loses_lines_and_the_log_tells_how_many() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let sinks = sinks(2);
    let sink = sink(&sinks, &path);
    // No writer yet: the third and later find the queue full, and nobody waits.
    (0..5).for_each(|n| push(&sink, n));
    assert_eq!(counts(&sinks), [0, 3]);
    sink.start().unwrap();
    assert!(sink.flush(PATIENCE));
    let told =
        r#"{"time":"2026-01-01T00:00:00.000Z","event":"lines_lost","lost":3,"lost_total":3}"#;
    assert_eq!(lines(&path), ["{\"n\":0}", "{\"n\":1}", told]);
    // Told once; a sink of a later release begins where this one ended.
    push(&sink, 5);
    drop(sink);
    assert_eq!(lines(&path).len(), 4);
    let next = self::sink(&sinks, &path);
    next.start().unwrap();
    push(&next, 6);
    drop(next);
    assert_eq!(lines(&path)[3..], ["{\"n\":5}", "{\"n\":6}"]);
    assert_eq!(counts(&sinks), [4, 3]);
}

#[test]
fn a_moved_file_is_left_and_a_new_one_begun() {
    let dir = tempfile::tempdir().unwrap();
    let (path, moved) = (dir.path().join("log"), dir.path().join("log.1"));
    let sinks = sinks(8);
    let sink = sink(&sinks, &path);
    sink.start().unwrap();
    push(&sink, 1);
    assert!(sink.flush(PATIENCE));
    fs::rename(&path, &moved).unwrap();
    push(&sink, 2);
    assert!(sink.flush(PATIENCE));
    assert_eq!(
        (lines(&moved), lines(&path)),
        (vec!["{\"n\":1}".to_owned()], vec!["{\"n\":2}".to_owned()])
    );
    // Where no new file can be made, the old one goes on.
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    push(&sink, 3);
    assert!(sink.flush(PATIENCE));
    drop(sink);
    assert_eq!(counts(&sinks), [3, 0]);
}

#[cfg(target_os = "linux")]
#[test]
fn lines_that_cannot_be_written_are_counted() {
    let sinks = sinks(8);
    let sink = sink(&sinks, Path::new("/dev/full"));
    sink.start().unwrap();
    (0..3).for_each(|n| push(&sink, n));
    assert!(sink.flush(PATIENCE));
    drop(sink);
    assert_eq!(counts(&sinks), [0, 3]);
}

#[test]
fn many_callers_lose_nothing_unseen() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let sinks = sinks(64);
    let sink = sink(&sinks, &path);
    sink.start().unwrap();
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let sink = sink.clone();
            thread::spawn(move || (0..2000).for_each(|n| push(&sink, n)))
        })
        .collect();
    callers.into_iter().for_each(|caller| caller.join().unwrap());
    drop(sink);
    let lines = lines(&path);
    let (told, plain): (Vec<_>, Vec<_>) = lines.iter().partition(|line| line.contains("event"));
    let lost: u64 = told
        .iter()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["lost"].as_u64().unwrap()
        })
        .sum();
    assert_eq!(plain.len() as u64 + lost, 8000);
    assert_eq!(counts(&sinks), [plain.len() as u64, lost]);
}

#[test]
fn a_sleeping_writer_is_woken_by_the_next_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let sinks = sinks(8);
    let sink = sink(&sinks, &path);
    sink.start().unwrap();
    for n in 0..20 {
        push(&sink, n);
        while counts(&sinks)[0] <= n {
            thread::yield_now();
        }
    }
    assert_eq!(lines(&path).len(), 20);
}

#[test]
fn one_destination_is_one_sink() {
    let dir = tempfile::tempdir().unwrap();
    let sinks = sinks(8);
    let (one, two) = (sink(&sinks, &dir.path().join("a")), sink(&sinks, &dir.path().join("a")));
    assert!(Arc::ptr_eq(&one, &two));
    assert!(!Arc::ptr_eq(&one, &sink(&sinks, &dir.path().join("b"))));
    one.start().unwrap();
    two.start().unwrap();
}

#[test]
fn a_destination_that_cannot_be_opened_fails_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let sinks = sinks(8);
    let start = |path: &Path| sink(&sinks, path).start().unwrap_err();
    let missing = dir.path().join("no/such/log");
    let error = start(&missing);
    let wanted = format!("cannot open the access log {}: ", missing.display());
    assert!(error.starts_with(&wanted), "{error}");
    assert!(start(dir.path()).contains("directory"));
}

#[cfg(unix)]
#[test]
fn a_new_file_is_not_for_everyone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    sink(&sinks(8), &path).start().unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o137, 0);
}
