//! Bytes in pieces.

use std::collections::VecDeque;

use bytes::Bytes;

/// Bytes in pieces, in order. Nearly always there is one, which needs no memory beside itself.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    /// Empty when there are none.
    first: Bytes,
    rest: VecDeque<Bytes>,
}

impl Pieces {
    /// Puts a piece behind the others; an empty one is none.
    pub(super) fn push_back(&mut self, piece: Bytes) {
        if self.first.is_empty() {
            self.first = piece;
        } else if !piece.is_empty() {
            self.rest.push_back(piece);
        }
    }

    /// Puts a piece before the others; an empty one is none.
    pub(super) fn push_front(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            let next = std::mem::replace(&mut self.first, piece);
            if !next.is_empty() {
                self.rest.push_front(next);
            }
        }
    }

    /// The first piece.
    pub(super) fn pop_front(&mut self) -> Option<Bytes> {
        let next = self.rest.pop_front().unwrap_or_default();
        let first = std::mem::replace(&mut self.first, next);
        (!first.is_empty()).then_some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_keep_their_order_and_empty_ones_are_none() {
        let mut pieces = Pieces::default();
        assert_eq!(pieces.pop_front(), None);
        for piece in ["", "b", "", "c"] {
            pieces.push_back(piece.into());
        }
        pieces.push_front("a".into());
        pieces.push_front("".into());
        let all: Vec<_> = std::iter::from_fn(|| pieces.pop_front()).collect();
        assert_eq!(all, ["a", "b", "c"]);
        pieces.push_front("d".into());
        assert_eq!((pieces.pop_front(), pieces.pop_front()), (Some("d".into()), None));
    }
}
