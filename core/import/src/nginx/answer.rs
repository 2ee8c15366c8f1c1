//! Answers that nginx makes itself: `return`, redirects, and the `if` around them.

use super::Import;
use super::draft::{Draft, Phase};
use super::rules::Rule;
use super::scope::Scope;
use super::tree::Directive;
use crate::out::Node;
use crate::vars::{Vars, literal};

/// Statuses of redirects with an address.
const REDIRECTS: &[u16] = &[301, 302, 303, 307, 308];

impl Import<'_> {
    /// `return`, alone or inside an `if`.
    pub(super) fn answer(
        &mut self,
        draft: &mut Draft,
        scope: &Scope<'_>,
        vars: &Vars,
        directive: &Directive,
        when: Option<Node>,
    ) {
        let phase = if when.is_some() { Phase::Condition } else { Phase::Return };
        let always = when.is_none();
        let done = match answer(scope, vars, directive) {
            Ok(done) => done,
            Err(why) => {
                self.notes.not(directive, &*why);
                return draft.refuse(format!("`{}` was not taken: {why}", directive.line()));
            }
        };
        match done.note {
            Some(note) => self.notes.near(directive, note),
            None => self.notes.taken(directive, done.kind),
        }
        if let (true, Some(kind)) = (done.kind == "respond", scope.last("default_type")) {
            self.notes.taken(kind, "content-type of answers");
        }
        draft.step(phase, (done.kind, ""), done.config, when.map(|when| ("when", when)), directive);
        draft.answered |= always;
    }

    /// `if` blocks that answer, of this block alone: nginx does not inherit them.
    pub(super) fn conditions(&mut self, draft: &mut Draft, scope: &Scope<'_>, vars: &Vars) {
        for directive in scope.own().iter().filter(|d| d.name == "if") {
            let inner = directive.inner();
            let [answer] = inner else {
                self.refuse_if(
                    draft,
                    directive,
                    "only an `if` with nothing but `return` in it is taken",
                );
                continue;
            };
            if answer.name != "return" {
                self.refuse_if(draft, directive, "only `return` is taken inside `if`");
                continue;
            }
            let words: Vec<&str> = directive.words().collect();
            let text = words.join(" ");
            let text = text.trim().trim_start_matches('(').trim_end_matches(')').trim();
            if matches!(
                text,
                "$scheme = http" | "$scheme != https" | "$https = \"\"" | "$https = ''"
            ) {
                let status = answer.arg(0);
                if is_https_of_itself(answer.arg(1))
                    && ["301", "302", "307", "308"].contains(&status)
                {
                    let config = Node::map()
                        .with("https", Node::plain("true"))
                        .with("status", Node::plain(status));
                    draft.step(Phase::Condition, ("redirect", "to-tls"), config, None, directive);
                    self.notes.taken(directive, "redirect.https");
                    self.notes.taken(answer, "redirect.https");
                } else {
                    self.refuse_if(draft, directive, "conditions know no scheme");
                }
                continue;
            }
            match condition(text) {
                Ok(when) => {
                    let when = when.fold(Node::map(), |node, (key, value)| node.with(key, value));
                    self.notes.taken(directive, "a step with `when`");
                    self.answer(draft, scope, vars, answer, Some(when));
                }
                Err(why) => self.refuse_if(draft, directive, &why),
            }
        }
    }

    /// An `if` that is not taken: where it may refuse, the API stays offline.
    fn refuse_if(&mut self, draft: &mut Draft, directive: &Directive, why: &str) {
        self.notes.not_within(directive, why);
        let refuses = |d: &Directive| {
            (d.name == "return" && d.arg(0).starts_with(['4', '5']))
                || super::notes::protects(&d.name)
        };
        if directive.inner().iter().any(refuses) {
            self.notes.book.protects(&directive.place);
            draft.refuse(format!("`{}` was not taken", directive.line()));
        }
    }

    /// The steps for a rule that redirects: the path is made, then clients are sent there.
    pub(super) fn redirect_rule(&mut self, draft: &mut Draft, vars: &Vars, rule: &Rule<'_>) {
        let keep = rule.keep_query;
        let (base, path) = match rule.replacement.split_once("://") {
            Some((scheme, rest)) => {
                let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                (format!("{scheme}://{host}"), if path.is_empty() { "/" } else { path })
            }
            None => (String::new(), rule.replacement.as_str()),
        };
        let filled = vars.fill(&base);
        let made = replacement(path);
        let (Ok(base), Ok(made)) = (filled, made) else {
            self.notes
                .not(rule.directive, "a replacement with variables that templates do not know");
            return draft.refuse(format!("`{}` was not taken", rule.directive.line()));
        };
        if made.varies || base.varies {
            let config = Node::map()
                .with("pattern", Node::text(rule.expression.spanning()))
                .with("replace", Node::text(made.text));
            draft.step(Phase::Condition, ("rewrite", ""), config, None, rule.directive);
            let mut config = Node::map()
                .with("to", Node::text(format!("{}{{{{ path }}}}", base.text)))
                .with("status", Node::plain(rule.status))
                .with("keep_query", Node::plain(keep));
            // Nothing but the path stands behind the host, which the redirect holds to be the request's say.
            if !base.text.is_empty() {
                config.put("allow_host", Node::plain("true"));
            }
            draft.step(Phase::Return, ("redirect", ""), config, None, rule.directive);
        } else {
            let config = Node::map()
                .with("to", Node::text(format!("{}{}", base.text, literal(path))))
                .with("status", Node::plain(rule.status))
                .with("keep_query", Node::plain(keep));
            draft.step(Phase::Return, ("redirect", ""), config, None, rule.directive);
        }
        draft.answered = true;
    }
}

