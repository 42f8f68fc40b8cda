//! What is known of the tables whose rows wal2json sends.
//!
//! It announces nothing: each row brings its columns along, an update lacks those TOASTed values
//! that it left alone, a delete has only the replica identity and a truncate nothing at all. So a
//! table's shape is put together from its rows, and from a [`RelationCatalog`] where a row leaves
//! something open.

use super::object::{Field, Object, Piece};
use super::pattern::Pattern;
use super::row::Text;
use super::type_name;
use crate::decode::store::{Known as Table, Store};
use crate::event::{Column, Relation, Span};
use crate::text::readable;
use crate::text::scan::same;
use std::collections::HashMap;

/// Tells the columns that tables have now. Asked only for tables whose shape the stream does not
/// tell.
pub trait RelationCatalog {
    /// What there is to know of the table; `None` if that cannot be found out.
    fn table(&mut self, schema: &str, table: &str) -> Option<CatalogTable>;
}

/// A table as the catalog has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogTable {
    /// Its columns, in their order.
    pub columns: Vec<CatalogColumn>,
    /// Whether its old rows are sent as a whole (REPLICA IDENTITY FULL).
    pub identity_full: bool,
}

/// A column as the catalog has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogColumn {
    /// Name, type and whether it is part of the primary key.
    pub column: Column,
    /// Whether its values could be TOASTed.
    pub toastable: bool,
    /// When the catalog's entry for it was written, where that is known.
    pub written: Option<Written>,
}

impl CatalogColumn {
    /// Whether its entry was written by a transaction that began after this one. `None` if that is
    /// unknown.
    fn is_since(&self, seen: Option<u32>) -> Option<bool> {
        Some(self.written?.is_after(seen?))
    }
}

/// When an entry of the catalog was written: by a transaction that added the column or altered it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// That transaction.
    pub by: u32,
    /// The first transaction that had not begun when the catalog was asked.
    pub next: u32,
    /// Whether the entry is as ADD COLUMN makes it.
    pub as_added: bool,
}

impl Written {
    /// Returns `true` if the transaction began later than this one, to which the stream had come.
    /// Numbers of transactions go round, so those of ages ago look like those to come.
    pub(super) fn is_after(self, seen: u32) -> bool {
        let (by, next) = (self.by.wrapping_sub(seen), self.next.wrapping_sub(seen));
        0 < by && by < next && next <= i32::MAX.cast_unsigned()
    }
}

/// The catalog of `walcat decode`, which has no server to ask.
pub struct NoCatalog;

impl RelationCatalog for NoCatalog {
    fn table(&mut self, _schema: &str, _table: &str) -> Option<CatalogTable> {
        None
    }
}

/// The tables seen so far.
pub(super) struct Tables {
    catalog: Box<dyn RelationCatalog>,
    tables: Store,
    /// By schema, zero byte, name.
    by_name: HashMap<String, usize>,
    /// The last one looked up: rows of a table come in runs.
    last: usize,
    /// Reused for look-ups.
    name: String,
    /// What rows of a table look like, by [`Relation::slot`].
    patterns: Vec<Patterns>,
}

/// What the rows of a table look like.
#[derive(Debug, Default)]
struct Patterns {
    /// Its [`Relation::index`]. Another table may have the slot now.
    table: usize,
    insert: Pattern,
    update: Pattern,
    delete: Pattern,
}

impl Patterns {
    fn of(&mut self, action: Option<u8>) -> Option<&mut Pattern> {
        match action? {
            b'I' => Some(&mut self.insert),
            b'U' => Some(&mut self.update),
            b'D' => Some(&mut self.delete),
            _ => None,
        }
    }

    fn clear(&mut self) {
        for pattern in [&mut self.insert, &mut self.update, &mut self.delete] {
            pattern.clear();
        }
    }
}

/// A message about a table.
#[derive(Clone, Copy)]
pub(super) struct TableMessage<'a> {
    pub object: &'a Object,
    pub message: &'a [u8],
    pub schema: &'a str,
    pub table: &'a str,
    /// Which columns of the table it may lack.
    pub lacks: Lacks,
    /// The last transaction that the stream has come to.
    pub seen: Option<u32>,
}

