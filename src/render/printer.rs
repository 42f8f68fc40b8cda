//! Decides which events are printed and when; the streaming loop and `walcat decode` hand it every
//! event.

use super::ndjson::Ndjson;
use super::repeats::Repeats;
use super::text::Text;
use crate::event::{Body, Event, Place, Position, Relation, Transaction};
use crate::filter::{Filter, Operation, Operations};
use crate::lsn::Lsn;
use crate::value::Types;
use std::collections::{BTreeSet, HashSet};

/// What to print, and how.
#[derive(Debug)]
pub struct PrintSettings {
    /// The form of a line.
    pub format: Format,
    /// The form of a value.
    pub values: Values,
    /// What is added to events, and which events are added.
    pub include: Include,
    /// Which changes are shown.
    pub filter: Filter,
}

/// The form of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A JSON object.
    Json,
    /// Made to be read; it always has its BEGIN and COMMIT.
    Text {
        /// With colours?
        color: bool,
    },
}

/// The form of a value in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// As `row_to_json` prints it.
    Json,
    /// A string: the text that the server sent.
    Text,
}

/// What is added to events, and which events are added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Include {
    /// `begin` and `commit` events.
    pub transactions: bool,
    /// The names of the identity columns.
    pub key: bool,
    /// The type of each column.
    pub types: bool,
    /// The definition of each column.
    pub columns: bool,
    /// `relation` events.
    pub relations: bool,
    /// The columns that an update changed.
    pub changed: bool,
    /// The replication origin.
    pub origin: bool,
}

impl Include {
    /// All that there is.
    pub const EVERYTHING: Include = Include {
        transactions: true,
        key: true,
        types: true,
        columns: true,
        relations: true,
        changed: true,
        origin: true,
    };
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Printed {
    /// Nothing was printed.
    Nothing,
    /// A line about a transaction: begin, commit and the like.
    Frame,
    /// A change or a message.
    Change,
}

/// Prints events: chooses by the filter, drops those that an earlier run had printed, and holds the
/// begin of a transaction back until the first of its changes that is shown, so that empty
/// transactions print nothing.
///
/// A table is announced (`--include relations`) before its first change that is shown, for the same
/// reason. Streamed and two-phase transactions are framed whatever `--include` says: their changes
/// mean nothing without their end.
pub struct Printer {
    format: Renderer,
    filter: Filter,
    include: Include,
    tables: Vec<Table>,
    frame: Frame,
    /// The transaction that `frame` tells of, if its end is known.
    frame_end: Option<Lsn>,
    /// The begin that waits for a change.
    held: Vec<u8>,
    /// Streamed transactions that are still open and had something shown.
    streamed: BTreeSet<Option<u32>>,
    /// The streamed transaction whose block has begun and not ended.
    block: Option<Transaction>,
    /// Prepared transactions, by `gid`, of which nothing was shown, so that their end is not
    /// either.
    unshown: HashSet<Vec<u8>>,
    repeats: Repeats,
    warnings: Vec<String>,
}

/// How far the printing of the current transaction (or block of a streamed one) is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frame {
    /// Between transactions.
    Outside,
    /// Its begin waits for a change.
    Held,
    /// The same for a block of a streamed transaction.
    HeldBlock,
    /// Its begin is printed, so its end will be.
    Shown,
}

/// What the printer keeps of a table, at [`Relation::index`].
#[derive(Clone, Copy, Debug)]
struct Table {
    announced: bool,
    operations: Operations,
    /// Must its relation event still be printed?
    relation_pending: bool,
}

enum Renderer {
    Json(Box<Ndjson>),
    Text(Box<Text>),
}

