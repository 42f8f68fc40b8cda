//! SQL that replays the changes on another database, for psql.
//!
//! ```text
//! BEGIN; -- walcat: transaction 742, 2026-11-20 09:23:34.946212+00
//! INSERT INTO public.users (id, name) OVERRIDING SYSTEM VALUE VALUES (1, 'Ada');
//! UPDATE public.users SET name = 'Grace' WHERE id = 1;
//! DELETE FROM public.users WHERE id = 1;
//! TRUNCATE public.users, public.orders RESTART IDENTITY CASCADE;
//! COMMIT; -- 0/16B37A0
//! ```
//!
//! One transaction a transaction, one statement a line. Each stands for itself: what it means does
//! not depend on the settings of the session that reads it. The comment behind COMMIT, and behind
//! what else ends a transaction, is the position that names it for ever.
//!
//! Under REPLICA IDENTITY FULL a row is found by all of its columns, and of several equal rows one
//! is taken: types whose `=` is exact are compared by that, so that an index can help, all others
//! by what they are made of (`ROW(...) *= ROW(...)`), which every type can.
//!
//! Several tables that were emptied together are emptied together. Logical messages are comments.
//! What has no statement is an error: rows that nothing identifies, and what cannot be decoded.
//!
//! [`Settings::undo`] asks for the inverse. Read from the last line to the first it takes the
//! changes back, the newest transaction first.

mod lines;
mod table;

use super::{Definition, Once, Render, Settings};
use crate::error::{Error, Result};
use crate::event::{Body, Cell, End, Event, PerRelation, Relation, Tuple};
use crate::lsn::Lsn;
use crate::sql::{write_constant, write_identifier};
use crate::value::Types;
use table::{Identity, Table};

pub(super) const DEFINITION: Definition = Definition {
    name: "sql",
    about: "Statements that replay the changes, for psql",
    includes: &[],
    values: false,
    frames: true,
    whole: true,
    streamed: false,
    prepared: true,
    render: Some(|settings, types| Box::new(Sql::new(settings, types))),
    lines: Some(&lines::SqlLines),
};

/// What psql has to be told before the first text that is not ASCII.
const ENCODING: &[u8] = b"SET LOCAL client_encoding = 'UTF8';\n";

/// Writes events as SQL.
struct Sql {
    types: Types,
    undo: bool,
    once: Option<Position>,
    tables: PerRelation<Table>,
    truncate: Truncate,
    /// Whether the transaction says already in which encoding it is.
    encoding_known: bool,
}

/// Where the reader of the statements is, which they keep up.
struct Position {
    /// ` WHERE system = '7' AND slot = 's';`
    row: Vec<u8>,
    last: Lsn,
}

/// A TRUNCATE that waits for more tables.
#[derive(Default)]
struct Truncate {
    /// `public.users, public.orders`
    tables: Vec<u8>,
    cascade: bool,
    restart_identity: bool,
}

impl Render for Sql {
    fn types(&mut self) -> &mut Types {
        &mut self.types
    }

    fn prepare(&mut self, relation: &Relation, anew: bool) {
        let table = Table::new(relation, anew, &mut self.types);
        self.tables.set(relation, table);
    }

    fn write(&mut self, event: &Event<'_>, out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        match event.body {
            Body::Begin | Body::BeginPrepare { .. } => self.encoding_known = self.undo,
            Body::Truncate { .. } => {}
            _ => self.truncate.flush(out),
        }
        match self.undo {
            true => self.undo(event, out)?,
            false => self.redo(event, out)?,
        }
        if !self.encoding_known && !out.get(start..).unwrap_or_default().is_ascii() {
            self.encoding_known = true;
            out.extend_from_slice(ENCODING);
            if let Some(written) = out.get_mut(start..) {
                written.rotate_right(ENCODING.len());
            }
        }
        Ok(())
    }
}

impl Sql {
    fn new(settings: Settings, types: Types) -> Sql {
        Sql {
            types,
            undo: settings.undo,
            once: settings.once.map(Position::new),
            tables: PerRelation::default(),
            truncate: Truncate::default(),
            // Where lines are read from the last to the first nothing can be said before another.
            encoding_known: settings.undo,
        }
    }

