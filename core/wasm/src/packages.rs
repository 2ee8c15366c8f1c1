//! The packages that a core module's metadata names, and which of them need which.
//!
//! The encoder walks along these needs, and where they lead in a circle it does so until its stack is
//! used up, which would end the process. No text of WIT has such a circle; a damaged file may. So the
//! metadata is looked at before it is handed on: a component type, in which instance types take types
//! of instances that stand before them.

use crate::component::ModuleError;
use std::collections::{HashMap, HashSet};
use wasmparser::{
    BinaryReaderError, ComponentAlias, ComponentExternalKind, ComponentOuterAliasKind,
    ComponentType, ComponentTypeDeclaration, ComponentTypeRef, InstanceTypeDeclaration, Parser,
    Payload,
};

/// What the names of sections with metadata begin with.
const METADATA: &str = "component-type";
/// The deepest that component types stand within one another; the encoder needs two.
const DEPTH: usize = 4;

/// Sees that they can be put in an order.
pub(crate) fn in_order(core: &[u8]) -> Result<(), ModuleError> {
    let wrong = |error: BinaryReaderError| ModuleError::NotWasm(error.to_string());
    let mut graph = Graph::default();
    for payload in Parser::new(0).parse_all(core) {
        let Payload::CustomSection(section) = payload.map_err(wrong)? else { continue };
        if !section.name().starts_with(METADATA) {
            continue;
        }
        let odd = |why: &dyn std::fmt::Display| {
            ModuleError::Core(format!("its section `{}`: {why}", section.name()))
        };
        if !Parser::is_component(section.data()) {
            return Err(odd(&"it is of a wit-bindgen that is too old, or damaged"));
        }
        for payload in Parser::new(0).parse_all(section.data()) {
            let Payload::ComponentTypeSection(types) = payload.map_err(|error| odd(&error))? else {
                continue;
            };
            for ty in types {
                if let ComponentType::Component(declared) = ty.map_err(|error| odd(&error))? {
                    graph.world(&declared, &[], 0).map_err(|why| odd(&why))?;
                }
            }
        }
    }
    graph.in_order()
}

#[derive(Default)]
struct Graph<'a> {
    needs: HashMap<Package<'a>, HashSet<Package<'a>>>,
}

/// A type of a component type, as far as it matters here.
enum Known<'a> {
    /// Taken from an instance of this package.
    Of(Package<'a>),
    /// An instance type, or a value's, and the packages whose types it takes.
    Needs(HashSet<Package<'a>>),
}

/// A package's name and its version.
type Package<'a> = (&'a str, &'a str);

/// `a:b` and `0.1.0` for `a:b/c@0.1.0`.
fn package(name: &str) -> Package<'_> {
    let (package, interface) = name.split_once('/').unwrap_or(("", name));
    (package, interface.split_once('@').map_or("", |(_, version)| version))
}