impl Printer {
    /// A printer that asks `types` what type numbers mean.
    pub fn new(settings: PrintSettings, types: Types) -> Printer {
        let PrintSettings {
            format,
            values,
            mut include,
            filter,
        } = settings;
        let format = match format {
            Format::Json => Renderer::Json(Box::new(Ndjson::new(values, include, types))),
            Format::Text { color } => {
                include.transactions = true;
                Renderer::Text(Box::new(Text::new(color, types)))
            }
        };
        Printer {
            format,
            filter,
            include,
            tables: Vec::new(),
            frame: Frame::Outside,
            frame_end: None,
            held: Vec::new(),
            streamed: BTreeSet::new(),
            block: None,
            unshown: HashSet::new(),
            repeats: Repeats::default(),
            warnings: Vec::new(),
        }
    }

    /// From now on drops events at or before this position. Call it before the first event with the
    /// position where the output ends.
    pub fn resume_after(&mut self, position: Option<Position>) {
        self.repeats.resume_after(position);
    }

    /// After a lost connection: drops what comes once more.
    pub fn reconnected(&mut self, out: &mut Vec<u8>) {
        self.resume_after(self.last());
        self.abort_streamed(out);
    }

    /// At the end of a connection: the next one knows nothing of the streamed transactions that
    /// are still open; whichever of them commits comes once more as a whole, so an abort is
    /// printed for what was shown of them.
    pub fn abort_streamed(&mut self, out: &mut Vec<u8>) {
        if let Some(block) = self.block.take() {
            if self.frame == Frame::Shown {
                self.render(&bound_of(&block, Body::StreamStop), out);
            }
            self.frame = Frame::Outside;
        }
        for xid in std::mem::take(&mut self.streamed) {
            let transaction = Transaction {
                xid,
                ..Transaction::default()
            };
            let body = Body::StreamAbort {
                abort_lsn: None,
                abort_time: None,
            };
            self.render(&bound_of(&transaction, body), out);
        }
    }

    /// The position of the last event seen, whether shown or not.
    pub fn last(&self) -> Option<Position> {
        self.repeats.last()
    }

    /// What the user must be told since the last call: a message each.
    pub fn take_warnings(&mut self) -> Vec<String> {
        let mut warnings = std::mem::take(&mut self.warnings);
        warnings.append(&mut match &mut self.format {
            Renderer::Json(ndjson) => ndjson.take_warnings(),
            Renderer::Text(text) => text.take_warnings(),
        });
        warnings
    }

    /// Appends the lines that `event` makes to `out`: none, one, or several if others had waited
    /// for it.
    pub fn print(&mut self, event: &Event<'_>, out: &mut Vec<u8>) -> Printed {
        if let Some(after) = self.repeats.take(event) {
            self.skip(event, after);
            return Printed::Nothing;
        }
        match event.body {
            Body::Insert { relation, .. } => self.change(event, relation, Operation::Insert, out),
            Body::Update { relation, .. } => self.change(event, relation, Operation::Update, out),
            Body::Delete { relation, .. } => self.change(event, relation, Operation::Delete, out),
            Body::Truncate { relation, .. } => {
                self.change(event, relation, Operation::Truncate, out)
            }
            Body::Message { .. } => self.message(event, out),
            Body::Undecodable { .. } => self.undecodable(event, out),
            Body::Relation { relation, changed } => {
                self.announce(relation, changed);
                Printed::Nothing
            }
            _ => self.bound(event, out),
        }
    }

    fn change(
        &mut self,
        event: &Event<'_>,
        relation: &Relation,
        operation: Operation,
        out: &mut Vec<u8>,
    ) -> Printed {
        let table = match self.tables.get(relation.index) {
            Some(table) if table.announced => *table,
            _ => self.announce(relation, true),
        };
        if !table.operations.contains(operation) {
            return Printed::Nothing;
        }
        self.open(event, out);
        if table.relation_pending {
            self.write_pending_relation(event, relation, out);
        }
        self.render(event, out);
        Printed::Change
    }

