//! What holds in a block: directives are inherited from the blocks around it unless it has its own.

use std::sync::Arc;

use super::tree::Directive;

/// The blocks around a place, from `http` to the innermost.
#[derive(Debug, Clone)]
pub(super) struct Scope<'t> {
    levels: Arc<[&'t [Directive]]>,
}

impl<'t> Scope<'t> {
    /// One block.
    pub(super) fn new(block: &'t [Directive]) -> Self {
        Self { levels: Arc::from([block]) }
    }

    /// This one with another block inside.
    pub(super) fn inside(&self, block: &'t [Directive]) -> Self {
        let mut levels = self.levels.to_vec();
        levels.push(block);
        Self { levels: levels.into() }
    }

    /// The innermost block.
    pub(super) fn own(&self) -> &'t [Directive] {
        self.levels.last().copied().unwrap_or_default()
    }

    /// The directives of these names in the innermost block that has one of them.
    pub(super) fn all(&self, names: &[&str]) -> Vec<&'t Directive> {
        let named = |block: &&'t [Directive]| -> Vec<&'t Directive> {
            block.iter().filter(|d| names.contains(&d.name.as_str())).collect()
        };
        self.levels.iter().rev().map(named).find(|found| !found.is_empty()).unwrap_or_default()
    }

    /// The directive of this name that holds.
    pub(super) fn last(&self, name: &str) -> Option<&'t Directive> {
        self.all(&[name]).pop()
    }

    /// The first argument of the directive that holds, if it is there.
    pub(super) fn word(&self, name: &str) -> Option<&'t str> {
        self.last(name).map(|directive| directive.arg(0))
    }

    /// All directives that stand in one of the blocks, the outermost first.
    pub(super) fn every(&self) -> impl Iterator<Item = &'t Directive> {
        self.levels.iter().flat_map(|block| block.iter())
    }
}
