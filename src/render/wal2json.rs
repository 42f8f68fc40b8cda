//! What wal2json prints with format-version 2, for consumers that were written against it.
//!
//! ```text
//! {"action":"B","xid":742,"timestamp":"2026-11-20 09:23:34.946212+00","lsn":"0/16B37A0"}
//! {"action":"I","xid":742,"timestamp":"...","lsn":"0/16B3748","schema":"public","table":"users",
//! "columns":[{"name":"id","type":"integer","value":1},{"name":"name","type":"text","value":"Ada"}]}
//! {"action":"C","xid":742,"timestamp":"...","lsn":"0/16B37A0","nextlsn":"0/16B37D0"}
//! ```
//!
//! Byte for byte what the plugin prints with `format-version=2`, `include-xids`,
//! `include-timestamp` and `include-lsn`, with what its authors would call its quirks: NaN and
//! infinities are `null`, bytea has no `\x`, arrays, json and domains are strings, a value that an
//! update left alone is missing, also where the old row has it. What pgoutput does not tell is
//! different: `nextlsn` is known only when the transaction ends.

mod lines;

use super::piece::Piece;
use super::{Definition, Render, type_name, unnamed_types};
use crate::error::{Error, Result};
use crate::event::{Body, Cell, Column, End, Event, PerRelation, Relation, Transaction, Tuple};
use crate::lsn::Lsn;
use crate::value::{Purpose, Types, is_json_number, write_string};
use memchr::memchr;

pub(super) const DEFINITION: Definition = Definition {
    name: "wal2json",
    about: "What wal2json prints with format-version 2",
    includes: &[],
    values: false,
    frames: true,
    whole: true,
    streamed: false,
    prepared: false,
    render: Some(|_, types| Box::new(Wal2json::new(types))),
    lines: Some(&lines::Wal2jsonLines),
};

/// Writes events as wal2json does.
struct Wal2json {
    types: Types,
    tables: PerRelation<Table>,
    transaction: TransactionFields,
}

/// What is prepared for a table.
struct Table {
    /// `,"schema":"public","table":"users"`
    name: Vec<u8>,
    columns: Vec<TableColumn>,
}

struct TableColumn {
    /// `,{"name":"id","type":"integer","value":`
    start: Piece,
    form: Form,
    key: bool,
}

/// How values of a type are written.
#[derive(Clone, Copy)]
enum Form {
    Number,
    Bool,
    Bytea,
    String,
}

/// Which columns of a row are written.
#[derive(Clone, Copy)]
enum Part<'a> {
    /// All that were sent, but not what an update left alone: the old row, if there is one, has it.
    New(Option<Tuple<'a>>),
    /// All that were sent.
    Old,
    /// The replica identity.
    Key,
}

/// The transaction whose fields are prepared.
#[derive(Default)]
struct TransactionFields {
    of: Option<Transaction>,
    /// `,"xid":742,"timestamp":"2026-11-20 09:23:34.946212+00"`
    fields: Vec<u8>,
}

impl Render for Wal2json {
    fn types(&mut self) -> &mut Types {
        &mut self.types
    }

    fn prepare(&mut self, relation: &Relation, anew: bool) {
        self.types
            .resolve(unnamed_types(relation), Purpose::Names, anew);
        self.tables.set(relation, Table::new(relation, &self.types));
    }

    fn write(&mut self, event: &Event<'_>, out: &mut Vec<u8>) -> Result<()> {
        self.transaction.renew(event.transaction);
        let action: &[u8] = match event.body {
            Body::Begin => b"{\"action\":\"B\"",
            Body::Commit { .. } => b"{\"action\":\"C\"",
            Body::Insert { .. } => b"{\"action\":\"I\"",
            Body::Update { .. } => b"{\"action\":\"U\"",
            Body::Delete { .. } => b"{\"action\":\"D\"",
            Body::Truncate { .. } => b"{\"action\":\"T\"",
            Body::Message { .. } => b"{\"action\":\"M\"",
            _ => return Err(untold(event)),
        };
        out.extend_from_slice(action);
        match event.transaction {
            Some(_) => out.extend_from_slice(&self.transaction.fields),
            None => out.extend_from_slice(b",\"xid\":null,\"timestamp\":null"),
        }
        let end = event.id().map(|id| id.lsn);
        let frame = matches!(event.body, Body::Begin | Body::Commit { .. });
        write_lsn(b",\"lsn\":\"", if frame { end } else { event.lsn }, out);
        match event.body {
            Body::Commit { end_lsn } => write_lsn(b",\"nextlsn\":\"", end_lsn, out),
            Body::Message {
                transactional,
                prefix,
                content,
            } => write_message(transactional, prefix, content, out),
            _ => self.change(event, out),
        }
        out.extend_from_slice(b"}\n");
        Ok(())
    }
}

impl Wal2json {
    fn new(types: Types) -> Wal2json {
        Wal2json {
            types,
            tables: PerRelation::default(),
            transaction: TransactionFields::default(),
        }
    }

    fn change(&self, event: &Event<'_>, out: &mut Vec<u8>) {
        let relation = event.body.relation();
        let Some(table) = relation.and_then(|relation| self.tables.get(relation)) else {
            return;
        };
        out.extend_from_slice(&table.name);
        match event.body {
            Body::Insert { new, .. } => table.write(b"columns", &new, Part::New(None), out),
            Body::Update { old, new, .. } => {
                table.write(b"columns", &new, Part::New(old), out);
                match old {
                    Some(old) => table.write(b"identity", &old, Part::Old, out),
                    None if table.columns.iter().any(|column| column.key) => {
                        table.write(b"identity", &new, Part::Key, out)
                    }
                    None => {}
                }
            }
            Body::Delete { old, .. } => table.write(b"identity", &old, Part::Old, out),
            _ => {}
        }
    }
}

