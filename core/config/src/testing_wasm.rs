//! A host of modules for tests: a module is a text, and its handlers do nothing.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::{Arc, Mutex};

use paifang_pipeline::{
    BuildContext, Built, ConfigError, DynPlugin, ErrorCode, Handler, Slots, Stages,
};
use serde_json::Value;

use crate::compile::Modules;
use crate::model::Wasm;

/// Takes texts that begin with `module`; `answers` and `identity` in them say what handlers do.
/// Refuses `broken` for the sake of the entry's memory, and all others as a whole.
#[derive(Default)]
pub(crate) struct FakeHost {
    /// Names that were loaded, in order.
    pub(crate) loaded: Mutex<Vec<String>>,
}

impl FakeHost {
    /// What was loaded since this was asked last.
    pub(crate) fn told(&self) -> Vec<String> {
        std::mem::take(&mut *self.loaded.lock().unwrap())
    }
}

impl Modules for FakeHost {
    fn load(
        &self,
        name: &str,
        entry: &Wasm,
        bytes: &[u8],
    ) -> Result<Arc<dyn DynPlugin>, ConfigError> {
        self.loaded.lock().unwrap().push(name.to_owned());
        let text = String::from_utf8_lossy(bytes).into_owned();
        match text.split_whitespace().next() {
            Some("module") => {}
            Some("broken") => {
                return Err(ConfigError::at("/limits/memory", "it needs at least 32MiB")
                    .help("write memory: 32MiB"));
            }
            _ => return Err(ConfigError::at("/file", "it is no component")),
        }
        let cpu = entry.limits.cpu.to_string();
        Ok(Arc::new(FakeModule { kind: name.to_owned(), text, cpu }))
    }
}

struct FakeModule {
    kind: String,
    text: String,
    cpu: String,
}

impl DynPlugin for FakeModule {
    fn kind(&self) -> &str {
        &self.kind
    }
    fn errors(&self) -> &'static [&'static ErrorCode] {
        &[]
    }
    fn describe(&self) -> Vec<(String, String)> {
        vec![("exports".into(), "request".into()), ("limits".into(), format!("cpu {}", self.cpu))]
    }
    fn schema(&self, _: &mut schemars::SchemaGenerator) -> schemars::Schema {
        true.into()
    }
    fn build(&self, config: &Value, _: &BuildContext<'_>) -> Result<Built, ConfigError> {
        if config.get("threshold").is_some_and(|value| !value.is_number()) {
            return Err(ConfigError::at("/threshold", "expected a number"));
        }
        let mut built = Built::new(Nothing);
        built.always_answers = self.text.contains("answers");
        Ok(if self.text.contains("identity") { built.writes(Slots::IDENTITY) } else { built })
    }
}

struct Nothing;
impl Handler for Nothing {
    fn stages(&self) -> Stages {
        Stages::REQUEST
    }
}
