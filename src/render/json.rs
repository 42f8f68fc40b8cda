//! Newline-delimited JSON: one event, one line, UTF-8.
//!
//! The keys of an event, in this order; one that does not apply is absent:
//!
//! | key | |
//! |---|---|
//! | `op` | what happened |
//! | `schema`, `table` | of changes and `relation` |
//! | `xid`, `subxid` | the top-level transaction; the subtransaction, where it is known and another
//! |
//! | `lsn` | where the change, the message or the record of a `rollback_prepared` lies in the WAL |
//! | `commit_lsn`, `commit_time` | of the commit record; in a prepared transaction `prepare_lsn`,
//! `prepare_time` |
//! | `seq` | the number of the change in its transaction |
//! | `id` | the event's own, only as `--include` asks |
//! | keys of the `op` | see below |
//! | `key`, `types`, `columns`, `changed`, `origin` | only as `--include` asks |
//!
//! | `op` | its own keys |
//! |---|---|
//! | `insert` | `after`, `unchanged` |
//! | `update` | `before`, `after`, `unchanged` |
//! | `delete` | `before` |
//! | `truncate` | `cascade`, `restart_identity` |
//! | `message` | `transactional`, `prefix`, `content` |
//! | `undecodable` | `reason`, `content` |
//! | `snapshot` | `after` |
//! | `snapshot_progress` | `through`: the key up to which all rows of the table have come, as texts
//! |
//! | `snapshot_done` | |
//! | `relation` | `oid`, `replica_identity` (`default`, `nothing`, `full`, `index`), `columns` |
//! | `begin` | |
//! | `commit` | `end_lsn` |
//! | `begin_prepare` | `gid` |
//! | `prepare` | `end_lsn`, `gid` |
//! | `commit_prepared` | `end_lsn`, `gid` |
//! | `rollback_prepared` | `prepare_end_lsn`, `prepare_time`, `rollback_time`, `end_lsn`, `gid` |
//! | `stream_start` | `first`: whether it is the transaction's first block |
//! | `stream_stop` | |
//! | `stream_commit` | `end_lsn` |
//! | `stream_abort` | `abort_lsn`, `abort_time` (from protocol 4 on) |
//! | `stream_prepare` | `end_lsn`, `gid` |
//!
//! `content`, `prefix` and `gid` become `content_base64` and so on where they are not UTF-8. A
//! `relation` bears no positions: it says what the changes behind it look like, and every run says
//! it anew. The objects of `columns` have `name`, `type`, `oid`, `modifier` (`atttypmod`, absent if
//! the type has none) and `key` (is the column part of the replica identity?). `changed` is there
//! when the whole old row is known.

mod lines;
pub(super) mod member;

use super::piece::Piece;
use super::{Definition, Include, Includes, Render, Settings, Values, type_name, unnamed_types};
use crate::error::Result;
use crate::event::{
    Body, Cell, Column, End, Event, PerRelation, Relation, ReplicaIdentity, Transaction, Tuple,
};
use crate::value::{Kind, Purpose, Types, Writer, write_string};
use member::{
    open_with, write_bytes, write_flag, write_lsn, write_names, write_number, write_time,
};

pub(super) const DEFINITION: Definition = Definition {
    name: "json",
    about: "One JSON object a line",
    includes: &Include::ALL,
    values: true,
    frames: false,
    whole: false,
    streamed: true,
    prepared: true,
    render: Some(|settings, types| Box::new(Json::new(settings, types))),
    lines: Some(&lines::JsonLines),
};

/// Writes events as JSON. What is the same in all rows of a table or a transaction is made once and
/// copied from then on.
struct Json {
    values: ValueWriter,
    includes: Includes,
    tables: PerRelation<Table>,
    transaction: TransactionFields,
}

/// What is prepared for a table.
#[derive(Default)]
struct Table {
    /// `,"schema":"public","table":"users"`
    name: Vec<u8>,
    columns: Vec<TableColumn>,
    /// The extras that are the same in all rows: `,"key":["id"]` and so on.
    extras: Vec<u8>,
}

struct TableColumn {
    /// `,"id":`
    key: Piece,
    /// `"id"`
    name: Vec<u8>,
    type_oid: u32,
    kind: Kind,
}

/// Writes values, and asks again what a type is where one does not fit.
struct ValueWriter {
    form: Values,
    types: Types,
    writer: Writer,
}

/// The transaction whose fields are prepared.
#[derive(Default)]
struct TransactionFields {
    of: Option<Transaction>,
    /// `,"xid":742`
    xid: Vec<u8>,
    /// `,"commit_lsn":"0/16B37A0","commit_time":"2026-11-20T09:23:34.946212+00:00"`
    end: Vec<u8>,
    /// `,"origin":"name"`
    origin: Vec<u8>,
}

