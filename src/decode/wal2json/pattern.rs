//! What the rows of a table have in common: all that stands between their values.
//!
//! wal2json repeats the names and types of the columns in each row. Where a row repeats those of
//! the one before to the letter, only its values are read; any other is read [as a
//! whole](super::row::read), and the next is expected to be like that one.

use super::object::{Field, Object};
use super::row::Text;
use super::table::{OldRow, Rows};
use crate::event::Span;

/// The last row of a table, for one action, without its values.
#[derive(Debug, Default)]
pub(super) struct Pattern {
    /// What stood behind the table's name, between the values. Empty: there was no such row.
    between: Vec<u8>,
    /// How the new row and the old one were made of what the message had, column by column.
    new: Vec<Part>,
    old: Vec<Part>,
    old_row: OldRow,
}

/// A column of the table.
#[derive(Clone, Copy, Debug)]
enum Part {
    /// The message lacks it.
    Lacking(Span),
    /// Its value comes after this part of [`Pattern::between`].
    Value { before: usize, binary: bool },
}

impl Pattern {
    /// No row is like this.
    pub fn clear(&mut self) {
        self.between.clear();
    }

    /// Reads what stands behind the table's name in a row. `None` if it is not like the row before:
    /// then the object and the rows may hold a part of it.
    pub fn read(&self, mut text: Text<'_>, object: &mut Object, rows: &mut Rows) -> Option<()> {
        if self.between.is_empty() {
            return None;
        }
        let between = self.between.as_slice();
        let scratch = object.scratch();
        let between = read_parts(&self.new, between, &mut text, scratch, &mut rows.new)?;
        let between = read_parts(&self.old, between, &mut text, scratch, &mut rows.old)?;
        rows.old_row = self.old_row;
        text.is_rest(between).then_some(())
    }

    /// Rows like this one are expected: it was read by [`super::row::read`], and its values are in
    /// `rows`.
    pub fn learn(&mut self, message: &[u8], object: &Object, rows: &Rows) {
        if self.try_learn(message, object, rows).is_none() {
            self.clear();
        }
    }

    fn try_learn(&mut self, message: &[u8], object: &Object, rows: &Rows) -> Option<()> {
        let mut from = object.behind_name?;
        let mut values = object.value_places.iter();
        self.between.clear();
        for (list, spans, parts) in [
            (&object.columns, &rows.new, &mut self.new),
            (&object.identity, &rows.old, &mut self.old),
        ] {
            let has_value = |field: &Field| field.value != Span::Absent;
            if !list.fields.iter().all(has_value) {
                return None;
            }
            let mut fields = list.fields.iter();
            parts.clear();
            for span in spans {
                if !matches!(span, Span::Null | Span::Text { .. }) {
                    parts.push(Part::Lacking(*span));
                    continue;
                }
                let (field, (start, end)) = (fields.next()?, values.next()?);
                let before = message.get(from..*start)?;
                self.between.extend_from_slice(before);
                parts.push(Part::Value {
                    before: before.len(),
                    binary: object.is_binary(message, field),
                });
                from = *end;
            }
        }
        self.between.extend_from_slice(message.get(from..)?);
        self.old_row = rows.old_row;
        Some(())
    }
}

/// Reads the values of a row into `spans`, and returns what is left of what stands between them.
#[inline(always)]
fn read_parts<'p>(
    parts: &[Part],
    mut between: &'p [u8],
    text: &mut Text<'_>,
    scratch: &mut Vec<u8>,
    spans: &mut Vec<Span>,
) -> Option<&'p [u8]> {
    spans.clear();
    for part in parts {
        let span = match *part {
            Part::Lacking(span) => span,
            Part::Value { before, binary } => {
                let (expected, rest) = between.split_at_checked(before)?;
                between = rest;
                text.skip_all(expected)?;
                text.value(binary, scratch)?
            }
        };
        spans.push(span);
    }
    Some(between)
}
