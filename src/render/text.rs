//! Text made to be read: one line a change.
//!
//! ```text
//! BEGIN 742  2026-11-20 09:23:34.946212+00
//! INSERT public.users  id=1 name='Ada' bio=NULL
//! UPDATE public.users  id=1 name='Ada'→'Grace'
//! DELETE public.users  id=1
//! TRUNCATE public.users  CASCADE RESTART IDENTITY
//! MESSAGE app  'hello'
//! COMMIT 742  0/16B37A0
//! ```
//!
//! An update shows the key, then what changed as `old→new`. Where the old row is not known it shows
//! all values that were sent, and `(unchanged)` for a TOASTed value that was not. Where there is no
//! key, or the plugin does not tell it (pgoutput under REPLICA IDENTITY FULL), the first column
//! stands in for it. A message outside transactions ends in `NON-TRANSACTIONAL`.
//!
//! Prepared transactions: `BEGIN PREPARE 742 'gid'  time`, `PREPARE 742 'gid'  lsn`, `COMMIT
//! PREPARED`, `ROLLBACK PREPARED`; streamed ones: `STREAM START 742`, `STREAM STOP 742`, `STREAM
//! COMMIT 742  lsn`, `STREAM ABORT 742  lsn`, `STREAM PREPARE 742 'gid'  lsn`, with `SUBTRANSACTION
//! 745` where just that one is aborted. `RELATION public.users  id integer KEY, name text` is there
//! with `--include relations`, `SNAPSHOT public.users  id=1 name='Ada'`, `SNAPSHOT THROUGH
//! public.users  id=1` and `SNAPSHOT DONE public.users` with `--snapshot`, `UNDECODABLE  'reason'
//! 'content'` where it must.
//!
//! Numbers and booleans are bare, other values are SQL literals and names are quoted where SQL
//! needs it, so that a line cannot be misread: characters that would move the cursor, forge a line
//! or turn the direction of writing appear as escapes in `E'...'` and `U&"..."`, and so do bytes
//! that are not UTF-8.

pub(super) mod paint;

use super::{Definition, Include, Render, Settings, terminal};
use crate::error::Result;
use crate::event::{Body, Cell, Column, End, Event, PerRelation, Relation, ReplicaIdentity, Tuple};
use crate::lsn::Lsn;
use crate::sql::{write_identifier, write_literal, write_sql};
use crate::value::{Purpose, Types};
use paint::Paint;

pub(super) const DEFINITION: Definition = Definition {
    name: "text",
    about: "One readable line a change",
    includes: &[Include::Transactions, Include::Relations],
    values: false,
    frames: true,
    whole: false,
    streamed: true,
    prepared: true,
    render: Some(|settings, types| match settings.screen {
        Some(screen) => Box::new(terminal::Text::new(settings, screen, types)),
        None => Box::new(Text::new(settings, types)),
    }),
    lines: None,
};

/// Writes events as text.
struct Text {
    types: Types,
    /// Whether the types of columns matter. Only relations name them.
    names_types: bool,
    paint: Paint,
    tables: PerRelation<Table>,
}

/// What is prepared for a table.
#[derive(Default)]
struct Table {
    /// `public.users`
    name: Vec<u8>,
    columns: Vec<TableColumn>,
}

struct TableColumn {
    /// ` id=`
    name: Vec<u8>,
    form: Form,
    key: bool,
}

/// How values of a type are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Number,
    Bool,
    /// A literal, on a terminal with the colours of JSON.
    Json,
    Literal,
}

impl Render for Text {
    fn types(&mut self) -> &mut Types {
        &mut self.types
    }

    fn prepare(&mut self, relation: &Relation, _: bool) {
        if self.names_types {
            let oids = relation.columns.iter().map(|column| column.type_oid);
            self.types.resolve(oids, Purpose::Names, false);
        }
        let table = Table::new(relation, &self.paint);
        self.tables.set(relation, table);
    }

