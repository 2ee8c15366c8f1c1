//! Live statistics as the admin API answers them. docs/admin.md says what each member is.

use super::{
    sampler::{Recently, Sampler, TICK},
    steps::{Count, Marks},
    window::{KEPT, Sum, Window},
};
use crate::{control::Controller, live::Serving};
use paifang_pipeline::{
    Api, Step,
    ports::Nanos,
    stats::{Histogram, HistogramReading, StepVerdict},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::{cmp::Ordering, fmt::Write};

/// Ticks of the short window: 10 s.
const SHORT: u16 = 5;

/// The most APIs of one answer.
const MOST: usize = 10_000;

/// What `/v1/stats/apis` is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Asked {
    /// By what the APIs are ordered; the largest first, ids from `a` on.
    pub(crate) sort: Sort,
    /// How many APIs: 1 to 10000.
    pub(crate) limit: usize,
    /// Only APIs whose id contains this.
    pub(crate) filter: String,
}

impl Default for Asked {
    fn default() -> Self {
        Self { sort: Sort::default(), limit: 50, filter: String::new() }
    }
}

/// By what APIs are ordered: of the last 10 s, and where that is equal, of the last minute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub(crate) enum Sort {
    /// Calls a second.
    #[default]
    Rate,
    /// Failed calls a second.
    Errors,
    /// The share of calls that failed.
    ErrorShare,
    /// The time that half of the calls did not exceed.
    P50,
    /// The time that 99 of 100 calls did not exceed.
    P99,
    /// Calls that run now.
    InFlight,
    /// The id.
    Id,
}

impl Sort {
    /// As it is written.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Errors => "errors",
            Self::ErrorShare => "error_share",
            Self::P50 => "p50",
            Self::P99 => "p99",
            Self::InFlight => "in_flight",
            Self::Id => "id",
        }
    }
}

/// One window of one API, or of all.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Reading {
    /// How long it is: shorter while the gateway is young.
    seconds: f64,
    calls: u64,
    /// Calls a second.
    pub(super) rate: f64,
    /// Failed calls a second.
    errors: f64,
    /// 0 to 1.
    error_share: f64,
    /// Calls answered with a status of 400 to 499; 0 to 1.
    refused_share: f64,
    p50_ms: Option<f64>,
    p90_ms: Option<f64>,
    p99_ms: Option<f64>,
}

impl Reading {
    fn of(sum: &Sum, seconds: f64) -> Self {
        let (calls, failed) = (sum.calls(), sum.failed());
        let per = |count: u64, of: f64| if of > 0.0 { rounded(count as f64 / of) } else { 0.0 };
        let millis = |share| sum.quantile(share).map(|nanos| rounded(nanos as f64 / 1e6));
        Self {
            seconds: rounded(seconds),
            calls,
            rate: per(calls, seconds),
            errors: per(failed, seconds),
            error_share: per(failed, calls as f64),
            refused_share: per(sum.refused(), calls as f64),
            p50_ms: millis(0.5),
            p90_ms: millis(0.9),
            p99_ms: millis(0.99),
        }
    }
}

/// To three digits behind the point.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

/// One API in both windows.
pub(super) struct Row<'a> {
    api: &'a Api,
    pub(super) short: Reading,
    long: Reading,
}

impl Row<'_> {
    fn json(&self) -> Value {
        json!({
            "id": &*self.api.id,
            "upstream": self.api.upstream.as_deref(),
            "in_flight": self.api.stats.in_flight(),
            "calls_total": self.api.stats.calls(),
            "last_10s": self.short,
            "last_1m": self.long,
        })
    }

    fn compare(&self, other: &Self, by: Sort) -> Ordering {
        let both = |value: fn(&Reading) -> f64| {
            let first = value(&other.short).total_cmp(&value(&self.short));
            first.then(value(&other.long).total_cmp(&value(&self.long)))
        };
        let ordered = match by {
            Sort::Rate => both(|reading| reading.rate),
            Sort::Errors => both(|reading| reading.errors),
            Sort::ErrorShare => both(|reading| reading.error_share),
            Sort::P50 => both(|reading| reading.p50_ms.unwrap_or(-1.0)),
            Sort::P99 => both(|reading| reading.p99_ms.unwrap_or(-1.0)),
            Sort::InFlight => other.api.stats.in_flight().cmp(&self.api.stats.in_flight()),
            Sort::Id => Ordering::Equal,
        };
        ordered.then_with(|| self.api.id.cmp(&other.api.id))
    }
}