impl Render for Json {
    fn types(&mut self) -> &mut Types {
        &mut self.values.types
    }

    fn prepare(&mut self, relation: &Relation, anew: bool) {
        let names = [Include::Types, Include::Columns, Include::Relations];
        let names = names.iter().any(|names| self.includes.contains(*names));
        self.values.resolve(relation, anew, names);
        let table = Table::new(relation, self.includes, &self.values);
        self.tables.set(relation, table);
    }

    fn write(&mut self, event: &Event<'_>, out: &mut Vec<u8>) -> Result<()> {
        match event.body {
            // Copies of fixed length for what there is most of.
            Body::Insert { .. } => out.extend_from_slice(b"{\"op\":\"insert\""),
            Body::Update { .. } => out.extend_from_slice(b"{\"op\":\"update\""),
            Body::Delete { .. } => out.extend_from_slice(b"{\"op\":\"delete\""),
            _ => {
                out.extend_from_slice(b"{\"op\":\"");
                out.extend_from_slice(event.body.name().as_bytes());
                out.push(b'"');
            }
        }
        self.transaction.renew(event.transaction);
        match event.body {
            Body::Insert { relation, .. }
            | Body::Update { relation, .. }
            | Body::Delete { relation, .. }
            | Body::Truncate { relation, .. }
            | Body::Snapshot { relation, .. } => self.change(event, relation, out),
            Body::SnapshotProgress { relation, .. } | Body::SnapshotDone { relation } => {
                self.progress(event, relation, out)
            }
            Body::Relation { relation, .. } => write_relation(relation, &self.values.types, out),
            _ => self.other(event, out),
        }
        out.extend_from_slice(b"}\n");
        Ok(())
    }
}

impl Json {
    fn new(settings: Settings, types: Types) -> Json {
        Json {
            values: ValueWriter {
                form: settings.values,
                types,
                writer: Writer::default(),
            },
            includes: settings.includes,
            tables: PerRelation::default(),
            transaction: TransactionFields::default(),
        }
    }

    fn change(&mut self, event: &Event<'_>, relation: &Relation, out: &mut Vec<u8>) {
        let Some(table) = self.tables.get_mut(relation) else {
            return;
        };
        out.extend_from_slice(&table.name);
        self.transaction.write_place(event, out);
        if self.includes.contains(Include::Id) {
            write_id(event, out);
        }
        match event.body {
            Body::Insert { new: row, .. } | Body::Snapshot { row, .. } => {
                table.write_new(&row, &mut self.values, out)
            }
            Body::Update { old, new, .. } => {
                if let Some(old) = old {
                    out.extend_from_slice(b",\"before\":");
                    table.write_row(&old, &mut self.values, out);
                }
                table.write_new(&new, &mut self.values, out);
            }
            Body::Delete { old, .. } => {
                out.extend_from_slice(b",\"before\":");
                table.write_row(&old, &mut self.values, out);
            }
            Body::Truncate {
                cascade,
                restart_identity,
                ..
            } => {
                write_flag(",\"cascade\":", cascade, out);
                write_flag(",\"restart_identity\":", restart_identity, out);
            }
            _ => (),
        }
        out.extend_from_slice(&table.extras);
        if let (
            true,
            Body::Update {
                old: Some(old),
                new,
                ..
            },
        ) = (self.includes.contains(Include::Changed), event.body)
        {
            table.write_changed(&old, &new, out);
        }
        self.write_origin(out);
    }

    fn progress(&mut self, event: &Event<'_>, relation: &Relation, out: &mut Vec<u8>) {
        let Some(table) = self.tables.get(relation) else {
            return;
        };
        out.extend_from_slice(&table.name);
        write_lsn(",\"lsn\":", event.lsn, out);
        if let Body::SnapshotProgress { through, .. } = event.body {
            out.extend_from_slice(b",\"through\":");
            table.write_texts(&through, out);
        }
    }

    fn other(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        if let Body::RollbackPrepared { .. } | Body::CommitPrepared { .. } = event.body {
            // Its transaction has ended long ago: the fields of the body say how it goes on.
            self.transaction.write_numbers(event, out);
        } else {
            self.transaction.write_place(event, out);
        }
        if self.includes.contains(Include::Id) {
            write_id(event, out);
        }
        match event.body {
            Body::Message {
                transactional,
                prefix,
                content,
            } => {
                write_flag(",\"transactional\":", Some(transactional), out);
                write_bytes("prefix", prefix, out);
                write_bytes("content", content, out);
            }
            Body::Undecodable { reason, content } => {
                write_bytes("reason", reason.as_bytes(), out);
                write_bytes("content", content, out);
            }
            _ => write_bounds(&event.body, out),
        }
        self.write_origin(out);
    }

