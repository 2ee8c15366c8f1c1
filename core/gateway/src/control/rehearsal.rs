//! Rehearsing a plan: what switching it would change, and what that would mean by what calls do now.
//! Nothing of it is served, started or counted.

use super::{
    Controller, ReleaseError,
    audit::Action,
    plans::{Caller, Switch},
    release::Wish,
};
use crate::live::{Serving, ServingApi};
use paifang_config::{
    diff::{self, Diff},
    explain::{self, StepExplained},
    snapshot::Snapshot,
};
use paifang_pipeline::units::Percent;
use serde::Serialize;
use serde_json::{Value, json};
use std::{
    fmt::Write,
    sync::{Arc, Weak},
};

/// The most APIs that are told of, those with the most calls first.
const MOST: usize = 1000;
/// The like in the text for people.
const MOST_TOLD: usize = 20;

/// What becomes of an API.
#[derive(Debug, Serialize)]
struct Effect {
    api: String,
    /// Calls a second, of the last 10 s.
    rate: f64,
    /// How many of them would be shed by steps that are not there now.
    shed_rate: f64,
    steps: Vec<StepEffect>,
}

/// What becomes of a step.
#[derive(Debug, Serialize)]
struct StepEffect {
    id: String,
    /// Its kind now; that of a new one.
    kind: String,
    what: What,
    /// The kind that takes its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    /// Verdicts a second that it has given of late.
    rate: f64,
    /// Those by which the call was answered or broken off.
    ended: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum What {
    Added,
    Removed,
    Replaced,
    /// It has another config.
    Turned,
}

impl What {
    const fn word(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Replaced => "replaced",
            Self::Turned => "turned",
        }
    }
}

impl Controller {
    /// What switching a plan would do: on where it is off, and off where it is on.
    ///
    /// # Errors
    /// Why it could not be switched now.
    pub(crate) async fn rehearse(
        self: &Arc<Self>,
        name: String,
        caller: &Caller,
    ) -> Result<Value, ReleaseError> {
        let live = self.live.load().snapshot.clone();
        let on = !live.plans().iter().any(|plan| plan.name == name);
        let wish = Wish::Switch(Switch { name: name.clone(), on });
        let this = Arc::downgrade(self);
        let (diff, mut effects) = self
            .tried(wish, move |old, linked| {
                let new = &linked.serving.snapshot;
                (diff::diff(&old.snapshot, new), effects(&this, old, new))
            })
            .await?;
        let touched = effects.len();
        // As `plan list` counts: what answers requests that match no API is no API.
        let apis = effects.iter().filter(|effect| &*effect.api != Snapshot::FALLBACK).count();
        let all: (f64, f64) = effects
            .iter()
            .fold((0.0, 0.0), |(rate, shed), one| (rate + one.rate, shed + one.shed_rate));
        effects.truncate(MOST);
        let text = text(&name, on, &Sum { apis, touched, all }, &diff, &effects);
        let _ = self.note(name.clone(), Action::Rehearsed, None, live.number(), caller).await;
        Ok(json!({
            "plan": name,
            "to": if on { "on" } else { "off" },
            "diff": diff,
            "apis": apis,
            "rate": all.0,
            "shed_rate": all.1,
            "effects": effects,
            "text": text,
        }))
    }
}

/// APIs that would be others, those with the most calls first.
fn effects(controller: &Weak<Controller>, old: &Serving, new: &Snapshot) -> Vec<Effect> {
    let Some(controller) = controller.upgrade() else { return Vec::new() };
    let now = controller.deps.clock.now();
    let effect = |serving: &ServingApi| {
        let id = &serving.api.id;
        let same = match &**id {
            Snapshot::FALLBACK => Arc::ptr_eq(&new.fallback().api, &serving.api),
            _ => Arc::ptr_eq(&new.api(id)?.api, &serving.api),
        };
        if same {
            return None;
        }
        let (before, after) = (explain::api(&old.snapshot, id)?, explain::api(new, id)?);
        let of_late = controller.sampler.of_late(&serving.api, now);
        let more = shed_share(&after.steps) - shed_share(&before.steps);
        let mut steps = steps(&before.steps, &after.steps);
        for step in &mut steps {
            let counted = of_late.step(&step.id);
            (step.rate, step.ended) = (counted.rate, counted.ended);
        }
        let shed_rate = (of_late.rate * more.max(0.0) * 1e3).round() / 1e3;
        Some(Effect { api: id.to_string(), rate: of_late.rate, shed_rate, steps })
    };
    let mut all: Vec<Effect> = old.served().filter_map(|serving| effect(serving)).collect();
    all.sort_by(|one, other| other.rate.total_cmp(&one.rate).then_with(|| one.api.cmp(&other.api)));
    all
}

/// The share of calls that `shed` steps refuse, each of those that the ones above have let pass.
fn shed_share(steps: &[StepExplained]) -> f64 {
    let sheds = steps.iter().filter(|step| step.enabled && step.kind == "shed");
    let shares = sheds.filter_map(|step| step.config["share"].as_str()?.parse::<Percent>().ok());
    let all = f64::from(Percent::ALL.thousandths());
    1.0 - shares.fold(1.0, |left, share| left * (1.0 - f64::from(share.thousandths()) / all))
}

