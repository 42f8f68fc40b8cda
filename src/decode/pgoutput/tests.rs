//! Each message of the manual's chapter "Logical Replication Message Formats", encoded by hand.

use crate::decode::Decoder;
use crate::decode::testing::{describe, events};
use crate::lsn::Lsn;
use std::ops::ControlFlow;

/// A message under construction.
#[derive(Clone)]
struct Wire(Vec<u8>);

fn wire(tag: u8) -> Wire {
    Wire(vec![tag])
}

impl Wire {
    fn u8(mut self, value: u8) -> Wire {
        self.0.push(value);
        self
    }

    fn u16(self, value: u16) -> Wire {
        self.raw(&value.to_be_bytes())
    }

    fn u32(self, value: u32) -> Wire {
        self.raw(&value.to_be_bytes())
    }

    fn u64(self, value: u64) -> Wire {
        self.raw(&value.to_be_bytes())
    }

    fn text(self, text: &str) -> Wire {
        self.raw(text.as_bytes()).u8(0)
    }

    /// `n`, `u`, or the text of a value.
    fn row(self, kind: u8, cells: &[&str]) -> Wire {
        let wire = self.u8(kind).u16(cells.len() as u16);
        cells.iter().fold(wire, |wire, cell| match *cell {
            "n" | "u" => wire.raw(cell.as_bytes()),
            text => wire.u8(b't').u32(text.len() as u32).raw(text.as_bytes()),
        })
    }

    fn raw(mut self, bytes: &[u8]) -> Wire {
        self.0.extend_from_slice(bytes);
        self
    }
}

const USERS: u32 = 16_385;
const LOGS: u32 = 16_386;

fn begin() -> Wire {
    wire(b'B').u64(0x300).u64(77).u32(742)
}

fn commit() -> Wire {
    wire(b'C').u8(0).u64(0x300).u64(0x330).u64(77)
}

fn stream_start(xid: u32, first: bool) -> Wire {
    wire(b'S').u32(xid).u8(first.into())
}

fn stream_stop() -> Wire {
    wire(b'E')
}

/// Behind the tag and, in a block, the number of the transaction.
fn users(head: Wire) -> Wire {
    let head = head.u32(USERS).text("public").text("users").u8(b'd').u16(3);
    let head = head
        .u8(1)
        .text("id")
        .u32(23)
        .u32(u32::MAX)
        .u8(0)
        .text("name")
        .u32(1043)
        .u32(34);
    head.u8(0).text("bio").u32(25).u32(u32::MAX)
}

fn logs(head: Wire) -> Wire {
    head.u32(LOGS)
        .text("")
        .text("logs")
        .u8(b'f')
        .u16(1)
        .u8(1)
        .text("line")
        .u32(25)
        .u32(u32::MAX)
}

fn insert(cells: &[&str]) -> Wire {
    wire(b'I').u32(USERS).row(b'N', cells)
}

fn insert_in_block(xid: u32, cells: &[&str]) -> Wire {
    wire(b'I').u32(xid).u32(USERS).row(b'N', cells)
}

/// Decodes messages of which none may fail, and returns what the last one tells.
fn decode_all(decoder: &mut Decoder, messages: &[Wire]) -> Vec<String> {
    let mut last = Vec::new();
    for message in messages {
        last = events(decoder, None, &message.0).unwrap();
    }
    last
}

fn error(decoder: &mut Decoder, message: Wire) -> String {
    events(decoder, None, &message.0).unwrap_err().to_string()
}

/// A message, what has to come before it, and the event it makes.
struct Case {
    before: Vec<Wire>,
    message: Wire,
    event: &'static str,
}

fn in_transaction(message: Wire, event: &'static str) -> Case {
    Case {
        before: vec![begin(), users(wire(b'R')), logs(wire(b'R'))],
        message,
        event,
    }
}

fn in_block(message: Wire, event: &'static str) -> Case {
    Case {
        before: vec![
            stream_start(9, true),
            users(wire(b'R').u32(9)),
            logs(wire(b'R').u32(9)),
        ],
        message,
        event,
    }
}