/// Which columns of its table a message may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lacks {
    /// None: an insert.
    Nothing,
    /// Unchanged TOASTed values: an update.
    Toasted,
    /// Any: a delete, a truncate.
    Anything,
}

/// The values of a message, in the order of its table's columns. Reused from row to row.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub old: Vec<Span>,
    pub new: Vec<Span>,
    pub old_row: OldRow,
}

/// What a message tells of the old row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum OldRow {
    /// Nothing.
    #[default]
    Missing,
    /// The identity, which wal2json repeats from the new row where the server has no old one.
    Identity,
    /// All of it, which is always that of the server: the replica identity is FULL.
    Whole,
}

/// The table of a message.
pub(super) struct Found<'a> {
    pub relation: &'a Relation,
    /// Whether it is to be announced first, as changed (`true`) or as it was.
    pub announce: Option<bool>,
}

impl Tables {
    /// No table is known yet.
    pub fn new(catalog: Box<dyn RelationCatalog>) -> Tables {
        Tables {
            catalog,
            tables: Store::default(),
            by_name: HashMap::new(),
            last: 0,
            name: String::new(),
            patterns: Vec::new(),
        }
    }

    /// A new session begins: all tables are to be announced again.
    pub fn reset(&mut self) {
        self.tables.reset();
    }

    /// Reads the rest of a row whose head is read, if it is like the last one of its table, and
    /// returns the index of that. `None`: it has to be read as a whole.
    pub fn read_like_last(
        &mut self,
        message: &[u8],
        rest: Text<'_>,
        object: &mut Object,
        rows: &mut Rows,
    ) -> Option<usize> {
        let text = |piece: Option<Piece>| str::from_utf8(object.text(message, piece?)).ok();
        let (schema, table) = (text(object.schema)?, text(object.table)?);
        let index = self.index(schema, table)?;
        let slot = self.tables.get(index)?.relation.slot;
        let patterns = self.patterns.get_mut(slot)?;
        if patterns.table != index {
            return None;
        }
        let pattern = patterns.of(object.action)?;
        pattern.read(rest, object, rows)?;
        self.last = index;
        Some(index)
    }