impl Sampler {
    /// Both windows of one thing.
    pub(super) fn read_window<'a>(
        &self,
        api: &'a Api,
        pick: impl FnOnce(&super::sampler::State) -> Option<&Window>,
    ) -> Row<'a> {
        self.read(|state| {
            let of = |window: Option<&Window>, ticks| {
                let sum = window.map(|window| window.sum(state.tick(), ticks)).unwrap_or_default();
                Reading::of(&sum, state.seconds(ticks))
            };
            let window = pick(state);
            Row { api, short: of(window, SHORT), long: of(window, KEPT) }
        })
    }
}

impl Controller {
    /// Takes out what calls have counted.
    pub(crate) fn sample(&self) {
        self.sampler.tick(&self.live.load_full(), self.deps.clock.now());
    }

    /// The gateway as a whole.
    pub(crate) fn stats(&self) -> Value {
        let serving = self.live.load_full();
        let all = self.sampler.read_window(&serving.fallback.api, |state| Some(&state.all));
        let in_flight: i64 = serving.served().map(|api| api.api.stats.in_flight()).sum();
        let calls: u64 = serving.served().map(|api| api.api.stats.calls()).sum();
        let recent = self.sampler.read(|state| state.apis.len());
        let mut text = format!(
            "{} calls in flight, {calls} ended, {recent} of {} APIs called in the last minute\n",
            in_flight,
            serving.apis.len(),
        );
        for (name, reading) in [("10 s", &all.short), ("1 m", &all.long)] {
            let _ = writeln!(text, "last {name:<5}{}", line(reading));
        }
        let mut members = told(&serving);
        members.extend([
            ("apis".to_owned(), serving.apis.len().into()),
            ("apis_called".to_owned(), recent.into()),
            ("in_flight".to_owned(), in_flight.into()),
            ("calls_total".to_owned(), calls.into()),
            ("last_10s".to_owned(), json!(all.short)),
            ("last_1m".to_owned(), json!(all.long)),
            ("text".to_owned(), text.into()),
        ]);
        Value::Object(members)
    }

    /// APIs, as many as are asked for.
    ///
    /// # Errors
    /// What is wrong with `asked`.
    pub(crate) fn stats_apis(&self, asked: &Asked) -> Result<Value, String> {
        if !(1..=MOST).contains(&asked.limit) {
            return Err(format!("`limit` must be 1 to {MOST}"));
        }
        let serving = self.live.load_full();
        let fits = |api: &&Api| api.id.contains(asked.filter.as_str());
        let apis: Vec<&Api> = serving.served().map(|api| &*api.api).filter(fits).collect();
        let mut rows: Vec<Row<'_>> = apis
            .iter()
            .map(|api| self.sampler.read_window(api, |state| window(state.apis.get(&api.id))))
            .collect();
        rows.sort_by(|one, other| one.compare(other, asked.sort));
        rows.truncate(asked.limit);
        let width = rows.iter().map(|row| row.api.id.chars().count()).max().unwrap_or(0).max(3);
        let mut text = format!("{:<width$}  {HEAD}  in flight\n", "api");
        for row in &rows {
            let in_flight = row.api.stats.in_flight();
            let _ = writeln!(text, "{:<width$}  {}  {in_flight:>9}", row.api.id, line(&row.short));
        }
        let mut members = told(&serving);
        members.extend([
            ("found".to_owned(), apis.len().into()),
            ("items".to_owned(), rows.iter().map(Row::json).collect()),
            ("text".to_owned(), text.into()),
        ]);
        Ok(Value::Object(members))
    }