    fn redo(&mut self, event: &Event<'_>, out: &mut Vec<u8>) -> Result<()> {
        match event.body {
            Body::Insert { relation, new } => self.table(relation)?.write_insert(&new, out)?,
            Body::Update { relation, old, new } => {
                let table = self.table(relation)?;
                table.write_update(table.identity(old, new), old.as_ref(), &new, out)?;
            }
            Body::Delete { relation, old } => {
                let table = self.table(relation)?;
                table.write_delete(table.identity(Some(old), old), out)?;
            }
            Body::Truncate {
                relation,
                cascade,
                restart_identity,
            } => {
                let flags = (cascade == Some(true), restart_identity == Some(true));
                let table = self.tables.get(relation).ok_or_else(unannounced)?;
                self.truncate.add(&table.name, flags, out);
                return Ok(());
            }
            Body::Begin | Body::BeginPrepare { .. } => {
                out.extend_from_slice(lines::BEGIN);
                write_transaction(event, out);
                if let (Some(once), Some(id)) = (&mut self.once, event.id()) {
                    out.push(b'\n');
                    once.write_step(id.lsn, out);
                }
            }
            Body::Commit { .. } => write_end(b"COMMIT", None, event, out),
            Body::Prepare { gid, .. } => write_end(b"PREPARE TRANSACTION ", Some(gid), event, out),
            Body::CommitPrepared { gid, .. } => {
                write_end(b"COMMIT PREPARED ", Some(gid), event, out)
            }
            Body::RollbackPrepared { gid, .. } => {
                write_end(b"ROLLBACK PREPARED ", Some(gid), event, out)
            }
            Body::Message {
                transactional,
                prefix,
                content,
            } => {
                out.extend_from_slice(b"-- MESSAGE ");
                write_identifier(prefix, out);
                out.extend_from_slice(b"  ");
                write_constant(content, out);
                if !transactional {
                    write_position(event.lsn, out);
                }
            }
            _ => return Err(untold(event)),
        }
        out.push(b'\n');
        Ok(())
    }

    /// Writes what takes the event back, to be read from the last line to the first.
    fn undo(&mut self, event: &Event<'_>, out: &mut Vec<u8>) -> Result<()> {
        match event.body {
            Body::Insert { relation, new } => {
                let table = self.table(relation)?;
                table.write_delete(table.identity_of(new), out)?;
            }
            Body::Update { relation, old, new } => {
                let table = self.table(relation)?;
                let old = table.require_whole(old)?;
                table.write_update(Identity::All(new), Some(&new), &old, out)?;
            }
            Body::Delete { relation, old } => {
                let table = self.table(relation)?;
                let old = table.require_whole(Some(old))?;
                table.write_insert(&old, out)?;
            }
            Body::Truncate { relation, .. } => {
                return Err(self
                    .table(relation)?
                    .refuse("a TRUNCATE", "take back")
                    .with_detail("What was in the table is not in the stream."));
            }
            Body::Begin => out.extend_from_slice(b"COMMIT;"),
            Body::Commit { .. } => {
                out.extend_from_slice(ENCODING);
                out.extend_from_slice(b"BEGIN; -- takes back");
                write_transaction(event, out);
            }
            Body::Message { .. } => return Ok(()),
            _ => return Err(untold(event)),
        }
        out.push(b'\n');
        Ok(())
    }

    fn table(&self, relation: &Relation) -> Result<&Table> {
        self.tables.get(relation).ok_or_else(unannounced)
    }
}

impl Position {
    fn new(once: Once) -> Position {
        let mut row = b" WHERE system = ".to_vec();
        write_constant(once.system.as_bytes(), &mut row);
        row.extend_from_slice(b" AND slot = ");
        write_constant(once.slot.as_bytes(), &mut row);
        row.push(b';');
        Position {
            row,
            last: once.last,
        }
    }

    /// Appends the step from the last transaction to the next. It fails, and with it the
    /// transaction, unless the last is the last.
    fn write_step(&mut self, next: Lsn, out: &mut Vec<u8>) {
        out.extend_from_slice(b"UPDATE walcat.replayed SET lsn = CASE lsn WHEN '");
        self.last.append_to(out);
        out.extend_from_slice(b"' THEN '");
        next.append_to(out);
        out.extend_from_slice(b"' ELSE ('not expected: ' || lsn)::pg_catalog.pg_lsn END");
        out.extend_from_slice(&self.row);
        self.last = next;
    }
}

