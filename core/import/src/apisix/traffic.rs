//! Answers: `redirect`, `mocking`, `fault-injection`.

use super::Import;
use super::steps::{Ask, Done};
use crate::Fate;
use crate::out::Node;
use crate::source::{entries, flag, number, text};
use crate::vars::Vars;

impl Import {
    pub(super) fn redirect(&mut self, ask: &mut Ask<'_>) -> Done {
        if flag(ask.config, "http_to_https") == Some(true) {
            let step =
                Node::map().with("https", Node::plain("true")).with("status", Node::plain(308));
            ask.step(("redirect", "to-tls"), step);
            return Ok((
                Fate::Approximated,
                "redirect.https with 308; APISIX says 301 to GET".into(),
            ));
        }
        if ask.config.get("regex_uri").is_some() {
            return Err(
                "`regex_uri`: a route with `path_regex`, a `rewrite` and a `redirect`".into()
            );
        }
        let status = number(ask.config, "ret_code").unwrap_or(302.0) as u16;
        let Some(uri) = text(ask.config, "uri") else { return Err("no `uri`".into()) };
        if ![301, 302, 303, 307, 308].contains(&status) {
            return Err(format!("{status} is no redirect"));
        }
        let mut to = uri.to_owned();
        let mut keep = flag(ask.config, "append_query_string") == Some(true);
        if let Some(cut) = to.strip_suffix("$request_uri") {
            to = format!("{cut}$uri");
            keep = true;
        }
        let filled = Vars::default().fill(&to)?;
        let mut step = Node::map()
            .with("to", Node::text(filled.text.clone()))
            .with("status", Node::plain(status));
        if keep {
            step.put("keep_query", Node::plain("true"));
        }
        let host = filled
            .text
            .split_once("://")
            .map(|(_, rest)| rest.split('/').next().unwrap_or_default());
        if host.is_some_and(|host| host.contains("{{")) {
            step.put("allow_host", Node::plain("true"));
        }
        ask.step(("redirect", ""), step);
        ask.steps.answered = true;
        Ok((Fate::Taken, "redirect".into()))
    }

    pub(super) fn mocking(&mut self, ask: &mut Ask<'_>) -> Done {
        let Some(example) = text(ask.config, "response_example") else {
            return Err("`response_schema`: nothing makes answers up here".into());
        };
        let vars = Vars::default();
        let kind = text(ask.config, "content_type").unwrap_or("application/json;charset=utf8");
        let mut headers = vec![("content-type".to_owned(), Node::text(kind).into())];
        for entry in ask.config.get("response_headers").map(entries).unwrap_or_default() {
            let value = entry.value.as_text().unwrap_or_default();
            headers.push((
                entry.key.text.to_ascii_lowercase(),
                Node::text(vars.fill(value)?.text).into(),
            ));
        }
        let mut case = Node::map()
            .with(
                "status",
                Node::plain(number(ask.config, "response_status").unwrap_or(200.0) as u16),
            )
            .with("headers", Node::Map(headers))
            .with("body", Node::text(vars.fill(example)?.text));
        if let Some(seconds) = number(ask.config, "delay").filter(|seconds| *seconds > 0.0) {
            case.put("latency", Node::plain(format!("{}s", seconds as u64)));
        }
        let step = Node::map().with("cases", Node::List(vec![case.into()]));
        ask.step(("mock", ""), step);
        ask.steps.answered = true;
        match flag(ask.config, "with_mock_header") {
            Some(false) => Ok((Fate::Taken, "mock".into())),
            _ => Ok((Fate::Approximated, "mock, without `x-mock-by`".into())),
        }
    }

    pub(super) fn fault_injection(&mut self, ask: &mut Ask<'_>) -> Done {
        if ask.config.get("delay").is_some() {
            return Err("`delay`: calls are not held up here".into());
        }
        let Some(abort) = ask.config.get("abort") else { return Err("no `abort`".into()) };
        if abort.get("vars").is_some() {
            return Err("`vars`: give the step `respond` a `when`".into());
        }
        let vars = Vars::default();
        let status = number(abort, "http_status").unwrap_or(500.0) as u16;
        let mut step = Node::map().with("status", Node::plain(status));
        let mut headers = Vec::new();
        for entry in abort.get("headers").map(entries).unwrap_or_default() {
            let value = entry.value.as_text().unwrap_or_default();
            headers.push((
                entry.key.text.to_ascii_lowercase(),
                Node::text(vars.fill(value)?.text).into(),
            ));
        }
        if !headers.iter().any(|(name, _)| name == "content-type") {
            headers
                .push(("content-type".to_owned(), Node::text("text/plain; charset=utf-8").into()));
        }
        step.put("headers", Node::Map(headers));
        if let Some(body) = text(abort, "body") {
            step.put("body", Node::text(vars.fill(body)?.text));
        }
        let share = number(abort, "percentage");
        let when = share.map(|share| Node::map().with("share", Node::plain(format!("{share}%"))));
        ask.steps.answered |= share.is_none();
        ask.step_when(("respond", "fault"), step, when);
        Ok((Fate::Taken, "respond".into()))
    }
}
