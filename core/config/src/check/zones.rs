//! Zones of MMTP: names that are known, homes that can be reached.

use std::collections::HashSet;

use http::HeaderName;

use super::unknown;
use crate::diag::{Problem, Problems};
use crate::model::{Config, HostPort, Id, ZoneHome, Zones};
use crate::yaml::{Located, Span};

/// The most addresses that clients are told.
pub(super) const ADDRESSES: usize = 8;
const SHARDS: usize = 4096;

pub(super) fn check(config: &Config, zones: &Zones, problems: &mut Problems) {
    if config.mmtp.authenticate.is_none() {
        problems.push(
            Problem::new(zones.here.span(), "`zones` without `authenticate`")
                .help("a zone is a user's; say with `mmtp.authenticate` who users are"),
        );
    }
    if HeaderName::try_from(zones.header.as_str()).is_err() {
        problems.push(Problem::new(
            zones.header.span(),
            format!("`{}` is no name of a field", zones.header.value()),
        ));
    }
    if let Some(beyond) = zones.shards.get(SHARDS) {
        let what = format!("{} shards; there may be {SHARDS}", zones.shards.len());
        problems.push(Problem::new(beyond.span(), what).help("a zone may have several of them"));
    }
    let known: HashSet<&Id> = zones.homes.keys().chain([zones.here.value()]).collect();
    for shard in zones.shards.iter().filter(|shard| !known.contains(shard.value())) {
        problems.push(
            Problem::new(shard.span(), format!("there is no zone `{}`", shard.value()))
                .help("a zone is `here`, or has an entry in `homes`"),
        );
    }
    for (name, home) in &zones.homes {
        if name == zones.here.value() {
            let what = format!("`{name}` is `here`, and cannot be elsewhere too");
            problems.push(Problem::new(home.span(), what));
        }
        check_home(config, name, home, problems);
    }
}

fn check_home(config: &Config, name: &Id, home: &Located<ZoneHome>, problems: &mut Problems) {
    if home.moved_to.is_empty() == home.upstream.is_none() {
        let what = format!("zone `{name}` needs either `moved_to` or `upstream`");
        problems.push(Problem::new(home.span(), what));
    }
    addresses(&home.moved_to, home.span(), problems);
    if let Some(upstream) = &home.upstream
        && !config.names.upstreams.contains_key(&***upstream)
    {
        problems.push(unknown("upstream", upstream, upstream.span(), &config.names.upstreams));
    }
}

/// Addresses that clients are told: not too many, each once.
pub(super) fn addresses(all: &[HostPort], span: Span, problems: &mut Problems) {
    if all.len() > ADDRESSES {
        let what = format!("{} addresses; there may be {ADDRESSES}", all.len());
        problems.push(Problem::new(span, what));
    }
    let mut seen = HashSet::new();
    for twice in all.iter().filter(|address| !seen.insert(*address)) {
        problems.push(Problem::new(span, format!("`{twice}` stands here twice")));
    }
}