    fn write(&mut self, event: &Event<'_>, out: &mut Vec<u8>) -> Result<()> {
        match event.body {
            Body::Insert { relation, .. }
            | Body::Update { relation, .. }
            | Body::Delete { relation, .. }
            | Body::Truncate { relation, .. }
            | Body::Snapshot { relation, .. }
            | Body::SnapshotProgress { relation, .. }
            | Body::SnapshotDone { relation } => self.change(event, relation, out),
            Body::Relation { relation, .. } => self.relation(relation, out),
            Body::Message {
                transactional,
                prefix,
                content,
            } => {
                self.paint.write(&self.paint.other, b"MESSAGE ", out);
                write_identifier(prefix, out);
                out.extend_from_slice(b"  ");
                write_literal(content, out);
                if !transactional {
                    out.extend_from_slice(b"  NON-TRANSACTIONAL");
                }
            }
            Body::Undecodable { reason, content } => {
                self.paint.write(&self.paint.delete, b"UNDECODABLE  ", out);
                write_literal(reason.as_bytes(), out);
                out.push(b' ');
                write_literal(content, out);
            }
            _ => {
                out.extend_from_slice(&self.paint.faint);
                write_bound(event, true, out);
                out.extend_from_slice(&self.paint.end);
            }
        }
        out.push(b'\n');
        Ok(())
    }
}

impl Text {
    fn new(settings: Settings, types: Types) -> Text {
        Text {
            types,
            names_types: settings.includes.contains(Include::Relations),
            paint: Paint::new(settings.color),
            tables: PerRelation::default(),
        }
    }

    fn change(&self, event: &Event<'_>, relation: &Relation, out: &mut Vec<u8>) {
        let Some(table) = self.tables.get(relation) else {
            return;
        };
        let (color, operation) = match event.body {
            Body::Insert { .. } => (&self.paint.insert, "INSERT "),
            Body::Update { .. } => (&self.paint.update, "UPDATE "),
            Body::Delete { .. } => (&self.paint.delete, "DELETE "),
            Body::Snapshot { .. } => (&self.paint.other, "SNAPSHOT "),
            Body::SnapshotProgress { .. } => (&self.paint.faint, "SNAPSHOT THROUGH "),
            Body::SnapshotDone { .. } => (&self.paint.faint, "SNAPSHOT DONE "),
            _ => (&self.paint.delete, "TRUNCATE "),
        };
        self.paint.write(color, operation.as_bytes(), out);
        out.extend_from_slice(&table.name);
        out.push(b' ');
        let start = out.len();
        match event.body {
            Body::Insert { new: row, .. }
            | Body::Delete { old: row, .. }
            | Body::Snapshot { row, .. }
            | Body::SnapshotProgress { through: row, .. } => {
                table.write_row(&row, &self.paint, out)
            }
            Body::Update { old, new, .. } => {
                table.write_update(old.as_ref(), &new, &self.paint, out)
            }
            Body::Truncate {
                cascade,
                restart_identity,
                ..
            } => {
                write_word(cascade == Some(true), b" CASCADE", out);
                write_word(restart_identity == Some(true), b" RESTART IDENTITY", out);
            }
            _ => (),
        }
        if out.len() == start {
            out.pop();
        }
    }

    fn relation(&self, relation: &Relation, out: &mut Vec<u8>) {
        self.paint.write(&self.paint.other, b"RELATION ", out);
        write_table_name(relation, out);
        for (index, column) in relation.columns.iter().enumerate() {
            out.extend_from_slice(if index == 0 { b"  " } else { b", " });
            write_identifier(column.name.as_bytes(), out);
            out.push(b' ');
            write_sql(&super::type_name(column, &self.types), out);
            write_word(column.key, b" KEY", out);
        }
    }
}

impl Table {
    fn new(relation: &Relation, paint: &Paint) -> Table {
        let mut name = Vec::new();
        write_table_name(relation, &mut name);
        let columns = with_keys(relation).map(|(column, key)| TableColumn::new(column, key, paint));
        Table {
            name,
            columns: columns.collect(),
        }
    }

