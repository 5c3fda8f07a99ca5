//! Which of the open containers lie on a path of the list of fields.

use super::fields::{At, Classes, FieldTree};

/// The places of the outermost open containers, as far down as the list knows them.
pub(super) struct FieldTrail {
    tree: &'static FieldTree,
    places: [At; DEEPEST],
    len: usize,
    /// The place of the member whose key has been read.
    member: At,
}

impl FieldTrail {
    pub(super) fn new(tree: &'static FieldTree) -> Self {
        Self {
            tree,
            places: [At::NOWHERE; DEEPEST],
            len: 0,
            member: At::NOWHERE,
        }
    }

    /// Whether all of `depth` open containers lie on it.
    #[inline(always)]
    pub(super) fn reaches(&self, depth: usize) -> bool {
        self.len == depth
    }

    /// A key has been read in the innermost container. Returns the classes of its value, if it is a
    /// string.
    #[inline(never)]
    pub(super) fn named(&mut self, name: &[u8]) -> Classes {
        let object = self.innermost().unwrap_or(At::NOWHERE);
        self.member = self.tree.member(object, name);
        self.tree.classes(self.member, name)
    }

    /// A container opens in the innermost one, an object or an array, or at the top.
    #[inline(never)]
    pub(super) fn enter(&mut self, in_object: bool, is_object: bool) {
        let place = match self.innermost() {
            None => At::TOP,
            Some(_) if in_object => self.member,
            Some(array) => self.tree.element(array),
        };
        if self.tree.goes_on(place, is_object)
            && let Some(next) = self.places.get_mut(self.len)
        {
            *next = place;
            self.len += 1;
        }
    }

    /// A container has closed, and `depth` are still open.
    #[inline(always)]
    pub(super) fn leave(&mut self, depth: usize) {
        self.len = self.len.min(depth);
    }

    fn innermost(&self) -> Option<At> {
        self.places.get(self.len.checked_sub(1)?).copied()
    }
}

/// As many containers as the longest path passes through.
pub(super) const DEEPEST: usize = 8;