impl Truncate {
    /// Adds a table; where the options differ a statement of its own begins.
    fn add(&mut self, name: &[u8], flags: (bool, bool), out: &mut Vec<u8>) {
        if (self.cascade, self.restart_identity) != flags {
            self.flush(out);
        }
        (self.cascade, self.restart_identity) = flags;
        if !self.tables.is_empty() {
            self.tables.extend_from_slice(b", ");
        }
        self.tables.extend_from_slice(name);
    }

    fn flush(&mut self, out: &mut Vec<u8>) {
        if self.tables.is_empty() {
            return;
        }
        out.extend_from_slice(b"TRUNCATE ");
        out.append(&mut self.tables);
        if self.restart_identity {
            out.extend_from_slice(b" RESTART IDENTITY");
        }
        if self.cascade {
            out.extend_from_slice(b" CASCADE");
        }
        out.extend_from_slice(b";\n");
    }
}

fn unannounced() -> Error {
    Error::new("could not print a change as SQL: its table was not announced")
}

/// What SQL has no statement for.
fn untold(event: &Event<'_>) -> Error {
    match event.body {
        Body::Undecodable { reason, .. } => Error::new(format!(
            "could not print a change as SQL: it cannot be decoded: {reason}"
        )),
        Body::StreamStart { .. } => Error::new(
            "could not print a transaction as SQL: its changes come before it commits, and may \
             turn out to be void",
        )
        .with_remedy("a capture without the option streaming of pgoutput"),
        _ => Error::new(format!(
            "could not print an event as SQL: there is no statement for {}",
            event.body.name()
        )),
    }
}

/// Appends ` transaction 742, 2026-11-20 09:23:34.946212+00`.
fn write_transaction(event: &Event<'_>, out: &mut Vec<u8>) {
    let Some(transaction) = event.transaction else {
        return;
    };
    out.extend_from_slice(b" transaction");
    if let Some(xid) = transaction.xid {
        out.push(b' ');
        out.extend_from_slice(itoa::Buffer::new().format(xid).as_bytes());
    }
    if let End::Commit {
        time: Some(time), ..
    }
    | End::Prepare { time, .. } = transaction.end
    {
        out.extend_from_slice(b", ");
        time.append_sql(out);
    }
}

/// Appends what ends a transaction, with its position.
fn write_end(words: &[u8], gid: Option<&[u8]>, event: &Event<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(words);
    if let Some(gid) = gid {
        write_constant(gid, out);
    }
    let position = match event.body {
        // It is no part of the transaction any more.
        Body::RollbackPrepared { .. } => event.lsn,
        _ => event.id().map(|id| id.lsn),
    };
    write_position(position, out);
}

fn write_position(position: Option<Lsn>, out: &mut Vec<u8>) {
    out.push(b';');
    if let Some(position) = position {
        out.extend_from_slice(lines::POSITION);
        position.append_to(out);
    }
}

