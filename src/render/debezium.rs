//! Change events as Debezium's connector for PostgreSQL prints them, without their schema.
//!
//! ```text
//! {"before":null,"after":{"id":1,"name":"Ada"},"source":{"version":"0.1.0","connector":"postgresql",
//! "name":"walcat","ts_ms":1795166614946,"snapshot":"false","db":"shop","sequence":"[\"23803808\",\"23803720\"]",
//! "ts_us":1795166614946212,"ts_ns":1795166614946212000,"schema":"public","table":"users","txId":742,"lsn":23803720,
//! "xmin":null,"commit_lsn":"0/16B37A0","seq":0},"transaction":null,"op":"c","ts_ms":1795166615012,
//! "ts_us":1795166615012345,"ts_ns":1795166615012345000}
//! (one line)
//! ```
//!
//! `op` is `c`, `u`, `d`, `t` (truncate), `m` (message) or `r` (a row that was there already, with
//! `"snapshot":"incremental"`, as it comes among the changes). The values are those of a connector with these settings, which lose nothing where there is no
//! schema:
//!
//! | setting | value | because |
//! |---|---|---|
//! | `decimal.handling.mode` | `string` | `precise` needs the scale in the schema, `double` loses
//! digits |
//! | `time.precision.mode` | `adaptive` | the default: days, and milli- or microseconds by the
//! column's type |
//! | `binary.handling.mode` | `base64` | what the default is in JSON |
//! | `interval.handling.mode` | `string` | `numeric` takes a month for 30.4375 days |
//! | `hstore.handling.mode` | `json` | the default |
//! | `unavailable.value.placeholder` | `__debezium_unavailable_value` | the default |
//!
//! `source` has two fields of ours, which name the event for ever and only grow, as `lsn` does not:
//! `commit_lsn` and `seq`. The first number of `sequence` is where the event's own transaction
//! commits, and not the one before it, so that it is the same in every run.
//!
//! An update that changes the key is a `d` and a `c`; of the two the first has `"part":0` in
//! `source`. Where the identity is FULL the stream does not tell what the key is, and it is a `u`.

mod lines;
mod values;

use super::json::member::open_with;
use super::piece::Piece;
use super::{Definition, Render, Settings};
use crate::error::{Error, Result};
use crate::event::{
    Body, Cell, Column, End, Event, PerRelation, Relation, ReplicaIdentity, Transaction, Tuple,
};
use crate::lsn::Lsn;
use crate::time::PgTime;
use crate::value::{Purpose, Types, Writer, write_string};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use values::Form;

pub(super) const DEFINITION: Definition = Definition {
    name: "debezium",
    about: "Debezium's change events, without schema",
    includes: &[],
    values: false,
    frames: false,
    whole: false,
    streamed: false,
    prepared: false,
    render: Some(|settings, types| Box::new(Debezium::new(settings, types))),
    lines: Some(&lines::DebeziumLines),
};

/// Writes events as Debezium does.
struct Debezium {
    types: Types,
    writer: Writer,
    /// A value that is to become the content of a string.
    inner: Vec<u8>,
    tables: PerRelation<Table>,
    /// `"source":{"version":"0.1.0","connector":"postgresql","name":"walcat"`
    source: Vec<u8>,
    /// `","db":"shop"`
    database: Vec<u8>,
    transaction: TransactionFields,
}

/// What is prepared for a table.
struct Table {
    /// `,"schema":"public","table":"users"`
    name: Vec<u8>,
    columns: Vec<TableColumn>,
    /// Whether the stream tells which columns are the key.
    keyed: bool,
}

struct TableColumn {
    /// `,"id":`
    key: Piece,
    form: Form,
    type_oid: u32,
    is_key: bool,
}

/// The transaction whose fields are prepared.
#[derive(Default)]
struct TransactionFields {
    of: Option<Transaction>,
    time: Option<PgTime>,
    commit_lsn: Option<Lsn>,
}

/// Which part of an event a line is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    Whole,
    /// The delete of an update that changes the key.
    First,
}

impl Render for Debezium {
    fn types(&mut self) -> &mut Types {
        &mut self.types
    }

    fn prepare(&mut self, relation: &Relation, anew: bool) {
        let oids = relation.columns.iter().map(|column| column.type_oid);
        self.types.resolve(oids, Purpose::Values, anew);
        self.tables.set(relation, Table::new(relation, &self.types));
    }