impl Table {
    fn new(relation: &Relation, types: &Types) -> Table {
        let mut name = b",\"schema\":".to_vec();
        write_string(relation.schema.as_bytes(), &mut name);
        name.extend_from_slice(b",\"table\":");
        write_string(relation.table.as_bytes(), &mut name);
        let column = |column: &Column| TableColumn::new(column, types);
        Table {
            name,
            columns: relation.columns.iter().map(column).collect(),
        }
    }

    fn write(&self, member: &[u8], row: &Tuple<'_>, part: Part<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(b",\"");
        out.extend_from_slice(member);
        out.extend_from_slice(b"\":");
        let start = out.len();
        for (index, (column, cell)) in self.columns.iter().zip(row.cells()).enumerate() {
            let written = match part {
                Part::New(Some(old)) => !is_filled_in(cell, old.cell(index)),
                Part::New(None) | Part::Old => true,
                Part::Key => column.key,
            };
            if written {
                column.write(cell, out);
            }
        }
        match out.get_mut(start) {
            Some(comma) => *comma = b'[',
            None => out.push(b'['),
        }
        out.push(b']');
    }
}

impl TableColumn {
    fn new(column: &Column, types: &Types) -> TableColumn {
        let mut start = b",{\"name\":".to_vec();
        write_string(column.name.as_bytes(), &mut start);
        start.extend_from_slice(b",\"type\":");
        let name = type_name(column, types);
        let inner = name
            .strip_prefix('"')
            .and_then(|name| name.strip_suffix('"'));
        // It takes the quotes of a name for those of a string.
        let bare = inner.filter(|inner| !inner.contains('"')).unwrap_or(&name);
        write_string(bare.as_bytes(), &mut start);
        start.extend_from_slice(b",\"value\":");
        // pg_type.dat: bool, bytea; int8, int2, int4, oid, float4, float8, numeric.
        let form = match column.type_oid {
            16 => Form::Bool,
            17 => Form::Bytea,
            20 | 21 | 23 | 26 | 700 | 701 | 1700 => Form::Number,
            _ => Form::String,
        };
        TableColumn {
            start: Piece::from(start.as_slice()),
            form,
            key: column.key,
        }
    }

    fn write(&self, cell: Cell<'_>, out: &mut Vec<u8>) {
        match cell {
            Cell::Absent | Cell::Unchanged => return,
            Cell::Null => {
                self.start.append_to(out);
                out.extend_from_slice(b"null");
            }
            Cell::Text(text) => {
                self.start.append_to(out);
                match self.form {
                    Form::Number if is_json_number(text) => out.extend_from_slice(text),
                    Form::Number => out.extend_from_slice(b"null"),
                    Form::Bool if matches!(text, b"t" | b"true") => out.extend_from_slice(b"true"),
                    Form::Bool => out.extend_from_slice(b"false"),
                    Form::Bytea => write_string(text.strip_prefix(b"\\x").unwrap_or(text), out),
                    Form::String => write_string(text, out),
                }
            }
        }
        out.push(b'}');
    }
}

impl TransactionFields {
    /// Makes the fields anew if this is another transaction.
    fn renew(&mut self, transaction: Option<&Transaction>) {
        if self.of.as_ref() == transaction {
            return;
        }
        self.of = transaction.cloned();
        self.fields.clear();
        let Some(transaction) = transaction else {
            return;
        };
        if let Some(xid) = transaction.xid {
            self.fields.extend_from_slice(b",\"xid\":");
            self.fields
                .extend_from_slice(itoa::Buffer::new().format(xid).as_bytes());
        }
        if let End::Commit {
            time: Some(time), ..
        } = transaction.end
        {
            self.fields.extend_from_slice(b",\"timestamp\":\"");
            time.append_short(&mut self.fields);
            self.fields.push(b'"');
        }
    }
}

/// Returns `true` if the value was filled in from the old row, as an update left it alone. Then it
/// lies where that does.
fn is_filled_in(new: Cell<'_>, old: Cell<'_>) -> bool {
    match (new, old) {
        (Cell::Text(new), Cell::Text(old)) => !new.is_empty() && std::ptr::eq(new, old),
        _ => false,
    }
}

/// Content ends for wal2json where C strings do.
fn write_message(transactional: bool, prefix: &[u8], content: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(match transactional {
        true => b",\"transactional\":true,\"prefix\":",
        false => b",\"transactional\":false,\"prefix\":",
    });
    write_string(prefix, out);
    out.extend_from_slice(b",\"content\":");
    let end = memchr(0, content).unwrap_or(content.len());
    write_string(content.get(..end).unwrap_or_default(), out);
}

fn write_lsn(key: &[u8], lsn: Option<Lsn>, out: &mut Vec<u8>) {
    if let Some(lsn) = lsn {
        out.extend_from_slice(key);
        lsn.append_to(out);
        out.push(b'"');
    }
}

/// What wal2json has no object for.
fn untold(event: &Event<'_>) -> Error {
    match event.body {
        Body::Undecodable { reason, .. } => Error::new(format!(
            "could not print a change as wal2json: it cannot be decoded: {reason}"
        )),
        _ => Error::new(format!(
            "could not print an event as wal2json: it has none for {}",
            event.body.name()
        ))
        .with_detail("It prints transactions when they commit."),
    }
}
