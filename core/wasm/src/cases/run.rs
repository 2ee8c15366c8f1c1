//! Running a case: the stages in their order, on instances of their own.

use super::{
    compare::{answered, changed_request, changed_response, rejected},
    format::{Case, Grant, Request, RequestSays, ResponseSays, Texts},
    world::{Scripted, Still},
};
use crate::{
    apply,
    contract::{
        CallRef, Facts, IdentityRef, NamedRef, RequestEdits, RequestVerdict, ResponseEdits,
        ResponseRef, ResponseVerdict,
    },
    env::Env,
    failure::CallError,
    host::Mode,
    lines::{Lines, some},
    module::Module,
    prepared::{Prepared, now},
    reads::{Selection, StageReads},
    run::{Input, Output},
    settings::{Grants, Spec},
    stats::Stats,
};
use bytes::Bytes;
use paifang_pipeline::ConfigError;
use paifang_pipeline::ports::{Answer, Clock, Kv, KvError, StateKey, Store};
use paifang_state::LocalStore;
use std::{sync::Arc, time::Instant};

/// How a case went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// As it must.
    Passed,
    /// What differed, a line each.
    Failed(Vec<String>),
}

/// Runs one case against a module.
#[must_use]
pub fn run(module: &Module, case: &Case) -> Verdict {
    verdict(played(module, case, None))
}

/// The like, which fails where it is not done by then.
#[must_use]
pub fn run_until(module: &Module, case: &Case, until: Instant) -> Verdict {
    verdict(played(module, case, Some(until)))
}

fn verdict(played: Result<Vec<String>, String>) -> Verdict {
    match played {
        Ok(differences) if differences.is_empty() => Verdict::Passed,
        Ok(differences) => Verdict::Failed(differences),
        Err(why) => Verdict::Failed(vec![why]),
    }
}

/// What happens in a case.
pub(super) struct Stage<'a> {
    pub(super) case: &'a Case,
    pub(super) prepared: Prepared,
    kv: Option<Arc<dyn Kv>>,
    clock: Arc<dyn Clock>,
    http: Arc<Scripted>,
}

fn played(module: &Module, case: &Case, until: Option<Instant>) -> Result<Vec<String>, String> {
    // A picture would be compiled for each case, which takes longer than the case.
    let stage = Stage::set(module, case, 0, false)?;
    let mut differences = Vec::new();
    for _ in 0..case.repeat {
        if until.is_some_and(|until| Instant::now() >= until) {
            return Err("the probes of a file take too long together".to_owned());
        }
        differences = stage.play();
    }
    differences.extend(stage.http.differences());
    differences.extend(stage.kv_differences());
    Ok(differences)
}

fn granted(module: &Module, case: &Case) -> Result<Grants, String> {
    let mut grants = Grants::default();
    let mut grant = |name: &str| {
        match name {
            "log" | "logging" => grants.log = true,
            "clock" => grants.clock = true,
            "random" => grants.random = true,
            "kv" => grants.kv = true,
            "crypto" => grants.crypto = true,
            "metrics" => grants.metrics = true,
            "identity" => grants.identity = true,
            "slots" => grants.slots = true,
            "http" => {}
            other => return Err(format!("`grants`: there is no `{other}`")),
        }
        Ok(())
    };
    let mut upstreams: Vec<Arc<str>> = Vec::new();
    match &case.grants {
        None => {
            module.interface.grants().into_iter().try_for_each(&mut grant)?;
            if !module.interface.wasi.is_empty() {
                // What it prints is seen.
                grant("log")?;
            }
            ["identity", "slots"].iter().try_for_each(|name| grant(name))?;
            if module.interface.imports.contains(&"http") {
                upstreams.push(crate::host::http::ANY.into());
            }
        }
        Some(listed) => {
            for listed in listed {
                match listed {
                    Grant::Name(name) => grant(name)?,
                    Grant::Http(http) => {
                        upstreams.extend(http.http.iter().map(|name| Arc::from(&**name)));
                    }
                }
            }
        }
    }
    grants.http = upstreams;
    Ok(grants)
}