    /// The table at this index; `changed`: whether it is to be announced as another.
    pub fn found(&mut self, index: usize, changed: Option<bool>) -> Option<Found<'_>> {
        let announced = self.tables.announce(index);
        Some(Found {
            relation: &self.tables.get(index)?.relation,
            announce: changed.or((!announced).then_some(false)),
        })
    }

    /// The table of the message, of the shape that the message shows, and the values for its
    /// columns in `rows`. `None` if the columns contradict each other.
    pub fn find(&mut self, message: TableMessage<'_>, rows: &mut Rows) -> Option<Found<'_>> {
        let known = self.index(message.schema, message.table);
        let fits = |tables: &mut Store, index: usize, rows: &mut Rows| {
            tables
                .get(index)
                .is_some_and(|table| table.place(message, rows))
        };
        let (index, changed) = match known {
            Some(index) if fits(&mut self.tables, index, rows) => (index, None),
            _ => {
                let shape = self.shape(message, known);
                let index = self.learn(message, known, shape);
                if !fits(&mut self.tables, index, rows) {
                    return None;
                }
                (index, Some(true))
            }
        };
        self.last = index;
        self.expect_like(message, index, rows);
        self.found(index, changed)
    }

    /// The next row of the table is expected to be like this one.
    fn expect_like(&mut self, message: TableMessage<'_>, index: usize, rows: &Rows) {
        let Some(table) = self.tables.get(index) else {
            return;
        };
        let slot = table.relation.slot;
        if self.patterns.len() <= slot {
            self.patterns.resize_with(slot + 1, Patterns::default);
        }
        let Some(patterns) = self.patterns.get_mut(slot) else {
            return;
        };
        if patterns.table != index {
            // Not emptied: those of a wide table would take their room for ever.
            *patterns = Patterns {
                table: index,
                ..Patterns::default()
            };
        }
        if let Some(pattern) = patterns.of(message.object.action) {
            pattern.learn(message.message, message.object, rows);
        }
    }

    fn index(&mut self, schema: &str, table: &str) -> Option<usize> {
        let last = &self.tables.get(self.last)?.relation;
        if last.table == table && last.schema == schema {
            return Some(self.last);
        }
        self.name.clear();
        self.name.extend([schema, "\0", table]);
        self.by_name.get(&self.name).copied()
    }

    /// The columns of a table that is new or no longer what it was.
    fn shape(&mut self, message: TableMessage<'_>, known: Option<usize>) -> Vec<CatalogColumn> {
        let sent = message.columns();
        if message.lacks == Lacks::Nothing {
            return sent;
        }
        let catalog = self.catalog.table(message.schema, message.table);
        let is_full =
            |catalog: &CatalogTable| catalog.identity_full && message.object.has_whole_old();
        if message.lacks == Lacks::Toasted && catalog.as_ref().is_some_and(is_full) {
            return sent;
        }
        let known = known.and_then(|index| self.tables.get(index));
        let was_there = |column: &CatalogColumn| {
            let same = |sent: &CatalogColumn| sent.column.name == column.column.name;
            sent.iter().any(same) || known.is_some_and(|table| table.has(column))
        };
        let catalog = catalog.map(|table| at_that_time(table.columns, was_there, message));
        if let Some(shape) = catalog
            .as_ref()
            .and_then(|catalog| completed(&sent, catalog, message.lacks))
        {
            return shape;
        }
        match (known, catalog) {
            (Some(table), catalog) if message.lacks == Lacks::Toasted => {
                table.reshaped(sent, catalog.as_deref())
            }
            (None, Some(catalog)) if message.lacks == Lacks::Toasted => {
                merged(sent, &catalog, message.seen)
            }
            _ => sent,
        }
    }

    fn learn(
        &mut self,
        message: TableMessage<'_>,
        known: Option<usize>,
        shape: Vec<CatalogColumn>,
    ) -> usize {
        let index = known.unwrap_or(self.tables.len());
        // A table may have been in more than one slot.
        for patterns in &mut self.patterns {
            if patterns.table == index {
                patterns.clear();
            }
        }
        let (mut columns, toastable): (Vec<_>, Vec<_>) = shape
            .into_iter()
            .map(|shape| (shape.column, shape.toastable))
            .unzip();
        for column in &mut columns {
            column.key = message.is_key(&column.name).unwrap_or(column.key);
        }
        let (schema, table) = (message.schema.to_owned(), message.table.to_owned());
        let relation = Relation {
            index,
            slot: 0,
            oid: 0,
            schema,
            table,
            replica_identity: None,
            columns,
        };
        if known.is_none() {
            self.by_name
                .insert(format!("{}\0{}", message.schema, message.table), index);
        }
        self.tables.put(Table {
            relation,
            toastable,
        });
        index
    }
}

impl Table {
    /// Puts the values where their columns are. `false` if the message does not fit this shape.
    fn place(&self, message: TableMessage<'_>, rows: &mut Rows) -> bool {
        let Object {
            columns, identity, ..
        } = message.object;
        let same_key = |column: &Column| {
            message
                .is_key(&column.name)
                .is_none_or(|key| key == column.key)
        };
        let whole = || {
            let all = identity.fields.len() == self.relation.columns.len();
            all && !self.relation.columns.iter().all(|column| column.key)
                || message.object.has_whole_old()
        };
        rows.old_row = match identity.present {
            false => OldRow::Missing,
            true if whole() => OldRow::Whole,
            true => OldRow::Identity,
        };
        self.relation.columns.iter().all(same_key)
            && self.place_fields(
                message,
                &columns.fields,
                message.lacks,
                Span::Unchanged,
                &mut rows.new,
            )
            && self.place_fields(
                message,
                &identity.fields,
                Lacks::Anything,
                Span::Absent,
                &mut rows.old,
            )
    }

    fn place_fields(
        &self,
        message: TableMessage<'_>,
        fields: &[Field],
        lacks: Lacks,
        lacking: Span,
        spans: &mut Vec<Span>,
    ) -> bool {
        spans.clear();
        let mut fields = fields.iter().peekable();
        for (column, toastable) in self.relation.columns.iter().zip(&self.toastable) {
            let span = match fields.next_if(|field| message.is_column(field, column)) {
                Some(field) => field.value,
                None if lacks == Lacks::Anything || (lacks == Lacks::Toasted && *toastable) => {
                    lacking
                }
                None => return false,
            };
            spans.push(span);
        }
        fields.next().is_none()
    }

