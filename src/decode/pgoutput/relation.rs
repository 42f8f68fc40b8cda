//! The tables that a pgoutput stream has announced.

use crate::event::{Relation, Span};
use std::collections::HashMap;

/// Announced tables by oid.
#[derive(Debug, Default)]
pub(super) struct Relations {
    known: Vec<Known>,
    by_oid: HashMap<u32, usize>,
    /// The last one looked up: rows of a table come in runs.
    last: Option<(u32, usize)>,
}

#[derive(Debug)]
struct Known {
    relation: Relation,
    /// In this session? In a new one the server announces all tables again.
    announced: bool,
}

impl Relations {
    /// Takes in an announced table, whose `index` is set here. Also says whether it is new or
    /// differs from what was known.
    pub fn announce(&mut self, mut relation: Relation) -> (&Relation, bool) {
        let index = *self.by_oid.entry(relation.oid).or_insert(self.known.len());
        relation.index = index;
        if index == self.known.len() {
            self.known.push(Known {
                relation,
                announced: true,
            });
            return (&self.known[index].relation, true);
        }
        let known = &mut self.known[index];
        let changed = known.relation != relation;
        *known = Known {
            relation,
            announced: true,
        };
        (&known.relation, changed)
    }

    /// The table, if it was announced in this session.
    pub fn get(&mut self, oid: u32) -> Option<&Relation> {
        let index = match self.last {
            Some((last, index)) if last == oid => index,
            _ => *self.by_oid.get(&oid)?,
        };
        let known = self.known.get(index).filter(|known| known.announced)?;
        self.last = Some((oid, index));
        Some(&known.relation)
    }

    /// A new session begins: what was announced is kept for comparison only.
    pub fn reset(&mut self) {
        for known in &mut self.known {
            known.announced = false;
        }
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