fn outside(message: Wire, event: &'static str) -> Case {
    Case {
        before: Vec::new(),
        message,
        event,
    }
}

fn changes() -> Vec<Case> {
    vec![
        in_transaction(
            insert(&["1", "Ada", "n"]),
            "- 742 commit 0/300 at 77 0 insert public.users ('1', 'Ada', null)",
        ),
        in_transaction(
            wire(b'U').u32(USERS).row(b'N', &["1", "", "u"]),
            "- 742 commit 0/300 at 77 0 update public.users ('1', '', unchanged)",
        ),
        in_transaction(
            wire(b'U')
                .u32(USERS)
                .row(b'K', &["1", "n", "n"])
                .row(b'N', &["2", "Ada", "u"]),
            "- 742 commit 0/300 at 77 0 update public.users ('1', absent, absent) -> ('2', 'Ada', \
             unchanged)",
        ),
        in_transaction(
            wire(b'U')
                .u32(USERS)
                .row(b'O', &["1", "n", "long"])
                .row(b'N', &["1", "u", "u"]),
            "- 742 commit 0/300 at 77 0 update public.users ('1', null, 'long') -> ('1', \
             unchanged, 'long')",
        ),
        in_transaction(
            wire(b'D').u32(USERS).row(b'K', &["1", "n", "n"]),
            "- 742 commit 0/300 at 77 0 delete public.users ('1', absent, absent)",
        ),
        in_transaction(
            wire(b'D').u32(LOGS).row(b'O', &["x\ny"]),
            "- 742 commit 0/300 at 77 0 delete pg_catalog.logs ('x\\ny')",
        ),
        in_transaction(
            wire(b'T').u32(1).u8(3).u32(USERS),
            "- 742 commit 0/300 at 77 0 truncate public.users Some(true) Some(true)",
        ),
        in_transaction(
            wire(b'M').u8(1).u64(0x210).text("app").u32(3).raw(b"a\0b"),
            "0/210 742 commit 0/300 at 77 0 message true app a\\x00b",
        ),
        in_transaction(
            users(wire(b'R')),
            "- 742 commit 0/300 at 77 - relation same #0 public.users 16385 Default \
             (id* 23::-1, name 1043::34, bio 25::-1)",
        ),
        in_block(
            insert_in_block(9, &["1", "n", "n"]),
            "- 9 open 0 insert public.users ('1', null, null)",
        ),
        in_block(
            wire(b'U').u32(10).u32(USERS).row(b'N', &["1", "n", "n"]),
            "- 9/10 open 0 update public.users ('1', null, null)",
        ),
        in_block(
            wire(b'D').u32(10).u32(LOGS).row(b'O', &["n"]),
            "- 9/10 open 0 delete pg_catalog.logs (null)",
        ),
        in_block(
            wire(b'T').u32(9).u32(1).u8(0).u32(LOGS),
            "- 9 open 0 truncate pg_catalog.logs Some(false) Some(false)",
        ),
        in_block(
            wire(b'M').u32(9).u8(1).u64(0x210).text("app").u32(0),
            "0/210 9 open 0 message true app ",
        ),
        in_block(
            logs(wire(b'R').u32(10)),
            "- 9 open - relation same #1 pg_catalog.logs 16386 Full (line* 25::-1)",
        ),
        outside(
            wire(b'M').u8(0).u64(0x210).text("").u32(1).raw(b"x"),
            "0/210 - - message false  x",
        ),
    ]
}