    /// The `sent` columns of an update that shows another shape, and among them those of this table
    /// that it may lack because they are unchanged TOASTed values. `catalog` are the columns of
    /// today.
    fn reshaped(
        &self,
        sent: Vec<CatalogColumn>,
        catalog: Option<&[CatalogColumn]>,
    ) -> Vec<CatalogColumn> {
        let mut shape = Vec::new();
        let mut sent = sent.as_slice();
        let today = |name: &str| {
            catalog.map(|columns| columns.iter().any(|known| known.column.name == name))
        };
        for (column, toastable) in self.relation.columns.iter().zip(&self.toastable) {
            if let Some(at) = sent.iter().position(|sent| sent.column.name == column.name) {
                let (until, rest) = sent.split_at(at + 1);
                shape.extend_from_slice(until);
                sent = rest;
                continue;
            }
            let today = today(&column.name);
            let renamed = match sent.split_first() {
                Some((next, rest)) => {
                    // ALTER TABLE adds columns at the end: one in the middle, or in place of one
                    // that is gone, has a new name.
                    let new = !self.has(next) && next.column.type_oid == column.type_oid;
                    new && today != Some(true)
                        && (today == Some(false) || rest.iter().any(|sent| self.has(sent)))
                }
                None => false,
            };
            if renamed {
                let (next, rest) = sent.split_at(1);
                shape.extend_from_slice(next);
                sent = rest;
            } else if *toastable && today != Some(false) {
                shape.push(CatalogColumn {
                    column: column.clone(),
                    toastable: *toastable,
                    written: None,
                });
            }
        }
        shape.extend_from_slice(sent);
        shape
    }

    fn has(&self, column: &CatalogColumn) -> bool {
        self.relation
            .columns
            .iter()
            .any(|known| known.name == column.column.name)
    }
}

impl TableMessage<'_> {
    /// All columns in the message, in the table's order as far as it shows: those of the new row,
    /// and among them those that only the old row has.
    fn columns(&self) -> Vec<CatalogColumn> {
        let Object {
            columns, identity, ..
        } = self.object;
        let mut rest = columns.fields.as_slice();
        let mut merged = Vec::new();
        for old in &identity.fields {
            match rest
                .iter()
                .position(|new| self.text(new.name) == self.text(old.name))
            {
                Some(at) => {
                    let (before, behind) = rest.split_at(at + 1);
                    merged.extend(before.iter().map(|field| self.column(field)));
                    rest = behind;
                }
                None => merged.push(self.column(old)),
            }
        }
        merged.extend(rest.iter().map(|field| self.column(field)));
        merged
    }

    fn column(&self, field: &Field) -> CatalogColumn {
        let owned = readable;
        let type_name = field
            .type_name
            .map_or_else(String::new, |name| owned(self.text(name)));
        let type_oid = if field.type_oid == 0 {
            type_name::oid(&type_name)
        } else {
            field.type_oid
        };
        let column = Column {
            name: owned(self.text(field.name)),
            type_oid,
            type_name,
            type_modifier: -1,
            key: false,
        };
        CatalogColumn {
            toastable: may_be_toasted(&column),
            column,
            written: None,
        }
    }

    fn is_column(&self, field: &Field, column: &Column) -> bool {
        let type_name = field.type_name.map_or(&b""[..], |name| self.text(name));
        is_name(self.text(field.name), &column.name)
            && (field.type_oid == column.type_oid || field.type_oid == 0)
            && is_name(type_name, &column.type_name)
    }

    /// Whether a column is part of the primary key. `None` if the message leaves that open.
    fn is_key(&self, name: &str) -> Option<bool> {
        let contain = |fields: &[Field]| {
            fields
                .iter()
                .any(|field| is_name(self.text(field.name), name))
        };
        let Object {
            primary_key,
            columns,
            ..
        } = self.object;
        if !primary_key.present {
            return None;
        }
        // Unchanged TOASTed values are missing here too.
        match contain(&primary_key.fields) {
            true => Some(true),
            false if self.lacks == Lacks::Toasted && !contain(&columns.fields) => None,
            false => Some(false),
        }
    }

    fn text(&self, piece: Piece) -> &[u8] {
        self.object.text(self.message, piece)
    }
}