fn at_once<T>(answer: Answer<Result<T, KvError>>) -> Result<T, String> {
    match answer {
        Answer::Now(answer) => answer.map_err(|error| format!("kv: {error}")),
        Answer::Later(_) => Err("kv answers later".to_owned()),
    }
}

impl<'a> Stage<'a> {
    /// Sets the scene of a case.
    pub(super) fn set(
        module: &Module,
        case: &'a Case,
        reuse: u32,
        picture: bool,
    ) -> Result<Self, String> {
        let clock: Arc<dyn Clock> = Arc::new(Still::at(&case.clock)?);
        let http = Scripted::new(case.http.clone());
        let grants = granted(module, case)?;
        let kv = if grants.kv {
            let kv = LocalStore::new().kv(&StateKey::shared("case"), module.kv_spec());
            Some(kv.map_err(|error| error.to_string())?)
        } else {
            None
        };
        let env = Arc::new(Env {
            spec: Arc::new(Spec { grants, breaker: None, reuse, ..(*module.spec).clone() }),
            clock: clock.clone(),
            kv: kv.clone(),
            http: http.clone(),
            stats: Arc::new(Stats::default()),
            ticker: module.ticker.clone(),
        });
        let placed = |error: ConfigError| format!("at `{}`: {}", error.pointer, error.message);
        if let Some(schema) = &module.schema {
            schema
                .check(&case.config)
                .map_err(|error| format!("its config breaks the schema: {}", placed(error)))?;
        }
        let prepared = Prepared::new(&module.source(), &case.config.to_string(), env, picture)
            .map_err(|error| format!("its config is refused: {}", placed(error)))?;
        let stage = Self { case, prepared, kv, clock, http };
        stage.set_kv()?;
        Ok(stage)
    }

    fn set_kv(&self) -> Result<(), String> {
        for (key, value) in &self.case.kv {
            let Some(kv) = &self.kv else { return Err("`kv` is not granted".to_owned()) };
            let value = Bytes::copy_from_slice(value.as_bytes());
            at_once(kv.set(key.as_bytes(), value, None, self.clock.now()))?;
        }
        Ok(())
    }

    fn kv_differences(&self) -> Vec<String> {
        let found = |key: &str| match &self.kv {
            None => Ok(None),
            Some(kv) => at_once(kv.get(key.as_bytes(), self.clock.now())),
        };
        let show = |value: Option<&str>| value.map_or("nothing".to_owned(), |v| format!("`{v}`"));
        self.case
            .kv_after
            .iter()
            .filter_map(|(key, expected)| {
                let found = match found(key) {
                    Ok(found) => found.map(|value| String::from_utf8_lossy(&value).into_owned()),
                    Err(why) => return Some(why),
                };
                (found != *expected).then(|| {
                    let (expected, found) = (show(expected.as_deref()), show(found.as_deref()));
                    format!("kv `{key}`: expected {expected}, found {found}")
                })
            })
            .collect()
    }

    /// One pass through the stages. One that the manifest does without leaves all as it is.
    pub(super) fn play(&self) -> Vec<String> {
        let (case, exports) = (self.case, &self.prepared.exports);
        let called = self.prepared.access.called;
        let mut differences = Vec::new();
        let mut kept = Vec::new();
        if exports.request.is_some() || exports.request_with_body.is_some() {
            let said = self.ask_request(&mut kept);
            differences.extend(self.compare_request(said, &mut kept));
        } else if !called.request {
            let said = RequestVerdict::Next(RequestEdits::default());
            differences.extend(self.compare_request(Ok((said, false)), &mut kept));
        } else if case.verdict.is_some() {
            differences.push("`verdict`: the handler has no request stage".to_owned());
        }
        let Some(message) = &case.response else { return differences };
        if exports.response.is_some() || exports.response_with_body.is_some() {
            let said = self.ask_response(message, &kept);
            differences.extend(self.compare_response(said, message));
        } else if !called.response {
            let said = ResponseVerdict::Next(ResponseEdits::default());
            differences.extend(self.compare_response(Ok(said), message));
        } else if case.response_verdict.is_some() {
            differences.push("`response_verdict`: the handler has no response stage".to_owned());
        }
        differences
    }