    /// One API with its steps.
    pub(crate) fn stats_api(&self, id: &str) -> Option<Value> {
        let serving = self.live.load_full();
        let api = &serving.served().find(|api| *api.api.id == *id)?.api;
        let row = self.sampler.read_window(api, |state| window(state.apis.get(&api.id)));
        let now = self.deps.clock.now();
        let steps: Vec<Value> = self.sampler.read(|state| {
            let marks = state.apis.get(&api.id).map(|recently| &recently.older);
            api.chain.steps().iter().map(|step| step_json(step, marks, now)).collect()
        });
        let mut text =
            format!("{id}\n  last 10 s {}\n  last 1 m  {}\n", line(&row.short), line(&row.long));
        for step in &steps {
            let part = |name: &str| step.get(name).cloned().unwrap_or_default();
            let recent = |name: &str| step["recent"][name].clone();
            let _ = writeln!(
                text,
                "  {} ({})  {}/s  mean {} us  p99 below {} us  failed {}",
                part("id").as_str().unwrap_or_default(),
                part("kind").as_str().unwrap_or_default(),
                recent("rate"),
                recent("mean_us"),
                part("p99_below_us"),
                part("verdicts")["failed_closed"].as_u64().unwrap_or(0)
                    + part("verdicts")["failed_open"].as_u64().unwrap_or(0),
            );
        }
        let mut members = told(&serving);
        if let Value::Object(row) = row.json() {
            members.extend(row);
        }
        let errors: Map<String, Value> = api
            .stats
            .errors()
            .into_iter()
            .map(|(label, count)| (label.to_owned(), count.into()))
            .collect();
        members.extend([
            ("errors_total".to_owned(), errors.into()),
            ("steps".to_owned(), steps.into()),
            ("text".to_owned(), text.into()),
        ]);
        Some(Value::Object(members))
    }
}

pub(super) fn window(recently: Option<&Recently>) -> Option<&Window> {
    recently.map(|recently| &recently.window)
}

/// What every answer begins with.
fn told(serving: &Serving) -> Map<String, Value> {
    Map::from_iter([
        ("release".to_owned(), serving.snapshot.number().into()),
        ("tick_seconds".to_owned(), TICK.as_secs().into()),
    ])
}

/// The heads of [`line`]'s columns.
const HEAD: &str = "    calls/s   errors/s   error %    p50 ms    p90 ms    p99 ms";

/// A window for people.
fn line(reading: &Reading) -> String {
    let millis = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.2}"));
    format!(
        "{:>11.1}{:>11.1}{:>10.2}{:>10}{:>10}{:>10}",
        reading.rate,
        reading.errors,
        reading.error_share * 100.0,
        millis(reading.p50_ms),
        millis(reading.p90_ms),
        millis(reading.p99_ms),
    )
}

/// A step: what it has said since it is counted, and how it has been of late.
fn step_json(step: &Step, marks: Option<&Marks>, now: Nanos) -> Value {
    let total = Count::of(&step.stats);
    let verdicts: Map<String, Value> = StepVerdict::ALL
        .into_iter()
        .map(|verdict| (verdict.as_str().to_owned(), step.stats.verdicts(verdict).into()))
        .collect();
    let recent = marks.map(|marks| {
        let (count, seconds) = (total.since(marks.get(&step.id)), now.since(marks.at) as f64 / 1e9);
        let rate = |count: u64| if seconds > 0.0 { rounded(count as f64 / seconds) } else { 0.0 };
        json!({
            "seconds": rounded(seconds),
            "rate": rate(count.verdicts),
            "ended": rate(count.ended),
            "failed": rate(count.failed),
            "mean_us": mean(count),
        })
    });
    json!({
        "id": &*step.id,
        "kind": &*step.kind,
        "verdicts": verdicts,
        "mean_us": mean(total),
        "p99_below_us": below(&step.stats.time.read(), 0.99),
        "recent": recent,
    })
}

fn mean(count: Count) -> Option<f64> {
    let verdicts = count.verdicts as f64;
    (verdicts > 0.0).then(|| rounded(count.nanos as f64 / verdicts / 1e3))
}

/// The bound that a share of the times did not exceed, in microseconds; none where nothing was
/// counted, or where it is beyond the last bound.
fn below(times: &HistogramReading, share: f64) -> Option<f64> {
    let all: u64 = times.buckets.iter().sum();
    let rank = ((all as f64 * share).ceil() as u64).max(1);
    let mut seen = 0;
    for (index, count) in times.buckets.iter().enumerate() {
        seen += count;
        if seen >= rank {
            return Histogram::bound_nanos(index).map(|nanos| rounded(nanos as f64 / 1e3));
        }
    }
    None
}
