//! The YAML layer: text in, a tree of nodes out, each knowing where it stands in which file.
//!
//! Everything the rest of the crate reads of YAML goes through here, so that the parser can be
//! exchanged in one place (docs/adr/0003-yaml-parser.md). What comes out is plain: maps with text
//! keys, lists, scalars. Tags, duplicate keys, merge keys, keys that are not text, several
//! documents, self-referring or exploding aliases are refused with their place.
//!
//! How a scalar gets its type: the place that reads it decides. A key that wants a number takes
//! the text as a number, one that wants a text takes it as it stands. A quoted scalar is a text
//! and refused for a number, unless it was filled from `${…}`: inside `{ … }` YAML wants such
//! scalars quoted, so they count as numbers and booleans there too. Where no type is asked for
//! (the free config of a step), plain scalars follow the YAML 1.2 core schema and quoted ones are
//! texts.

mod budget;
mod de;
mod hash;
mod node;
mod parse;
mod scalar;
mod span;
mod value;

pub use budget::Budget;
pub use de::{Located, read};
pub(crate) use de::{MANY, SECRET};
pub use hash::Digest;
pub(crate) use node::cut;
pub use node::{Entry, Key, Kind, Map, Node, Scalar, Style};
pub use parse::parse;
pub(crate) use parse::{Keys, parse_with};
pub use scalar::Plain;
pub use span::{FileId, Span};
pub use value::{by_pointer, to_value};
