//! State that several steps keep together: what they keep must be the same.
//!
//! The store gives another spec under the same key a state of its own, so steps that say the same
//! `share` and differ would count apart without anybody noticing. Looked at over the whole
//! snapshot, since an API that was taken over can contradict one that was built.

use std::collections::{HashMap, HashSet};

use paifang_pipeline::{Chain, StateUse};

use super::Job;
use super::edits::Edits;
use super::expand::{Expanded, alone, expand};
use crate::diag::{Problem, Problems};
use crate::model::Steps;
use crate::snapshot::{ServedAccept, ServedApi, Snapshot};
use crate::yaml::Span;

/// Whose chain it is: what it takes to find a step's place, once that is wanted.
#[derive(Clone, Copy)]
pub(super) enum Owner<'a> {
    Api(&'a str),
    Defaults,
    Listener(&'a str),
}

impl<'a> Owner<'a> {
    /// The API of this id, or what answers requests that match none.
    pub(super) fn of(id: &'a str) -> Self {
        if id == Snapshot::FALLBACK { Self::Defaults } else { Self::Api(id) }
    }
}

/// A step that keeps state.
#[derive(Clone, Copy)]
pub(super) struct Keeper<'a> {
    pub(super) owner: Owner<'a>,
    pub(super) step: &'a str,
}

/// A step with the state that it keeps.
pub(super) type Keeping<'a> = (Keeper<'a>, &'a [StateUse]);

/// Steps of an API that keep state.
pub(super) fn of_api(api: &ServedApi) -> impl Iterator<Item = Keeping<'_>> {
    of_chain(Owner::of(&api.api.id), &api.api.chain)
}

/// Steps of a listener that keep state.
pub(super) fn of_accept<'a>(
    name: &'a str,
    served: &'a ServedAccept,
) -> impl Iterator<Item = Keeping<'a>> {
    of_chain(Owner::Listener(name), &served.chain)
}

fn of_chain<'a>(owner: Owner<'a>, chain: &'a Chain) -> impl Iterator<Item = Keeping<'a>> {
    let steps = chain.steps().iter().filter(|step| !step.states.is_empty());
    steps.map(move |step| (Keeper { owner, step: &step.id }, &*step.states))
}

/// Refuses steps that keep state of one name and differ in what they keep.
pub(super) fn check<'a>(
    job: &Job<'_>,
    edits: &Edits<'_>,
    keeping: impl IntoIterator<Item = Keeping<'a>>,
    problems: &mut Problems,
) {
    let mut known: HashMap<&str, (&str, Keeper<'_>)> = HashMap::new();
    // Each way to differ is told once, not for every API that uses the same chain.
    let mut told: HashSet<(&str, &str)> = HashSet::new();
    for (keeper, states) in keeping {
        for state in states {
            let (fingerprint, first) =
                *known.entry(state.key.as_str()).or_insert((&state.fingerprint, keeper));
            if fingerprint != state.fingerprint
                && told.len() < Problems::MOST
                && told.insert((state.key.as_str(), &state.fingerprint))
            {
                problems.push(refuse((job, edits), state.key.as_str(), first, keeper));
            }
        }
    }
}

type Places<'a> = (&'a Job<'a>, &'a Edits<'a>);

fn refuse(places: Places<'_>, key: &str, first: Keeper<'_>, second: Keeper<'_>) -> Problem {
    let name = key.strip_prefix("share/").unwrap_or(key).split('#').next().unwrap_or_default();
    Problem::new(
        place(places, second),
        format!("steps share `{name}` and differ in what they keep under it"),
    )
    .related(place(places, first), format!("other than {}", first.owner))
    .help("give both the same config, or one of them another `share`")
}

/// Where a step is written: what overrides it, else the step itself.
fn place((job, edits): Places<'_>, keeper: Keeper<'_>) -> Span {
    // Chains were written out before without a problem, so there is none now.
    let mut none = Problems::default();
    let nowhere = ("", job.config.root);
    let find = |steps: Vec<Expanded>| {
        let step = steps.into_iter().find(|step| *step.id == *keeper.step)?;
        Some(step.overrides.last().copied().unwrap_or(step.span))
    };
    let steps = match keeper.owner {
        Owner::Api(id) => {
            let api = job.config.apis.iter().find(|api| **api.id.as_arc() == *id);
            let edits = edits.for_api(id);
            api.map(|api| expand(job.config, &api.handlers, &edits, nowhere, &mut none).steps)
        }
        Owner::Defaults => {
            let edits = edits.for_api(Snapshot::FALLBACK);
            Some(expand(job.config, &Steps::default(), &edits, nowhere, &mut none).steps)
        }
        Owner::Listener(name) => {
            let mut listeners = job.config.listeners.iter();
            let listener = listeners.find(|listener| **listener.name.as_arc() == *name);
            listener.map(|listener| alone(job.config, &listener.accept, nowhere, &mut none))
        }
    };
    steps.and_then(find).unwrap_or(job.config.root)
}

impl std::fmt::Display for Owner<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Api(id) => write!(f, "here, in the API `{id}`"),
            Self::Defaults => f.write_str("here, in `defaults`"),
            Self::Listener(name) => write!(f, "here, at the listener `{name}`"),
        }
    }
}

