//! Commands that read the files and ask no running gateway.

use super::{
    Failed,
    args::{CheckArguments, ConfigArguments, DiffArguments, ExplainArguments, Secrets},
    secrets::{Placeholders, note},
    terminal::{complain, say},
};
use crate::{Builder, control, stores::SharedStores};
use paifang_config::{
    compile::{self, Context, Stamp},
    diag::Diagnostics,
    diff, explain, load, schema,
    snapshot::{Cause, Snapshot},
    source::{Origin, ParseCache, SecretSources},
};
use paifang_pipeline::ports::{HttpOut, NoHttpOut};
use serde_json::Value;
use std::{collections::BTreeSet, path::Path, sync::Arc, time::SystemTime};

type Done = Result<(), Failed>;

/// Checks everything that a release would check before it listens: config, plugins' config,
/// certificates, upstreams.
pub(super) fn check(builder: &Builder, wanted: CheckArguments) -> Done {
    let mut compiler = Compiler::new(builder, wanted.secrets);
    let config = wanted.config.get();
    let snapshot = compiler.compile(&config.origin())?;
    let (apis, files) = (snapshot.apis().len(), snapshot.sources().files().len());
    let absent = (wanted.secrets == Secrets::Placeholder).then_some(&mut compiler.absent);
    control::check_link(snapshot, builder, absent).map_err(|wrong| Failed::Said(wrong.render()))?;
    compiler.finish();
    let of =
        |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let (apis, files) = (of(apis, "API"), of(files, "file"));
    say(&format!("{}: {apis} in {files}, no errors", config.root().display()));
    Ok(())
}

/// The schema of any config, or with the kinds of steps that one config's modules make.
pub(super) fn schema(builder: &Builder, config: Option<ConfigArguments>) -> Done {
    let registry = builder.registry().map_err(|error| Failed::Said(error.to_string()))?;
    let schema = match config {
        None => schema::with_plugins(&registry),
        Some(config) => {
            let mut compiler = Compiler::new(builder, Secrets::Placeholder);
            let snapshot = compiler.compile(&config.origin())?;
            schema::with_modules(&registry, &snapshot)
        }
    };
    say(&format!("{schema:#}"));
    Ok(())
}

pub(super) fn explain(builder: &Builder, wanted: &ExplainArguments) -> Done {
    let mut compiler = Compiler::new(builder, wanted.secrets);
    let snapshot = compiler.compile(&wanted.gateway.reach.config.origin())?;
    compiler.finish();
    let answer = match (&wanted.request, &wanted.api) {
        (Some(request), _) => {
            control::explain_request(&snapshot, request, &wanted.header, wanted.listener.as_deref())
                .map_err(Failed::Said)?
        }
        (None, Some(api)) => match explain::api(&snapshot, api) {
            Some(explained) if wanted.gateway.json => {
                serde_json::to_value(explained).map_err(|error| Failed::Said(error.to_string()))?
            }
            Some(explained) => {
                say(&explained.to_string());
                return Ok(());
            }
            None => {
                let help = "`paifang explain` without a name lists them all";
                return Err(Failed::Said(format!("there is no API `{api}`; {help}")));
            }
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
    let config = &wanted.gateway.reach.config;
    let old = Origin { root: against.to_path_buf(), overlays: config.overlay.clone() };
    let mut compiler = Compiler::new(builder, wanted.secrets);
    let (old, new) = (compiler.compile(&old)?, compiler.compile(&config.origin())?);
    compiler.finish();
    let diff = diff::diff(&old, &new);
    if wanted.gateway.json {
        let value = serde_json::to_value(&diff).map_err(|error| Failed::Said(error.to_string()))?;
        say(&format!("{value:#}"));
    } else {
        say(&diff.to_string());
    }
    Ok(())
}

/// Compiles configs that will not run here.
struct Compiler<'a> {
    builder: &'a Builder,
    secrets: Secrets,
    /// Secrets, certificates and keys that are not on this machine.
    absent: BTreeSet<String>,
}

impl<'a> Compiler<'a> {
    fn new(builder: &'a Builder, secrets: Secrets) -> Self {
        Self { builder, secrets, absent: BTreeSet::new() }
    }

    fn compile(&mut self, origin: &Origin) -> Result<Snapshot, Failed> {
        let registry = self.builder.registry().map_err(|error| Failed::Said(error.to_string()))?;
        let (sources, (store, clock)) = (self.builder.sources(), self.builder.state());
        let environment = &*sources.environment;
        let env = &|name: &str| environment(name);
        let files = &*sources.files;
        let wrong = |diagnostics: Diagnostics| Failed::Said(diagnostics.render());
        let loaded = load(origin, env, files, &mut ParseCache::new()).map_err(wrong)?;
        let placeholders = Placeholders::over(files);
        let made_up = &|name: &str| Some(placeholders.variable(name, environment(name)));
        let secrets = match self.secrets {
            Secrets::Require => SecretSources { env, files },
            Secrets::Placeholder => SecretSources { env: made_up, files: &placeholders },
        };
        let http: Arc<dyn HttpOut> = Arc::new(NoHttpOut);
        let stores = SharedStores::new(clock.clone(), store.clone());
        let context = Context {
            registry: &registry,
            modules: Some(&**self.builder.handlers()),
            store: &**store,
            stores: Some(&stores),
            clock,
            http: &http,
            secrets,
            plans: &[],
            previous: None,
        };
        let stamp = Stamp { number: 1, time: SystemTime::now(), cause: Cause::Check };
        let compiled = compile::compile(loaded, stamp, &context).map_err(wrong);
        self.absent.append(&mut placeholders.into_absent());
        compiled
    }

    /// Tells what was not there.
    fn finish(self) {
        if !self.absent.is_empty() {
            complain(&note(&self.absent));
        }
    }
}
