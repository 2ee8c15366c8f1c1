//! `circuit_breaker`: gives an upstream that fails a rest.
//!
//! Each upstream that calls may go to has a breaker of its own, found while the step is built. Page:
//! `docs/plugins/circuit_breaker.md`.

mod breaker;
pub mod config;
pub mod errors;
mod judge;
#[cfg(test)]
mod model;
mod report;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod threads;
mod window;

use breaker::{Breaker, Shown, Ticket};
use config::{Config, Spec};
use http::{HeaderValue, header::RETRY_AFTER};
use paifang_pipeline::{
    BuildContext, Built, ConfigError, ErrorCode, Exchange, Handler, LogCall, Plugin, PluginMetric,
    PluginTrouble, Rejection, RequestCall, ResponseCall, ResponseVerdict, Stages, Verdict,
};
use report::{Breakers, Report};
use std::sync::Arc;

/// The plugin.
#[derive(Debug, Default)]
pub struct CircuitBreaker(Breakers);

impl Plugin for CircuitBreaker {
    type Config = Config;

    fn kind(&self) -> &'static str {
        "circuit_breaker"
    }

    fn errors(&self) -> &'static [&'static ErrorCode] {
        errors::ROWS
    }

    fn metrics(&self) -> Vec<PluginMetric> {
        report::metrics(&self.0)
    }

    fn troubles(&self) -> Vec<PluginTrouble> {
        report::troubles(&self.0)
    }

    fn build(&self, config: Config, context: &BuildContext<'_>) -> Result<Built, ConfigError> {
        let spec = Spec::new(&config)?;
        let key = context.state_key(config.share.as_deref());
        let breaker = |upstream: &Arc<str>| {
            let name = (key.to_string(), upstream.to_string(), spec.clone());
            let report = || Report::new(key.as_str(), upstream);
            self.0.get_or(name, || Breaker::new(spec.clone(), report()))
        };
        let own = context.upstream.map(breaker);
        let routes = context.routes.iter().map(breaker).map(Some);
        let breakers: Box<[_]> = std::iter::once(own).chain(routes).collect();
        let mut upstreams: Vec<_> = context.upstream.into_iter().chain(context.routes).collect();
        upstreams.sort_unstable();
        upstreams.dedup();
        let built = Built::new(Step { breakers });
        let fingerprint = format!("{spec:?}");
        Ok(upstreams
            .into_iter()
            .fold(built, |built, upstream| built.keeps(key.part(upstream), fingerprint.clone())))
    }
}

/// The handler: the breaker of the API's own upstream, and those of the routes above.
struct Step {
    breakers: Box<[Option<Arc<Breaker>>]>,
}

impl Handler for Step {
    fn stages(&self) -> Stages {
        Stages::REQUEST.and(Stages::RESPONSE).and(Stages::LOG)
    }

    fn request(&self, call: &mut RequestCall<'_>) -> Verdict {
        let place = place(call);
        let Some(breaker) = self.at(place) else { return Verdict::Continue };
        match breaker.admit(call.now().0) {
            Ok(ticket) => {
                *call.word() = Held { ticket, place, answered: false }.to_word();
                Verdict::Continue
            }
            Err(nanos) => {
                breaker.report.refused();
                let seconds = nanos.div_ceil(1_000_000_000).max(1);
                let rejection = Rejection::new(errors::CIRCUIT_OPEN)
                    .header(RETRY_AFTER, HeaderValue::from(seconds));
                Verdict::Reject(rejection)
            }
        }
    }

    fn response(&self, call: &mut ResponseCall<'_>) -> ResponseVerdict {
        let Some(held) = Held::of_word(*call.word()).filter(|held| !held.answered) else {
            return ResponseVerdict::Continue;
        };
        let Some(breaker) = self.at(held.place) else { return ResponseVerdict::Continue };
        let shown = match held.place == place(call) {
            true => judge::answer(breaker.spec(), call, call.response().status),
            // A step below has sent it to another upstream.
            false => Shown::Nothing,
        };
        breaker.learn(held.ticket, shown, call.now().0, call.facts().entropy);
        // Only of an answer that was fine there is more to learn.
        *call.word() = match shown {
            Shown::Answer { failed: false, .. } => Held { answered: true, ..held }.to_word(),
            _ => 0,
        };
        ResponseVerdict::Continue
    }

    fn log(&self, call: &mut LogCall<'_>) {
        let Some(held) = Held::of_word(*call.word()) else { return };
        let Some(breaker) = self.at(held.place) else { return };
        let same = held.place == place(call);
        let shown = match held.answered {
            true if same && judge::broke_off(call) => Shown::BrokeOff,
            true => return,
            false if same => judge::end(breaker.spec(), call),
            false => Shown::Nothing,
        };
        breaker.learn(held.ticket, shown, call.now().0, call.facts().entropy);
    }
}

impl Step {
    fn at(&self, place: usize) -> Option<&Arc<Breaker>> {
        self.breakers.get(place)?.as_ref()
    }
}

/// Which breaker is for where the call goes as the steps so far have it.
fn place(call: &Exchange) -> usize {
    call.route().map_or(0, |route| route.index() + 1)
}

/// What the step keeps of a call that it has let through; as a word it is never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    ticket: Ticket,
    place: usize,
    /// An answer has come up, and was fine.
    answered: bool,
}

impl Held {
    fn to_word(self) -> u64 {
        let flags = 1 | u64::from(self.ticket.probe) << 1 | u64::from(self.answered) << 2;
        u64::from(self.ticket.generation) << 32 | (self.place as u64 & 0xffff) << 16 | flags
    }

    fn of_word(word: u64) -> Option<Self> {
        let flag = |bit: u32| word >> bit & 1 == 1;
        flag(0).then_some(Self {
            ticket: Ticket { generation: (word >> 32) as u32, probe: flag(1) },
            place: (word >> 16 & 0xffff) as usize,
            answered: flag(2),
        })
    }
}
