//! Rows as pieces of a record: the key first and in bold, then the rest.

use super::literal::{self, Form, width};
use super::record::{Join, Record};
use super::screen::Screen;
use crate::event::{Cell, Column, Relation, Tuple};
use crate::render::text::{self, paint::Paint, with_keys, write_table_name};
use crate::sql::write_identifier;

/// From so many NULLs in a row on their number is told in place of their names.
const FOLDED: usize = 3;

/// What is prepared for a table.
#[derive(Default)]
pub(super) struct Table {
    /// `public.users`
    pub name: Vec<u8>,
    /// The key's columns first.
    columns: Vec<TableColumn>,
    /// Where the values begin if each has a line of its own.
    values_at: Option<usize>,
}

struct TableColumn {
    /// Its place in the row.
    index: usize,
    /// `id=`, or `id   | `
    name: Vec<u8>,
    width: usize,
    form: text::Form,
    key: bool,
}

/// What values are written with.
#[derive(Clone, Copy)]
pub(super) struct Style<'a> {
    pub paint: &'a Paint,
    pub screen: Screen,
    /// How many columns the window has.
    pub columns: usize,
}

impl Style<'_> {
    /// Appends a text in no more columns than are good for one before which there are `before`, and
    /// returns how many it takes.
    pub(super) fn write(self, text: &[u8], form: Form, before: usize, out: &mut Vec<u8>) -> usize {
        let limit = self.screen.limit(self.columns, before);
        let around = (self.paint.faint.as_slice(), self.paint.end.as_slice());
        literal::write(text, form, limit, around, out)
    }
}

impl Table {
    /// Gets ready for the rows of a table; `expanded` gives each column a line of its own.
    pub(super) fn new(relation: &Relation, expanded: bool, paint: &Paint) -> Table {
        let mut name = Vec::new();
        write_table_name(relation, &mut name);
        let widest = relation
            .columns
            .iter()
            .map(|column| width(&identifier(column)));
        let widest = expanded.then(|| widest.max().unwrap_or(0));
        let mut columns: Vec<TableColumn> = with_keys(relation)
            .enumerate()
            .map(|(index, (column, key))| TableColumn::new(index, column, key, widest, paint))
            .collect();
        columns.sort_by_key(|column| !column.key);
        Table {
            name,
            columns,
            values_at: widest.map(|widest| widest + SEPARATOR.len()),
        }
    }

    /// Appends what there is of a row.
    pub(super) fn write_row(&self, row: &Tuple<'_>, style: Style<'_>, record: &mut Record) {
        let cell = |column: &TableColumn| row.cell(column.index);
        let mut rest = self.columns.as_slice();
        while let Some((column, behind)) = rest.split_first() {
            rest = behind;
            if self.values_at.is_none() && cell(column) == Cell::Null {
                let run = behind
                    .iter()
                    .take_while(|column| cell(column) == Cell::Null);
                let others = run.count();
                if others + 1 >= FOLDED {
                    rest = behind.get(others..).unwrap_or_default();
                    self.write_nulls(others + 1, style, record);
                    continue;
                }
            }
            self.write_value(column, cell(column), style, record);
        }
    }

    /// Appends the key, then the rest, of which what changed is enough if that is known.
    pub(super) fn write_update(
        &self,
        old: Option<&Tuple<'_>>,
        new: &Tuple<'_>,
        style: Style<'_>,
        record: &mut Record,
    ) {
        for column in &self.columns {
            let before = old.map_or(Cell::Absent, |old| old.cell(column.index));
            let after = new.cell(column.index);
            let same = before == after || before != Cell::Absent && after == Cell::Unchanged;
            if after == Cell::Absent || same && !column.key {
                continue;
            }
            if same || before == Cell::Absent {
                self.write_value(column, after, style, record);
                continue;
            }
            self.write_value(column, before, style, record);
            record.piece(self.arrow(), |out| {
                style.paint.write(&style.paint.update, "→".as_bytes(), out);
                let space = usize::from(self.values_at.is_some());
                out.extend(std::iter::repeat_n(b' ', space));
                1 + space + column.write(after, style, out)
            });
        }
    }

    fn arrow(&self) -> Join {
        self.values_at.map_or(Join::Nothing, Join::Under)
    }

    fn write_value(
        &self,
        column: &TableColumn,
        cell: Cell<'_>,
        style: Style<'_>,
        record: &mut Record,
    ) {
        if cell == Cell::Absent {
            return;
        }
        let join = self.values_at.map_or(Join::Space, |_| Join::Line);
        record.piece(join, |out| {
            out.extend_from_slice(&column.name);
            column.width + column.write(cell, style, out)
        });
    }

    fn write_nulls(&self, count: usize, style: Style<'_>, record: &mut Record) {
        record.piece(Join::Space, |out| {
            let note = format!("({count} columns NULL)");
            style.paint.write(&style.paint.faint, note.as_bytes(), out);
            note.len()
        });
    }
}

/// Between a name and its value if each column has a line of its own.
const SEPARATOR: &str = " | ";

impl TableColumn {
    /// Names are filled up to `widest` columns if each has a line of its own.
    fn new(
        index: usize,
        column: &Column,
        key: bool,
        widest: Option<usize>,
        paint: &Paint,
    ) -> TableColumn {
        let plain = identifier(column);
        let mut columns = width(&plain);
        let mut name = Vec::new();
        if key {
            name.extend_from_slice(&paint.bold);
        }
        name.extend_from_slice(&paint.column);
        name.extend_from_slice(&plain);
        match widest {
            None => {
                name.push(b'=');
                name.extend_from_slice(&paint.end);
                columns += 1;
            }
            Some(widest) => {
                name.extend_from_slice(&paint.end);
                name.extend(std::iter::repeat_n(b' ', widest.saturating_sub(columns)));
                paint.write(&paint.faint, SEPARATOR.as_bytes(), &mut name);
                columns = widest.max(columns) + SEPARATOR.len();
            }
        }
        TableColumn {
            index,
            name,
            width: columns,
            form: text::Form::of(column),
            key,
        }
    }

    /// Appends a value, and returns how many columns it takes.
    fn write(&self, cell: Cell<'_>, style: Style<'_>, out: &mut Vec<u8>) -> usize {
        let paint = style.paint;
        let (text, form) = match cell {
            Cell::Absent => return 0,
            Cell::Null => return write_note(b"NULL", paint, out),
            Cell::Unchanged => return write_note(b"(unchanged)", paint, out),
            Cell::Text(text) => match self.form.bare(text) {
                Some(bare) => (bare, Form::Bare),
                None if self.form == text::Form::Json && !paint.end.is_empty() => {
                    (text, Form::Json)
                }
                None => (text, Form::Quoted),
            },
        };
        if !self.key {
            return style.write(text, form, self.width, out);
        }
        out.extend_from_slice(&paint.bold);
        let columns = style.write(text, form, self.width, out);
        out.extend_from_slice(&paint.end);
        columns
    }
}

fn write_note(note: &[u8], paint: &Paint, out: &mut Vec<u8>) -> usize {
    paint.write(&paint.faint, note, out);
    note.len()
}

fn identifier(column: &Column) -> Vec<u8> {
    let mut name = Vec::new();
    write_identifier(column.name.as_bytes(), &mut name);
    name
}
