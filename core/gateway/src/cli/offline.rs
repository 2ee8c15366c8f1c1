//! Commands that read the files and ask no running gateway.

use super::{
    Failed,
    args::{ConfigArguments, DiffArguments, ExplainArguments},
    terminal::say,
};
use crate::{Builder, control};
use paifang_config::{
    compile::{self, Context, Stamp},
    diff, explain, load,
    schema::{self, StepSchema},
    snapshot::{Cause, Snapshot},
    source::{Origin, ParseCache, SecretSources},
};
use serde_json::Value;
use std::{path::Path, time::SystemTime};

type Done = Result<(), Failed>;

/// Checks everything that a release would check before it listens: config, plugins' config,
/// certificates, upstreams.
pub(super) fn check(builder: &Builder, config: &ConfigArguments) -> Done {
    let snapshot = compile(builder, &config.origin())?;
    let (apis, files) = (snapshot.apis().len(), snapshot.sources().files().len());
    control::check_link(snapshot, builder).map_err(|wrong| Failed::Said(wrong.render()))?;
    say(&format!("{}: {apis} APIs in {files} files, no errors", config.config.display()));
    Ok(())
}

pub(super) fn schema(builder: &Builder) -> Done {
    let registry = builder.registry().map_err(|error| Failed::Said(error.to_string()))?;
    let steps: Vec<(&str, _)> = registry
        .iter()
        .map(|(kind, plugin)| (kind, move |generator: &mut _| plugin.schema(generator)))
        .collect();
    let steps: Vec<StepSchema<'_>> =
        steps.iter().map(|(kind, config)| StepSchema { kind, config }).collect();
    say(&format!("{:#}", schema::schema(&steps)));
    Ok(())
}

pub(super) fn explain(builder: &Builder, wanted: &ExplainArguments) -> Done {
    let snapshot = compile(builder, &wanted.gateway.config.origin())?;
    let answer =
        match (&wanted.request, &wanted.api) {
            (Some(request), _) => control::explain_request(&snapshot, request, &wanted.header)
                .map_err(Failed::Said)?,
            (None, Some(api)) => match explain::api(&snapshot, api) {
                Some(explained) if wanted.gateway.json => serde_json::to_value(explained)
                    .map_err(|error| Failed::Said(error.to_string()))?,
                Some(explained) => {
                    say(&explained.to_string());
                    return Ok(());
                }
                None => return Err(Failed::Said(format!("there is no API `{api}`"))),
            },
            (None, None) => control::list_apis(&snapshot),
        };
    match answer.get("text").and_then(Value::as_str) {
        Some(text) if !wanted.gateway.json => say(text),
        _ => say(&format!("{answer:#}")),
    }
    Ok(())
}

pub(super) fn diff(builder: &Builder, wanted: &DiffArguments, against: &Path) -> Done {
    let config = &wanted.gateway.config;
    let old = Origin { root: against.to_path_buf(), overlays: config.overlay.clone() };
    let (old, new) = (compile(builder, &old)?, compile(builder, &config.origin())?);
    let diff = diff::diff(&old, &new);
    if wanted.gateway.json {
        let value = serde_json::to_value(&diff).map_err(|error| Failed::Said(error.to_string()))?;
        say(&format!("{value:#}"));
    } else {
        say(&diff.to_string());
    }
    Ok(())
}

fn compile(builder: &Builder, origin: &Origin) -> Result<Snapshot, Failed> {
    let registry = builder.registry().map_err(|error| Failed::Said(error.to_string()))?;
    let (sources, (store, clock)) = (builder.sources(), builder.state());
    let environment = &*sources.environment;
    let env = &|name: &str| environment(name);
    let files = &*sources.files;
    let wrong = |diagnostics: paifang_config::diag::Diagnostics| Failed::Said(diagnostics.render());
    let loaded = load(origin, env, files, &mut ParseCache::new()).map_err(wrong)?;
    let context = Context {
        registry: &registry,
        store: &**store,
        clock,
        secrets: SecretSources { env, files },
        previous: None,
    };
    let stamp = Stamp { number: 1, time: SystemTime::now(), cause: Cause::Check };
    compile::compile(loaded, stamp, &context).map_err(wrong)
}
