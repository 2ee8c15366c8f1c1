//! What a file is made of, looked at before anything of it is compiled: sizes and counts that would
//! cost the compiler minutes or gigabytes, and the custom sections that are ours.
//!
//! The compiler's work is not linear: it grows with locals times branches of a function, and with
//! instances that components within components multiply. Figures stand in docs/specs/handler.md.

use crate::component::ModuleError;
use wasmparser::{
    BlockType, ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind,
    ComponentTypeRef, FunctionBody, Instance, Operator, Parser, Payload,
};

/// The largest file, in bytes.
const FILE: usize = 64 << 20;
/// The largest schema and the largest probes, in bytes.
const SECTION: usize = 1 << 20;
/// Functions of all core modules in a file.
const FUNCTIONS: u32 = 50_000;
/// Code of one function, in bytes.
const CODE: usize = 256 << 10;
/// Locals of one function, and the values that its widest block takes and gives, times its branches.
const TANGLE: u64 = 4_000_000;
/// Components within components.
const DEPTH: usize = 8;
/// Components and core modules that are instantiated, each as often as it is.
const INSTANCES: u64 = 100;

/// The section with the JSON Schema of a handler's config.
const SCHEMA: &str = "paifang:schema";
/// The section with the cases that a release must pass.
const PROBES: &str = "paifang:probes";

/// What a file carries beside its code.
#[derive(Debug, Default)]
pub(crate) struct Carried {
    pub(crate) schema: Option<Vec<u8>>,
    pub(crate) probes: Option<Vec<u8>>,
}

/// Looks at a whole file.
pub(crate) fn survey(bytes: &[u8]) -> Result<Carried, ModuleError> {
    if bytes.len() > FILE {
        return Err(ModuleError::TooLarge(format!(
            "it has {} bytes, more than {FILE}",
            bytes.len()
        )));
    }
    let mut survey = Survey::default();
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(|error| not_wasm(&error))?;
        // The parser takes one that is cut between two of its sections for a whole one.
        if let Payload::ModuleSection { unchecked_range: range, .. }
        | Payload::ComponentSection { unchecked_range: range, .. } = &payload
            && range.end > bytes.len()
        {
            let why = format!("it ends at {}, within what goes on to {}", bytes.len(), range.end);
            return Err(ModuleError::NotWasm(why));
        }
        survey.look(payload)?;
    }
    Ok(survey.carried)
}

fn not_wasm(error: &wasmparser::BinaryReaderError) -> ModuleError {
    ModuleError::NotWasm(error.to_string())
}

#[derive(Default)]
struct Survey {
    carried: Carried,
    functions: u32,
    /// The component or module under way, and those around it.
    open: Vec<Open>,
}

/// A component or a core module under way.
#[derive(Default)]
struct Open {
    is_component: bool,
    /// What instantiating each of its components makes.
    components: Vec<u64>,
    /// What instantiating itself makes.
    makes: u64,
    /// How many values each of a module's types takes and gives.
    widths: Vec<u64>,
}

