//! The pipeline's sentences (`docs/specs/pipeline.md`) held through every front: each case is run over
//! HTTP/1.1 and over HTTP/2, by the same table.

mod bodies;
mod case;
mod ends;
mod failing;
mod order;

pub(crate) use case::Door;
