//! What a selection shows of whole streams.

use super::*;
use crate::event::Cell;
use crate::event::testing::*;

const TRANSACTIONS: Frames = Frames {
    transactions: true,
    relations: false,
};

const RELATIONS: Frames = Frames {
    transactions: false,
    relations: true,
};

/// A selection after the repeats are dropped.
struct Test {
    repeats: Repeats,
    selection: Selection,
}

/// Keeps the name of each event, and what tells it apart.
#[derive(Default)]
struct Shown(Vec<String>);

impl Chosen for Shown {
    fn prepare(&mut self, _: &Relation, _: bool) {}

    fn event(&mut self, event: &Event<'_>) {
        let detail = match event.body {
            Body::Insert { new, .. } => match new.cell(0) {
                Cell::Text(text) => format!(" {}", String::from_utf8_lossy(text)),
                cell => format!(" {cell:?}"),
            },
            Body::StreamStart { first } => format!(" {first}"),
            Body::StreamAbort { .. } => format!(" {:?}", xid(event)),
            _ => String::new(),
        };
        self.0.push(format!("{}{detail}", event.body.name()));
    }
}

impl Test {
    fn new(frames: Frames, patterns: &[&str]) -> Test {
        let patterns: Vec<String> = patterns.iter().map(|text| (*text).to_owned()).collect();
        let filter = Filter::new(&patterns, Operations::ALL).unwrap();
        Test {
            repeats: Repeats::default(),
            selection: Selection::new(filter, frames),
        }
    }