fn boundaries() -> Vec<Case> {
    let started = || vec![stream_start(9, true), stream_stop()];
    vec![
        outside(begin(), "- 742 commit 0/300 at 77 - Begin"),
        in_transaction(
            commit(),
            "0/300 742 commit 0/300 at 77 - Commit { end_lsn: Some(Lsn(816)) }",
        ),
        outside(
            wire(b'b').u64(0x300).u64(0x330).u64(77).u32(742).text("g"),
            "- 742 prepare 0/300 at 77 - BeginPrepare { gid: [103] }",
        ),
        Case {
            before: vec![wire(b'b').u64(0x300).u64(0x330).u64(77).u32(742).text("g")],
            message: wire(b'P')
                .u8(0)
                .u64(0x300)
                .u64(0x330)
                .u64(77)
                .u32(742)
                .text("g"),
            event: "0/300 742 prepare 0/300 at 77 - Prepare { gid: [103], end_lsn: Lsn(816) }",
        },
        outside(
            wire(b'K')
                .u8(0)
                .u64(0x400)
                .u64(0x430)
                .u64(78)
                .u32(742)
                .text("g"),
            "0/400 742 commit 0/400 at 78 - CommitPrepared { gid: [103], commit_lsn: Lsn(1024), \
             end_lsn: Lsn(1072), \
             commit_time: PgTime(78) }",
        ),
        outside(
            wire(b'r')
                .u8(0)
                .u64(0x330)
                .u64(0x430)
                .u64(77)
                .u64(78)
                .u32(742)
                .text("g"),
            "0/430 742 open - RollbackPrepared { gid: [103], prepare_end_lsn: Lsn(816), end_lsn: \
             Lsn(1072), \
             prepare_time: PgTime(77), rollback_time: PgTime(78) }",
        ),
        outside(
            stream_start(9, true),
            "- 9 open - StreamStart { first: true }",
        ),
        Case {
            before: vec![stream_start(9, false)],
            message: stream_stop(),
            event: "- 9 open - StreamStop",
        },
        Case {
            before: started(),
            message: wire(b'c').u32(9).u8(0).u64(0x300).u64(0x330).u64(77),
            event: "0/300 9 commit 0/300 at 77 - StreamCommit { end_lsn: Lsn(816) }",
        },
        Case {
            before: started(),
            message: wire(b'A').u32(9).u32(10),
            event: "- 9/10 open - StreamAbort { abort_lsn: None, abort_time: None }",
        },
        Case {
            before: started(),
            message: wire(b'A').u32(9).u32(9).u64(0x400).u64(78),
            event: "0/400 9 open - StreamAbort { abort_lsn: Some(Lsn(1024)), abort_time: \
                    Some(PgTime(78)) }",
        },
        Case {
            before: started(),
            message: wire(b'p')
                .u8(0)
                .u64(0x300)
                .u64(0x330)
                .u64(77)
                .u32(9)
                .text("g"),
            event: "0/300 9 prepare 0/300 at 77 - StreamPrepare { gid: [103], end_lsn: Lsn(816) }",
        },
    ]
}

fn types() -> Vec<Case> {
    vec![
        in_transaction(
            wire(b'Y').u32(16_400).text("public").text("mood"),
            "- 742 commit 0/300 at 77 - type 16400 public.mood",
        ),
        in_block(
            wire(b'Y').u32(9).u32(16_400).text("public").text("mood"),
            "- 9 open - type 16400 public.mood",
        ),
    ]
}

fn silent() -> Vec<Case> {
    vec![in_transaction(wire(b'O').u64(0x20).text("elsewhere"), "")]
}

fn cases() -> impl Iterator<Item = Case> {
    changes()
        .into_iter()
        .chain(boundaries())
        .chain(types())
        .chain(silent())
}

fn prepared(case: &Case) -> Decoder {
    let mut decoder = Decoder::pgoutput();
    decode_all(&mut decoder, &case.before);
    decoder
}

#[test]
fn every_message_at_full_length() {
    for case in cases() {
        let expected: Vec<&str> = Some(case.event)
            .filter(|event| !event.is_empty())
            .into_iter()
            .collect();
        assert_eq!(
            events(&mut prepared(&case), None, &case.message.0).unwrap(),
            expected
        );
    }
}

#[test]
fn every_message_cut_anywhere_is_an_error() {
    for case in cases() {
        let message = &case.message.0;
        // A Stream Abort without position and time is one too.
        let whole = |length| message.first() == Some(&b'A') && length == 9;
        for length in (0..message.len()).filter(|length| !whole(*length)) {
            let error = events(&mut prepared(&case), None, &message[..length]).unwrap_err();
            assert!(error.offset() <= length as u64, "{error}");
            assert!(
                error
                    .needed()
                    .is_some_and(|needed| needed > length && needed <= message.len()),
                "{error}"
            );
        }
    }
}