    fn write_row(&self, row: &Tuple<'_>, paint: &Paint, out: &mut Vec<u8>) {
        for (column, cell) in self.columns.iter().zip(row.cells()) {
            if cell != Cell::Absent {
                out.extend_from_slice(&column.name);
                column.write(cell, paint, out);
            }
        }
    }

    /// First the key, then the rest, of which what changed is enough if that is known.
    fn write_update(
        &self,
        old: Option<&Tuple<'_>>,
        new: &Tuple<'_>,
        paint: &Paint,
        out: &mut Vec<u8>,
    ) {
        for pass_of_keys in [true, false] {
            for (index, column) in self.columns.iter().enumerate() {
                let (before, after) = (
                    old.map_or(Cell::Absent, |old| old.cell(index)),
                    new.cell(index),
                );
                let same = before == after || before != Cell::Absent && after == Cell::Unchanged;
                if column.key == pass_of_keys && after != Cell::Absent && (column.key || !same) {
                    column.write_change(before, after, same, paint, out);
                }
            }
        }
    }
}

impl TableColumn {
    fn new(column: &Column, key: bool, paint: &Paint) -> TableColumn {
        let mut name = vec![b' '];
        name.extend_from_slice(&paint.column);
        write_identifier(column.name.as_bytes(), &mut name);
        name.push(b'=');
        name.extend_from_slice(&paint.end);
        TableColumn {
            name,
            form: Form::of(column),
            key,
        }
    }

    fn write_change(
        &self,
        before: Cell<'_>,
        after: Cell<'_>,
        same: bool,
        paint: &Paint,
        out: &mut Vec<u8>,
    ) {
        out.extend_from_slice(&self.name);
        if same || before == Cell::Absent {
            return self.write(after, paint, out);
        }
        self.write(before, paint, out);
        paint.write(&paint.update, "→".as_bytes(), out);
        self.write(after, paint, out);
    }

    fn write(&self, cell: Cell<'_>, paint: &Paint, out: &mut Vec<u8>) {
        match cell {
            Cell::Absent => (),
            Cell::Null => paint.write(&paint.faint, b"NULL", out),
            Cell::Unchanged => paint.write(&paint.faint, b"(unchanged)", out),
            Cell::Text(text) => match self.form.bare(text) {
                Some(bare) => out.extend_from_slice(bare),
                None => write_literal(text, out),
            },
        }
    }
}

impl Form {
    pub(super) fn of(column: &Column) -> Form {
        // pg_type.dat: bool; int8, int2, int4, oid, float4, float8, numeric; json, jsonb.
        match column.type_oid {
            16 => Form::Bool,
            20 | 21 | 23 | 26 | 700 | 701 | 1700 => Form::Number,
            114 | 3802 => Form::Json,
            _ => Form::Literal,
        }
    }

    /// How a value is written without quotes, if it is.
    pub(super) fn bare(self, text: &[u8]) -> Option<&[u8]> {
        match (self, text) {
            (Form::Bool, b"t" | b"true") => Some(b"true"),
            (Form::Bool, b"f" | b"false") => Some(b"false"),
            (Form::Number, text) if is_number(text) => Some(text),
            _ => None,
        }
    }
}

/// The columns, and whether each is part of the key. Where there is no key, or the plugin does not
/// tell it, the first column stands in for it.
pub(super) fn with_keys(relation: &Relation) -> impl Iterator<Item = (&Column, bool)> {
    let full = relation.replica_identity == Some(ReplicaIdentity::Full);
    let untold = full || !relation.columns.iter().any(|column| column.key);
    let columns = relation.columns.iter().enumerate();
    columns.map(move |(index, column)| (column, if untold { index == 0 } else { column.key }))
}

/// Returns `true` if it looks the same bare as in quotes. `NaN` and `Infinity` are quoted, as SQL
/// would have them.
fn is_number(text: &[u8]) -> bool {
    !text.is_empty()
        && text
            .iter()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e'))
}

