//! Plans: which there are, which are on, switching them.
//!
//! A switch makes a release of what the live one was made of, whatever the files say by now: who
//! switches a plan in an hour of need must not release what somebody is half-way through writing.

use super::{
    Controller, ReleaseError,
    audit::{Action, Entry},
    release::{Cause, Wish},
    report::Report,
};
use paifang_config::{
    diag::did_you_mean,
    plans::{self, Told},
    snapshot::{PlanOn, Snapshot},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::{
    fmt::Write,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// The longest reason, in characters.
const LONGEST_REASON: usize = 500;
/// The most characters of what a caller calls itself.
const LONGEST_AGENT: usize = 64;
/// Entries that are told in a text for people.
const LAST_TOLD: usize = 10;

/// Whether a plan shall be on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Switch {
    pub(crate) name: String,
    pub(crate) on: bool,
}

impl Switch {
    pub(super) fn cause(&self) -> Cause {
        match self.on {
            true => Cause::PlanOn(self.name.clone()),
            false => Cause::PlanOff(self.name.clone()),
        }
    }

    /// # Errors
    /// The live release has no such plan.
    pub(super) fn check(&self, live: &Snapshot) -> Result<(), ReleaseError> {
        let plans = &live.config().plans;
        if plans.contains_key(self.name.as_str()) {
            return Ok(());
        }
        let near = did_you_mean(&self.name, plans.keys().map(|name| &**name));
        let help = near.unwrap_or_else(|| {
            "plans stand under `plans:` in the config; a new one is there after a reload".to_owned()
        });
        Err(ReleaseError::UnknownPlan { name: self.name.clone(), help })
    }

    pub(super) fn is_done(&self, live: &Snapshot) -> bool {
        live.plans().iter().any(|plan| plan.name == self.name) == self.on
    }

    /// The plans that are on afterwards.
    pub(super) fn applied_to(&self, plans: &[PlanOn], now: SystemTime) -> Vec<PlanOn> {
        let others = plans.iter().filter(|plan| plan.name != self.name).cloned();
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let since_ms = u64::try_from(since).unwrap_or(u64::MAX);
        let new = self.on.then(|| PlanOn { name: self.name.clone(), since_ms });
        others.chain(new).collect()
    }
}

/// For how many seconds a plan has been on.
pub(super) fn ago(plan: &PlanOn) -> u64 {
    let since = UNIX_EPOCH + Duration::from_millis(plan.since_ms);
    since.elapsed().unwrap_or_default().as_secs()
}

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) peer: Option<SocketAddr>,
    /// What its client calls itself; anybody may say anything.
    pub(crate) agent: Option<String>,
}

impl std::fmt::Display for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.peer {
            Some(peer) => write!(f, "{peer}")?,
            None => f.write_str("unknown")?,
        }
        let Some(agent) = &self.agent else { return Ok(()) };
        let plain = agent.chars().filter(|c| !c.is_control()).take(LONGEST_AGENT);
        write!(f, " ({})", plain.collect::<String>())
    }
}

/// What a switch may be given.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Order {
    /// Why, for those who ask later: one line of up to 500 characters.
    #[serde(default)]
    pub(crate) reason: Option<String>,
}

impl Order {
    /// From a request's body, which may be empty.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn read(body: &[u8]) -> Result<Self, String> {
        let wrong =
            |error: serde_json::Error| format!("expected {{ \"reason\": … }} or nothing: {error}");
        let members: Option<Map<String, Value>> = match body.trim_ascii() {
            b"" => None,
            body => serde_json::from_slice(body).map_err(wrong)?,
        };
        let order: Self = match members {
            None => Self::default(),
            Some(members) => serde_json::from_value(Value::Object(members)).map_err(wrong)?,
        };
        let is_long = |reason: &String| {
            reason.chars().count() > LONGEST_REASON || reason.chars().any(char::is_control)
        };
        if order.reason.as_ref().is_some_and(is_long) {
            return Err(format!("a reason is one line of up to {LONGEST_REASON} characters"));
        }
        Ok(order)
    }
}

impl Controller {
    /// Switches a plan on or off. Where it is so already, nothing happens.
    ///
    /// # Errors
    /// Why not; then nothing has changed.
    pub(crate) async fn switch(
        self: &Arc<Self>,
        switch: Switch,
        order: Order,
        caller: &Caller,
    ) -> Result<Report, ReleaseError> {
        let Switch { name, on } = switch.clone();
        let mut report = self.release(Wish::Switch(switch)).await?;
        let state = if on { "on" } else { "off" };
        if report.unchanged {
            report.text = format!("nothing has changed: the plan {name} is {state} already\n");
            return Ok(report);
        }
        let action = if on { Action::On } else { Action::Off };
        if let Some(failed) = self.note(name, action, order.reason, report.release, caller).await {
            let _ =
                writeln!(report.text, "WARNING: who switched it is not noted on disk: {failed}");
        }
        Ok(report)
    }