    fn write(&mut self, event: &Event<'_>, out: &mut Vec<u8>) -> Result<()> {
        self.transaction.renew(event.transaction);
        let now = PgTime::now();
        match event.body {
            Body::Insert { relation, new } => {
                out.extend_from_slice(b"{\"before\":null,\"after\":");
                self.write_row(relation, &new, out);
                self.write_rest(event, Some(relation), Line::Whole, b"c", now, out);
            }
            Body::Snapshot { relation, row } => {
                out.extend_from_slice(b"{\"before\":null,\"after\":");
                self.write_row(relation, &row, out);
                self.write_rest(event, Some(relation), Line::Whole, b"r", now, out);
            }
            Body::SnapshotProgress { .. } | Body::SnapshotDone { .. } => return Ok(()),
            Body::Update {
                relation,
                old: Some(old),
                new,
            } if self.changes_key(relation, &old, &new) => {
                out.extend_from_slice(b"{\"before\":");
                self.write_row(relation, &old, out);
                out.extend_from_slice(b",\"after\":null");
                self.write_rest(event, Some(relation), Line::First, b"d", now, out);
                out.extend_from_slice(b"}\n{\"before\":null,\"after\":");
                self.write_row(relation, &new, out);
                self.write_rest(event, Some(relation), Line::Whole, b"c", now, out);
            }
            Body::Update { relation, old, new } => {
                out.extend_from_slice(b"{\"before\":");
                match old {
                    Some(old) => self.write_row(relation, &old, out),
                    None => out.extend_from_slice(b"null"),
                }
                out.extend_from_slice(b",\"after\":");
                self.write_row(relation, &new, out);
                self.write_rest(event, Some(relation), Line::Whole, b"u", now, out);
            }
            Body::Delete { relation, old } => {
                out.extend_from_slice(b"{\"before\":");
                self.write_row(relation, &old, out);
                out.extend_from_slice(b",\"after\":null");
                self.write_rest(event, Some(relation), Line::Whole, b"d", now, out);
            }
            Body::Truncate { relation, .. } => {
                out.extend_from_slice(b"{\"before\":null,\"after\":null");
                self.write_rest(event, Some(relation), Line::Whole, b"t", now, out);
            }
            Body::Message {
                prefix, content, ..
            } => {
                out.extend_from_slice(b"{\"before\":null,\"after\":null");
                self.write_rest(event, None, Line::Whole, b"m", now, out);
                out.extend_from_slice(b",\"message\":{\"prefix\":");
                write_string(prefix, out);
                out.extend_from_slice(b",\"content\":\"");
                out.extend_from_slice(STANDARD.encode(content).as_bytes());
                out.extend_from_slice(b"\"}");
            }
            _ => return Err(untold(event)),
        }
        out.extend_from_slice(b"}\n");
        Ok(())
    }
}

impl Debezium {
    fn new(settings: Settings, types: Types) -> Debezium {
        let mut source = b",\"source\":{\"version\":".to_vec();
        write_string(env!("CARGO_PKG_VERSION").as_bytes(), &mut source);
        source.extend_from_slice(b",\"connector\":\"postgresql\",\"name\":\"walcat\"");
        let mut database = b"\",\"db\":".to_vec();
        write_string(settings.database.as_bytes(), &mut database);
        Debezium {
            types,
            writer: Writer::default(),
            inner: Vec::new(),
            tables: PerRelation::default(),
            source,
            database,
            transaction: TransactionFields::default(),
        }
    }

    /// Returns `true` if the key is known, and another.
    fn changes_key(&self, relation: &Relation, old: &Tuple<'_>, new: &Tuple<'_>) -> bool {
        let Some(table) = self.tables.get(relation).filter(|table| table.keyed) else {
            return false;
        };
        let mut cells = table.columns.iter().zip(old.cells().zip(new.cells()));
        cells.any(|(column, (old, new))| {
            column.is_key && matches!((old, new), (Cell::Text(old), Cell::Text(new)) if old != new)
        })
    }

    /// Appends a row as an object, without the values that were not sent.
    fn write_row(&mut self, relation: &Relation, row: &Tuple<'_>, out: &mut Vec<u8>) {
        let start = out.len();
        let Some(table) = self.tables.get_mut(relation) else {
            return out.extend_from_slice(b"null");
        };
        for (column, cell) in table.columns.iter_mut().zip(row.cells()) {
            match cell {
                Cell::Absent => continue,
                Cell::Null => {
                    column.key.append_to(out);
                    out.extend_from_slice(b"null");
                }
                Cell::Unchanged => {
                    column.key.append_to(out);
                    out.extend_from_slice(column.form.unavailable);
                }
                Cell::Text(text) if column.form.quoted => {
                    column.key.append_to(out);
                    self.inner.clear();
                    match self.writer.write(&column.form.kind, text, &mut self.inner) {
                        Ok(()) => write_string(&self.inner, out),
                        Err(_) => write_string(text, out),
                    }
                }
                Cell::Text(text) => {
                    column.key.append_to(out);
                    if self.writer.write(&column.form.kind, text, out).is_err() {
                        column.warn_of_mismatch(&mut self.types);
                        write_string(text, out);
                    }
                }
            }
        }
        open_with(b'{', start, out);
        out.push(b'}');
    }