/// Steps that would be others.
fn steps(before: &[StepExplained], after: &[StepExplained]) -> Vec<StepEffect> {
    let find = |steps: &[StepExplained], id: &str| {
        steps.iter().find(|step| step.id == id && step.enabled).cloned()
    };
    let effect = |step: &StepExplained, what, by: Option<&StepExplained>| StepEffect {
        id: step.id.clone(),
        kind: step.kind.clone(),
        what,
        by: by.map(|by| by.kind.clone()),
        rate: 0.0,
        ended: 0.0,
    };
    let mut all = Vec::new();
    for old in before.iter().filter(|step| step.enabled) {
        match find(after, &old.id) {
            None => all.push(effect(old, What::Removed, None)),
            Some(new) if new.kind != old.kind => {
                all.push(effect(old, What::Replaced, Some(&new)));
            }
            Some(new) if (&new.config, &new.when) != (&old.config, &old.when) => {
                all.push(effect(old, What::Turned, None));
            }
            Some(_) => {}
        }
    }
    let new = after.iter().filter(|step| step.enabled && find(before, &step.id).is_none());
    all.extend(new.map(|step| effect(step, What::Added, None)));
    all
}

/// What a switch would mean in all.
struct Sum {
    apis: usize,
    /// The APIs, and what answers requests that match none.
    touched: usize,
    /// Calls a second, and those of them that would be shed.
    all: (f64, f64),
}

/// For people. Writing into a string cannot fail.
fn text(name: &str, on: bool, sum: &Sum, diff: &Diff, effects: &[Effect]) -> String {
    let Sum { apis, touched, all: (rate, shed) } = *sum;
    let state = if on { "on" } else { "off" };
    let mut text = format!(
        "switching {name} {state} would touch {apis} APIs with {rate:.1} calls/s, and shed up to {shed:.1} of them\n"
    );
    for Effect { api, rate, shed_rate, steps } in effects.iter().take(MOST_TOLD) {
        let _ = writeln!(text, "  {api}  {rate:.1} calls/s, {shed_rate:.1} shed");
        for StepEffect { id, kind, what, by, rate, ended } in steps {
            let by = by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
            let _ = write!(text, "    {id} ({kind}) {}{by}", what.word());
            if *what != What::Added {
                let _ =
                    write!(text, "; of late {rate:.1} verdicts/s, {ended:.1} of them ended calls");
            }
            text.push('\n');
        }
    }
    if touched > MOST_TOLD {
        let _ = writeln!(text, "  and {} more", touched - MOST_TOLD);
    }
    let _ = write!(text, "what would change:\n{diff}");
    text
}

#[cfg(test)]
mod tests {
    //! What is called which change, and what shares come to.
    #![allow(clippy::unwrap_used)]
    use super::{What, shed_share, steps};
    use paifang_config::explain::StepExplained;
    use serde_json::{Value, json};

    fn step(id: &str, kind: &str, config: Value) -> StepExplained {
        StepExplained {
            id: id.to_owned(),
            kind: kind.to_owned(),
            module: None,
            place: None,
            default: false,
            through: Vec::new(),
            config,
            overrides: Vec::new(),
            stages: Vec::new(),
            when: None,
            on_failure: "closed".to_owned(),
            routes: Vec::new(),
            state: Vec::new(),
            enabled: true,
            plans: Vec::new(),
        }
    }

    #[test]
    fn steps_are_told_by_what_becomes_of_them() {
        let off = |step: StepExplained| StepExplained { enabled: false, ..step };
        let before = [
            step("a", "x", json!({})),
            step("b", "x", json!({})),
            step("c", "x", json!({})),
            step("d", "x", json!({})),
            off(step("e", "x", json!({}))),
        ];
        let after = [
            step("new", "y", json!({})),
            before[0].clone(),
            step("b", "mock", json!({})),
            step("c", "x", json!({ "k": 1 })),
            off(before[3].clone()),
            before[4].clone(),
        ];
        let told: Vec<_> = steps(&before, &after)
            .into_iter()
            .map(|effect| (effect.id, effect.what, effect.by))
            .collect();
        let mock = Some("mock".to_owned());
        let wanted = [
            ("b", What::Replaced, mock),
            ("c", What::Turned, None),
            ("d", What::Removed, None),
            ("new", What::Added, None),
        ];
        assert_eq!(told, wanted.map(|(id, what, by)| (id.to_owned(), what, by)));
        assert!(steps(&before, &before).is_empty());
    }

    #[test]
    fn a_share_is_one_of_what_is_left() {
        let shed = |share: &str| step(share, "shed", json!({ "share": share }));
        let two = [shed("50%"), shed("20%"), StepExplained { enabled: false, ..shed("100%") }];
        assert!((shed_share(&two) - 0.6).abs() < 1e-9);
        assert!(shed_share(&[]).abs() < 1e-9);
    }
}