/// Returns `true` if the message calls something by the name that is kept of it.
fn is_name(text: &[u8], kept: &str) -> bool {
    same(text, kept.as_bytes()) || (str::from_utf8(text).is_err() && readable(text) == kept)
}

/// Leaves out of the catalog's `columns` those that were added after the change, as far as that can
/// be told. They are the last ones, behind all of which the stream tells that they were there: from
/// one on that the row would have had to bring, or whose entry was written by a transaction that
/// began after all that the stream has come to. If all entries were, it is another table now.
fn at_that_time(
    mut columns: Vec<CatalogColumn>,
    was_there: impl Fn(&CatalogColumn) -> bool,
    message: TableMessage<'_>,
) -> Vec<CatalogColumn> {
    let last = columns.iter().rposition(was_there);
    let behind = last.map_or(0, |last| last + 1);
    if message.lacks == Lacks::Toasted && behind > 0 {
        let rest = columns.iter().skip(behind);
        let until = rest.take_while(|known| known.toastable).count();
        columns.truncate(behind + until);
    }
    let is_later = |known: &CatalogColumn| known.is_since(message.seen) == Some(true);
    if columns.iter().all(is_later) {
        return columns;
    }
    let is_added = |known: &CatalogColumn| {
        is_later(known) && known.written.is_some_and(|written| written.as_added)
    };
    while columns.len() > behind && columns.last().is_some_and(is_added) {
        columns.pop();
    }
    columns
}

/// The catalog's columns, as far as the row can have had them: those that were `sent`, and those
/// that it may lack. `None` if something else was sent.
fn completed(
    sent: &[CatalogColumn],
    catalog: &[CatalogColumn],
    lacks: Lacks,
) -> Option<Vec<CatalogColumn>> {
    let mut sent = sent.iter().peekable();
    let mut shape = Vec::new();
    for known in catalog {
        if let Some(sent) = sent.next_if(|sent| same_column(&sent.column, &known.column)) {
            // The plugin's way to write the type, so that the next row finds the same.
            let type_name = sent.column.type_name.clone();
            let column = Column {
                type_name,
                type_oid: sent.column.type_oid,
                type_modifier: -1,
                ..known.column.clone()
            };
            shape.push(CatalogColumn {
                column,
                ..known.clone()
            });
        } else if lacks == Lacks::Anything || known.toastable {
            shape.push(known.clone());
        }
    }
    sent.next().is_none().then_some(shape)
}

/// The columns that were `sent`, and among them those that the row may lack and that were there:
/// the catalog's entry is older. For a table that was altered so much that nothing more can be
/// told.
fn merged(
    sent: Vec<CatalogColumn>,
    catalog: &[CatalogColumn],
    seen: Option<u32>,
) -> Vec<CatalogColumn> {
    let mut shape = Vec::new();
    let mut sent = sent.as_slice();
    for known in catalog {
        let name = &known.column.name;
        if let Some(at) = sent.iter().position(|sent| sent.column.name == *name) {
            let (until, rest) = sent.split_at(at + 1);
            shape.extend_from_slice(until);
            sent = rest;
        } else if known.toastable && known.is_since(seen) == Some(false) {
            shape.push(known.clone());
        }
    }
    shape.extend_from_slice(sent);
    shape
}

/// The same name and type; where the plugin was told not to send the number of the type, by its
/// name.
fn same_column(sent: &Column, known: &Column) -> bool {
    let same_type = match sent.type_oid {
        0 => sent.type_name == known.type_name || sent.type_name.is_empty(),
        oid => oid == known.type_oid,
    };
    sent.name == known.name && same_type
}

/// Returns `true` if values of the column could be TOASTed, as far as its type's number tells. Not
/// those of a fixed length.
fn may_be_toasted(column: &Column) -> bool {
    // SELECT oid FROM pg_type WHERE typlen <> -1 AND typtype <> 'p' AND oid < 10000
    const FIXED: [u32; 41] = [
        16, 18, 19, 20, 21, 23, 24, 26, 27, 28, 29, 600, 601, 603, 628, 700, 701, 718, 774, 790,
        829, 1033, 1082, 1083, 1114, 1184, 1186, 1266, 2202, 2203, 2204, 2205, 2206, 2950, 3220,
        3734, 3769, 4089, 4096, 4191, 5069,
    ];
    !FIXED.contains(&column.type_oid)
}
