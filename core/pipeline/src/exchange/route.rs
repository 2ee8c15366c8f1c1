//! Which of a chain's upstreams a call goes to.

/// An upstream that steps of a chain may send calls to: a place in [`Chain::routes`]. A step gets its
/// own from [`BuildContext::route`] while it is built, so that sending a call there costs no look-up.
///
/// [`Chain::routes`]: crate::Chain::routes
/// [`BuildContext::route`]: crate::BuildContext::route
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Route(u16);

impl Route {
    /// The route at a place. One beyond every chain's end where the number is none: no upstream
    /// stands there, so a call that is sent there fails.
    pub(crate) fn at(index: usize) -> Self {
        Self(u16::try_from(index).unwrap_or(u16::MAX))
    }

    /// The place in its chain's routes.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}
