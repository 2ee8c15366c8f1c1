//! Explanations as text.

use std::fmt::{self, Display, Formatter, Write};

use serde_json::Value;

use super::{ApiExplained, Outcome, RequestExplained, StepExplained};

impl Display for ApiExplained {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.id.as_str() {
            "-" => f.write_str("no API; the steps of `defaults`")?,
            id => write!(f, "API {id}")?,
        }
        self.place.iter().try_for_each(|place| write!(f, "  ({place})"))?;
        f.write_char('\n')?;
        if self.state != "online" {
            writeln!(f, "  {:<20} {}", "state", self.state)?;
        }
        for (name, value) in self.matches.iter().flat_map(Value::as_object).flatten() {
            writeln!(f, "  {:<20} {}", format!("match.{name}"), flow(value))?;
        }
        let texts = [("operation", &self.operation), ("upstream", &self.upstream)];
        for (name, value) in texts {
            value.iter().try_for_each(|value| writeln!(f, "  {name:<20} {value}"))?;
        }
        if self.early_data {
            writeln!(f, "  {:<20} yes", "early_data")?;
        }
        if !self.compress {
            writeln!(f, "  {:<20} no", "compress")?;
        }
        for setting in &self.settings {
            let from = setting.from.as_deref().unwrap_or("built in");
            writeln!(f, "  {:<20} {:<12} {from}", setting.name, flow(&setting.value))?;
        }
        if self.steps.is_empty() {
            return writeln!(f, "  no steps");
        }
        writeln!(f, "  steps, top to bottom:")?;
        self.steps.iter().enumerate().try_for_each(|(index, step)| one(f, index + 1, step))
    }
}

fn one(f: &mut Formatter<'_>, number: usize, step: &StepExplained) -> fmt::Result {
    write!(f, "  {number:>3}. {}", step.id)?;
    if step.id != step.kind {
        write!(f, " ({})", step.kind)?;
    }
    if !step.enabled {
        f.write_str("  off")?;
    }
    f.write_char('\n')?;
    let mut line = |name: &str, value: &str| writeln!(f, "       {name:<11} {value}");
    let mut place = step.place.clone().unwrap_or_default();
    if step.default {
        place.push_str("  in `defaults`");
    }
    for through in &step.through {
        place.push_str("  through the chain at ");
        place.push_str(through);
    }
    line("written at", &place)?;
    if !step.plans.is_empty() {
        line("by plan", &step.plans.join(", "))?;
    }
    if let Some(module) = &step.module {
        line("module", &module.file)?;
        line("sha256", &module.sha256)?;
        module.about.iter().try_for_each(|(name, value)| line(name, value))?;
    }
    if step.enabled {
        line("stages", &step.stages.join(", "))?;
    }
    if !step.config.as_object().is_some_and(serde_json::Map::is_empty) {
        line("config", &flow(&step.config))?;
    }
    for change in &step.overrides {
        let mut text = format!("{} at {}", change.pointer, change.at);
        if !change.instead_of.is_empty() {
            text.push_str(", instead of ");
            text.push_str(&change.instead_of.join(", "));
        }
        line("overridden", &text)?;
    }
    if let Some(when) = &step.when {
        line("when", &flow(when))?;
    }
    if !step.routes.is_empty() {
        line("routes to", &step.routes.join(", "))?;
    }
    line("on failure", &step.on_failure)?;
    if !step.state.is_empty() {
        line("state", &step.state.join(", "))?;
    }
    Ok(())
}

impl Display for RequestExplained {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.method)?;
        self.path.iter().try_for_each(|path| write!(f, " {path}"))?;
        match &self.host {
            Some(host) => writeln!(f, " at {host}")?,
            None => writeln!(f, " without a host")?,
        }
        match &self.outcome {
            Outcome::Api(id) => writeln!(f, "goes to {id}")?,
            Outcome::NotFound => writeln!(f, "no API matches: 404")?,
            Outcome::MethodNotAllowed(methods) => {
                writeln!(f, "no API takes this method: 405, Allow: {}", methods.join(", "))?;
            }
            Outcome::Refused(why) => writeln!(f, "refused: {why}")?,
        }
        for (name, value) in &self.params {
            writeln!(f, "  {{{name}}} = {value}")?;
        }
        if !self.candidates.is_empty() {
            f.write_str("\n")?;
        }
        for candidate in &self.candidates {
            let mark = if candidate.wins { '>' } else { ' ' };
            let place = candidate.place.as_deref().unwrap_or_default();
            writeln!(f, "{mark} {}  {}  ({place})", candidate.api, candidate.why)?;
        }
        match &self.api {
            Some(api) => write!(f, "\n{api}"),
            None => Ok(()),
        }
    }
}

/// A value in one line, as YAML would take it.
pub(crate) fn flow(value: &Value) -> String {
    match value {
        Value::String(text) => {
            let plain = !text.is_empty()
                && !text.contains([',', '{', '}', '[', ']', '"', '#', '\n', ':'])
                && text.trim() == text
                && crate::yaml::Plain::of(text) == crate::yaml::Plain::Text;
            if plain { text.clone() } else { format!("{text:?}") }
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(flow).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(map) if map.is_empty() => "{}".into(),
        Value::Object(map) => {
            let items: Vec<String> =
                map.iter().map(|(key, value)| format!("{key}: {}", flow(value))).collect();
            format!("{{ {} }}", items.join(", "))
        }
        other => other.to_string(),
    }
}