pub(super) fn write_table_name(relation: &Relation, out: &mut Vec<u8>) {
    write_identifier(relation.schema.as_bytes(), out);
    out.push(b'.');
    write_identifier(relation.table.as_bytes(), out);
}

/// Appends a line on how a transaction goes: words, number, name, position or, if it is wanted,
/// time.
pub(super) fn write_bound(event: &Event<'_>, with_time: bool, out: &mut Vec<u8>) {
    let end = event
        .transaction
        .map_or(End::Open, |transaction| transaction.end);
    let (end_lsn, end_time) = match end {
        End::Open => (None, None),
        End::Commit { lsn, time } => (lsn, time),
        End::Prepare { lsn, time } => (Some(lsn), Some(time)),
    };
    let (words, gid, lsn, time) = match event.body {
        Body::Begin => ("BEGIN", None, None, end_time),
        Body::Commit { .. } => ("COMMIT", None, end_lsn, None),
        Body::BeginPrepare { gid } => ("BEGIN PREPARE", Some(gid), None, end_time),
        Body::Prepare { gid, .. } => ("PREPARE", Some(gid), end_lsn, None),
        Body::CommitPrepared {
            gid, commit_lsn, ..
        } => ("COMMIT PREPARED", Some(gid), Some(commit_lsn), None),
        Body::RollbackPrepared { gid, .. } => ("ROLLBACK PREPARED", Some(gid), event.lsn, None),
        Body::StreamStart { .. } => ("STREAM START", None, None, None),
        Body::StreamStop => ("STREAM STOP", None, None, None),
        Body::StreamCommit { .. } => ("STREAM COMMIT", None, end_lsn, None),
        Body::StreamAbort { abort_lsn, .. } => ("STREAM ABORT", None, abort_lsn, None),
        Body::StreamPrepare { gid, .. } => ("STREAM PREPARE", Some(gid), end_lsn, None),
        _ => return,
    };
    out.extend_from_slice(words.as_bytes());
    write_number(
        event.transaction.and_then(|transaction| transaction.xid),
        out,
    );
    if let Some(gid) = gid {
        out.push(b' ');
        write_literal(gid, out);
    }
    if event.subxid.is_some() {
        out.extend_from_slice(b" SUBTRANSACTION");
        write_number(event.subxid, out);
    }
    if let Some(time) = time.filter(|_| with_time) {
        out.extend_from_slice(b"  ");
        time.append_sql(out);
    }
    write_lsn(lsn, out);
}

fn write_number(number: Option<u32>, out: &mut Vec<u8>) {
    if let Some(number) = number {
        out.push(b' ');
        out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }
}

fn write_lsn(lsn: Option<Lsn>, out: &mut Vec<u8>) {
    if let Some(lsn) = lsn {
        out.extend_from_slice(b"  ");
        lsn.append_to(out);
    }
}