    pub(super) fn call(&self, input: Input<'_>) -> Result<Output, CallError> {
        match self.prepared.mode {
            Mode::Sync => self.prepared.call(input),
            Mode::Async => now(self.prepared.call_unhurried(input))
                .unwrap_or_else(|| Err(CallError::Trap("it waits for ever".to_owned()))),
        }
    }

    pub(super) fn ask_request(
        &self,
        kept: &mut Vec<u8>,
    ) -> Result<(RequestVerdict, bool), CallError> {
        let request = &self.case.request;
        let reads = &self.prepared.access.request;
        let body = request.body.as_bytes();
        let ask = |kept: &[u8], whole: bool| {
            with_call(request, reads, kept, |call| {
                self.call(if whole {
                    Input::RequestWithBody(call, body)
                } else {
                    Input::Request(call)
                })
            })
        };
        let mut whole = self.prepared.exports.request.is_none();
        let mut output = ask(kept, whole)?;
        if !whole && let Output::Request(RequestVerdict::NeedBody(keep)) = output {
            *kept = keep;
            whole = true;
            output = ask(kept, whole)?;
        }
        match output {
            Output::Request(verdict) => Ok((verdict, whole)),
            _ => Err(CallError::Trap("one stage answered for another".to_owned())),
        }
    }

    fn compare_request(
        &self,
        said: Result<(RequestVerdict, bool), CallError>,
        kept: &mut Vec<u8>,
    ) -> Vec<String> {
        let (said, had_body) = match said {
            Ok((said, whole)) => (Ok(said), whole),
            Err(error) => (Err(error), false),
        };
        if let Ok(RequestVerdict::Next(edits)) = &said {
            kept.clone_from(&edits.keep);
        }
        let Some(expected) = &self.case.verdict else {
            return match said {
                Ok(_) => Vec::new(),
                Err(error) => vec![format!("it failed: {error}")],
            };
        };
        let limit = self.prepared.env.spec.limits.body_bytes;
        match (expected, said) {
            (RequestSays::Next(expected), Ok(RequestVerdict::Next(edits))) => {
                let access = &self.prepared.access;
                match changed_request(&self.case.request, edits, access, had_body, limit, expected)
                {
                    Ok((_, differences)) => differences,
                    Err(error) => vec![format!("it failed: {error}")],
                }
            }
            (RequestSays::Respond(expected), Ok(RequestVerdict::Respond(answer))) => {
                answered(answer, limit, expected)
            }
            (RequestSays::Reject(expected), Ok(RequestVerdict::Reject(said))) => {
                rejected(said, expected)
            }
            (RequestSays::Fail, Err(_)) => Vec::new(),
            (RequestSays::Fail, Ok(said)) => match self.legal(said, had_body) {
                Err(_) => Vec::new(),
                Ok(what) => vec![format!("expected it to fail, it said `{what}`")],
            },
            (expected, said) => vec![different(&format!("{expected:?}"), &said)],
        }
    }