    /// Appends `source` and all that comes behind it.
    fn write_rest(
        &self,
        event: &Event<'_>,
        relation: Option<&Relation>,
        line: Line,
        op: &[u8],
        now: PgTime,
        out: &mut Vec<u8>,
    ) {
        out.extend_from_slice(&self.source);
        let now = now.unix_micros();
        let time = self.transaction.time.map_or(now, PgTime::unix_micros);
        write_number(b",\"ts_ms\":", time.div_euclid(1000), out);
        out.extend_from_slice(b",\"snapshot\":\"");
        out.extend_from_slice(match event.body {
            Body::Snapshot { .. } => &b"incremental"[..],
            _ => b"false",
        });
        out.extend_from_slice(&self.database);
        let commit_lsn = self
            .transaction
            .commit_lsn
            .filter(|_| event.transaction.is_some());
        write_sequence(commit_lsn, event.lsn, out);
        write_finer(time, out);
        match relation.and_then(|relation| self.tables.get(relation)) {
            Some(table) => out.extend_from_slice(&table.name),
            None => out.extend_from_slice(b",\"schema\":\"\",\"table\":\"\""),
        }
        let xid = event.transaction.and_then(|transaction| transaction.xid);
        write_or_null(b",\"txId\":", xid.map(u64::from), out);
        write_or_null(b",\"lsn\":", event.lsn.map(|lsn| lsn.0), out);
        out.extend_from_slice(b",\"xmin\":null");
        if let Some(lsn) = commit_lsn {
            out.extend_from_slice(b",\"commit_lsn\":\"");
            lsn.append_to(out);
            out.push(b'"');
        }
        if let Some(seq) = event.seq {
            out.extend_from_slice(b",\"seq\":");
            out.extend_from_slice(itoa::Buffer::new().format(seq).as_bytes());
        }
        if line == Line::First {
            out.extend_from_slice(b",\"part\":0");
        }
        out.extend_from_slice(b"},\"transaction\":null,\"op\":\"");
        out.extend_from_slice(op);
        write_number(b"\",\"ts_ms\":", now.div_euclid(1000), out);
        write_finer(now, out);
    }
}

impl Table {
    fn new(relation: &Relation, types: &Types) -> Table {
        let mut name = b",\"schema\":".to_vec();
        write_string(relation.schema.as_bytes(), &mut name);
        name.extend_from_slice(b",\"table\":");
        write_string(relation.table.as_bytes(), &mut name);
        let column = |column: &Column| {
            let mut key = vec![b','];
            write_string(column.name.as_bytes(), &mut key);
            key.push(b':');
            TableColumn {
                key: Piece::from(key.as_slice()),
                form: Form::new(column, types),
                type_oid: column.type_oid,
                is_key: column.key,
            }
        };
        Table {
            name,
            columns: relation.columns.iter().map(column).collect(),
            keyed: relation.replica_identity != Some(ReplicaIdentity::Full),
        }
    }
}

impl TableColumn {
    #[cold]
    fn warn_of_mismatch(&mut self, types: &mut Types) {
        types.kind_after_mismatch(self.type_oid, &types.kind(self.type_oid).clone());
    }
}

impl TransactionFields {
    /// Makes the fields anew if this is another transaction.
    fn renew(&mut self, transaction: Option<&Transaction>) {
        if self.of.as_ref() == transaction {
            return;
        }
        self.of = transaction.cloned();
        (self.commit_lsn, self.time) = match transaction.map(|transaction| transaction.end) {
            Some(End::Commit { lsn, time }) => (lsn, time),
            _ => (None, None),
        };
    }
}

/// Appends the positions as the array in a string that they are: `"[\"23803808\",\"23803720\"]"`.
fn write_sequence(commit_lsn: Option<Lsn>, lsn: Option<Lsn>, out: &mut Vec<u8>) {
    let mut before: &[u8] = b",\"sequence\":\"[";
    for position in [commit_lsn, lsn] {
        out.extend_from_slice(before);
        match position {
            Some(position) => {
                out.extend_from_slice(b"\\\"");
                out.extend_from_slice(itoa::Buffer::new().format(position.0).as_bytes());
                out.extend_from_slice(b"\\\"");
            }
            None => out.extend_from_slice(b"null"),
        }
        before = b",";
    }
    out.extend_from_slice(b"]\"");
}