#[test]
fn every_message_with_something_behind_is_an_error() {
    for case in cases() {
        for trailing in [&b"\0"[..], b"\n", b"\0\0\0\0\0\0\0\0"] {
            let message = case.message.clone().raw(trailing);
            let error = events(&mut prepared(&case), None, &message.0)
                .unwrap_err()
                .to_string();
            assert!(error.starts_with("could not decode "), "{error}");
        }
    }
    assert_eq!(
        error(&mut Decoder::pgoutput(), begin().u8(0).u8(0)),
        "could not decode Begin message: field \"end\" at byte 21: 2 bytes too many"
    );
}

#[test]
fn a_failed_message_changes_nothing() {
    for case in cases() {
        let mut decoder = prepared(&case);
        events(&mut decoder, None, &case.message.clone().raw(b"\0").0).unwrap_err();
        let expected: Vec<&str> = Some(case.event)
            .filter(|event| !event.is_empty())
            .into_iter()
            .collect();
        assert_eq!(
            events(&mut decoder, None, &case.message.0).unwrap(),
            expected
        );
    }
}

#[test]
fn lengths_and_counts_are_only_claims() {
    let mut decoder = Decoder::pgoutput();
    decode_all(&mut decoder, &[begin(), users(wire(b'R'))]);
    for (message, expected) in [
        (
            wire(b'R').u32(1).text("s").text("t").u8(b'd').u16(u16::MAX),
            "Relation message: field \"column flags\" at byte 12: 1 byte expected, 0 left",
        ),
        (
            wire(b'I').u32(USERS).u8(b'N').u16(u16::MAX),
            "Insert message: field \"column kind\" at byte 8: 1 byte expected, 0 left",
        ),
        (
            wire(b'I')
                .u32(USERS)
                .u8(b'N')
                .u16(3)
                .u8(b't')
                .u32(u32::MAX)
                .raw(b"abc"),
            "Insert message: field \"value\" at byte 13: 4294967295 bytes expected, 3 left",
        ),
        (
            wire(b'T').u32(u32::MAX).u8(0).u32(USERS),
            "Truncate message: field \"relations\" at byte 6: 17179869180 bytes expected, 4 left",
        ),
        (
            wire(b'M').u8(1).u64(0).text("").u32(u32::MAX),
            "Message message: field \"content\" at byte 15: 4294967295 bytes expected, 0 left",
        ),
    ] {
        assert_eq!(
            error(&mut decoder, message),
            format!("could not decode {expected}")
        );
    }
}