pub(super) fn write_word(yes: bool, word: &[u8], out: &mut Vec<u8>) {
    if yes {
        out.extend_from_slice(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Format;
    use crate::render::testing::*;
    use crate::time::PgTime;

    fn text(includes: &[Include], color: bool) -> Test {
        let includes = includes.iter().copied().collect();
        let settings = Settings {
            includes,
            color,
            ..Settings::default()
        };
        Test::with(Format::TEXT, settings)
    }

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

    #[test]
    fn a_transaction() {
        let (users, transaction) = (users(), committed(742, 0x16B_37A0));
        let relation = &users;
        let old = cells_of(&[Sent::Text(b"1"), Sent::Absent, Sent::Absent]);
        let truncate = |cascade, restart_identity| Body::Truncate {
            relation,
            cascade,
            restart_identity,
        };
        let message = |transactional| Body::Message {
            transactional,
            prefix: b"app",
            content: b"hello",
        };
        let lines = text(&[], false).feed(&[
            begin(&transaction),
            announce(&users),
            insert(&transaction, 0, &users, &[Some("1"), Some("Ada"), None]),
            event(&transaction, 1, Body::Delete { relation, old }),
            event(&transaction, 2, truncate(Some(true), Some(true))),
            event(&transaction, 3, truncate(Some(false), None)),
            event(&transaction, 4, message(true)),
            event(&transaction, 5, message(false)),
            event(
                &transaction,
                6,
                Body::Undecodable {
                    reason: "it's cut",
                    content: b"{\n",
                },
            ),
            commit(&transaction),
        ]);
        assert_eq!(
            lines,
            "BEGIN 742  2026-11-20 09:23:34.946212+00\n\
             INSERT public.users  id=1 name='Ada' bio=NULL\n\
             DELETE public.users  id=1\n\
             TRUNCATE public.users  CASCADE RESTART IDENTITY\n\
             TRUNCATE public.users\n\
             MESSAGE app  'hello'\n\
             MESSAGE app  'hello'  NON-TRANSACTIONAL\n\
             UNDECODABLE  'it''s cut' E'{\\n'\n\
             COMMIT 742  0/16B37A0\n"
        );
    }

    #[test]
    fn an_update_shows_the_key_and_what_changed() {
        let (users, transaction) = (users(), committed(742, 0x100));
        let keyless = Relation {
            columns: users
                .columns
                .iter()
                .map(|c| Column {
                    key: false,
                    ..c.clone()
                })
                .collect(),
            ..users.clone()
        };
        let mut full = Relation {
            replica_identity: Some(ReplicaIdentity::Full),
            ..users.clone()
        };
        full.columns.iter_mut().for_each(|column| column.key = true);
        let (one, two) = (Sent::Text(b"1"), Sent::Text(b"2"));
        let (ada, grace, long) = (
            Sent::Text(b"Ada"),
            Sent::Text(b"Grace"),
            Sent::Text(b"long"),
        );
        for (relation, old, new, expected) in [
            (
                &users,
                None,
                [one, grace, Sent::Null],
                "id=1 name='Grace' bio=NULL",
            ),
            (
                &users,
                None,
                [one, grace, Sent::Unchanged],
                "id=1 name='Grace' bio=(unchanged)",
            ),
            (
                &users,
                Some([one, Sent::Absent, Sent::Absent]),
                [two, grace, Sent::Null],
                "id=1→2 name='Grace' bio=NULL",
            ),
            (
                &users,
                Some([one, ada, long]),
                [one, grace, long],
                "id=1 name='Ada'→'Grace'",
            ),
            (
                &full,
                Some([one, ada, Sent::Null]),
                [one, grace, long],
                "id=1 name='Ada'→'Grace' bio=NULL→'long'",
            ),
            (&full, Some([one, ada, long]), [two, ada, long], "id=1→2"),
            (&full, Some([one, ada, long]), [one, ada, long], "id=1"),
            (
                &keyless,
                Some([one, ada, long]),
                [one, ada, Sent::Null],
                "id=1 bio='long'→NULL",
            ),
        ] {
            let (old, new) = (old.map(|old| cells_of(&old)), cells_of(&new));
            let mut test = text(&[], false);
            let line = test.feed(&[
                announce(relation),
                event(&transaction, 0, Body::Update { relation, old, new }),
            ]);
            assert_eq!(line, format!("UPDATE public.users  {expected}\n"));
        }
    }

    #[test]
    fn values_by_their_types() {
        let columns = [
            (BOOL, "t"),
            (BOOL, "f"),
            (INT4, "-1"),
            (700, "1e-07"),
            (701, "NaN"),
            (1700, "Infinity"),
            (JSONB, "{}"),
        ];
        let columns: Vec<(&str, u32, bool)> =
            columns.iter().map(|(oid, _)| ("c", *oid, false)).collect();
        let table = relation("t", &columns);
        let transaction = open(1);
        let values = ["t", "f", "-1", "1e-07", "NaN", "Infinity", "{}"].map(Some);
        let line = text(&[], false).feed(&[insert(&transaction, 0, &table, &values)]);
        assert_eq!(
            line,
            "INSERT public.t  c=true c=false c=-1 c=1e-07 c='NaN' c='Infinity' c='{}'\n"
        );
    }

    #[test]
    fn the_bounds_of_transactions() {
        let (committed, prepared, open) = (committed(7, 0x200), prepared(7, 0x200), open(7));
        let (gid, end_lsn, time) = (
            b"it's".as_slice(),
            Lsn(0x210),
            "2026-11-20 09:23:34.946212+00",
        );
        let rollback = Body::RollbackPrepared {
            gid,
            prepare_end_lsn: Lsn(1),
            end_lsn,
            prepare_time: PgTime(0),
            rollback_time: PgTime(0),
        };
        let abort = Body::StreamAbort {
            abort_lsn: Some(Lsn(0x50)),
            abort_time: None,
        };
        for (transaction, subxid, body, expected) in [
            (
                &prepared,
                None,
                Body::BeginPrepare { gid },
                format!("BEGIN PREPARE 7 'it''s'  {time}"),
            ),
            (
                &prepared,
                None,
                Body::Prepare { gid, end_lsn },
                "PREPARE 7 'it''s'  0/200".to_owned(),
            ),
            (
                &open,
                None,
                Body::CommitPrepared {
                    gid,
                    commit_lsn: Lsn(0x300),
                    end_lsn,
                    commit_time: TIME,
                },
                "COMMIT PREPARED 7 'it''s'  0/300".to_owned(),
            ),
            (
                &open,
                None,
                rollback,
                "ROLLBACK PREPARED 7 'it''s'  0/64".to_owned(),
            ),
            (
                &open,
                None,
                Body::StreamStart { first: true },
                "STREAM START 7".to_owned(),
            ),
            (&open, None, Body::StreamStop, "STREAM STOP 7".to_owned()),
            (
                &committed,
                None,
                Body::StreamCommit { end_lsn },
                "STREAM COMMIT 7  0/200".to_owned(),
            ),
            (&open, None, abort, "STREAM ABORT 7  0/50".to_owned()),
            (
                &open,
                Some(9),
                abort,
                "STREAM ABORT 7 SUBTRANSACTION 9  0/50".to_owned(),
            ),
            (
                &prepared,
                None,
                Body::StreamPrepare { gid, end_lsn },
                "STREAM PREPARE 7 'it''s'  0/200".to_owned(),
            ),
        ] {
            let mut out = Vec::new();
            write_bound(
                &Event {
                    subxid,
                    ..event(transaction, 0, body)
                },
                true,
                &mut out,
            );
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn a_relation() {
        let (users, transaction) = (users(), open(7));
        let body = Body::Relation {
            relation: &users,
            changed: true,
        };
        let mut test = text(&[Include::Relations], false);
        let lines = test.feed(&[event(&transaction, 0, body)]);
        assert_eq!(
            lines.lines().next(),
            Some("RELATION public.users  id integer KEY, name text, bio text")
        );
    }

    #[test]
    fn colours_only_where_they_are_asked_for() {
        let (users, transaction) = (users(), committed(7, 0x200));
        let events = [
            announce(&users),
            begin(&transaction),
            insert(&transaction, 0, &users, &[Some("1"), None, None]),
        ];
        assert_eq!(
            text(&[], true).feed(&events),
            "\x1b[90mBEGIN 7  2026-11-20 09:23:34.946212+00\x1b[0m\n\
             \x1b[32mINSERT \x1b[0mpublic.users  \x1b[36mid=\x1b[0m1 \
             \x1b[36mname=\x1b[0m\x1b[90mNULL\x1b[0m \
             \x1b[36mbio=\x1b[0m\x1b[90mNULL\x1b[0m\n"
        );
        assert!(!text(&[], false).feed(&events).contains('\x1b'));
    }
}
