//! What wal2json's messages mean, format version 2: one JSON object for each begin, change and
//! commit.
//!
//! It sends less than pgoutput does, and some of it wrongly; the events are made as similar to
//! pgoutput's as possible. A message that cannot be read becomes [`Body::Undecodable`], because
//! wal2json has bugs that make invalid JSON and the stream has to go on.

mod bytes;
mod line;
mod object;
mod pattern;
mod row;
mod table;
#[cfg(test)]
mod tests;
mod type_name;
mod unescape;

pub use table::{CatalogColumn, CatalogTable, NoCatalog, RelationCatalog, Written};

use super::transaction::{Place, Transactions};
use super::{Decode, DecodeError, First, Sink};
use crate::event::{Body, Cell, End, Event, Relation, Span, Transaction, Tuple};
use crate::lsn::Lsn;
use crate::text::readable;
use line::LineEnds;
use object::{Object, Piece};
use std::borrow::Cow;
use std::ops::ControlFlow;
use table::{Found, Lacks, OldRow, Rows, TableMessage, Tables};

/// The state of one wal2json stream.
pub(super) struct Wal2json {
    tables: Tables,
    transactions: Transactions,
    /// The transaction of a change that stands outside of any: the plugin was told not to send
    /// begin and commit.
    lone: Transaction,
    /// The last transaction so far, in the order in which they began.
    seen: Option<u32>,
    line_ends: LineEnds,
    object: Object,
    rows: Rows,
}

/// What is known of the columns of a row.
#[derive(Clone, Copy)]
enum Shape {
    /// They are those of the last row of the table with this index.
    Known(usize),
    /// Those of its table, as far as it does not lack them.
    Lacks(Lacks),
}

impl Decode for Wal2json {
    fn reset(&mut self) {
        self.tables.reset();
        self.transactions = Transactions::default();
    }

    fn decode(
        &mut self,
        lsn: Option<Lsn>,
        bytes: &[u8],
        sink: &mut Sink<'_>,
    ) -> Result<ControlFlow<()>, DecodeError> {
        let decoded = self.try_decode(lsn, bytes, sink);
        Ok(decoded.unwrap_or_else(|reason| self.undecodable(lsn, bytes, &reason, sink)))
    }

    fn decode_first(
        &mut self,
        input: &[u8],
        input_ended: bool,
        sink: &mut Sink<'_>,
    ) -> Result<First, DecodeError> {
        let found = self.line_ends.first(input, input_ended)?;
        if let First::Whole { length } = found {
            let message = input.get(..length).unwrap_or_default();
            let _: ControlFlow<()> = self.decode(None, message, sink)?;
        }
        Ok(found)
    }
}

impl Wal2json {
    /// No table is known yet; `relations` tells what rows leave open.
    pub fn new(relations: Box<dyn RelationCatalog>) -> Wal2json {
        Wal2json {
            tables: Tables::new(relations),
            transactions: Transactions::default(),
            lone: Transaction::default(),
            seen: None,
            line_ends: LineEnds::default(),
            object: Object::default(),
            rows: Rows::default(),
        }
    }

    /// On an error nothing has reached the sink.
    fn try_decode(
        &mut self,
        lsn: Option<Lsn>,
        message: &[u8],
        sink: &mut Sink<'_>,
    ) -> Result<ControlFlow<()>, String> {
        if let Some(index) = self.read_like_last(message) {
            return self.change(lsn, message, Shape::Known(index), sink);
        }
        self.object
            .read(message)
            .map_err(|error| error.to_string())?;
        match self.object.action {
            Some(b'I') => self.change(lsn, message, Shape::Lacks(Lacks::Nothing), sink),
            Some(b'U') => self.change(lsn, message, Shape::Lacks(Lacks::Toasted), sink),
            Some(b'D' | b'T') => self.change(lsn, message, Shape::Lacks(Lacks::Anything), sink),
            Some(b'B') => Ok(self.begin(lsn, sink)),
            Some(b'C') => Ok(self.commit(sink)),
            Some(b'M') => self.message(lsn, message, sink),
            Some(action) => Err(format!("unknown action '{}'", action.escape_ascii())),
            None => Err("it has no action, as format version 2 has it".to_owned()),
        }
    }