    fn message(&mut self, event: &Event<'_>, out: &mut Vec<u8>) -> Printed {
        if !self.filter.shows_messages() {
            return Printed::Nothing;
        }
        if event.transaction.is_some() {
            self.open(event, out);
        }
        self.render(event, out);
        Printed::Change
    }

    /// No filter hides it, as nobody knows what it would have been.
    fn undecodable(&mut self, event: &Event<'_>, out: &mut Vec<u8>) -> Printed {
        if let Body::Undecodable { reason, .. } = event.body {
            let place = event.lsn.map_or(String::new(), |lsn| format!(" at {lsn}"));
            self.warnings
                .push(format!("could not decode the change{place}: {reason}"));
        }
        self.open(event, out);
        self.render(event, out);
        Printed::Change
    }

    fn announce(&mut self, relation: &Relation, changed: bool) -> Table {
        const UNKNOWN: Table = Table {
            announced: false,
            operations: Operations::NONE,
            relation_pending: false,
        };
        while self.tables.len() <= relation.index {
            self.tables.push(UNKNOWN);
        }
        let operations = self.filter.operations_of(&relation.schema, &relation.table);
        if !operations.has_no_table_operation() {
            match &mut self.format {
                Renderer::Json(ndjson) => ndjson.prepare(relation),
                Renderer::Text(text) => text.prepare(relation, self.include.relations),
            }
        }
        let pending = self
            .tables
            .get(relation.index)
            .is_some_and(|table| table.relation_pending);
        let table = Table {
            announced: true,
            operations,
            relation_pending: pending || changed && self.include.relations,
        };
        if let Some(place) = self.tables.get_mut(relation.index) {
            *place = table;
        }
        table
    }

    fn write_pending_relation(
        &mut self,
        change: &Event<'_>,
        relation: &Relation,
        out: &mut Vec<u8>,
    ) {
        if let Some(table) = self.tables.get_mut(relation.index) {
            table.relation_pending = false;
        }
        let body = Body::Relation {
            relation,
            changed: true,
        };
        self.render(
            &Event {
                subxid: None,
                seq: None,
                body,
                ..*change
            },
            out,
        );
    }

    /// Prints the begin that has been held back.
    fn open(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        match self.frame {
            Frame::Outside | Frame::Shown => return,
            Frame::Held => (),
            Frame::HeldBlock => _ = self.streamed.insert(xid(event)),
        }
        self.frame = Frame::Shown;
        out.extend_from_slice(&self.held);
    }

    /// An event at the bounds of a transaction.
    fn bound(&mut self, event: &Event<'_>, out: &mut Vec<u8>) -> Printed {
        let was = self.frame;
        let show = match event.body {
            Body::Begin | Body::BeginPrepare { .. } | Body::StreamStart { .. } => {
                self.hold(event);
                return Printed::Nothing;
            }
            Body::Commit { .. } => {
                self.frame = Frame::Outside;
                was == Frame::Shown && self.include.transactions
            }
            Body::Prepare { gid, .. } => {
                self.frame = Frame::Outside;
                self.ends_prepared(was == Frame::Shown, gid)
            }
            Body::StreamStop => {
                self.block = None;
                self.frame = Frame::Outside;
                was == Frame::Shown
            }
            Body::StreamAbort { .. } if event.subxid.is_some() => {
                self.streamed.contains(&xid(event))
            }
            Body::StreamCommit { .. } | Body::StreamAbort { .. } => {
                self.streamed.remove(&xid(event))
            }
            Body::StreamPrepare { gid, .. } => {
                let shown = self.streamed.remove(&xid(event));
                self.ends_prepared(shown, gid)
            }
            Body::CommitPrepared { gid, .. } | Body::RollbackPrepared { gid, .. } => {
                !self.unshown.remove(gid)
            }
            _ => false,
        };
        if !show {
            return Printed::Nothing;
        }
        self.render(event, out);
        Printed::Frame
    }