    /// Whether production would follow a verdict, and its name.
    fn legal(&self, said: RequestVerdict, had_body: bool) -> Result<&'static str, CallError> {
        let limit = self.prepared.env.spec.limits.body_bytes;
        match said {
            RequestVerdict::Next(edits) => {
                let (request, access) = (&self.case.request, &self.prepared.access);
                let expected = super::format::Changed::default();
                changed_request(request, edits, access, had_body, limit, &expected)?;
                Ok("next")
            }
            RequestVerdict::Respond(answer) => apply::answer(answer, limit).map(|_| "respond"),
            RequestVerdict::Reject(said) => apply::rejection(said).map(|_| "reject"),
            // It was asked again with the body where it may ask for it.
            RequestVerdict::NeedBody(_) => Err(CallError::Illegal("the body, needlessly".into())),
            RequestVerdict::Fail(why) => Err(CallError::Said(why)),
        }
    }

    pub(super) fn ask_response(
        &self,
        message: &super::format::Message,
        kept: &[u8],
    ) -> Result<ResponseVerdict, CallError> {
        let reads = &self.prepared.access.response;
        let headers = fields(&message.headers, &reads.response);
        let head = ResponseRef { status: message.status, headers: headers.text() };
        let ask = |kept: &[u8], whole: bool| {
            with_call(&self.case.request, reads, kept, |call| {
                self.call(if whole {
                    Input::ResponseWithBody(call, head, message.body.as_bytes())
                } else {
                    Input::Response(call, head)
                })
            })
        };
        let mut output = ask(kept, self.prepared.exports.response.is_none())?;
        if let Output::Response(ResponseVerdict::NeedBody(keep)) = output {
            output = ask(&keep, true)?;
        }
        match output {
            Output::Response(verdict) => Ok(verdict),
            _ => Err(CallError::Trap("one stage answered for another".to_owned())),
        }
    }

    fn compare_response(
        &self,
        said: Result<ResponseVerdict, CallError>,
        message: &super::format::Message,
    ) -> Vec<String> {
        let Some(expected) = &self.case.response_verdict else {
            return match said {
                Ok(_) => Vec::new(),
                Err(error) => vec![format!("it failed at the response: {error}")],
            };
        };
        let limit = self.prepared.env.spec.limits.body_bytes;
        let had_body = self.prepared.exports.response_with_body.is_some();
        match (expected, said) {
            (ResponseSays::Next(expected), Ok(ResponseVerdict::Next(edits))) => {
                changed_response(message, edits, had_body, limit, expected)
                    .unwrap_or_else(|error| vec![format!("it failed: {error}")])
            }
            (ResponseSays::Replace(expected), Ok(ResponseVerdict::Replace(answer))) => {
                answered(answer, limit, expected)
            }
            (ResponseSays::Fail, Err(_) | Ok(ResponseVerdict::Fail(_))) => Vec::new(),
            (expected, said) => vec![different(&format!("{expected:?}"), &said)],
        }
    }
}

fn different<T: std::fmt::Debug>(expected: &str, said: &Result<T, CallError>) -> String {
    match said {
        Ok(verdict) => format!("expected {expected}, it said {verdict:?}"),
        Err(error) => format!("expected {expected}, it failed: {error}"),
    }
}

fn fields(headers: &Texts, selection: &Selection) -> Lines {
    let mut lines = Lines::default();
    let chosen = headers.iter().filter(|(name, _)| match selection {
        Selection::None => false,
        Selection::All => true,
        Selection::Named(names) => {
            names.iter().any(|known| known.as_str().eq_ignore_ascii_case(name))
        }
    });
    chosen.for_each(|(name, value)| lines.add(name, value.as_bytes()));
    lines
}

fn named(texts: &Texts) -> Vec<NamedRef<'_>> {
    texts.iter().map(|(name, value)| NamedRef { name, value }).collect()
}

/// Hands `use_call` the request as a stage reads it.
pub(super) fn with_call<R>(
    request: &Request,
    reads: &StageReads,
    kept: &[u8],
    use_call: impl FnOnce(CallRef<'_>) -> R,
) -> R {
    let wants = |fact: Facts| reads.facts & fact == fact;
    let (path, query) = request.target();
    let params = if wants(Facts::PARAMS) { named(&request.params) } else { Vec::new() };
    let claims =
        request.identity.as_ref().map(|identity| named(&identity.claims)).unwrap_or_default();
    let headers = fields(&request.headers, &reads.request);
    let slots: Vec<NamedRef<'_>> = named(&request.slots)
        .into_iter()
        .filter(|slot| reads.slots.iter().any(|name| **name == *slot.name))
        .collect();
    let identity = request.identity.as_ref().filter(|_| wants(Facts::IDENTITY));
    use_call(CallRef {
        method: wants(Facts::METHOD).then_some(&*request.method),
        path: wants(Facts::PATH).then_some(path),
        query: query.filter(|_| wants(Facts::QUERY)),
        host: wants(Facts::HOST).then_some(&*request.host),
        client_ip: wants(Facts::CLIENT_IP).then_some(&*request.client_ip),
        api: wants(Facts::API).then_some(&*request.api),
        app: request.app.as_deref().filter(|_| wants(Facts::APP)),
        request_id: request.request_id.as_deref().filter(|_| wants(Facts::REQUEST_ID)),
        params: some(&params),
        identity: identity.map(|identity| IdentityRef {
            subject: &identity.subject,
            app: identity.app.as_deref(),
            claims: some(&claims),
        }),
        headers: headers.text(),
        slots: some(&slots),
        kept: some(kept),
    })
}