    fn write_origin(&self, out: &mut Vec<u8>) {
        if self.includes.contains(Include::Origin) {
            out.extend_from_slice(&self.transaction.origin);
        }
    }
}

impl Table {
    fn new(relation: &Relation, includes: Includes, values: &ValueWriter) -> Table {
        let mut name = Vec::new();
        write_table_name(relation, &mut name);
        let column = |column: &Column| {
            let mut name = Vec::new();
            write_string(column.name.as_bytes(), &mut name);
            let kind = values.kind(column.type_oid);
            let key = Piece::from([b",", name.as_slice(), b":"].concat().as_slice());
            TableColumn {
                key,
                name,
                type_oid: column.type_oid,
                kind,
            }
        };
        let mut extras = Vec::new();
        let key = relation.columns.iter().filter(|column| column.key);
        if includes.contains(Include::Key) && key.clone().next().is_some() {
            write_names(
                ",\"key\":",
                key.map(|column| column.name.as_str()),
                &mut extras,
            );
        }
        if includes.contains(Include::Types) {
            write_types(relation, &values.types, &mut extras);
        }
        if includes.contains(Include::Columns) {
            write_columns(relation, &values.types, &mut extras);
        }
        Table {
            name,
            columns: relation.columns.iter().map(column).collect(),
            extras,
        }
    }

    /// Appends the new row as `after`, and the names of the columns that it lacks because they are
    /// unchanged. A row filter makes inserts of updates, so they may lack some too.
    fn write_new(&mut self, new: &Tuple<'_>, values: &mut ValueWriter, out: &mut Vec<u8>) {
        out.extend_from_slice(b",\"after\":");
        if !self.write_row(new, values, out) {
            self.write_unchanged(new, out);
        }
    }

    /// Appends the row as an object, without the values that were not sent. Returns `false` if some
    /// are unchanged.
    fn write_row(&mut self, row: &Tuple<'_>, values: &mut ValueWriter, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        let mut complete = true;
        for (column, cell) in self.columns.iter_mut().zip(row.cells()) {
            match cell {
                Cell::Absent => (),
                Cell::Unchanged => complete = false,
                Cell::Null => {
                    column.key.append_to(out);
                    out.extend_from_slice(b"null");
                }
                Cell::Text(text) => {
                    column.key.append_to(out);
                    values.write(column, text, out);
                }
            }
        }
        open_with(b'{', start, out);
        out.push(b'}');
        complete
    }

    /// Appends the texts of the row as an object, whatever the form of values is: they go back to
    /// the server.
    fn write_texts(&self, row: &Tuple<'_>, out: &mut Vec<u8>) {
        let start = out.len();
        for (column, cell) in self.columns.iter().zip(row.cells()) {
            if let Cell::Text(text) = cell {
                column.key.append_to(out);
                write_string(text, out);
            }
        }
        open_with(b'{', start, out);
        out.push(b'}');
    }

    fn write_unchanged(&self, new: &Tuple<'_>, out: &mut Vec<u8>) {
        let cells = self.columns.iter().zip(new.cells());
        let unchanged = cells.filter(|(_, cell)| *cell == Cell::Unchanged);
        let columns = unchanged.map(|(column, _)| column);
        write_prepared_names(",\"unchanged\":", columns, out);
    }

    fn write_changed(&self, old: &Tuple<'_>, new: &Tuple<'_>, out: &mut Vec<u8>) {
        let cells = || self.columns.iter().zip(old.cells().zip(new.cells()));
        if cells().any(|(_, (old, new))| old == Cell::Absent && new != Cell::Unchanged) {
            return;
        }
        let changed = cells().filter(|(_, (old, new))| old != new && *new != Cell::Unchanged);
        write_prepared_names(",\"changed\":", changed.map(|(column, _)| column), out);
    }
}

impl ValueWriter {
    fn resolve(&mut self, relation: &Relation, again: bool, names: bool) {
        for column in &relation.columns {
            if !column.type_name.is_empty() {
                self.types
                    .announce(column.type_oid, column.type_name.clone(), None);
            }
        }
        if self.form == Values::Json {
            let oids = relation.columns.iter().map(|column| column.type_oid);
            self.types.resolve(oids, Purpose::Values, again);
        } else if names {
            let oids = unnamed_types(relation);
            self.types.resolve(oids, Purpose::Names, again);
        }
    }

    fn kind(&self, type_oid: u32) -> Kind {
        match self.form {
            Values::Json => self.types.kind(type_oid).clone(),
            Values::Text => Kind::Text,
        }
    }

    #[inline]
    fn write(&mut self, column: &mut TableColumn, text: &[u8], out: &mut Vec<u8>) {
        if self.writer.write(&column.kind, text, out).is_err() {
            self.write_misfit(column, text, out);
        }
    }