    fn hold(&mut self, event: &Event<'_>) {
        self.block = event
            .transaction
            .filter(|_| matches!(event.body, Body::StreamStart { .. }))
            .cloned();
        self.frame = if self.block.is_some() {
            Frame::HeldBlock
        } else {
            Frame::Held
        };
        self.frame_end = event.position().map(|position| position.lsn);
        let mut held = std::mem::take(&mut self.held);
        held.clear();
        match event.body {
            Body::Begin if !self.include.transactions => {}
            // The first block that is shown, whatever came before it without being shown.
            Body::StreamStart { .. } => {
                let first = !self.streamed.contains(&xid(event));
                let body = Body::StreamStart { first };
                self.render(&Event { body, ..*event }, &mut held);
            }
            _ => self.render(event, &mut held),
        }
        self.held = held;
    }

    fn ends_prepared(&mut self, shown: bool, gid: &[u8]) -> bool {
        if !shown {
            self.unshown.insert(gid.to_vec());
        }
        shown
    }

    /// Where the output ends within a transaction, its begin has been printed, unless it is known
    /// here to be still held.
    fn skip(&mut self, event: &Event<'_>, after: Position) {
        let (Body::Begin | Body::BeginPrepare { .. }) = event.body else {
            return;
        };
        let end = event.position().map(|position| position.lsn);
        if end == Some(after.lsn) && after.place != Place::End && self.frame_end != end {
            self.frame = Frame::Shown;
            self.frame_end = end;
        }
    }

    fn render(&mut self, event: &Event<'_>, out: &mut Vec<u8>) {
        match &mut self.format {
            Renderer::Json(ndjson) => ndjson.write(event, out),
            Renderer::Text(text) => text.write(event, out),
        }
    }
}

fn bound_of<'a>(transaction: &'a Transaction, body: Body<'a>) -> Event<'a> {
    Event {
        lsn: None,
        transaction: Some(transaction),
        subxid: None,
        seq: None,
        body,
    }
}