/// Returns `true` if the row has all of its columns.
fn is_whole(row: &Tuple<'_>) -> bool {
    row.cells()
        .all(|cell| matches!(cell, Cell::Null | Cell::Text(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::testing::*;
    use crate::render::testing::Test;
    use crate::render::{Format, Settings};

    fn sql(undo: bool) -> Test {
        let settings = Settings {
            undo,
            ..Settings::default()
        };
        Test::with(Format::SQL, settings)
    }

    fn full(table: &str) -> Relation {
        Relation {
            replica_identity: Some(crate::event::ReplicaIdentity::Full),
            ..relation(
                table,
                &[("id", INT4, true), ("j", 114, true), ("v", TEXT, true)],
            )
        }
    }

    #[test]
    fn changes_are_statements() {
        let users = relation("users", &[("id", INT4, true), ("order", TEXT, false)]);
        let transaction = committed(742, 0x16B_37A0);
        let key = cells_of(&[Sent::Text(b"1"), Sent::Absent]);
        let (old, new) = (Some(key), row(&[Some("2"), Some("C:\\")]));
        let relation = &users;
        let truncate = |restart| Body::Truncate {
            relation,
            cascade: Some(true),
            restart_identity: Some(restart),
        };
        let lines = sql(false).feed(&[
            begin(&transaction),
            insert(&transaction, 0, &users, &[Some("1"), None]),
            event(
                &transaction,
                1,
                Body::Update {
                    relation,
                    old: None,
                    new: row(&[Some("1"), Some("é")]),
                },
            ),
            event(&transaction, 2, Body::Update { relation, old, new }),
            event(&transaction, 3, Body::Delete { relation, old: key }),
            event(&transaction, 4, truncate(false)),
            event(&transaction, 5, truncate(false)),
            event(&transaction, 6, truncate(true)),
            commit(&transaction),
        ]);
        assert_eq!(
            lines,
            "BEGIN; -- walcat: transaction 742, 2026-11-20 09:23:34.946212+00\n\
             INSERT INTO public.users (id, \"order\") OVERRIDING SYSTEM VALUE VALUES (1, NULL);\n\
             SET LOCAL client_encoding = 'UTF8';\n\
             UPDATE public.users SET \"order\" = 'é' WHERE id = 1;\n\
             UPDATE public.users SET id = 2, \"order\" = E'C:\\\\' WHERE id = 1;\n\
             DELETE FROM public.users WHERE id = 1;\n\
             TRUNCATE public.users, public.users CASCADE;\n\
             TRUNCATE public.users RESTART IDENTITY CASCADE;\n\
             COMMIT; -- 0/16B37A0\n"
        );
    }

    #[test]
    fn equal_rows_are_taken_one_by_one() {
        let (relation, transaction) = (&full("t"), committed(1, 0x20));
        let old = row(&[Some("1"), Some("{}"), None]);
        let lines = sql(false).feed(&[event(&transaction, 0, Body::Delete { relation, old })]);
        assert_eq!(
            lines,
            "DELETE FROM public.t AS target USING (SELECT tableoid, ctid FROM public.t WHERE id = \
             1 \
             AND v IS NULL AND ROW(j::json)::record OPERATOR(pg_catalog.*=) \
             ROW('{}'::json)::record LIMIT 1) AS one WHERE target.tableoid = one.tableoid AND \
             target.ctid = one.ctid;\n"
        );
    }

    #[test]
    fn what_sql_cannot_say_is_an_error_that_names_it() {
        let (keyless, transaction) = (relation("t", &[("id", INT4, false)]), committed(1, 0x20));
        let relation = &keyless;
        let row = row(&[Some("1")]);
        let none = cells_of(&[Sent::Absent]);
        for (undo, body, named) in [
            (
                false,
                Body::Update {
                    relation,
                    old: None,
                    new: row,
                },
                "UPDATE of table public.t",
            ),
            (
                false,
                Body::Delete {
                    relation,
                    old: none,
                },
                "DELETE of table public.t",
            ),
            (
                true,
                Body::Delete {
                    relation,
                    old: none,
                },
                "public.t",
            ),
            (
                true,
                Body::Truncate {
                    relation,
                    cascade: None,
                    restart_identity: None,
                },
                "public.t",
            ),
            (
                false,
                Body::StreamStart { first: true },
                "before it commits",
            ),
            (
                false,
                Body::Undecodable {
                    reason: "it is odd",
                    content: b"",
                },
                "it is odd",
            ),
        ] {
            let mut test = sql(undo);
            test.render.prepare(relation, false);
            let error = test
                .render
                .write(&event(&transaction, 0, body), &mut Vec::new());
            let error = error.unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn undone_from_the_last_line_to_the_first() {
        let (relation, transaction) = (&full("t"), committed(742, 0x20));
        let (old, new) = (
            row(&[Some("1"), None, Some("a")]),
            row(&[Some("1"), None, Some("b")]),
        );
        let lines = sql(true).feed(&[
            begin(&transaction),
            event(&transaction, 0, Body::Insert { relation, new: old }),
            event(
                &transaction,
                1,
                Body::Update {
                    relation,
                    old: Some(old),
                    new,
                },
            ),
            event(&transaction, 2, Body::Delete { relation, old: new }),
            commit(&transaction),
        ]);
        let lines: Vec<&str> = lines.lines().rev().collect();
        let start = |line: &str| {
            line.split(" USING")
                .next()
                .unwrap()
                .split(" FROM (")
                .next()
                .unwrap()
                .to_owned()
        };
        let starts: Vec<String> = lines.iter().map(|line| start(line)).collect();
        assert_eq!(
            starts,
            [
                "BEGIN; -- takes back transaction 742, 2026-11-20 09:23:34.946212+00",
                "SET LOCAL client_encoding = 'UTF8';",
                "INSERT INTO public.t (id, j, v) OVERRIDING SYSTEM VALUE VALUES (1, NULL, 'b');",
                "UPDATE public.t AS target SET v = 'a'",
                "DELETE FROM public.t AS target",
                "COMMIT;"
            ]
        );
    }
}
