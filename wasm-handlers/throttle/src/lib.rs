//! Quotas: for each user a rate (a token bucket) and a number of calls a day, both in the
//! handler's store, so that all instances count together.

mod config;
mod quota;
mod subject;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use config::{Config, Missing, Settings};
use paifang_guest::prelude::*;
use quota::{Day, Left};
use subject::{By, Subject};

/// The header that tells what is left.
const REMAINING: &str = "x-quota-remaining";

fn configure(config: Config) -> Result<(Settings, Manifest), Vec<ConfigError>> {
    let settings = config.settings()?;
    let mut manifest = Manifest::new().on_request(settings.by.reads());
    if !settings.remaining {
        manifest = manifest.without_response();
    }
    Ok((settings, manifest))
}

fn request(settings: &Settings, call: &Call) -> RequestVerdict {
    let subject = match settings.by.subject(call) {
        Subject::One(subject) => subject,
        // No subject's keys end so.
        Subject::Missing if settings.missing == Missing::Together => Cow::Borrowed(""),
        Subject::Missing => return missing(&settings.by),
        Subject::Unfit => {
            return reject(Refusal::BadRequest).detail("Who calls is not said clearly.").into();
        }
    };
    match take(settings, &subject) {
        Ok(verdict) => verdict,
        Err(error) => fail(format!("the call cannot be counted: {error}")),
    }
}

/// A key of the store: what is counted, and for whom.
fn key(what: &str, subject: &str) -> String {
    if subject.is_empty() { what.to_owned() } else { [what, ":", subject].concat() }
}

/// The bucket first: who comes too fast uses up nothing of the day.
fn take(settings: &Settings, subject: &str) -> Result<RequestVerdict, host::kv::Error> {
    let bucket = match settings.rate {
        None => None,
        Some(rate) => {
            let bucket = host::kv::take(&key("rate", subject), rate)?;
            if !bucket.allowed {
                let wait = quota::seconds(bucket.retry_after_millis);
                return Ok(refuse(settings, "Too many requests.", wait));
            }
            Some(bucket.remaining)
        }
    };
    let daily = match settings.daily {
        None => None,
        Some(daily) => {
            let day = Day::of(host::unix_seconds());
            let key = key(&format!("day:{}", day.number), subject);
            let ttl = Some(day.left.saturating_mul(1000));
            let count = host::kv::add(&key, 1, ttl)?;
            match Left::after(count, daily) {
                Left::Passes(left) => Some(left),
                Left::UsedUp => {
                    // Refused calls do not count, also not against a larger quota later today.
                    host::kv::add(&key, -1, ttl)?;
                    return Ok(refuse(settings, "The day's quota is used up.", day.left));
                }
            }
        }
    };
    let verdict = next();
    if settings.remaining {
        return Ok(verdict.keep(quota::kept(daily, bucket)).into());
    }
    Ok(verdict.into())
}

fn refuse(settings: &Settings, why: &str, wait_seconds: u64) -> RequestVerdict {
    let verdict = reject(Refusal::TooManyRequests)
        .detail(why)
        .header("retry-after", wait_seconds.to_string());
    // The response stage of this step does not see its own refusals.
    if settings.remaining { verdict.header(REMAINING, "0").into() } else { verdict.into() }
}

fn missing(by: &By) -> RequestVerdict {
    match by {
        By::Identity | By::App => {
            reject(Refusal::Forbidden).detail("Only known callers have a quota.").into()
        }
        By::Header(name) => {
            reject(Refusal::BadRequest).detail(format!("The header {} is needed.", &**name)).into()
        }
        By::ClientIp => fail("the client's address is not known"),
    }
}

fn response(_: &Settings, call: &Call, _: &Response) -> ResponseVerdict {
    match quota::left(call.kept()) {
        Some(left) => next_response().set_header(REMAINING, left.to_string()).into(),
        None => next_response().into(),
    }
}

paifang_guest::handler! {
    state: Settings,
    configure: configure,
    request: request,
    response: response,
    schema: "../schema.json",
    probes: "../probes.yaml",
}
