//! From an event to a record in pieces.

use super::literal::{Form, width};
use super::record::{Join, Record};
use super::screen::Screen;
use super::table::{Style, Table};
use crate::event::{Body, Event, PerRelation, Relation};
use crate::render::text::{paint::Paint, write_table_name, write_word};
use crate::render::type_name;
use crate::sql::{write_identifier, write_sql};
use crate::value::Types;

/// How far the changes of a transaction are indented.
pub(super) const BODY: usize = 2;

/// Names of messages that are longer are shortened as values are.
const LONGEST_PREFIX: usize = 64;

/// Lays events out.
pub(super) struct Layout {
    pub paint: Paint,
    pub screen: Screen,
    tables: PerRelation<Table>,
    /// What was laid out last.
    pub record: Record,
}

impl Layout {
    pub(super) fn new(screen: Screen, colored: bool) -> Layout {
        Layout {
            paint: Paint::new(colored),
            screen,
            tables: PerRelation::default(),
            record: Record::default(),
        }
    }

    /// Gets ready for the rows of a table.
    pub(super) fn prepare(&mut self, relation: &Relation) {
        let table = Table::new(relation, self.screen.expanded, &self.paint);
        self.tables.set(relation, table);
    }

    /// Makes the record of a change, of a row that is there or of a table.
    pub(super) fn lay_out(&mut self, event: &Event<'_>, types: &Types) {
        let Layout {
            paint,
            screen,
            tables,
            record,
        } = self;
        record.clear();
        let table = event
            .body
            .relation()
            .and_then(|relation| tables.get(relation));
        let style = Style {
            paint,
            screen: *screen,
            columns: (screen.columns)(),
        };
        match event.body {
            Body::Relation { relation, .. } => write_relation(relation, types, paint, record),
            Body::Message {
                transactional,
                prefix,
                content,
            } => {
                head(&paint.other, "MESSAGE", paint, record);
                record.piece(Join::Space, |out| write_prefix(prefix, style, out));
                record.piece(Join::Space, |out| write_value(content, style, out));
                if !transactional {
                    record.piece(Join::Space, |out| write_plain("NON-TRANSACTIONAL", out));
                }
            }
            Body::Undecodable { reason, content } => {
                head(&paint.delete, "UNDECODABLE", paint, record);
                record.piece(Join::Space, |out| {
                    write_value(reason.as_bytes(), style, out)
                });
                record.piece(Join::Space, |out| write_value(content, style, out));
            }
            _ => {
                if let Some(table) = table {
                    write_change(event, table, style, record);
                }
            }
        }
    }
}

fn write_change(event: &Event<'_>, table: &Table, style: Style<'_>, record: &mut Record) {
    let paint = style.paint;
    let (color, operation) = match event.body {
        Body::Insert { .. } => (&paint.insert, "INSERT"),
        Body::Update { .. } => (&paint.update, "UPDATE"),
        Body::Delete { .. } => (&paint.delete, "DELETE"),
        Body::Snapshot { .. } => (&paint.other, "SNAPSHOT"),
        Body::SnapshotProgress { .. } => (&paint.faint, "SNAPSHOT THROUGH"),
        Body::SnapshotDone { .. } => (&paint.faint, "SNAPSHOT DONE"),
        _ => (&paint.delete, "TRUNCATE"),
    };
    head(color, operation, paint, record);
    record.piece(Join::Space, |out| {
        out.extend_from_slice(&table.name);
        width(&table.name)
    });
    match event.body {
        Body::Insert { new: row, .. }
        | Body::Delete { old: row, .. }
        | Body::Snapshot { row, .. }
        | Body::SnapshotProgress { through: row, .. } => table.write_row(&row, style, record),
        Body::Update { old, new, .. } => table.write_update(old.as_ref(), &new, style, record),
        Body::Truncate {
            cascade,
            restart_identity,
            ..
        } => {
            for (yes, word) in [(cascade, "CASCADE"), (restart_identity, "RESTART IDENTITY")] {
                if yes == Some(true) {
                    record.piece(Join::Space, |out| write_plain(word, out));
                }
            }
        }
        _ => {}
    }
}

fn write_relation(relation: &Relation, types: &Types, paint: &Paint, record: &mut Record) {
    head(&paint.other, "RELATION", paint, record);
    record.piece(Join::Space, |out| {
        measured(out, |out| write_table_name(relation, out))
    });
    let last = relation.columns.len().saturating_sub(1);
    for (index, column) in relation.columns.iter().enumerate() {
        record.piece(Join::Space, |out| {
            measured(out, |out| {
                write_identifier(column.name.as_bytes(), out);
                out.push(b' ');
                write_sql(&type_name(column, types), out);
                write_word(column.key, b" KEY", out);
                write_word(index < last, b",", out);
            })
        });
    }
}

/// Appends the name of a message, which may be anything.
fn write_prefix(prefix: &[u8], style: Style<'_>, out: &mut Vec<u8>) -> usize {
    match prefix.len() <= LONGEST_PREFIX {
        true => measured(out, |out| write_identifier(prefix, out)),
        false => write_value(prefix, style, out),
    }
}

fn write_value(text: &[u8], style: Style<'_>, out: &mut Vec<u8>) -> usize {
    style.write(text, Form::Quoted, 0, out)
}

fn write_plain(text: &str, out: &mut Vec<u8>) -> usize {
    measured(out, |out| out.extend_from_slice(text.as_bytes()))
}

fn head(color: &[u8], words: &str, paint: &Paint, record: &mut Record) {
    record.piece(Join::Space, |out| {
        paint.write(color, words.as_bytes(), out);
        words.len()
    });
}

/// Appends what `write` does, which has no colours, and returns how many columns that takes.
fn measured(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) -> usize {
    let start = out.len();
    write(out);
    width(out.get(start..).unwrap_or_default())
}
