//! The rules, ready to be tried: what matches, and which answer a rule gives.

use crate::{
    config::{self, Condition, Config, Otherwise, Then},
    pattern::{Captured, Pattern, decoded},
    template::{Escape, Source, Template},
};
use paifang_guest::{HeaderName, prelude::*};

const MAX_RULES: usize = 256;
const MAX_ANSWERS: usize = 256;
/// Fields of the connection or of the framing (RFC 9110 section 7.6.1), which the gateway makes.
const NOT_OURS: [&str; 9] = [
    "connection",
    "content-length",
    "date",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// All of them, in the order in which they are tried.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) list: Vec<Rule>,
    pub(crate) otherwise: Otherwise,
}

#[derive(Debug)]
pub(crate) struct Rule {
    /// Where its calls are counted; `None`: they need not be.
    pub(crate) counter: Option<String>,
    condition: Condition,
    path: Option<Pattern>,
    answers: Vec<Answer>,
    then: Then,
}

/// An answer to be filled.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(HeaderName, Template)>,
    pub(crate) body: Template,
    pub(crate) escape: Escape,
}

impl Rules {
    pub(crate) fn new(config: Config) -> Result<Self, Vec<ConfigError>> {
        if !(1..=MAX_RULES).contains(&config.rules.len()) {
            return Err(ConfigError::at("/rules", format!("1 to {MAX_RULES} rules")).into());
        }
        let mut errors = Vec::new();
        let mut list: Vec<Rule> = Vec::with_capacity(config.rules.len());
        let mut names: Vec<String> = Vec::new();
        for (at, rule) in config.rules.into_iter().enumerate() {
            // A `#` is in no name, so a place never counts for a name.
            let counter = format!("count:{}", rule.name.clone().unwrap_or(format!("#{at}")));
            if names.contains(&counter) {
                errors.push(ConfigError::at(format!("/rules/{at}/name"), "it is there twice"));
            }
            names.push(counter.clone());
            list.extend(Rule::new(rule, at, counter, &mut errors));
        }
        if errors.is_empty() { Ok(Self { list, otherwise: config.otherwise }) } else { Err(errors) }
    }

    /// What they need of a call, and no more.
    pub(crate) fn reads(&self) -> Reads {
        let mut reads = Reads::new();
        for rule in &self.list {
            let (condition, path) = (&rule.condition, &rule.path);
            let mut facts = Facts::empty();
            facts.set(Facts::METHOD, !condition.method.is_empty());
            facts.set(Facts::PATH, path.is_some());
            facts.set(Facts::QUERY, !condition.query.is_empty());
            reads = reads.facts(facts);
            reads = condition.headers.keys().fold(reads, |reads, name| reads.header(name));
            for source in rule.answers.iter().flat_map(Answer::sources) {
                reads = match source {
                    Source::Param(_) => reads.facts(Facts::PARAMS),
                    Source::Query(_) => reads.facts(Facts::QUERY),
                    Source::Header(name) => reads.header(name),
                    Source::Count => reads,
                };
            }
        }
        reads
    }

    /// The first rule that matches, and what the segments that its path names are.
    pub(crate) fn find(&self, call: &Call) -> Option<(&Rule, Captured<'_>)> {
        self.list.iter().find_map(|rule| Some((rule, rule.captures(call)?)))
    }
}

impl Rule {
    fn new(
        rule: config::Rule,
        at: usize,
        counter: String,
        errors: &mut Vec<ConfigError>,
    ) -> Option<Self> {
        let place = format!("/rules/{at}");
        let wanted = match (rule.answer, rule.sequence) {
            (Some(answer), None) => vec![(answer, format!("{place}/answer"))],
            (None, Some(answers)) if (1..=MAX_ANSWERS).contains(&answers.len()) => {
                let place = |index: usize| format!("{place}/sequence/{index}");
                answers.into_iter().enumerate().map(|(at, answer)| (answer, place(at))).collect()
            }
            (None, Some(_)) => {
                let message = format!("1 to {MAX_ANSWERS} answers");
                errors.push(ConfigError::at(format!("{place}/sequence"), message));
                return None;
            }
            _ => {
                errors.push(ConfigError::at(place, "a rule has an `answer` or a `sequence`"));
                return None;
            }
        };
        let path = match rule.condition.path.as_deref().map(Pattern::parse).transpose() {
            Ok(path) => path,
            Err(message) => {
                errors.push(ConfigError::at(format!("{place}/match/path"), message));
                None
            }
        };
        let answers: Vec<Answer> = wanted
            .into_iter()
            .filter_map(|(answer, place)| Answer::new(answer, &place, errors))
            .collect();
        let counts = answers.len() > 1
            || answers.iter().flat_map(Answer::sources).any(|source| *source == Source::Count);
        let counter = counts.then_some(counter);
        Some(Self { counter, condition: rule.condition, path, answers, then: rule.then })
    }

