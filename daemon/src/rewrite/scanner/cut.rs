//! A chunk of text with some of its parts replaced.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

/// The result for one chunk. Nothing is copied as long as nothing is replaced.
pub(super) struct ChunkEdits<'a> {
    chunk: &'a Bytes,
    /// The chunk has been handled up to here.
    done: usize,
    /// What follows is held back.
    end: usize,
    edited: Option<BytesMut>,
}

impl<'a> ChunkEdits<'a> {
    pub(super) fn new(chunk: &'a Bytes) -> Self {
        Self {
            chunk,
            done: 0,
            end: chunk.len(),
            edited: None,
        }
    }

    /// Replaces a range, which lies after all earlier ones, by `with`.
    pub(super) fn replace(&mut self, range: Range<usize>, with: &[&[u8]]) {
        let added: usize = with.iter().map(|part| part.len()).sum();
        if range.is_empty() && added == 0 {
            return;
        }
        let chunk = self.chunk;
        let edited = self
            .edited
            .get_or_insert_with(|| BytesMut::with_capacity(chunk.len() + added + GROWTH));
        edited.extend_from_slice(&chunk[self.done..range.start]);
        for part in with {
            edited.extend_from_slice(part);
        }
        self.done = range.end;
    }

    /// Leaves out everything from `at` on.
    pub(super) fn hold(&mut self, at: usize) {
        self.end = at;
    }

    /// What is to be passed on.
    pub(super) fn finish(self) -> Bytes {
        match self.edited {
            None => self.chunk.slice(..self.end),
            Some(mut edited) => {
                edited.extend_from_slice(&self.chunk[self.done..self.end]);
                edited.freeze()
            }
        }
    }
}

/// Room for further replacements, which may each be some bytes longer than what they replace.
const GROWTH: usize = 256;