#[test]
fn what_makes_no_sense_is_named() {
    let mut decoder = Decoder::pgoutput();
    decode_all(&mut decoder, &[begin(), users(wire(b'R'))]);
    for (message, expected) in [
        (
            wire(b'x'),
            "unknown message: field \"tag\" at byte 0: 'x' is unknown",
        ),
        (
            wire(0),
            "unknown message: field \"tag\" at byte 0: '\\x00' is unknown",
        ),
        (
            wire(b'I').u32(99).row(b'N', &[]),
            "Insert message: field \"relation\" at byte 1: the table with oid 99 was never \
             announced",
        ),
        (
            wire(b'T').u32(2).u8(0).u32(USERS).u32(99),
            "Truncate message: field \"relation\" at byte 1: the table with oid 99 was never \
             announced",
        ),
        (
            insert(&["1", "n"]),
            "Insert message: field \"column count\" at byte 6: the row has 2 columns, but \
             public.users was announced with 3",
        ),
        (
            wire(b'U')
                .u32(USERS)
                .row(b'K', &["1", "n", "n"])
                .row(b'N', &["1", "n", "n", "n"]),
            "Update message: field \"column count\" at byte 17: the row has 4 columns, but \
             public.users was announced \
             with 3",
        ),
        (
            wire(b'D').u32(USERS).row(b'K', &["1"]),
            "Delete message: field \"column count\" at byte 6: the row has 1 columns, but \
             public.users was announced with 3",
        ),
        (
            wire(b'I').u32(USERS).row(b'K', &["1", "n", "n"]),
            "Insert message: field \"row kind\" at byte 5: 'K' is unknown",
        ),
        (
            wire(b'D').u32(USERS).row(b'N', &["1"]),
            "Delete message: field \"row kind\" at byte 5: 'N' is unknown",
        ),
        (
            wire(b'I').u32(USERS).u8(b'N').u16(1).u8(b'?'),
            "Insert message: field \"column kind\" at byte 8: '?' is unknown",
        ),
        (
            wire(b'I').u32(USERS).u8(b'N').u16(1).u8(b'b').u32(1).u8(7),
            "Insert message: field \"value\" at byte 9: it is in binary format, which walcat does \
             not read: \
             stream without the option binary",
        ),
        (
            wire(b'R').u32(1).text("s").text("t").u8(b'x').u16(0),
            "Relation message: field \"replica identity\" at byte 9: 'x' is unknown",
        ),
        (
            wire(b'P').u8(0).u64(1).u64(2).u64(3).u32(4).text(""),
            "Prepare message: field \"tag\" at byte 0: \
             it stands between Begin and Commit",
        ),
        (
            stream_stop(),
            "Stream Stop message: field \"tag\" at byte 0: it stands between Begin and Commit",
        ),
        (
            wire(b'c').u32(9).u8(0).u64(1).u64(2).u64(3),
            "Stream Commit message: field \"tag\" at byte 0: it stands between Begin and Commit",
        ),
    ] {
        assert_eq!(
            error(&mut decoder, message),
            format!("could not decode {expected}")
        );
    }
}

#[test]
fn changes_stand_in_transactions() {
    let mut decoder = Decoder::pgoutput();
    decode_all(&mut decoder, &[begin(), users(wire(b'R')), commit()]);
    for message in [
        insert(&["1", "n", "n"]),
        users(wire(b'R')),
        wire(b'O').u64(1).text("elsewhere"),
        wire(b'M').u8(1).u64(0x210).text("").u32(0),
        commit(),
    ] {
        let error = error(&mut decoder, message);
        assert!(
            error.ends_with("field \"tag\" at byte 0: it stands outside any transaction"),
            "{error}"
        );
    }
}

#[test]
fn changes_are_numbered_within_their_transaction() {
    let mut decoder = Decoder::pgoutput();
    decode_all(
        &mut decoder,
        &[begin(), users(wire(b'R')), logs(wire(b'R'))],
    );
    let message = |transactional| wire(b'M').u8(transactional).u64(0x210).text("").u32(0);
    let mut seen = Vec::new();
    for message in [
        insert(&["1", "n", "n"]),
        message(0),
        message(1),
        wire(b'T').u32(2).u8(0).u32(USERS).u32(LOGS),
        users(wire(b'R')),
        wire(b'Y').u32(1).text("").text(""),
        wire(b'D').u32(LOGS).row(b'O', &["x"]),
        commit(),
        begin(),
        insert(&["1", "n", "n"]),
    ] {
        let flow = decoder.decode(None, &message.0, |event| {
            seen.push(event.seq);
            ControlFlow::Continue(())
        });
        assert_eq!(flow, Ok(ControlFlow::Continue(())));
    }
    assert_eq!(
        seen,
        [
            Some(0),
            None,
            Some(1),
            Some(2),
            Some(3),
            None,
            None,
            Some(4),
            None,
            None,
            Some(0)
        ]
    );
}