    fn captures(&self, call: &Call) -> Option<Captured<'_>> {
        let condition = &self.condition;
        let method = call.method.as_deref().unwrap_or_default();
        if !condition.method.is_empty() && !condition.method.iter().any(|name| name == method) {
            return None;
        }
        let captured = match &self.path {
            Some(path) => path.captures(call.path.as_deref()?)?,
            None => Captured::new(),
        };
        for (name, wanted) in &condition.query {
            let values: Vec<String> = query(call, name).collect();
            if !wanted.by(values.iter().map(String::as_bytes)) {
                return None;
            }
        }
        let headers = &condition.headers;
        headers.iter().all(|(name, wanted)| wanted.by(call.header_bytes(name))).then_some(captured)
    }

    /// The answer to its call of this number, from 1.
    pub(crate) fn answer(&self, count: u64) -> Option<&Answer> {
        let turn = usize::try_from(count.saturating_sub(1)).unwrap_or(usize::MAX);
        let at = match self.then {
            Then::Last => turn.min(self.answers.len().saturating_sub(1)),
            Then::Again => turn.checked_rem(self.answers.len())?,
        };
        self.answers.get(at)
    }
}

impl Answer {
    fn new(answer: config::Answer, place: &str, errors: &mut Vec<ConfigError>) -> Option<Self> {
        let before = errors.len();
        let mut wrong = |field: &str, message: String| {
            errors.push(ConfigError::at(format!("{place}{field}"), message));
        };
        if !(200..=599).contains(&answer.status) {
            wrong("/status", format!("{} is not within 200 to 599", answer.status));
        }
        if matches!(answer.status, 204 | 304) && !answer.body.is_empty() {
            wrong("/body", format!("an answer with status {} has no body", answer.status));
        }
        let mut media_type = None;
        let mut headers = Vec::with_capacity(answer.headers.len() + 1);
        for (name, value) in answer.headers {
            let field = format!("/headers/{}", name.replace('~', "~0"));
            if NOT_OURS.contains(&&*name) {
                wrong(&field, "the gateway makes this header itself".to_owned());
            } else if value.bytes().any(|byte| byte.is_ascii_control()) {
                wrong(&field, "a header has no control characters".to_owned());
            } else if &*name == "content-type" && value.contains("{{") {
                wrong(&field, "it says how values are written, so it cannot be one".to_owned());
            }
            if &*name == "content-type" {
                media_type = Some(value.clone());
            }
            match Template::parse(&value) {
                Ok(template) => headers.push((name, template)),
                Err(message) => wrong(&field, message),
            }
        }
        let body = Template::parse(&answer.body).map_err(|message| wrong("/body", message)).ok()?;
        let escape = Escape::of(media_type.as_deref().unwrap_or_default());
        if media_type.is_none() && !body.is_empty() {
            let plain = Template::parse("text/plain; charset=utf-8").ok()?;
            headers.push((HeaderName::known("content-type"), plain));
        }
        (errors.len() == before).then_some(Self { status: answer.status, headers, body, escape })
    }

    fn sources(&self) -> impl Iterator<Item = &Source> {
        let headers = self.headers.iter().flat_map(|(_, template)| template.sources());
        headers.chain(self.body.sources())
    }
}

/// The values of a query parameter, as form decoding reads them.
pub(crate) fn query<'a>(call: &'a Call, name: &'a str) -> impl Iterator<Item = String> + 'a {
    let parts = call.query.as_deref().unwrap_or_default().split('&');
    parts.filter(|part| !part.is_empty()).filter_map(move |part| {
        let (found, value) = part.split_once('=').unwrap_or((part, ""));
        let text = |raw: &str| decoded(&raw.replace('+', " ")).into_owned();
        (text(found) == name).then(|| text(value))
    })
}