/// The replacement of a `rewrite` as ours: `$1` stays, everything else must be constant.
pub(super) fn replacement(text: &str) -> Result<crate::vars::Filled, String> {
    use crate::vars::{Filled, Piece, pieces};
    let mut filled = Filled { text: String::new(), varies: false, request_id: false };
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => filled.text.push_str(&text.replace('$', "$$")),
            // Without braces, which the environment would fill, a group's name must end here.
            Piece::Variable(name) if name.chars().all(|c| c.is_ascii_digit()) => {
                filled.varies = true;
                filled.text.push_str(&format!("${name}"));
            }
            Piece::Variable(name) => {
                return Err(format!("`${name}` cannot stand in a replacement"));
            }
        }
    }
    // `$1x` names the group `1x` for us; nginx reads the group 1 and an x.
    let mut rest = filled.text.as_str();
    while let Some(at) = rest.find('$') {
        let behind = &rest[at + 1..];
        let digits = behind.find(|c: char| !c.is_ascii_digit()).unwrap_or(behind.len());
        if digits > 0
            && behind[digits..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        {
            return Err("a letter directly behind a group".into());
        }
        rest = &behind[digits.max(usize::from(behind.starts_with('$')))..];
    }
    Ok(filled)
}

struct Answer {
    kind: &'static str,
    config: Node,
    note: Option<String>,
}

fn answer(scope: &Scope<'_>, vars: &Vars, directive: &Directive) -> Result<Answer, String> {
    let (first, second) = (directive.arg(0), directive.args.get(1).map(|word| word.text.as_str()));
    let (status, text) = match first.parse::<u16>() {
        Ok(status) => (status, second),
        Err(_) => (302, Some(first)),
    };
    if let (true, Some(to)) = (REDIRECTS.contains(&status), text) {
        return redirect(vars, status, to);
    }
    if status == 444 {
        let config = Node::map().with("status", Node::plain(404));
        let note = "404: an answer is always given, the connection is not cut".to_owned();
        return Ok(Answer { kind: "respond", config, note: Some(note) });
    }
    if !(200..=599).contains(&status) {
        return Err(format!("no answer has the status {status}"));
    }
    let mut config = Node::map().with("status", Node::plain(status));
    if let Some(text) = text.filter(|_| ![204, 304].contains(&status)) {
        let kinds = scope.all(&["add_header"]);
        let kind = kinds.iter().find(|d| d.arg(0).eq_ignore_ascii_case("content-type"));
        let kind = kind.map(|d| d.arg(1)).or(scope.word("default_type")).unwrap_or("text/plain");
        let filled = vars.fill(text)?;
        config.put("headers", Node::map().with("content-type", Node::text(kind)));
        config.put("body", Node::text(filled.text));
    }
    Ok(Answer { kind: "respond", config, note: None })
}