#[test]
fn the_connection_tells_where_changes_lie() {
    let mut decoder = Decoder::pgoutput();
    decode_all(&mut decoder, &[begin(), users(wire(b'R'))]);
    let mut lsn_of = |lsn: u64, message: Wire| {
        let events = events(&mut decoder, Some(Lsn(lsn)), &message.0).unwrap();
        events[0].split_once(' ').unwrap().0.to_owned()
    };
    assert_eq!(lsn_of(0x210, insert(&["1", "n", "n"])), "0/210");
    assert_eq!(lsn_of(0, users(wire(b'R'))), "-");
    assert_eq!(
        lsn_of(0x999, wire(b'M').u8(1).u64(0x220).text("").u32(0)),
        "0/220"
    );
    assert_eq!(lsn_of(0x330, commit()), "0/300");
}

#[test]
fn an_origin_holds_for_its_transaction() {
    let mut decoder = Decoder::pgoutput();
    let origin = wire(b'O').u64(0x20).text("elsewhere");
    let one = insert(&["1", "n", "n"]);
    let within = decode_all(
        &mut decoder,
        &[begin(), origin, users(wire(b'R')), one.clone()],
    );
    assert_eq!(
        within,
        ["- 742@elsewhere commit 0/300 at 77 0 insert public.users ('1', null, null)"]
    );
    let next = decode_all(&mut decoder, &[commit(), begin(), one]);
    assert_eq!(
        next,
        ["- 742 commit 0/300 at 77 0 insert public.users ('1', null, null)"]
    );
}

#[test]
fn streamed_blocks_interleave() {
    let mut decoder = Decoder::pgoutput();
    let row = ["1", "n", "n"];
    let origin = wire(b'O').u64(0x20).text("elsewhere");
    decode_all(
        &mut decoder,
        &[
            stream_start(9, true),
            origin,
            users(wire(b'R').u32(9)),
            insert_in_block(9, &row),
        ],
    );
    decode_all(
        &mut decoder,
        &[
            stream_stop(),
            stream_start(20, true),
            insert_in_block(20, &row),
            stream_stop(),
        ],
    );
    // A whole transaction between the blocks, in which changes bear no number.
    let whole = decode_all(&mut decoder, &[begin(), insert(&row)]);
    assert_eq!(
        whole,
        ["- 742 commit 0/300 at 77 0 insert public.users ('1', null, null)"]
    );
    let goes_on = decode_all(
        &mut decoder,
        &[commit(), stream_start(9, false), insert_in_block(11, &row)],
    );
    assert_eq!(
        goes_on,
        ["- 9/11@elsewhere open 1 insert public.users ('1', null, null)"]
    );
    // The subtransaction is void, but its change was sent and stays counted.
    decode_all(&mut decoder, &[stream_stop(), wire(b'A').u32(9).u32(11)]);
    let again = decode_all(
        &mut decoder,
        &[stream_start(9, false), insert_in_block(9, &row)],
    );
    assert_eq!(
        again,
        ["- 9@elsewhere open 2 insert public.users ('1', null, null)"]
    );
    let void = decode_all(&mut decoder, &[stream_stop(), wire(b'A').u32(20).u32(20)]);
    assert_eq!(
        void,
        ["- 20 open - StreamAbort { abort_lsn: None, abort_time: None }"]
    );
    let committed = decode_all(
        &mut decoder,
        &[wire(b'c').u32(9).u8(0).u64(0x500).u64(0x530).u64(79)],
    );
    assert_eq!(
        committed,
        ["0/500 9@elsewhere commit 0/500 at 79 - StreamCommit { end_lsn: Lsn(1328) }"]
    );
    // Numbers of transactions come round again.
    let anew = decode_all(
        &mut decoder,
        &[stream_start(9, true), insert_in_block(9, &row)],
    );
    assert_eq!(anew, ["- 9 open 0 insert public.users ('1', null, null)"]);
}