    #[cold]
    fn write_misfit(&mut self, column: &mut TableColumn, text: &[u8], out: &mut Vec<u8>) {
        if let Some(kind) = self
            .types
            .kind_after_mismatch(column.type_oid, &column.kind)
        {
            column.kind = kind;
            if self.writer.write(&column.kind, text, out).is_ok() {
                return;
            }
        }
        write_string(text, out);
    }
}

impl TransactionFields {
    /// Makes the fields anew if this is another transaction.
    fn renew(&mut self, transaction: Option<&Transaction>) {
        if self.of.as_ref() == transaction {
            return;
        }
        self.of = transaction.cloned();
        self.xid.clear();
        self.end.clear();
        self.origin.clear();
        let Some(transaction) = transaction else {
            return;
        };
        if let Some(xid) = transaction.xid {
            write_number(",\"xid\":", xid.into(), &mut self.xid);
        }
        match transaction.end {
            End::Open => (),
            End::Commit { lsn, time } => {
                write_lsn(",\"commit_lsn\":", lsn, &mut self.end);
                write_time(",\"commit_time\":", time, &mut self.end);
            }
            End::Prepare { lsn, time } => {
                write_lsn(",\"prepare_lsn\":", Some(lsn), &mut self.end);
                write_time(",\"prepare_time\":", Some(time), &mut self.end);
            }
        }
        if let Some(origin) = &transaction.origin {
            self.origin.extend_from_slice(b",\"origin\":");
            write_string(origin.as_bytes(), &mut self.origin);
        }
    }

    /// Appends `xid`, `subxid`, `lsn`, the end and `seq`.
    fn write_place(&self, event: &Event<'_>, out: &mut Vec<u8>) {
        self.write_numbers(event, out);
        out.extend_from_slice(&self.end);
        if let Some(seq) = event.seq {
            write_number(",\"seq\":", seq, out);
        }
    }

    fn write_numbers(&self, event: &Event<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.xid);
        if let Some(subxid) = event.subxid {
            write_number(",\"subxid\":", subxid.into(), out);
        }
        if has_lsn(&event.body) {
            write_lsn(",\"lsn\":", event.lsn, out);
        }
    }
}

/// The bounds of a transaction have positions of their own, and what the two plugins call theirs
/// differs.
fn has_lsn(body: &Body<'_>) -> bool {
    body.is_change() || matches!(body, Body::RollbackPrepared { .. } | Body::Snapshot { .. })
}

/// Nothing for what has no id yet: streamed changes.
fn write_id(event: &Event<'_>, out: &mut Vec<u8>) {
    if let Some(id) = event.id() {
        out.extend_from_slice(b",\"id\":\"");
        id.append_key_to(out);
        out.push(b'"');
    }
}

fn write_bounds(body: &Body<'_>, out: &mut Vec<u8>) {
    match *body {
        Body::Commit { end_lsn } => write_lsn(",\"end_lsn\":", end_lsn, out),
        Body::StreamCommit { end_lsn } => write_lsn(",\"end_lsn\":", Some(end_lsn), out),
        Body::BeginPrepare { gid } => write_bytes("gid", gid, out),
        Body::Prepare { gid, end_lsn } | Body::StreamPrepare { gid, end_lsn } => {
            write_lsn(",\"end_lsn\":", Some(end_lsn), out);
            write_bytes("gid", gid, out);
        }
        Body::CommitPrepared {
            gid,
            commit_lsn,
            end_lsn,
            commit_time,
        } => {
            write_lsn(",\"commit_lsn\":", Some(commit_lsn), out);
            write_time(",\"commit_time\":", Some(commit_time), out);
            write_lsn(",\"end_lsn\":", Some(end_lsn), out);
            write_bytes("gid", gid, out);
        }
        Body::RollbackPrepared {
            gid,
            prepare_end_lsn,
            end_lsn,
            prepare_time,
            rollback_time,
        } => {
            write_lsn(",\"prepare_end_lsn\":", Some(prepare_end_lsn), out);
            write_time(",\"prepare_time\":", Some(prepare_time), out);
            write_time(",\"rollback_time\":", Some(rollback_time), out);
            write_lsn(",\"end_lsn\":", Some(end_lsn), out);
            write_bytes("gid", gid, out);
        }
        Body::StreamStart { first } => write_flag(",\"first\":", Some(first), out),
        Body::StreamAbort {
            abort_lsn,
            abort_time,
        } => {
            write_lsn(",\"abort_lsn\":", abort_lsn, out);
            write_time(",\"abort_time\":", abort_time, out);
        }
        _ => (),
    }
}