    /// Reads a row that is like the last one of its table, and returns the index of that.
    fn read_like_last(&mut self, message: &[u8]) -> Option<usize> {
        self.object.clear();
        let rest = row::read_head(&mut self.object, message)?;
        self.tables
            .read_like_last(message, rest, &mut self.object, &mut self.rows)
    }

    fn begin(&mut self, lsn: Option<Lsn>, sink: &mut Sink<'_>) -> ControlFlow<()> {
        let transaction = transaction(&self.object);
        self.seen = last_of(self.seen, transaction.xid);
        self.transactions
            .begin(Place::Committed, transaction.xid, transaction.end);
        if let Some(origin) = transaction.origin {
            self.transactions.set_origin(origin);
        }
        sink(&self.transactions.event(lsn, Body::Begin))
    }

    fn commit(&mut self, sink: &mut Sink<'_>) -> ControlFlow<()> {
        let Object { lsn, next_lsn, .. } = self.object;
        self.lone = transaction(&self.object);
        let transaction = Some(self.transactions.current().unwrap_or(&self.lone));
        let body = Body::Commit { end_lsn: next_lsn };
        let flow = sink(&Event {
            lsn,
            transaction,
            subxid: None,
            seq: None,
            body,
        });
        self.transactions.leave();
        flow
    }

    /// A row, or a truncated table.
    fn change(
        &mut self,
        lsn: Option<Lsn>,
        message: &[u8],
        shape: Shape,
        sink: &mut Sink<'_>,
    ) -> Result<ControlFlow<()>, String> {
        let object = &self.object;
        let found = match shape {
            Shape::Known(index) => self.tables.found(index, None),
            Shape::Lacks(lacks) => {
                let name = |piece: Option<Piece>| {
                    let name = piece.map_or(&b""[..], |piece| object.text(message, piece));
                    str::from_utf8(name).map_or_else(|_| readable(name).into(), Cow::Borrowed)
                };
                let (schema, table) = (name(object.schema), name(object.table));
                if object.table.is_none() {
                    return Err("it names no table".to_owned());
                }
                let message = TableMessage {
                    object,
                    message,
                    schema: &schema,
                    table: &table,
                    lacks,
                    seen: last_of(self.seen, object.xid),
                };
                self.tables.find(message, &mut self.rows)
            }
        };
        let found = found.ok_or("its columns contradict each other")?;
        let Found { relation, announce } = found;
        let lsn = object.lsn.or(lsn);
        let seq = self.transactions.next_seq();
        let transaction = match self.transactions.current() {
            None => lone(&mut self.lone, object),
            current => current,
        };
        if let Some(changed) = announce {
            let body = Body::Relation { relation, changed };
            if sink(&Event {
                lsn,
                transaction,
                subxid: None,
                seq: None,
                body,
            })
            .is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
        }
        let body = match object.action {
            Some(b'T') => Body::Truncate {
                relation,
                cascade: None,
                restart_identity: None,
            },
            _ => row(relation, object, &mut self.rows),
        };
        Ok(sink(&Event {
            lsn,
            transaction,
            subxid: None,
            seq,
            body,
        }))
    }

    fn message(
        &mut self,
        lsn: Option<Lsn>,
        message: &[u8],
        sink: &mut Sink<'_>,
    ) -> Result<ControlFlow<()>, String> {
        let object = &self.object;
        let (Some(transactional), Some(prefix), Some(content)) =
            (object.transactional, object.prefix, object.content)
        else {
            return Err("it lacks something that a message has".to_owned());
        };
        let (prefix, content) = (object.text(message, prefix), object.text(message, content));
        let body = Body::Message {
            transactional,
            prefix,
            content,
        };
        let lsn = object.lsn.or(lsn);
        if !transactional {
            return Ok(sink(&Event {
                lsn,
                transaction: None,
                subxid: None,
                seq: None,
                body,
            }));
        }
        let seq = self.transactions.next_seq();
        let transaction = match self.transactions.current() {
            None => lone(&mut self.lone, object),
            current => current,
        };
        Ok(sink(&Event {
            lsn,
            transaction,
            subxid: None,
            seq,
            body,
        }))
    }

