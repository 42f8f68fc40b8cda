//! The tables that a pgoutput stream has announced.

use crate::decode::store::{Known, Store};
use crate::event::{Relation, Span};
use std::collections::HashMap;

/// Announced tables by oid.
#[derive(Debug, Default)]
pub(super) struct Relations {
    store: Store,
    by_oid: HashMap<u32, u32>,
    /// The last one looked up: rows of a table come in runs.
    last: Option<(u32, usize)>,
}

impl Relations {
    /// Takes in an announced table, whose `index` is set here. Also says whether it is new or
    /// differs from what was known.
    pub fn announce(&mut self, mut relation: Relation) -> Option<(&Relation, bool)> {
        let next = u32::try_from(self.store.len()).unwrap_or(u32::MAX);
        let index = *self.by_oid.entry(relation.oid).or_insert(next) as usize;
        relation.index = index;
        let changed = self.store.put(Known {
            relation,
            toastable: Vec::new(),
        });
        self.store.announce(index);
        Some((&self.store.get(index)?.relation, changed))
    }

    /// The table, if it was announced in this session.
    pub fn get(&mut self, oid: u32) -> Option<&Relation> {
        let index = match self.last {
            Some((last, index)) if last == oid => index,
            _ => *self.by_oid.get(&oid)? as usize,
        };
        if !self.store.is_announced(index) {
            return None;
        }
        self.last = Some((oid, index));
        self.store.get(index).map(|known| &known.relation)
    }

    /// A new session begins: what was announced is kept for comparison only.
    pub fn reset(&mut self) {
        self.store.reset();
    }
}

/// In an old row that holds just the key, the server fills all other columns with NULL, which they
/// are not.
pub(super) fn keep_key_only(relation: &Relation, old: &mut [Span]) {
    for (span, column) in old.iter_mut().zip(&relation.columns) {
        if !column.key {
            *span = Span::Absent;
        }
    }
}
