//! The tables that the stream has announced.

use crate::event::{Relation, Span};
use std::collections::HashMap;
use std::hash::Hash;

/// Announced tables by `Key`: the oid in pgoutput, the names in wal2json.
#[derive(Debug)]
pub(super) struct Relations<Key> {
    known: Vec<Known>,
    by_key: HashMap<Key, usize>,
    /// The last one looked up: rows of a table come in runs.
    last: Option<(Key, usize)>,
}

#[derive(Debug)]
struct Known {
    relation: Relation,
    /// In this session? A server that starts anew announces all tables again.
    announced: bool,
}

impl<Key> Default for Relations<Key> {
    fn default() -> Self {
        Relations { known: Vec::new(), by_key: HashMap::new(), last: None }
    }
}

impl<Key: Copy + Eq + Hash> Relations<Key> {
    /// Takes in an announced table, whose `index` is set here. Also says whether it is new or differs from what was known.
    pub fn announce(&mut self, key: Key, mut relation: Relation) -> (&Relation, bool) {
        let index = *self.by_key.entry(key).or_insert(self.known.len());
        relation.index = index;
        if index == self.known.len() {
            self.known.push(Known { relation, announced: true });
            return (&self.known[index].relation, true);
        }
        let known = &mut self.known[index];
        let changed = known.relation != relation;
        *known = Known { relation, announced: true };
        (&known.relation, changed)
    }

    /// The table, if it was announced in this session.
    pub fn get(&mut self, key: Key) -> Option<&Relation> {
        let index = match self.last {
            Some((last, index)) if last == key => index,
            _ => *self.by_key.get(&key)?,
        };
        let known = self.known.get(index).filter(|known| known.announced)?;
        self.last = Some((key, index));
        Some(&known.relation)
    }

    /// A new session begins: what was announced is kept for comparison only.
    pub fn reset(&mut self) {
        for known in &mut self.known {
            known.announced = false;
        }
    }
}

/// In an old row that holds just the key, the server fills all other columns with NULL, which they are not.
pub(super) fn keep_key_only(relation: &Relation, old: &mut [Span]) {
    for (span, column) in old.iter_mut().zip(&relation.columns) {
        if !column.key {
            *span = Span::Absent;
        }
    }
}

/// Fills in TOASTed values that an update left alone where the old row has them.
pub(super) fn fill_unchanged(old: &[Span], new: &mut [Span]) {
    for (new, old) in new.iter_mut().zip(old) {
        if *new == Span::Unchanged && matches!(old, Span::Text { .. }) {
            *new = *old;
        }
    }
}
