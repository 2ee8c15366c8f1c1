//! Memory that a Brotli encoder gives back, kept for the next stream.

use brotli::{
    Allocator, SliceWrapper, SliceWrapperMut,
    enc::{
        BrotliAlloc, PDF, StandardAlloc, StaticCommand, ZopfliNode,
        cluster::HistogramPair,
        command::Command,
        entropy_encode::HuffmanTree,
        floatX,
        histogram::{ContextType, HistogramCommand, HistogramDistance, HistogramLiteral},
        s16, v8,
    },
};

/// The most bytes that the shelf of one type keeps. What an encoder has at a window of 512 KiB fits.
const MAX_BYTES: usize = 4 << 20;
/// The most pieces of memory that the shelf of one type keeps.
const MAX_PIECES: usize = 16;

type Memory<T> = <StandardAlloc as Allocator<T>>::AllocatedMemory;

/// Pieces of memory of one type, the latest last.
struct Shelf<T: Clone + Default>(Vec<Memory<T>>)
where
    StandardAlloc: Allocator<T>;

impl<T: Clone + Default> Shelf<T>
where
    StandardAlloc: Allocator<T>,
    Memory<T>: SliceWrapper<T> + SliceWrapperMut<T>,
{
    fn take(&mut self, len: usize) -> Memory<T> {
        let found = self.0.iter().rposition(|memory| memory.slice().len() == len);
        match found {
            Some(index) if len > 0 => {
                let mut memory = self.0.swap_remove(index);
                // Nothing of another response may show, whatever the codec does.
                memory.slice_mut().fill(T::default());
                memory
            }
            _ => StandardAlloc::default().alloc_cell(len),
        }
    }

    fn put(&mut self, memory: Memory<T>) {
        let size = |memory: &Memory<T>| size_of_val(memory.slice());
        let new = size(&memory);
        if new == 0 || new > MAX_BYTES {
            return;
        }
        let mut kept: usize = self.0.iter().map(size).sum();
        while !self.0.is_empty() && (kept + new > MAX_BYTES || self.0.len() >= MAX_PIECES) {
            kept -= size(&self.0.remove(0));
        }
        self.0.push(memory);
    }
}

/// A shelf for each type that the codec allocates.
macro_rules! shelves {
    ($($name:ident: $of:ty),* $(,)?) => {
        pub(super) struct Shelves { $($name: Shelf<$of>),* }

        impl Default for Shelves {
            fn default() -> Self {
                Self { $($name: Shelf(Vec::new())),* }
            }
        }

        $(impl Allocator<$of> for Shelves {
            type AllocatedMemory = Memory<$of>;
            fn alloc_cell(&mut self, len: usize) -> Memory<$of> {
                self.$name.take(len)
            }
            fn free_cell(&mut self, memory: Memory<$of>) {
                self.$name.put(memory);
            }
        })*

        impl BrotliAlloc for Shelves {}
    };
}

shelves! {
    bytes: u8, shorts: u16, signed: i32, words: u32, longs: u64, commands: Command,
    floats: floatX, lanes: v8, wide: s16, densities: PDF, statics: StaticCommand,
    literals: HistogramLiteral, command_counts: HistogramCommand, distances: HistogramDistance,
    pairs: HistogramPair, contexts: ContextType, trees: HuffmanTree, nodes: ZopfliNode,
}
