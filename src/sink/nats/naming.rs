//! The names in messages: subject, schema and table, made once for each table and operation.

use super::queue::Names;
use super::subject::{Template, encoded};
use crate::event::{Body, Event, PerRelation, Relation};
use std::sync::Arc;

/// The names of tables and operations, made once.
pub struct Naming {
    subjects: Template,
    tables: PerRelation<Table>,
    /// Of what has no table.
    others: Vec<(&'static str, Arc<Names>)>,
    /// Of the last logical message.
    message: Option<(Vec<u8>, Arc<Names>)>,
}

struct Table {
    schema: String,
    table: String,
    operations: Vec<(&'static str, Arc<Names>)>,
}

impl Naming {
    /// Nothing named yet.
    pub fn new(subjects: Template) -> Naming {
        Naming {
            subjects,
            tables: PerRelation::default(),
            others: Vec::new(),
            message: None,
        }
    }

    /// The names of this event.
    pub fn names(&mut self, event: &Event<'_>) -> Arc<Names> {
        let op = event.body.name();
        if let Some(relation) = event.body.relation() {
            return self.of_table(op, relation);
        }
        if let Body::Message { prefix, .. } = event.body {
            return self.of_message(prefix);
        }
        let subjects = &self.subjects;
        one_of(&mut self.others, op, || Names {
            subject: subjects.of_other(op).into(),
            table: None,
        })
    }

    fn of_table(&mut self, op: &'static str, relation: &Relation) -> Arc<Names> {
        let (schema, table) = (&relation.schema, &relation.table);
        let known = self.tables.get(relation);
        if known.is_none_or(|known| known.schema != *schema || known.table != *table) {
            let unnamed = Table {
                schema: schema.clone(),
                table: table.clone(),
                operations: Vec::new(),
            };
            self.tables.set(relation, unnamed);
        }
        let subjects = &self.subjects;
        let make = || Names {
            subject: subjects.of_table(op, schema, table).into(),
            table: Some((encoded(schema), encoded(table))),
        };
        match self.tables.get_mut(relation) {
            Some(known) => one_of(&mut known.operations, op, make),
            None => Arc::new(make()),
        }
    }

    fn of_message(&mut self, prefix: &[u8]) -> Arc<Names> {
        if let Some((known, names)) = &self.message
            && known == prefix
        {
            return Arc::clone(names);
        }
        let names = Arc::new(Names {
            subject: self.subjects.of_message(prefix).into(),
            table: None,
        });
        self.message = Some((prefix.to_vec(), Arc::clone(&names)));
        names
    }
}

/// The names for this operation, made if it has none yet.
fn one_of(
    known: &mut Vec<(&'static str, Arc<Names>)>,
    op: &'static str,
    make: impl FnOnce() -> Names,
) -> Arc<Names> {
    if let Some((_, names)) = known.iter().find(|(name, _)| *name == op) {
        return Arc::clone(names);
    }
    let names = Arc::new(make());
    known.push((op, Arc::clone(&names)));
    names
}
