//! The stages, as `handler!` wants them.

use crate::{
    Config, Net, Op,
    draft::{Draft, End, Given},
    run::run,
};
use paifang_guest::{
    Call, ConfigError, Manifest, Outcome, RequestVerdict, Response, ResponseVerdict,
};

fn done<N: Net>(ops: &[Op], given: &Given<'_>) -> Draft {
    let mut draft = Draft::default();
    run::<N>(ops, given, &mut draft);
    draft
}

/// `configure`. The operation `fail` is an error of the config.
///
/// # Errors
/// Those that the config asks for.
pub fn configure<N: Net>(config: Config) -> Result<(Config, Manifest), Vec<ConfigError>> {
    let draft = done::<N>(&config.configure, &Given { stage: "configure", ..Given::default() });
    if let Some(End::Fail(why)) = draft.end {
        return Err(vec![ConfigError::at("/configure", why)]);
    }
    let errors = config.errors();
    if !errors.is_empty() {
        return Err(errors);
    }
    let manifest = config.manifest()?;
    Ok((config, manifest))
}

/// `request`.
pub fn request<N: Net>(config: &Config, call: &Call) -> RequestVerdict {
    let given = Given { stage: "request", call: Some(call), ..Given::default() };
    done::<N>(&config.request, &given).into_request()
}

/// `request-with-body`.
pub fn request_with_body<N: Net>(config: &Config, call: &Call, body: Vec<u8>) -> RequestVerdict {
    let (stage, body) = ("request-with-body", Some(&*body));
    let given = Given { stage, call: Some(call), body, ..Given::default() };
    done::<N>(&config.request_with_body, &given).into_request()
}

/// `response`.
pub fn response<N: Net>(config: &Config, call: &Call, head: &Response) -> ResponseVerdict {
    let (stage, response) = ("response", Some(head));
    let given = Given { stage, call: Some(call), response, ..Given::default() };
    done::<N>(&config.response, &given).into_response()
}

/// `response-with-body`.
pub fn response_with_body<N: Net>(
    config: &Config,
    call: &Call,
    head: &Response,
    body: Vec<u8>,
) -> ResponseVerdict {
    let (stage, response, body) = ("response-with-body", Some(head), Some(&*body));
    let given = Given { stage, call: Some(call), response, body, ..Given::default() };
    done::<N>(&config.response_with_body, &given).into_response()
}

/// `log`.
pub fn log<N: Net>(config: &Config, call: &Call, outcome: &Outcome) {
    let (stage, outcome) = ("log", Some(outcome));
    let given = Given { stage, call: Some(call), outcome, ..Given::default() };
    done::<N>(&config.log, &given);
}