    /// Remembers what was done with a plan. Gives what kept it from the disk.
    pub(super) async fn note(
        self: &Arc<Self>,
        plan: String,
        action: Action,
        reason: Option<String>,
        release: u64,
        caller: &Caller,
    ) -> Option<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let by = caller.to_string();
        match action {
            Action::On => tracing::warn!(plan, reason, release, by, "plan switched on"),
            Action::Off => tracing::warn!(plan, reason, release, by, "plan switched off"),
            Action::Rehearsed => tracing::info!(plan, release, by, "plan rehearsed"),
        }
        let entry = Entry { unix_seconds: now.as_secs(), plan, action, reason, release, by };
        let keeping = &self.transaction.lock().await.keeping;
        let directory = keeping.as_ref().map(|keeping| keeping.store().directory().to_owned());
        let this = self.clone();
        // Flushed to disk: off the threads that serve.
        let noted =
            tokio::task::spawn_blocking(move || this.audit.note(entry, directory.as_deref()));
        let failed = match noted.await {
            Ok(Ok(())) => return None,
            Ok(Err(error)) => error.to_string(),
            Err(panic) => panic.to_string(),
        };
        tracing::error!("what was done with a plan is not noted on disk: {failed}");
        Some(failed)
    }

    /// All plans of the live release, and what was done with plans.
    pub(crate) fn plans(&self) -> Value {
        let snapshot = self.live.load().snapshot.clone();
        let plans = plans::all(&snapshot);
        let history = self.audit.last();
        let mut text = String::new();
        if plans.is_empty() {
            text.push_str("no plans; they stand under `plans:` in the config\n");
        }
        for plan in &plans {
            line(plan, &mut text);
        }
        if !history.is_empty() {
            text.push_str("\nlately:\n");
        }
        for entry in history.iter().take(LAST_TOLD) {
            let at = UNIX_EPOCH + Duration::from_secs(entry.unix_seconds);
            let ago = at.elapsed().unwrap_or_default().as_secs();
            let action = match entry.action {
                Action::On => "on",
                Action::Off => "off",
                Action::Rehearsed => "rehearsed",
            };
            let Entry { plan, release, by, .. } = entry;
            let reason = entry.reason.iter().fold(String::new(), |_, why| format!(": {why}"));
            let _ = writeln!(
                text,
                "  {ago:>8} s ago  {plan} {action}, release {release}, by {by}{reason}"
            );
        }
        json!({ "items": plans, "history": history, "text": text })
    }
}

/// A plan for people. Writing into a string cannot fail.
fn line(plan: &Told, text: &mut String) {
    let state = if plan.on { "ON" } else { "off" };
    let apis = if plan.apis == 1 { "API" } else { "APIs" };
    let _ = write!(text, "{}  {state}  {} {apis}", plan.name, plan.apis);
    if !plan.about.is_empty() {
        let _ = write!(text, "  {}", plan.about);
    }
    text.push('\n');
    for change in &plan.changes {
        let _ = writeln!(text, "    {change}");
    }
}

#[cfg(test)]
mod tests {
    //! What may be said with a switch, and what a caller is called.
    #![allow(clippy::unwrap_used)]
    use super::{Caller, Order, Switch};
    use paifang_config::snapshot::PlanOn;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn a_reason_is_one_line_of_bounded_length() {
        for none in ["", " \n", "null", "{}", "{\"reason\": null}"] {
            assert_eq!(Order::read(none.as_bytes()).unwrap().reason, None, "{none}");
        }
        let given = Order::read(b"{\"reason\": \"the sale\"}").unwrap();
        assert_eq!(given.reason.unwrap(), "the sale");
        let long = format!("{{\"reason\": \"{}\"}}", "x".repeat(501));
        for wrong in ["{", "[]", "{\"why\": \"x\"}", "{\"reason\": \"a\\nb\"}", &long] {
            Order::read(wrong.as_bytes()).unwrap_err();
        }
    }

    #[test]
    fn a_client_says_no_more_of_itself_than_fits_a_line() {
        let peer = Some("127.0.0.1:9".parse().unwrap());
        assert_eq!(Caller { peer, agent: None }.to_string(), "127.0.0.1:9");
        let agent = Some(format!("a\u{1b}[31m\n{}", "x".repeat(100)));
        let told = Caller { peer, agent }.to_string();
        assert!(told.starts_with("127.0.0.1:9 (a[31mx") && told.len() < 80, "{told}");
    }

    #[test]
    fn a_switch_leaves_the_others_as_they_are() {
        let on = |name: &str, since_ms| PlanOn { name: name.to_owned(), since_ms };
        let now = UNIX_EPOCH + Duration::from_millis(7);
        let switch = |name: &str, on| Switch { name: name.to_owned(), on };
        let before = [on("a", 1), on("b", 2)];
        let more = switch("c", true).applied_to(&before, now);
        assert_eq!(more, [on("a", 1), on("b", 2), on("c", 7)]);
        assert_eq!(switch("a", false).applied_to(&more, now), [on("b", 2), on("c", 7)]);
    }
}