impl Survey {
    fn look(&mut self, payload: Payload<'_>) -> Result<(), ModuleError> {
        let wrong = |error: wasmparser::BinaryReaderError| not_wasm(&error);
        match payload {
            Payload::Version { encoding, .. } => {
                let is_component = encoding == wasmparser::Encoding::Component;
                self.open.push(Open { is_component, makes: 1, ..Open::default() });
                if self.open.len() > DEPTH {
                    let what = format!("more than {DEPTH} components within one another");
                    return Err(ModuleError::TooLarge(what));
                }
            }
            Payload::End(_) => self.closed(),
            Payload::CustomSection(section) => self.carries(section.name(), section.data())?,
            Payload::FunctionSection(section) => {
                self.functions = self.functions.saturating_add(section.count());
                if self.functions > FUNCTIONS {
                    let what = format!("more than {FUNCTIONS} functions");
                    return Err(ModuleError::TooLarge(what));
                }
            }
            Payload::TypeSection(section) => {
                let Some(open) = self.open.last_mut() else { return Ok(()) };
                for ty in section.into_iter_err_on_gc_types() {
                    let ty = ty.map_err(wrong)?;
                    open.widths.push((ty.params().len() + ty.results().len()) as u64);
                }
            }
            Payload::CodeSectionEntry(body) => {
                untangled(&body, self.open.last().map_or(&[], |open| &open.widths))?;
            }
            Payload::InstanceSection(section) => {
                for instance in section {
                    if let Instance::Instantiate { .. } = instance.map_err(wrong)? {
                        self.makes(1)?;
                    }
                }
            }
            Payload::ComponentInstanceSection(section) => {
                for instance in section {
                    if let ComponentInstance::Instantiate { component_index, .. } =
                        instance.map_err(wrong)?
                    {
                        // One that is not there is refused by the validator.
                        let known = self.open.last().and_then(|open| {
                            open.components.get(usize::try_from(component_index).ok()?).copied()
                        });
                        self.makes(known.unwrap_or(1))?;
                    }
                }
            }
            Payload::ComponentImportSection(section) => {
                for import in section {
                    let import = import.map_err(wrong)?;
                    if let ComponentTypeRef::Component(_) | ComponentTypeRef::Module(_) = import.ty
                    {
                        return Err(handed_around());
                    }
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section {
                    whole(export.map_err(wrong)?.kind)?;
                }
            }
            Payload::ComponentAliasSection(section) => {
                for alias in section {
                    match alias.map_err(wrong)? {
                        ComponentAlias::InstanceExport { kind, .. } => whole(kind)?,
                        ComponentAlias::Outer {
                            kind:
                                ComponentOuterAliasKind::Component | ComponentOuterAliasKind::CoreModule,
                            ..
                        } => return Err(handed_around()),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// What is under way makes so many more.
    fn makes(&mut self, more: u64) -> Result<(), ModuleError> {
        let Some(open) = self.open.last_mut() else { return Ok(()) };
        open.makes = open.makes.saturating_add(more);
        if open.makes > INSTANCES {
            let what = format!("more than {INSTANCES} instances of what is in it");
            return Err(ModuleError::TooLarge(what));
        }
        Ok(())
    }

    fn closed(&mut self) {
        let Some(closed) = self.open.pop() else { return };
        if let Some(around) = self.open.last_mut().filter(|_| closed.is_component) {
            around.components.push(closed.makes);
        }
    }

    /// A custom section: ours, or nobody's.
    fn carries(&mut self, name: &str, data: &[u8]) -> Result<(), ModuleError> {
        let place = match name {
            SCHEMA => &mut self.carried.schema,
            PROBES => &mut self.carried.probes,
            _ => return Ok(()),
        };
        if place.is_some() {
            return Err(ModuleError::Section(name.to_owned(), "stands in it twice".to_owned()));
        }
        if data.len() > SECTION {
            let why = format!("has {} bytes, more than {SECTION}", data.len());
            return Err(ModuleError::Section(name.to_owned(), why));
        }
        *place = Some(data.to_vec());
        Ok(())
    }
}

/// A component that is passed on as a value may be instantiated anywhere, and is counted nowhere.
fn whole(kind: ComponentExternalKind) -> Result<(), ModuleError> {
    match kind {
        ComponentExternalKind::Component | ComponentExternalKind::Module => Err(handed_around()),
        _ => Ok(()),
    }
}

fn handed_around() -> ModuleError {
    ModuleError::TooLarge(
        "whole components or modules among its imports, exports or aliases".to_owned(),
    )
}

/// Looks at one function.
fn untangled(body: &FunctionBody<'_>, widths: &[u64]) -> Result<(), ModuleError> {
    let wrong = |error: wasmparser::BinaryReaderError| not_wasm(&error);
    let range = body.range();
    let at = range.start;
    if range.len() > CODE {
        let what = format!("a function of {} bytes at {at:#x}, more than {CODE}", range.len());
        return Err(ModuleError::TooLarge(what));
    }
    let (mut locals, mut branches, mut width) = (0_u64, 0_u64, 0_u64);
    let mut wide = |block: BlockType| {
        if let BlockType::FuncType(index) = block {
            // A type that is not there is refused by the validator.
            let known = usize::try_from(index).ok().and_then(|index| widths.get(index));
            width = width.max(known.copied().unwrap_or_default());
        }
        width
    };
    let mut most = 0;
    for operator in body.get_operators_reader().map_err(wrong)? {
        match operator.map_err(wrong)? {
            // Only what is used is counted; the rest costs nothing.
            Operator::LocalGet { local_index: index }
            | Operator::LocalSet { local_index: index }
            | Operator::LocalTee { local_index: index } => {
                locals = locals.max(u64::from(index) + 1);
            }
            Operator::Block { blockty } => most = wide(blockty),
            Operator::Loop { blockty } | Operator::If { blockty } => {
                most = wide(blockty);
                branches += 1;
            }
            Operator::Br { .. } | Operator::BrIf { .. } => branches += 1,
            Operator::BrTable { targets } => branches += u64::from(targets.len()),
            _ => continue,
        }
        if branches.saturating_mul(locals + most) > TANGLE {
            let what = format!(
                "a function at {at:#x} with {locals} locals and more than {branches} branches; \
                 the product is more than {TANGLE}",
            );
            return Err(ModuleError::TooLarge(what));
        }
    }
    Ok(())
}