#[cfg(test)]
mod tests {
    //! What is refused, and where it is said to stand.
    #![allow(clippy::unwrap_used)]
    use crate::testing::Workshop;

    const SHARES: &str = "chains: { c: [ { limit: { rate: 1/s, share: all } } ] }
defaults: { handlers: [ { limit: { rate: 7/s, share: mine }, id: first } ] }
apis:
  - { id: a, match: { path: /a }, upstream: orders, handlers: [ { chain: c } ] }
  - { id: b, match: { path: /b }, upstream: orders, handlers: [ { chain: c, with: { limit: { rate: 5/s } } } ] }
  - { id: c, match: { path: /c }, upstream: orders, handlers: [ limit: { rate: 1/s, share: all } ] }
  - { id: d, match: { path: /d }, upstream: orders, handlers: [ limit: { rate: 8/s, share: mine } ] }
";

    #[test]
    fn steps_that_share_and_differ_are_refused_with_both_places() {
        let refused = Workshop::with(SHARES).build(None).unwrap_err().render();
        let all = "\
error: steps share `all` and differ in what they keep under it
 --> gateway.yaml:8:85
  |
8 |   - { id: b, match: { path: /b }, upstream: orders, handlers: [ { chain: c, with: { limit: { rate: 5/s } } } ] }
  |                                                                                     ^^^^^^^^^^^^^^^^^^^^^
  |
 ::: gateway.yaml:4:18
  |
4 | chains: { c: [ { limit: { rate: 1/s, share: all } } ] }
  |                  ----- other than here, in the API `a`
  |
  = help: give both the same config, or one of them another `share`
";
        assert!(refused.starts_with(all), "{refused}");
        let mine = "error: steps share `mine` and differ in what they keep under it\n  --> gateway.yaml:10:65";
        assert!(refused.contains(mine) && refused.ends_with("2 errors\n"), "{refused}");
    }

    #[test]
    fn a_taken_over_api_can_be_contradicted() {
        let alike = SHARES.replace("5/s", "1/s").replace("8/s", "7/s");
        let mut shop = Workshop::with(&alike);
        let snapshot = shop.build(None).unwrap();
        let mut later = Workshop::with(
            &alike.replace("rate: 7/s, share: mine } ]", "rate: 9/s, share: mine } ]"),
        );
        std::mem::swap(&mut shop.files, &mut later.files);
        let refused = shop.build(Some(&snapshot)).unwrap_err().to_string();
        assert_eq!(refused.lines().count(), 1, "{refused}");
        assert!(refused.starts_with("gateway.yaml:10:"), "{refused}");
    }
}