#[test]
fn what_was_not_finished_may_come_once_more() {
    let row = ["1", "n", "n"];
    let mut decoder = Decoder::pgoutput();
    decode_all(&mut decoder, &[begin(), users(wire(b'R')), insert(&row)]);
    let again = decode_all(&mut decoder, &[begin(), users(wire(b'R')), insert(&row)]);
    assert_eq!(
        again,
        ["- 742 commit 0/300 at 77 0 insert public.users ('1', null, null)"]
    );
    let again = decode_all(
        &mut decoder,
        &[
            commit(),
            stream_start(9, true),
            insert_in_block(9, &row),
            stream_start(9, true),
            insert_in_block(9, &row),
        ],
    );
    assert_eq!(again, ["- 9 open 0 insert public.users ('1', null, null)"]);
    let whole = decode_all(&mut decoder, &[begin(), insert(&row)]);
    assert_eq!(
        whole,
        ["- 742 commit 0/300 at 77 0 insert public.users ('1', null, null)"]
    );
    let decided = wire(b'K')
        .u8(0)
        .u64(0x400)
        .u64(0x430)
        .u64(78)
        .u32(742)
        .text("g");
    decode_all(&mut decoder, &[decided]);
    error(&mut decoder, insert(&row));
}

#[test]
fn tables_keep_their_index_whatever_becomes_of_them() {
    let mut decoder = Decoder::pgoutput();
    let announced = |decoder: &mut Decoder, message: Wire| {
        let event = decode_all(decoder, &[message]).remove(0);
        event
            .split_whitespace()
            .skip_while(|word| *word != "relation")
            .take(4)
            .collect::<Vec<_>>()
            .join(" ")
    };
    decode_all(&mut decoder, &[begin()]);
    assert_eq!(
        announced(&mut decoder, users(wire(b'R'))),
        "relation changed #0 public.users"
    );
    assert_eq!(
        announced(&mut decoder, logs(wire(b'R'))),
        "relation changed #1 pg_catalog.logs"
    );
    assert_eq!(
        announced(&mut decoder, users(wire(b'R'))),
        "relation same #0 public.users"
    );
    let other_shape = wire(b'R')
        .u32(USERS)
        .text("public")
        .text("people")
        .u8(b'n')
        .u16(0);
    assert_eq!(
        announced(&mut decoder, other_shape.clone()),
        "relation changed #0 public.people"
    );
    assert_eq!(
        decode_all(&mut decoder, &[wire(b'I').u32(USERS).row(b'N', &[])]),
        ["- 742 commit 0/300 at 77 0 insert public.people ()"]
    );
    decoder.reset();
    decode_all(&mut decoder, &[begin()]);
    let error = error(&mut decoder, wire(b'I').u32(USERS).row(b'N', &[]));
    assert!(
        error.ends_with("the table with oid 16385 was never announced"),
        "{error}"
    );
    assert_eq!(
        announced(&mut decoder, other_shape),
        "relation same #0 public.people"
    );
    assert_eq!(
        announced(&mut decoder, users(wire(b'R'))),
        "relation changed #0 public.users"
    );
}

#[test]
fn names_that_are_not_utf_8_stay_readable() {
    let mut decoder = Decoder::pgoutput();
    let message = wire(b'R')
        .u32(1)
        .raw(b"caf\xe9\0")
        .raw(b"a\\\xff\xfeb\0")
        .u8(b'd')
        .u16(1);
    let message = message.u8(0).raw("ü\n\0".as_bytes()).u32(25).u32(u32::MAX);
    assert_eq!(
        decode_all(&mut decoder, &[begin(), message]),
        [
            "- 742 commit 0/300 at 77 - relation changed #0 caf\\xE9.a\\\\\\xFF\\xFEb 1 Default \
             (ü\n 25::-1)"
        ]
    );
}

#[test]
fn the_sink_may_break_off() {
    let mut decoder = Decoder::pgoutput();
    decode_all(
        &mut decoder,
        &[begin(), users(wire(b'R')), logs(wire(b'R'))],
    );
    let mut seen = Vec::new();
    let flow = decoder.decode(
        None,
        &wire(b'T').u32(2).u8(0).u32(LOGS).u32(USERS).0,
        |event| {
            seen.push(describe(event));
            ControlFlow::Break(())
        },
    );
    assert_eq!(flow, Ok(ControlFlow::Break(())));
    assert_eq!(
        seen,
        ["- 742 commit 0/300 at 77 0 truncate pg_catalog.logs Some(false) Some(false)"]
    );
}