fn write_relation(relation: &Relation, types: &Types, out: &mut Vec<u8>) {
    write_table_name(relation, out);
    if relation.oid != 0 {
        write_number(",\"oid\":", relation.oid.into(), out);
    }
    let replica_identity = relation.replica_identity.map(|identity| match identity {
        ReplicaIdentity::Default => "default",
        ReplicaIdentity::Nothing => "nothing",
        ReplicaIdentity::Full => "full",
        ReplicaIdentity::Index => "index",
    });
    if let Some(replica_identity) = replica_identity {
        write_bytes("replica_identity", replica_identity.as_bytes(), out);
    }
    write_columns(relation, types, out);
}

fn write_table_name(relation: &Relation, out: &mut Vec<u8>) {
    write_bytes("schema", relation.schema.as_bytes(), out);
    write_bytes("table", relation.table.as_bytes(), out);
}

fn write_types(relation: &Relation, types: &Types, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"types\":");
    let start = out.len();
    for column in &relation.columns {
        out.push(b',');
        write_string(column.name.as_bytes(), out);
        out.push(b':');
        write_string(type_name(column, types).as_bytes(), out);
    }
    open_with(b'{', start, out);
    out.push(b'}');
}

fn write_columns(relation: &Relation, types: &Types, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"columns\":");
    let start = out.len();
    for column in &relation.columns {
        out.extend_from_slice(b",{\"name\":");
        write_string(column.name.as_bytes(), out);
        write_bytes("type", type_name(column, types).as_bytes(), out);
        if column.type_oid != 0 {
            write_number(",\"oid\":", column.type_oid.into(), out);
        }
        if column.type_modifier >= 0 {
            write_number(
                ",\"modifier\":",
                column.type_modifier.unsigned_abs().into(),
                out,
            );
        }
        write_flag(",\"key\":", Some(column.key), out);
        out.push(b'}');
    }
    open_with(b'[', start, out);
    out.push(b']');
}