    fn undecodable(
        &mut self,
        lsn: Option<Lsn>,
        content: &[u8],
        reason: &str,
        sink: &mut Sink<'_>,
    ) -> ControlFlow<()> {
        let body = Body::Undecodable { reason, content };
        match is_change(content) {
            true => sink(&self.transactions.change(lsn, None, body)),
            false => sink(&self.transactions.event(lsn, body)),
        }
    }
}

/// That of two transactions that began last. Their numbers go round.
fn last_of(one: Option<u32>, other: Option<u32>) -> Option<u32> {
    match (one, other) {
        (Some(one), Some(other)) if one.wrapping_sub(other).cast_signed() > 0 => Some(one),
        (one, other) => other.or(one),
    }
}

/// Begin and commit tell all of their transaction; changes do not tell its end.
fn transaction(object: &Object) -> Transaction {
    let end = match (object.lsn, object.time) {
        (None, None) => End::Open,
        (lsn, time) => End::Commit { lsn, time },
    };
    Transaction {
        xid: object.xid,
        end,
        origin: origin(object),
    }
}

/// The transaction of a change outside of begin and commit, as far as the change tells it.
fn lone<'t>(lone: &'t mut Transaction, object: &Object) -> Option<&'t Transaction> {
    lone.xid = object.xid;
    lone.end = object.time.map_or(End::Open, |time| End::Commit {
        lsn: None,
        time: Some(time),
    });
    lone.origin = origin(object);
    (*lone != Transaction::default()).then_some(lone)
}

/// 0 stands for the server itself.
fn origin(object: &Object) -> Option<String> {
    object
        .origin
        .filter(|origin| *origin != 0)
        .map(|origin| origin.to_string())
}

fn row<'a>(relation: &'a Relation, object: &'a Object, rows: &'a mut Rows) -> Body<'a> {
    let Rows { old, new, old_row } = rows;
    let values = object.values();
    match object.action {
        Some(b'I') => Body::Insert {
            relation,
            new: Tuple::new(values, new),
        },
        Some(b'U') => {
            let old_is_known = is_old_row(object, *old_row, old, new);
            super::fill_unchanged(old, new);
            let old = old_is_known.then_some(Tuple::new(values, old));
            Body::Update {
                relation,
                old,
                new: Tuple::new(values, new),
            }
        }
        _ => Body::Delete {
            relation,
            old: Tuple::new(values, old),
        },
    }
}

/// Where the server has no old row, because the replica identity did not change, wal2json repeats
/// the identity from the new row. pgoutput sends nothing then.
fn is_old_row(object: &Object, old_row: OldRow, old: &[Span], new: &[Span]) -> bool {
    let (old, new) = (
        Tuple::new(object.values(), old),
        Tuple::new(object.values(), new),
    );
    match old_row {
        OldRow::Missing => false,
        OldRow::Whole => true,
        OldRow::Identity => old
            .cells()
            .zip(new.cells())
            .any(|(old, new)| old != Cell::Absent && old != new),
    }
}

/// Returns `true` if a message that cannot be decoded is a change within a transaction, so that it
/// counts. All else in it comes after this.
fn is_change(message: &[u8]) -> bool {
    const ACTION: &[u8] = b"{\"action\":\"";
    match message.strip_prefix(ACTION) {
        Some([b'M', b'"', ..]) => {
            let head =
                memchr::memmem::find(message, b"\"prefix\":").and_then(|end| message.get(..end));
            memchr::memmem::find(head.unwrap_or(message), b"\"transactional\":true").is_some()
        }
        Some([b'I' | b'U' | b'D' | b'T', b'"', ..]) => true,
        _ => false,
    }
}