fn redirect(vars: &Vars, status: u16, to: &str) -> Result<Answer, String> {
    let (mut to, mut keep) = (to.to_owned(), false);
    // The request's own target, and its query, have words of their own.
    for (ending, path) in [
        ("$request_uri", true),
        ("$uri$is_args$args", true),
        ("$uri?$args", true),
        ("$is_args$args", false),
        ("?$args", false),
        ("?$query_string", false),
    ] {
        if let Some(cut) = to.strip_suffix(ending) {
            keep = true;
            to = format!("{cut}{}", if path { "$uri" } else { "" });
            break;
        }
    }
    let filled = vars.fill(&to)?;
    let address = filled.text.split_once("://");
    let host = address.map(|(_, rest)| rest.split('/').next().unwrap_or_default());
    let varies = address.is_some_and(|(scheme, _)| scheme.contains("{{"))
        || host.is_some_and(|host| host.contains("{{"));
    if !to.starts_with('/') && address.is_none() && !to.starts_with("$uri") {
        return Err("an address that is neither a path nor a URL".into());
    }
    // `https://$host$uri`: the path begins where the host's template ends.
    let mut config =
        Node::map().with("to", Node::text(filled.text.clone())).with("status", Node::plain(status));
    if keep {
        config.put("keep_query", Node::plain("true"));
    }
    if varies || host.is_some_and(|host| host.contains("{{")) {
        config.put("allow_host", Node::plain("true"));
    }
    Ok(Answer { kind: "redirect", config, note: None })
}

fn is_https_of_itself(text: &str) -> bool {
    [
        "https://$host$request_uri",
        "https://$http_host$request_uri",
        "https://$server_name$request_uri",
    ]
    .contains(&text)
}

/// The condition of an `if`, as `when` has it.
fn condition(text: &str) -> Result<impl Iterator<Item = (&'static str, Node)> + use<>, String> {
    let mut words = text.splitn(3, ' ');
    let (variable, operator) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let value = words.next().unwrap_or_default().trim_matches(['"', '\'']).trim();
    let unknown = || format!("conditions cannot say `{text}`");
    let name = variable.strip_prefix('$').ok_or_else(unknown)?;
    let positive = !operator.starts_with('!');
    let one = |key: &'static str, node: Node| {
        let node = if positive { (key, node) } else { ("not", Node::map().with(key, node)) };
        Ok(std::iter::once(node))
    };
    if name == "request_method" {
        let methods: Vec<String> = match operator {
            "=" | "!=" => vec![value.to_owned()],
            "~" | "!~" => alternatives(value).ok_or_else(unknown)?,
            _ => return Err(unknown()),
        };
        if methods.iter().any(|m| m.is_empty() || !m.chars().all(|c| c.is_ascii_uppercase())) {
            return Err(unknown());
        }
        return one("method", Node::texts(methods));
    }
    let (kind, field) = if name == "host" || name == "http_host" {
        ("header", "host".to_owned())
    } else if let Some(header) = name.strip_prefix("http_") {
        ("header", header.replace('_', "-"))
    } else if let Some(argument) = name.strip_prefix("arg_") {
        ("query", argument.to_owned())
    } else {
        return Err(unknown());
    };
    let test = match (operator, value) {
        ("", _) => Node::map().with("present", Node::plain("true")),
        ("=", "") => Node::map().with("present", Node::plain("false")),
        ("!=", "") => {
            return Ok(std::iter::once((
                kind,
                Node::map().with(&field, Node::map().with("present", Node::plain("true"))),
            )));
        }
        ("=" | "!=", value) => Node::text(value),
        ("~" | "!~", value) => {
            let prefix = value.strip_prefix('^').unwrap_or_default();
            if prefix.is_empty()
                || !prefix.chars().all(|c| c.is_ascii_alphanumeric() || "-_/".contains(c))
            {
                return Err(unknown());
            }
            Node::map().with("prefix", Node::text(prefix))
        }
        _ => return Err(unknown()),
    };
    one(kind, Node::map().with(&field, test))
}

/// `^(A|B)$`
fn alternatives(expression: &str) -> Option<Vec<String>> {
    let inner = expression.strip_prefix('^')?.strip_suffix('$')?;
    let inner = inner.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(inner);
    let inner = inner.strip_prefix("?:").unwrap_or(inner);
    Some(inner.split('|').map(str::to_owned).collect())
}
