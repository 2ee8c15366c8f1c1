//! Where something stands: a file by its number, and a range of lines and columns.

/// A file that was read, by a number that no other file of the same loader has ever had.
/// `FileId::NONE` stands for what came from no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub u32);

impl FileId {
    /// Not from a file: defaults, and values made by code.
    pub const NONE: Self = Self(u32::MAX);
}

/// A range in a file. Lines and columns count from 1, columns in characters; the end is
/// exclusive and never before the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// First line.
    pub line: u32,
    /// First column.
    pub column: u32,
    /// Line of the end.
    pub end_line: u32,
    /// Column of the end, exclusive.
    pub end_column: u32,
}

impl Span {
    /// The span of what came from no file.
    pub const NONE: Self =
        Self { file: FileId::NONE, line: 0, column: 0, end_line: 0, end_column: 0 };

    /// One character at a place.
    #[must_use]
    pub const fn point(file: FileId, line: u32, column: u32) -> Self {
        Self { file, line, column, end_line: line, end_column: column + 1 }
    }

    /// From the start of `self` to the end of `other`.
    #[must_use]
    pub const fn to(self, other: Self) -> Self {
        Self { end_line: other.end_line, end_column: other.end_column, ..self }
    }
}