impl<'a> Graph<'a> {
    /// A component type, whose exports and imports are a world's, or that exports a world.
    fn world(
        &mut self,
        declared: &[ComponentTypeDeclaration<'a>],
        around: &[Package<'a>],
        depth: usize,
    ) -> Result<(), &'static str> {
        if depth > DEPTH {
            return Err("component types within one another");
        }
        let mut types: Vec<Known<'a>> = Vec::new();
        let mut instances: Vec<Package<'a>> = Vec::new();
        // The world's own package needs those of all its interfaces.
        let named: Vec<Package<'a>> = declared
            .iter()
            .filter_map(|declared| match declared {
                ComponentTypeDeclaration::Export { name, ty: ComponentTypeRef::Component(_) } => {
                    Some(package(name.name))
                }
                _ => None,
            })
            .collect();
        for declared in declared {
            match declared {
                ComponentTypeDeclaration::CoreType(_) => {}
                ComponentTypeDeclaration::Type(ComponentType::Component(inner)) => {
                    self.world(inner, &named, depth + 1)?;
                    types.push(Known::Needs(HashSet::new()));
                }
                ComponentTypeDeclaration::Type(ComponentType::Instance(inner)) => {
                    types.push(Known::Needs(taken(inner, &types)?));
                }
                ComponentTypeDeclaration::Type(_) => types.push(Known::Needs(HashSet::new())),
                ComponentTypeDeclaration::Alias(ComponentAlias::InstanceExport {
                    kind: ComponentExternalKind::Type,
                    instance_index,
                    ..
                }) => {
                    let of = usize::try_from(*instance_index).ok().and_then(|at| instances.get(at));
                    types.push(Known::Of(*of.ok_or("a type of an instance that is not there")?));
                }
                ComponentTypeDeclaration::Alias(_) => return Err("an alias that no world needs"),
                ComponentTypeDeclaration::Import(import) => {
                    self.named(import.name.name, &import.ty, around, &mut types, &mut instances)?;
                }
                ComponentTypeDeclaration::Export { name, ty } => {
                    self.named(name.name, ty, around, &mut types, &mut instances)?;
                }
            }
        }
        Ok(())
    }

    /// Something that is imported or exported.
    fn named(
        &mut self,
        name: &'a str,
        ty: &ComponentTypeRef,
        around: &[Package<'a>],
        types: &mut Vec<Known<'a>>,
        instances: &mut Vec<Package<'a>>,
    ) -> Result<(), &'static str> {
        match ty {
            ComponentTypeRef::Instance(index) => {
                let own = package(name);
                instances.push(own);
                for world in around {
                    self.needs.entry(*world).or_default().insert(own);
                }
                let known = usize::try_from(*index).ok().and_then(|index| types.get(index));
                if let Some(Known::Needs(needs)) = known {
                    self.needs.entry(own).or_default().extend(needs);
                }
            }
            ComponentTypeRef::Type(_) => types.push(Known::Needs(HashSet::new())),
            _ => {}
        }
        Ok(())
    }

    /// Takes away those that need nothing until none is left.
    fn in_order(mut self) -> Result<(), ModuleError> {
        for (own, needs) in &mut self.needs {
            needs.remove(own);
        }
        while !self.needs.is_empty() {
            let before = self.needs.len();
            let waiting: HashSet<Package<'_>> = self.needs.keys().copied().collect();
            self.needs.retain(|_, needs| needs.iter().any(|name| waiting.contains(name)));
            if self.needs.len() == before {
                let mut circle: Vec<_> =
                    waiting.iter().map(|(name, _)| format!("`{name}`")).collect();
                circle.sort();
                let circle = circle.join(", ");
                return Err(ModuleError::Core(format!("packages that need one another: {circle}")));
            }
        }
        Ok(())
    }
}

/// The packages whose types an instance type takes from around it.
fn taken<'a>(
    declared: &[InstanceTypeDeclaration<'a>],
    around: &[Known<'a>],
) -> Result<HashSet<Package<'a>>, &'static str> {
    let mut needs = HashSet::new();
    for declared in declared {
        match declared {
            InstanceTypeDeclaration::Alias(ComponentAlias::Outer {
                kind: ComponentOuterAliasKind::Type,
                count: 1,
                index,
            }) => match usize::try_from(*index).ok().and_then(|index| around.get(index)) {
                Some(Known::Of(package)) => {
                    needs.insert(*package);
                }
                Some(Known::Needs(more)) => needs.extend(more),
                None => return Err("a type that is not there"),
            },
            InstanceTypeDeclaration::Alias(_) => return Err("an alias that no interface needs"),
            InstanceTypeDeclaration::Type(
                ComponentType::Component(_) | ComponentType::Instance(_),
            ) => return Err("a type within an interface that no value has"),
            _ => {}
        }
    }
    Ok(needs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wit_component::{StringEncoding, embed_component_metadata};
    use wit_parser::Resolve;

    /// An empty module with the metadata of a world.
    fn module(wit: &str) -> Vec<u8> {
        let mut resolve = Resolve::default();
        let package = resolve.push_str("test.wit", wit).unwrap();
        let world = resolve.select_world(&[package], Some("w")).unwrap();
        let mut module = b"\0asm\x01\0\0\0".to_vec();
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        module
    }

    /// The file with another name in place of one of the same length.
    fn renamed(mut file: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
        for at in 0..file.len() - from.len() {
            if &file[at..at + from.len()] == from {
                file[at..at + from.len()].copy_from_slice(to);
            }
        }
        file
    }

    #[test]
    fn packages_in_a_circle_are_refused() {
        let file = module(
            "package test:test;
            package aa:a { interface a { use bb:b/b.{t}; type u = t; } }
            package bb:b { interface b { type t = u8; } }
            package cc:b { interface c { use aa:a/a.{u}; type v = u; } }
            world w { import bb:b/b; import aa:a/a; import cc:b/c; }",
        );
        assert_eq!(in_order(&file), Ok(()));
        // No text says so; a file may.
        let error = in_order(&renamed(file, b"cc:b", b"bb:b")).unwrap_err().to_string();
        assert!(error.contains("`aa:a`, `bb:b`"), "{error}");
    }

    #[test]
    fn a_world_in_the_package_that_its_interfaces_need_is_refused() {
        let file = module(
            "package test:test;
            package aa:a { interface a { type t = u8; } }
            package bb:b { interface b { use aa:a/a.{t}; type u = t; } }
            world w { import aa:a/a; import bb:b/b; }",
        );
        assert_eq!(in_order(&file), Ok(()));
        assert!(in_order(&renamed(file, b"test:test/w", b"aa:a/wwwwww")).is_err());
    }
}