    fn feed(&mut self, events: &[Event<'_>]) -> Vec<String> {
        let mut shown = Shown::default();
        for event in events {
            match self.repeats.take(event) {
                Some(after) => self.selection.skip(event, after),
                None => _ = self.selection.take(event, &mut shown),
            }
        }
        shown.0
    }

    /// Goes on over another connection.
    fn reconnected(&mut self) -> Vec<String> {
        let mut shown = Shown::default();
        self.repeats.resume_after(self.repeats.last());
        self.selection.abort_streamed(&mut shown);
        shown.0
    }
}

#[test]
fn an_empty_transaction_shows_nothing() {
    let mut test = Test::new(TRANSACTIONS, &["!public.hidden"]);
    let users = relation("users", &[("id", INT4, true)]);
    let hidden = Relation {
        index: 1,
        slot: 1,
        ..relation("hidden", &[("id", INT4, true)])
    };
    let (first, second) = (committed(1, 0x100), committed(2, 0x200));
    let shown = test.feed(&[
        begin(&first),
        announce(&hidden),
        insert(&first, 0, &hidden, &[Some("1")]),
        commit(&first),
        begin(&second),
        announce(&users),
    ]);
    assert_eq!(shown, [""; 0]);
    let shown = test.feed(&[insert(&second, 1, &users, &[Some("7")])]);
    assert_eq!(shown, ["begin", "insert 7"]);
    assert_eq!(test.feed(&[commit(&second)]), ["commit"]);
    assert_eq!(
        test.repeats.last(),
        Some(EventId {
            lsn: Lsn(0x200),
            place: Place::End
        })
    );
}

#[test]
fn what_was_shown_before_is_dropped() {
    let users = relation("users", &[("id", INT4, true)]);
    let (first, second) = (committed(1, 0x100), committed(2, 0x200));
    let mut test = Test::new(TRANSACTIONS, &[]);
    test.repeats.resume_after(Some(EventId {
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
        lines,
        ["insert 3", "commit"],
        "the begin of the second transaction was shown before"
    );
}

#[test]
fn a_begin_that_is_still_held_survives_a_lost_connection() {
    let users = relation("users", &[("id", INT4, true)]);
    let (first, second) = (committed(1, 0x100), committed(2, 0x200));
    let mut test = Test::new(TRANSACTIONS, &["users:insert"]);
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
    test.reconnected();
    let lines = test.feed(&[
        begin(&first),
        commit(&first),
        begin(&second),
        delete,
        insert(&second, 1, &users, &[Some("2")]),
        commit(&second),
    ]);
    assert_eq!(lines, ["begin", "insert 2", "commit"]);
}

#[test]
fn positions_never_go_back() {
    let users = relation("users", &[("id", INT4, true)]);
    let (first, second) = (committed(1, 0x100), committed(2, 0x200));
    let mut test = Test::new(Frames::default(), &[]);
    test.feed(&[
        announce(&users),
        begin(&second),
        insert(&second, 0, &users, &[Some("1")]),
        begin(&first),
    ]);
    assert_eq!(
        test.repeats.last(),
        Some(EventId {
            lsn: Lsn(0x200),
            place: Place::Change(0)
        })
    );
}

#[test]
fn a_table_is_announced_before_its_first_change_that_is_shown() {
    let users = relation("users", &[("id", INT4, true)]);
    let other = Relation {
        index: 1,
        slot: 1,
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
    let mut test = Test::new(RELATIONS, &["users:insert"]);
    let announced = [begin(&transaction), announce(&users), announce(&other)];
    assert_eq!(test.feed(&announced), [""; 0]);
    let lines = test.feed(&[
        insert(&transaction, 0, &other, &[Some("1")]),
        insert(&transaction, 1, &users, &[Some("2")]),
        again,
        insert(&transaction, 2, &users, &[Some("3")]),
    ]);
    assert_eq!(lines, ["relation", "insert 2", "insert 3"]);
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
    let mut test = Test::new(Frames::default(), &["users"]);
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
        lines,
        ["stream_start true", "insert 1", "insert 2", "stream_stop"]
    );
    let subxid = Event {
        subxid: Some(5),
        seq: None,
        ..event(&shown, 0, abort)
    };
    assert_eq!(
        (test.feed(&[
            subxid,
            Event {
                subxid: None,
                ..subxid
            }
        ])),
        ["stream_abort Some(1)", "stream_abort Some(1)"]
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
        [""; 0]
    );
}

#[test]
fn the_first_block_is_the_first_that_is_shown() {
    let users = relation("users", &[("id", INT4, true)]);
    let other = Relation {
        index: 1,
        slot: 1,
        ..relation("other", &[("id", INT4, true)])
    };
    let transaction = open(1);
    let frame = |body| Event {
        seq: None,
        ..event(&transaction, 0, body)
    };
    let mut test = Test::new(Frames::default(), &["users"]);
    let mut lines = test.feed(&[announce(&users), announce(&other)]);
    for (number, relation) in [&other, &users, &other, &users].into_iter().enumerate() {
        let first = number == 0;
        lines.extend(test.feed(&[
            frame(Body::StreamStart { first }),
            insert(&transaction, number as u64, relation, &[Some("1")]),
            frame(Body::StreamStop),
        ]));
    }
    let shown = [
        "stream_start true",
        "insert 1",
        "stream_stop",
        "stream_start false",
        "insert 1",
        "stream_stop",
    ];
    assert_eq!(lines, shown);
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
    let mut test = Test::new(Frames::default(), &[]);
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
    let voided = [
        "stream_stop",
        "stream_abort Some(1)",
        "stream_abort Some(2)",
    ];
    assert_eq!(test.reconnected(), voided);
    assert_eq!(test.reconnected(), [""; 0]);
    let whole = committed(2, 0x200);
    let again = [
        begin(&whole),
        insert(&whole, 0, &users, &[Some("1")]),
        commit(&whole),
    ];
    assert_eq!(test.feed(&again), ["insert 1"]);
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
    let mut test = Test::new(Frames::default(), &[]);
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
        lines,
        [
            "stream_start true",
            "insert 1",
            "stream_stop",
            "stream_commit"
        ]
    );
    assert_eq!(test.reconnected(), [""; 0]);
    let again = [
        begin(&whole),
        insert(&whole, 0, &users, &[Some("1")]),
        commit(&whole),
    ];
    assert_eq!(test.feed(&again), [""; 0]);
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
    let mut test = Test::new(Frames::default(), &[]);
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
        lines,
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
    let mut test = Test::new(TRANSACTIONS, &["!*"]);
    let lines = test.feed(&[
        begin(&transaction),
        outside,
        event(&transaction, 0, message),
        undecodable,
    ]);
    assert_eq!(lines, ["message", "begin", "message", "undecodable"]);
}

#[test]
fn a_row_of_a_table_that_was_never_announced_is_shown_all_the_same() {
    let users = Relation {
        index: 5,
        slot: 5,
        ..relation("users", &[("id", INT4, true)])
    };
    let transaction = committed(1, 0x100);
    let mut test = Test::new(Frames::default(), &[]);
    assert_eq!(
        (test.feed(&[insert(&transaction, 0, &users, &[Some("1")])])),
        ["insert 1"]
    );
}
