//! Which containers are open.

/// A stack of objects and arrays, one bit each.
#[derive(Default)]
pub(super) struct Nesting {
    depth: usize,
    objects: [u64; LIMIT / 64],
}

impl Nesting {
    /// How many containers are open.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// Whether the innermost of them is an object.
    pub(super) fn in_object(&self) -> bool {
        self.depth
            .checked_sub(1)
            .is_some_and(|top| (self.objects[top / 64] >> (top % 64)) & 1 == 1)
    }

    /// Opens a container. `false` if it exceeds the limit.
    pub(super) fn push(&mut self, object: bool) -> bool {
        let top = self.depth;
        let Some(word) = self.objects.get_mut(top / 64) else {
            return false;
        };
        *word = (*word & !(1 << (top % 64))) | (u64::from(object) << (top % 64));
        self.depth += 1;
        true
    }

    /// Closes the innermost container.
    pub(super) fn pop(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }
}

/// Python's parser gives up at about 1000 levels, Ruby's at 100, most others in between: no script
/// reads text that is nested more deeply.
pub(super) const LIMIT: usize = 1024;