fn write_number(key: &[u8], number: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(key);
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends the microseconds, and the nanoseconds that nobody knows.
fn write_finer(micros: i64, out: &mut Vec<u8>) {
    write_number(b",\"ts_us\":", micros, out);
    write_number(b",\"ts_ns\":", micros, out);
    out.extend_from_slice(b"000");
}

fn write_or_null(key: &[u8], number: Option<u64>, out: &mut Vec<u8>) {
    out.extend_from_slice(key);
    match number {
        Some(number) => out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
        None => out.extend_from_slice(b"null"),
    }
}

/// What Debezium has no event for.
fn untold(event: &Event<'_>) -> Error {
    match event.body {
        Body::Undecodable { reason, .. } => Error::new(format!(
            "could not print a change as debezium: it cannot be decoded: {reason}"
        )),
        _ => Error::new(format!(
            "could not print an event as debezium: it has none for {}",
            event.body.name()
        ))
        .with_detail("It prints the changes of transactions when they commit."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::testing::*;
    use crate::render::Format;
    use crate::render::testing::Test;
    use serde_json::{Value, json};

    fn events(events: &[Event<'_>]) -> Vec<Value> {
        let settings = Settings {
            database: "shop".to_owned(),
            ..Settings::default()
        };
        let lines = Test::with(Format::DEBEZIUM, settings).feed(events);
        lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn an_insert_is_a_create_event() {
        let users = relation(
            "users",
            &[
                ("id", INT4, true),
                ("cost", 1700, false),
                ("at", 1114, false),
            ],
        );
        let transaction = committed(742, 0x16B_37A0);
        let row = [Some("1"), Some("1.50"), Some("2018-06-20 15:13:16.945104")];
        let mut event = events(&[insert(&transaction, 3, &users, &row)]).remove(0);
        let mut processed = |field| {
            let field = event.as_object_mut().unwrap().remove(field).unwrap();
            field.as_i64().unwrap()
        };
        let (ms, us, ns) = (processed("ts_ms"), processed("ts_us"), processed("ts_ns"));
        assert!(ms > 1_700_000_000_000, "{ms}");
        assert_eq!((us / 1000, ns), (ms, us * 1000));
        assert_eq!(
            event,
            json!({
                "before": null,
                "after": {"id": 1, "cost": "1.50", "at": 1_529_507_596_945_104_i64},
                "source": {
                    "version": env!("CARGO_PKG_VERSION"), "connector": "postgresql", "name": "walcat",
                    "ts_ms": 1_795_166_614_946_i64, "ts_us": 1_795_166_614_946_212_i64,
                    "ts_ns": 1_795_166_614_946_212_000_i64, "snapshot": "false", "db": "shop",
                    "sequence": "[\"23803808\",\"100\"]", "schema": "public", "table": "users", "txId": 742,
                    "lsn": 100, "xmin": null, "commit_lsn": "0/16B37A0", "seq": 3
                },
                "transaction": null,
                "op": "c"
            })
        );
    }

    #[test]
    fn a_new_key_is_a_delete_and_a_create() {
        let (users, transaction) = (
            relation("users", &[("id", INT4, true), ("v", TEXT, false)]),
            committed(1, 0x20),
        );
        let relation = &users;
        let key = cells_of(&[Sent::Text(b"1"), Sent::Absent]);
        let new = cells_of(&[Sent::Text(b"2"), Sent::Unchanged]);
        let same = cells_of(&[Sent::Text(b"1"), Sent::Null]);
        let found = events(&[
            event(
                &transaction,
                0,
                Body::Update {
                    relation,
                    old: Some(key),
                    new,
                },
            ),
            event(
                &transaction,
                1,
                Body::Update {
                    relation,
                    old: Some(key),
                    new: same,
                },
            ),
            event(
                &transaction,
                2,
                Body::Update {
                    relation,
                    old: None,
                    new: same,
                },
            ),
            event(&transaction, 3, Body::Delete { relation, old: key }),
            event(
                &transaction,
                4,
                Body::Truncate {
                    relation,
                    cascade: None,
                    restart_identity: None,
                },
            ),
            event(
                &transaction,
                5,
                Body::Message {
                    transactional: true,
                    prefix: b"foo",
                    content: b"bar",
                },
            ),
        ]);
        let told: Vec<Value> = found
            .iter()
            .map(|event| {
                json!([
                    event["op"],
                    event["before"],
                    event["after"],
                    event["source"]["seq"],
                    event["source"]["part"]
                ])
            })
            .collect();
        assert_eq!(
            told,
            [
                json!(["d", {"id": 1}, null, 0, 0]),
                json!(["c", null, {"id": 2, "v": "__debezium_unavailable_value"}, 0, null]),
                json!(["u", {"id": 1}, {"id": 1, "v": null}, 1, null]),
                json!(["u", null, {"id": 1, "v": null}, 2, null]),
                json!(["d", {"id": 1}, null, 3, null]),
                json!(["t", null, null, 4, null]),
                json!(["m", null, null, 5, null]),
            ]
        );
        // The example of the documentation.
        assert_eq!(
            found[6]["message"],
            json!({"prefix": "foo", "content": "YmFy"})
        );
        assert_eq!(found[6]["source"]["table"], "");
    }
}