fn write_prepared_names<'a>(
    key: &str,
    columns: impl Iterator<Item = &'a TableColumn>,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(key.as_bytes());
    let start = out.len();
    for column in columns {
        out.push(b',');
        out.extend_from_slice(&column.name);
    }
    open_with(b'[', start, out);
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logged;
    use crate::lsn::Lsn;
    use crate::render::Format;
    use crate::render::testing::*;
    use crate::time::PgTime;

    fn users() -> Relation {
        relation(
            "users",
            &[
                ("id", INT4, true),
                ("name", TEXT, false),
                ("bio", TEXT, false),
            ],
        )
    }

    fn old_key(id: &str) -> Tuple<'static> {
        cells_of(&[Sent::Text(id.as_bytes()), Sent::Absent, Sent::Absent])
    }

    #[test]
    fn an_insert() {
        let (users, transaction) = (users(), committed(742, 0x16B_37A0));
        let mut test = Test::json(&[]);
        test.feed(&[announce(&users)]);
        assert_eq!(
            test.feed(&[insert(
                &transaction,
                0,
                &users,
                &[Some("1"), Some("Ada"), None]
            )]),
            "{\"op\":\"insert\",\"schema\":\"public\",\"table\":\"users\",\"xid\":742,\"lsn\":\"0/64\",\
             \"commit_lsn\":\"0/16B37A0\",\"commit_time\":\"2026-11-20T09:23:34.946212+00:00\",\"seq\":0,\
             \"after\":{\"id\":1,\"name\":\"Ada\",\"bio\":null}}\n"
        );
    }

    #[test]
    fn an_insert_that_was_an_update_names_what_it_lacks() {
        let (users, transaction) = (users(), open(7));
        let new = cells_of(&[Sent::Text(b"1"), Sent::Unchanged, Sent::Unchanged]);
        let body = Body::Insert {
            relation: &users,
            new,
        };
        let line = Test::json(&[]).feed(&[announce(&users), event(&transaction, 0, body)]);
        let expected = ",\"after\":{\"id\":1},\"unchanged\":[\"name\",\"bio\"]}\n";
        assert!(line.ends_with(expected), "{line}");
    }

    #[test]
    fn updates() {
        let (users, transaction) = (users(), open(7));
        let new = cells_of(&[Sent::Text(b"1"), Sent::Text(b"Grace"), Sent::Unchanged]);
        let old = row(&[Some("1"), Some("Ada"), Some("long")]);
        let mut test = Test::json(&[Include::Changed]);
        test.feed(&[announce(&users)]);
        let head = "{\"op\":\"update\",\"schema\":\"public\",\"table\":\"users\",\"xid\":7,\"lsn\":\"0/64\",\"seq\":12";
        for (old, new, expected) in [
            (
                None,
                new,
                ",\"after\":{\"id\":1,\"name\":\"Grace\"},\"unchanged\":[\"bio\"]}\n",
            ),
            (
                Some(old_key("2")),
                row(&[Some("1"), None, None]),
                ",\"before\":{\"id\":2},\"after\":{\"id\":1,\"name\":null,\"bio\":null}}\n",
            ),
            (
                Some(old),
                row(&[Some("1"), Some("Ada"), None]),
                ",\"before\":{\"id\":1,\"name\":\"Ada\",\"bio\":\"long\"},\
                  \"after\":{\"id\":1,\"name\":\"Ada\",\"bio\":null},\"changed\":[\"bio\"]}\n",
            ),
            (
                Some(old),
                old,
                ",\"before\":{\"id\":1,\"name\":\"Ada\",\"bio\":\"long\"},\
                  \"after\":{\"id\":1,\"name\":\"Ada\",\"bio\":\"long\"},\"changed\":[]}\n",
            ),
        ] {
            let update = event(
                &transaction,
                12,
                Body::Update {
                    relation: &users,
                    old,
                    new,
                },
            );
            assert_eq!(test.feed(&[update]), format!("{head}{expected}"));
        }
    }

    #[test]
    fn deletes_and_truncates() {
        let (users, transaction) = (users(), prepared(7, 0x1_0000_0000));
        let mut test = Test::json(&[]);
        let place = "\"schema\":\"public\",\"table\":\"users\",\"xid\":7,\"subxid\":9,\"lsn\":\"0/64\",\
                     \"prepare_lsn\":\"1/0\",\"prepare_time\":\"2026-11-20T09:23:34.946212+00:00\"";
        let relation = &users;
        for (body, op, rest) in [
            (
                Body::Delete {
                    relation,
                    old: old_key("1"),
                },
                "delete",
                ",\"before\":{\"id\":1}}\n",
            ),
            (
                Body::Delete {
                    relation,
                    old: cells_of(&[]),
                },
                "delete",
                ",\"before\":{}}\n",
            ),
            (
                Body::Truncate {
                    relation,
                    cascade: Some(false),
                    restart_identity: Some(true),
                },
                "truncate",
                ",\"cascade\":false,\"restart_identity\":true}\n",
            ),
            (
                Body::Truncate {
                    relation,
                    cascade: None,
                    restart_identity: None,
                },
                "truncate",
                "}\n",
            ),
        ] {
            let change = Event {
                subxid: Some(9),
                ..event(&transaction, u64::MAX, body)
            };
            let expected = format!("{{\"op\":\"{op}\",{place},\"seq\":18446744073709551615{rest}");
            assert_eq!(test.feed(&[change]), expected);
        }
    }

    #[test]
    fn ids_of_all_that_has_one() {
        let (users, transaction) = (users(), committed(7, 0x1_FFFF_FF28));
        let message = Event {
            transaction: None,
            seq: None,
            ..event(
                &transaction,
                0,
                Body::Message {
                    transactional: false,
                    prefix: b"p",
                    content: b"c",
                },
            )
        };
        let streaming = open(8);
        let lines = Test::json(&[Include::Id, Include::Transactions]).feed(&[
            message,
            begin(&transaction),
            insert(&transaction, 12, &users, &[Some("1"), None, None]),
            commit(&transaction),
            insert(&streaming, 0, &users, &[Some("1"), None, None]),
        ]);
        let ids: Vec<Option<&str>> = lines
            .lines()
            .map(|line| Some(line.split_once(",\"id\":\"")?.1.split_once('"')?.0))
            .collect();
        let expected = [
            Some("0000000000000063-999999999998"),
            Some("00000001FFFFFF27-999999999999"),
            Some("00000001FFFFFF28-000000000012"),
            Some("00000001FFFFFF28-999999999998"),
            None,
        ];
        assert_eq!(ids, expected);
        assert!(lines.contains(",\"seq\":12,\"id\":\""), "{lines}");
    }

    #[test]
    fn what_is_included() {
        let mut users = users();
        let types = [
            ("", INT4, -1),
            ("character varying(20)", 0, 24),
            ("", TEXT, -1),
        ];
        for (column, (name, oid, modifier)) in users.columns.iter_mut().zip(types) {
            (column.type_name, column.type_oid, column.type_modifier) =
                (name.to_owned(), oid, modifier);
        }
        let transaction = Transaction {
            origin: Some("no\"de".to_owned()),
            ..open(7)
        };
        let mut test = Test::json(&Include::ALL);
        let relation = Body::Relation {
            relation: &users,
            changed: true,
        };
        let columns = "\"columns\":[{\"name\":\"id\",\"type\":\"integer\",\"oid\":23,\"key\":true},\
             {\"name\":\"name\",\"type\":\"character varying(20)\",\"modifier\":24,\"key\":false},\
             {\"name\":\"bio\",\"type\":\"text\",\"oid\":25,\"key\":false}]";
        let update = Body::Update {
            relation: &users,
            old: Some(row(&[Some("1"), None, None])),
            new: row(&[Some("1"), Some("Ada"), None]),
        };
        assert_eq!(
            test.feed(&[
                announce(&users),
                begin(&transaction),
                event(&transaction, 0, relation),
                event(&transaction, 0, update)
            ]),
            format!(
                "{{\"op\":\"begin\",\"xid\":7,\"origin\":\"no\\\"de\"}}\n\
                 {{\"op\":\"relation\",\"schema\":\"public\",\"table\":\"users\",\"oid\":16385,\
                 \"replica_identity\":\"default\",{columns}}}\n\
                 {{\"op\":\"update\",\"schema\":\"public\",\"table\":\"users\",\"xid\":7,\"lsn\":\"0/64\",\"seq\":0,\
                 \"before\":{{\"id\":1,\"name\":null,\"bio\":null}},\"after\":{{\"id\":1,\"name\":\"Ada\",\"bio\":null}},\
                 \"key\":[\"id\"],\"types\":{{\"id\":\"integer\",\"name\":\"character \
                 varying(20)\",\"bio\":\"text\"}},\
                 {columns},\"changed\":[\"name\"],\"origin\":\"no\\\"de\"}}\n"
            )
        );
    }

    #[test]
    fn a_table_without_columns_or_key() {
        let (empty, transaction) = (relation("empty", &[]), open(7));
        let mut test = Test::json(&Include::ALL);
        let lines = test.feed(&[announce(&empty), insert(&transaction, 0, &empty, &[])]);
        assert_eq!(
            lines.lines().last(),
            Some(
                "{\"op\":\"insert\",\"schema\":\"public\",\"table\":\"empty\",\"xid\":7,\"lsn\":\"0/64\",\"seq\":0,\
                 \"after\":{},\"types\":{},\"columns\":[]}"
            )
        );
    }

    #[test]
    fn messages_and_what_cannot_be_decoded() {
        let transaction = open(7);
        let mut test = Test::json(&[]);
        for (body, expected) in [
            (
                Body::Message {
                    transactional: true,
                    prefix: b"app",
                    content: b"a \"text\"\n",
                },
                "\"op\":\"message\",\"xid\":7,\"lsn\":\"0/64\",\"seq\":3,\"transactional\":true,\"prefix\":\"app\",\
                 \"content\":\"a \\\"text\\\"\\n\"",
            ),
            (
                Body::Message {
                    transactional: true,
                    prefix: b"\xff",
                    content: b"\xfe\xff\x00",
                },
                "\"op\":\"message\",\"xid\":7,\"lsn\":\"0/64\",\"seq\":3,\"transactional\":true,\
                 \"prefix_base64\":\"/w==\",\"content_base64\":\"/v8A\"",
            ),
            (
                Body::Undecodable {
                    reason: "no object",
                    content: b"[",
                },
                "\"op\":\"undecodable\",\"xid\":7,\"lsn\":\"0/64\",\"seq\":3,\"reason\":\"no \
                 object\",\"content\":\"[\"",
            ),
        ] {
            assert_eq!(
                test.feed(&[event(&transaction, 3, body)]),
                format!("{{{expected}}}\n")
            );
        }
        let body = Body::Message {
            transactional: false,
            prefix: b"",
            content: b"",
        };
        let outside = Event {
            lsn: Some(Lsn(5)),
            transaction: None,
            subxid: None,
            seq: None,
            body,
        };
        assert_eq!(
            test.feed(&[outside]),
            "{\"op\":\"message\",\"lsn\":\"0/5\",\"transactional\":false,\"prefix\":\"\",\"content\":\"\"}\n"
        );
    }

    #[test]
    fn the_bounds_of_transactions() {
        let (committed, prepared, open) = (committed(7, 0x200), prepared(7, 0x200), open(7));
        let (gid, end_lsn) = (b"gid".as_slice(), Lsn(0x210));
        let time = "2026-11-20T09:23:34.946212+00:00";
        let mut test = Test::json(&[]);
        for (transaction, body, expected) in [
            (
                &committed,
                Body::Begin,
                format!("\"begin\",\"xid\":7,\"commit_lsn\":\"0/200\",\"commit_time\":\"{time}\""),
            ),
            (
                &committed,
                Body::Commit {
                    end_lsn: Some(end_lsn),
                },
                format!(
                    "\"commit\",\"xid\":7,\"commit_lsn\":\"0/200\",\"commit_time\":\"{time}\",\"end_lsn\":\"0/210\""
                ),
            ),
            (
                &prepared,
                Body::BeginPrepare { gid },
                format!(
                    "\"begin_prepare\",\"xid\":7,\"prepare_lsn\":\"0/200\",\"prepare_time\":\"{time}\",\"gid\":\"gid\""
                ),
            ),
            (
                &prepared,
                Body::Prepare { gid, end_lsn },
                format!(
                    "\"prepare\",\"xid\":7,\"prepare_lsn\":\"0/200\",\"prepare_time\":\"{time}\",\"end_lsn\":\"0/210\",\
                     \"gid\":\"gid\""
                ),
            ),
            (
                &committed,
                Body::CommitPrepared {
                    gid: b"\xff",
                    commit_lsn: Lsn(0x200),
                    end_lsn,
                    commit_time: TIME,
                },
                format!(
                    "\"commit_prepared\",\"xid\":7,\"commit_lsn\":\"0/200\",\"commit_time\":\"{time}\",\
                     \"end_lsn\":\"0/210\",\"gid_base64\":\"/w==\""
                ),
            ),
            (
                &open,
                Body::RollbackPrepared {
                    gid,
                    prepare_end_lsn: Lsn(0x100),
                    end_lsn,
                    prepare_time: PgTime(0),
                    rollback_time: TIME,
                },
                format!(
                    "\"rollback_prepared\",\"xid\":7,\"lsn\":\"0/64\",\"prepare_end_lsn\":\"0/100\",\
                     \"prepare_time\":\"2000-01-01T00:00:00.000000+00:00\",\"rollback_time\":\"{time}\",\
                     \"end_lsn\":\"0/210\",\"gid\":\"gid\""
                ),
            ),
            (
                &open,
                Body::StreamStart { first: true },
                "\"stream_start\",\"xid\":7,\"first\":true".to_owned(),
            ),
            (
                &open,
                Body::StreamStop,
                "\"stream_stop\",\"xid\":7".to_owned(),
            ),
            (
                &committed,
                Body::StreamCommit { end_lsn },
                format!(
                    "\"stream_commit\",\"xid\":7,\"commit_lsn\":\"0/200\",\"commit_time\":\"{time}\",\
                     \"end_lsn\":\"0/210\""
                ),
            ),
            (
                &open,
                Body::StreamAbort {
                    abort_lsn: Some(Lsn(0x20)),
                    abort_time: Some(TIME),
                },
                format!(
                    "\"stream_abort\",\"xid\":7,\"abort_lsn\":\"0/20\",\"abort_time\":\"{time}\""
                ),
            ),
            (
                &prepared,
                Body::StreamPrepare { gid, end_lsn },
                format!(
                    "\"stream_prepare\",\"xid\":7,\"prepare_lsn\":\"0/200\",\"prepare_time\":\"{time}\",\
                     \"end_lsn\":\"0/210\",\"gid\":\"gid\""
                ),
            ),
        ] {
            let event = Event {
                seq: None,
                ..event(transaction, 0, body)
            };
            assert_eq!(test.feed(&[event]), format!("{{\"op\":{expected}}}\n"));
        }
    }

    #[test]
    fn values_as_the_text_that_the_server_sent() {
        let table = relation(
            "t",
            &[
                ("b", BOOL, false),
                ("j", JSONB, false),
                ("n", INT4, false),
                ("x", TEXT, false),
            ],
        );
        let transaction = open(7);
        let mut json = Test::json(&[]);
        let settings = Settings {
            values: Values::Text,
            ..Settings::default()
        };
        let mut text = Test::with(Format::JSON, settings);
        let new = cells_of(&[
            Sent::Text(b"t"),
            Sent::Text(b"{\"a\": 1}"),
            Sent::Null,
            Sent::Text(b"\xff"),
        ]);
        let insert = event(
            &transaction,
            0,
            Body::Insert {
                relation: &table,
                new,
            },
        );
        for (test, expected) in [
            (
                &mut json,
                "{\"b\":true,\"j\":{\"a\": 1},\"n\":null,\"x\":{\"base64\":\"/w==\"}}}\n",
            ),
            (
                &mut text,
                "{\"b\":\"t\",\"j\":\"{\\\"a\\\": 1}\",\"n\":null,\"x\":{\"base64\":\"/w==\"}}}\n",
            ),
        ] {
            let line = test.feed(&[insert]);
            assert!(line.ends_with(&format!("\"after\":{expected}")), "{line}");
        }
    }

    #[test]
    fn a_value_that_does_not_fit_its_type_is_text() {
        let table = relation("t", &[("b", BOOL, false)]);
        let transaction = open(7);
        let mut test = Test::json(&[]);
        logged::messages();
        let lines = test.feed(&[
            insert(&transaction, 0, &table, &[Some("perhaps")]),
            insert(&transaction, 1, &table, &[Some("t")]),
            insert(&transaction, 2, &table, &[Some("never")]),
        ]);
        for (line, value) in lines.lines().zip(["\"perhaps\"", "true", "\"never\""]) {
            assert!(
                line.ends_with(&format!("\"after\":{{\"b\":{value}}}}}")),
                "{line}"
            );
        }
        assert_eq!(logged::warnings().len(), 1);
    }
}