fn xid(event: &Event<'_>) -> Option<u32> {
    event.transaction.and_then(|transaction| transaction.xid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::testing::*;

    /// The `op`s of the lines, with what tells them apart.
    fn ops(lines: &str) -> Vec<String> {
        let op = |line: &str| {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            let after = event
                .pointer("/after/id")
                .map_or(String::new(), |id| format!(" {id}"));
            format!("{}{after}", event["op"].as_str().unwrap())
        };
        lines.lines().map(op).collect()
    }

    fn transactions() -> Include {
        Include {
            transactions: true,
            ..Include::default()
        }
    }

    #[test]
    fn an_empty_transaction_prints_nothing() {
        let mut test = Test::json(transactions(), &["!public.hidden"]);
        let users = relation("users", &[("id", INT4, true)]);
        let hidden = Relation {
            index: 1,
            ..relation("hidden", &[("id", INT4, true)])
        };
        let first = committed(1, 0x100);
        assert_eq!(test.feed(&[begin(&first), announce(&hidden)]), "");
        assert_eq!(
            test.print(&insert(&first, 0, &hidden, &[Some("1")])),
            (Printed::Nothing, String::new())
        );
        assert_eq!(test.feed(&[commit(&first)]), "");
        let second = committed(2, 0x200);
        assert_eq!(test.feed(&[begin(&second), announce(&users)]), "");
        let (printed, lines) = test.print(&insert(&second, 1, &users, &[Some("7")]));
        assert_eq!(
            (printed, ops(&lines)),
            (
                Printed::Change,
                vec!["begin".to_owned(), "insert 7".to_owned()]
            )
        );
        let (printed, lines) = test.print(&commit(&second));
        assert_eq!(
            (printed, ops(&lines)),
            (Printed::Frame, vec!["commit".to_owned()])
        );
        assert_eq!(
            test.printer.last(),
            Some(Position {
                lsn: Lsn(0x200),
                place: Place::End
            })
        );
    }

    #[test]
    fn what_was_printed_before_is_dropped() {
        let users = relation("users", &[("id", INT4, true)]);
        let (first, second) = (committed(1, 0x100), committed(2, 0x200));
        let mut test = Test::json(transactions(), &[]);
        test.printer.resume_after(Some(Position {
            lsn: Lsn(0x200),
            place: Place::Change(0),
        }));
        let lines = test.feed(&[
            begin(&first),
            announce(&users),
            insert(&first, 0, &users, &[Some("1")]),
            commit(&first),
            begin(&second),
            insert(&second, 0, &users, &[Some("2")]),
            insert(&second, 1, &users, &[Some("3")]),
            commit(&second),
        ]);
        assert_eq!(
            ops(&lines),
            ["insert 3", "commit"],
            "the begin of the second transaction was printed before"
        );
    }

    #[test]
    fn a_begin_that_is_still_held_survives_a_lost_connection() {
        let users = relation("users", &[("id", INT4, true)]);
        let (first, second) = (committed(1, 0x100), committed(2, 0x200));
        let mut test = Test::json(transactions(), &["users:insert"]);
        let delete = event(
            &second,
            0,
            Body::Delete {
                relation: &users,
                old: row(&[Some("1")]),
            },
        );
        test.feed(&[
            begin(&first),
            announce(&users),
            commit(&first),
            begin(&second),
            delete,
        ]);
        test.printer.reconnected(&mut Vec::new());
        let lines = test.feed(&[
            begin(&first),
            commit(&first),
            begin(&second),
            delete,
            insert(&second, 1, &users, &[Some("2")]),
            commit(&second),
        ]);
        assert_eq!(ops(&lines), ["begin", "insert 2", "commit"]);
    }

    #[test]
    fn positions_never_go_back() {
        let users = relation("users", &[("id", INT4, true)]);
        let (first, second) = (committed(1, 0x100), committed(2, 0x200));
        let mut test = Test::json(Include::default(), &[]);
        test.feed(&[
            announce(&users),
            begin(&second),
            insert(&second, 0, &users, &[Some("1")]),
            begin(&first),
        ]);
        assert_eq!(
            test.printer.last(),
            Some(Position {
                lsn: Lsn(0x200),
                place: Place::Change(0)
            })
        );
    }

    #[test]
    fn a_table_is_announced_before_its_first_change_that_is_shown() {
        let include = Include {
            relations: true,
            ..Include::default()
        };
        let users = relation("users", &[("id", INT4, true)]);
        let other = Relation {
            index: 1,
            ..relation("other", &[("id", INT4, true)])
        };
        let again = Event {
            body: Body::Relation {
                relation: &users,
                changed: false,
            },
            ..announce(&users)
        };
        let transaction = committed(1, 0x100);
        let mut test = Test::json(include, &["users:insert"]);
        assert_eq!(
            test.feed(&[begin(&transaction), announce(&users), announce(&other)]),
            ""
        );
        let lines = test.feed(&[
            insert(&transaction, 0, &other, &[Some("1")]),
            insert(&transaction, 1, &users, &[Some("2")]),
            again,
            insert(&transaction, 2, &users, &[Some("3")]),
        ]);
        assert_eq!(ops(&lines), ["relation", "insert 2", "insert 3"]);
    }

    #[test]
    fn streamed_transactions_end_only_if_they_began() {
        let users = relation("users", &[("id", INT4, true)]);
        let (shown, empty) = (open(1), open(2));
        let start = |transaction| Event {
            seq: None,
            ..event(transaction, 0, Body::StreamStart { first: true })
        };
        let stop = |transaction| Event {
            seq: None,
            ..event(transaction, 0, Body::StreamStop)
        };
        let abort = Body::StreamAbort {
            abort_lsn: None,
            abort_time: None,
        };
        let mut test = Test::json(Include::default(), &["users"]);
        let lines = test.feed(&[
            announce(&users),
            start(&shown),
            insert(&shown, 0, &users, &[Some("1")]),
            insert(&shown, 1, &users, &[Some("2")]),
            stop(&shown),
            start(&empty),
            stop(&empty),
            start(&shown),
            stop(&shown),
        ]);
        assert_eq!(
            ops(&lines),
            ["stream_start", "insert 1", "insert 2", "stream_stop"]
        );
        let subxid = Event {
            subxid: Some(5),
            seq: None,
            ..event(&shown, 0, abort)
        };
        assert_eq!(
            ops(&test.feed(&[
                subxid,
                Event {
                    subxid: None,
                    ..subxid
                }
            ])),
            ["stream_abort", "stream_abort"]
        );
        let end = Event {
            seq: None,
            ..event(
                &empty,
                0,
                Body::StreamCommit {
                    end_lsn: Lsn(0x300),
                },
            )
        };
        assert_eq!(
            test.feed(&[
                end,
                Event {
                    transaction: Some(&shown),
                    ..end
                }
            ]),
            ""
        );
    }

    #[test]
    fn the_first_block_is_the_first_that_is_shown() {
        let users = relation("users", &[("id", INT4, true)]);
        let other = Relation {
            index: 1,
            ..relation("other", &[("id", INT4, true)])
        };
        let transaction = open(1);
        let frame = |body| Event {
            seq: None,
            ..event(&transaction, 0, body)
        };
        let mut test = Test::json(Include::default(), &["users"]);
        let mut lines = test.feed(&[announce(&users), announce(&other)]);
        for (number, relation) in [&other, &users, &other, &users].into_iter().enumerate() {
            let first = number == 0;
            lines += &test.feed(&[
                frame(Body::StreamStart { first }),
                insert(&transaction, number as u64, relation, &[Some("1")]),
                frame(Body::StreamStop),
            ]);
        }
        let firsts: Vec<bool> = lines
            .lines()
            .filter(|line| line.contains("stream_start"))
            .map(|line| line.contains("\"first\":true"))
            .collect();
        assert_eq!(firsts, [true, false], "{lines}");
    }

    #[test]
    fn a_lost_connection_voids_what_was_streamed() {
        let users = relation("users", &[("id", INT4, true)]);
        let (first, second, unshown) = (open(1), open(2), open(3));
        let start = |transaction| Event {
            seq: None,
            ..event(transaction, 0, Body::StreamStart { first: true })
        };
        let stop = |transaction| Event {
            seq: None,
            ..event(transaction, 0, Body::StreamStop)
        };
        let mut test = Test::json(Include::default(), &[]);
        test.feed(&[
            announce(&users),
            start(&second),
            insert(&second, 0, &users, &[Some("1")]),
            stop(&second),
            start(&unshown),
            stop(&unshown),
            start(&first),
            insert(&first, 0, &users, &[Some("2")]),
        ]);
        let mut lines = Vec::new();
        test.printer.reconnected(&mut lines);
        assert_eq!(
            String::from_utf8(lines).unwrap(),
            "{\"op\":\"stream_stop\",\"xid\":1}\n{\"op\":\"stream_abort\",\"xid\":1}\n{\"op\":\"stream_abort\",\"xid\":2}\n"
        );
        let mut lines = Vec::new();
        test.printer.reconnected(&mut lines);
        assert!(lines.is_empty());
        let whole = committed(2, 0x200);
        let again = [
            begin(&whole),
            insert(&whole, 0, &users, &[Some("1")]),
            commit(&whole),
        ];
        assert_eq!(ops(&test.feed(&again)), ["insert 1"]);
    }

    #[test]
    fn a_streamed_transaction_that_was_committed_is_not_repeated() {
        let users = relation("users", &[("id", INT4, true)]);
        let (streamed, whole) = (open(1), committed(1, 0x200));
        let frame = |body| Event {
            seq: None,
            ..event(&streamed, 0, body)
        };
        let end = Body::StreamCommit {
            end_lsn: Lsn(0x210),
        };
        let mut test = Test::json(Include::default(), &[]);
        let lines = test.feed(&[
            announce(&users),
            frame(Body::StreamStart { first: true }),
            insert(&streamed, 0, &users, &[Some("1")]),
            frame(Body::StreamStop),
            Event {
                seq: None,
                ..event(&whole, 0, end)
            },
        ]);
        assert_eq!(
            ops(&lines),
            ["stream_start", "insert 1", "stream_stop", "stream_commit"]
        );
        let mut lines = Vec::new();
        test.printer.reconnected(&mut lines);
        let again = [
            begin(&whole),
            insert(&whole, 0, &users, &[Some("1")]),
            commit(&whole),
        ];
        assert_eq!((lines, test.feed(&again)), (Vec::new(), String::new()));
    }

    #[test]
    fn prepared_transactions_end_only_if_something_was_shown() {
        let users = relation("users", &[("id", INT4, true)]);
        let (shown, empty) = (prepared(1, 0x100), prepared(2, 0x200));
        let bounds = |transaction, gid: &'static [u8]| {
            let begin = Event {
                seq: None,
                ..event(transaction, 0, Body::BeginPrepare { gid })
            };
            (
                begin,
                Event {
                    body: Body::Prepare {
                        gid,
                        end_lsn: Lsn(0x999),
                    },
                    ..begin
                },
            )
        };
        let commit = |gid: &'static [u8]| Event {
            lsn: Some(Lsn(0x500)),
            transaction: None,
            subxid: None,
            seq: None,
            body: Body::CommitPrepared {
                gid,
                commit_lsn: Lsn(0x500),
                end_lsn: Lsn(0x510),
                commit_time: TIME,
            },
        };
        let mut test = Test::json(Include::default(), &[]);
        let ((begin, prepare), (begin_empty, prepare_empty)) =
            (bounds(&shown, b"one"), bounds(&empty, b"two"));
        let lines = test.feed(&[
            announce(&users),
            begin,
            insert(&shown, 0, &users, &[Some("1")]),
            prepare,
            begin_empty,
            prepare_empty,
            commit(b"two"),
            commit(b"one"),
            commit(b"of an earlier run"),
        ]);
        assert_eq!(
            ops(&lines),
            [
                "begin_prepare",
                "insert 1",
                "prepare",
                "commit_prepared",
                "commit_prepared"
            ]
        );
    }

    #[test]
    fn messages_and_what_cannot_be_decoded() {
        let transaction = committed(1, 0x100);
        let message = Body::Message {
            transactional: true,
            prefix: b"app",
            content: b"hello",
        };
        let outside = Event {
            transaction: None,
            seq: None,
            ..event(&transaction, 0, message)
        };
        let undecodable = event(
            &transaction,
            1,
            Body::Undecodable {
                reason: "it ends too early",
                content: b"{",
            },
        );
        let mut test = Test::json(transactions(), &["!*"]);
        let lines = test.feed(&[
            begin(&transaction),
            outside,
            event(&transaction, 0, message),
            undecodable,
        ]);
        assert_eq!(ops(&lines), ["message", "begin", "message", "undecodable"]);
        assert_eq!(
            test.printer.take_warnings(),
            ["could not decode the change at 0/64: it ends too early"]
        );
        assert!(test.printer.take_warnings().is_empty());
    }

    #[test]
    fn a_row_of_a_table_that_was_never_announced_is_printed_all_the_same() {
        let users = Relation {
            index: 5,
            ..relation("users", &[("id", INT4, true)])
        };
        let transaction = committed(1, 0x100);
        let mut test = Test::json(Include::default(), &[]);
        assert_eq!(
            ops(&test.feed(&[insert(&transaction, 0, &users, &[Some("1")])])),
            ["insert 1"]
        );
    }
}
