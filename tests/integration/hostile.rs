//! Servers that lie, talk without end or fall silent: real ones, with a proxy between that changes
//! what they say.

use crate::support::*;
use rustix::process::Signal;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A database with all that the commands ask for.
fn shop<'s>(server: &'s Server, name: &str) -> Database<'s> {
    let db = Database::create_on(server, name);
    db.sql(
        "CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE bare (x int);
         CREATE PUBLICATION p FOR TABLE t, bare",
    );
    db.create_slot("pgoutput");
    db
}

/// The program, connected through the proxy.
fn through(meddler: &Meddler, db: &Database<'_>, arguments: &[&str]) -> Command {
    let mut command = db.walcat(arguments);
    command
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", meddler.port().to_string())
        .env("PGSSLMODE", "disable");
    command
}

/// One way to answer a query wrongly.
#[derive(Clone, Copy, Debug)]
enum Lie {
    NoColumns,
    OneColumnLess,
    Nulls,
    OtherTypes,
    UnknownTypes,
    NotUtf8,
    Lowest,
    NoRows,
}

const LIES: [Lie; 7] = [
    Lie::NoColumns,
    Lie::OneColumnLess,
    Lie::Nulls,
    Lie::OtherTypes,
    Lie::NotUtf8,
    Lie::Lowest,
    Lie::NoRows,
];

impl Lie {
    fn tell(self, heard: &Heard<'_>) -> Act {
        match heard.tag {
            b'T' => self.columns(heard.body),
            b'D' => self.row(heard.body),
            _ => Act::Pass,
        }
    }

    // count: u16 | { name: cstr | table: u32 | number: u16 | type: u32 | rest: 8 bytes }*
    fn columns(self, body: &[u8]) -> Act {
        let mut columns = Vec::new();
        let mut rest = &body[2..];
        while !rest.is_empty() {
            let name = rest.iter().position(|byte| *byte == 0).unwrap() + 1;
            let (column, behind) = rest.split_at(name + 18);
            let kind = u32::from_be_bytes(column[name + 6..name + 10].try_into().unwrap());
            let kind = match self {
                Lie::OtherTypes if [19, 25].contains(&kind) => 23,
                Lie::OtherTypes => 25,
                Lie::UnknownTypes => 999_999,
                _ => kind,
            };
            columns.push(
                [
                    &column[..name + 6],
                    &kind.to_be_bytes(),
                    &column[name + 10..],
                ]
                .concat(),
            );
            rest = behind;
        }
        match self {
            Lie::NoColumns => columns.clear(),
            Lie::OneColumnLess => _ = columns.pop(),
            _ => {}
        }
        let count = (columns.len() as u16).to_be_bytes();
        Act::Say(message(b'T', &[&count[..], &columns.concat()].concat()), 1)
    }

    // count: u16 | { length: i32 | value }*
    fn row(self, body: &[u8]) -> Act {
        let mut values = Vec::new();
        let mut rest = &body[2..];
        while !rest.is_empty() {
            let (length, behind) = rest.split_first_chunk().unwrap();
            let length = usize::try_from(i32::from_be_bytes(*length)).unwrap_or(0);
            let value = |bytes: &[u8]| [&(bytes.len() as i32).to_be_bytes()[..], bytes].concat();
            values.push(match self {
                Lie::Nulls => (-1i32).to_be_bytes().to_vec(),
                Lie::NotUtf8 => value(b"\xff\xfe\"\\\xc3"),
                Lie::Lowest => value(&[&[0x80][..], &[0; 63]].concat()[..length.min(64)]),
                _ => value(&behind[..length]),
            });
            rest = &behind[length..];
        }
        match self {
            Lie::NoColumns => values.clear(),
            Lie::OneColumnLess => _ = values.pop(),
            Lie::NoRows => return Act::Say(Vec::new(), 0),
            _ => {}
        }
        let count = (values.len() as u16).to_be_bytes();
        Act::Say(message(b'D', &[&count[..], &values.concat()].concat()), 1)
    }
}

/// Fails if the program did not end as it should.
fn ended_well(finished: &Finished, what: &str) {
    let code = finished.status.code();
    assert!(
        matches!(code, Some(0 | 1)) && !finished.stderr.contains("panicked"),
        "{what}: {code:?}\n{}",
        finished.stderr
    );
}

/// Runs a command against every lie in every answer of its SQL sessions.
fn every_lie(name: &str, commands: &[&[&str]]) {
    let server = Server::start(Options::default());
    let db = shop(&server, name);
    let port = db.server().port();
    for arguments in commands {
        let most = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&most);
        let honest = Meddler::before(port, move |heard| {
            if !heard.replication && heard.tag == b'T' {
                count.fetch_max(heard.answer + 1, Ordering::SeqCst);
            }
            Act::Pass
        });
        ended_well(&run(&mut through(&honest, &db, arguments)), "honest");
        let answers = most.load(Ordering::SeqCst);
        assert!(answers > 0, "{arguments:?} asks nothing");
        for answer in 0..answers {
            for lie in LIES {
                let liar = Meddler::before(port, move |heard| {
                    match !heard.replication && heard.answer == answer {
                        true => lie.tell(heard),
                        false => Act::Pass,
                    }
                });
                let finished = run(&mut through(&liar, &db, arguments));
                ended_well(
                    &finished,
                    &format!("{arguments:?}, answer {answer}, {lie:?}"),
                );
            }
        }
    }
}

#[test]
fn no_answer_to_a_list_aborts_the_program() {
    every_lie(
        "hostile_lists",
        &[
            &["slot", "list"],
            &["pub", "list", "--format", "json"],
            &["check", "--slot", "hostile_lists", "--publication", "p"],
        ],
    );
}

#[test]
fn no_answer_to_an_act_aborts_the_program() {
    every_lie(
        "hostile_acts",
        &[
            &["slot", "create", "made"],
            &["slot", "advance", "hostile_acts"],
            &["slot", "drop", "--if-exists", "--force", "made"],
            &["pub", "create", "q", "--table", "t", "--if-not-exists"],
            &["pub", "drop", "--if-exists", "q"],
        ],
    );
}

#[test]
fn no_answer_to_a_stream_aborts_the_program() {
    every_lie(
        "hostile_streams",
        &[
            &[
                "stream",
                "-S",
                "hostile_streams",
                "--publication",
                "p",
                "--until-now",
                "--table",
                "public.u",
                "--timezone",
                "Europe/Berlin",
            ],
            &[
                "stream",
                "--create-publication",
                "--until-now",
                "--table",
                "t",
            ],
        ],
    );
}

#[test]
fn no_kind_of_server_aborts_the_program() {
    let server = Server::start(Options::default());
    let db = shop(&server, "hostile_kinds");
    for attrs in ["read-write", "prefer-standby"] {
        for lie in LIES {
            for replication in [false, true] {
                let liar = Meddler::before(server.port(), move |heard| {
                    match heard.replication == replication && heard.answer == 0 {
                        true => lie.tell(heard),
                        false => Act::Pass,
                    }
                });
                let arguments = ["check", "--slot", "hostile_kinds"];
                let finished =
                    run(through(&liar, &db, &arguments).env("PGTARGETSESSIONATTRS", attrs));
                ended_well(&finished, &format!("{attrs}, {lie:?}, {replication}"));
            }
        }
    }
}

/// The same program with no more than this much memory, in kB.
fn within(memory: u32, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "ulimit -d $0 && exec \"$@\"", &memory.to_string()])
        .arg(command.get_program())
        .args(command.get_args());
    let variables = command.get_envs();
    let variables = variables.filter_map(|(name, value)| Some((name, value?)));
    shell.env_clear().envs(variables);
    shell
}

#[test]
fn what_a_server_says_is_bounded() {
    let server = Server::start(Options::default());
    let db = shop(&server, "hostile_talk");
    let stream = [
        "stream",
        "-S",
        "hostile_talk",
        "--publication",
        "p",
        "--no-loop",
    ];
    // An escape needs six characters to be shown.
    for text in ["x", "\u{1b}", "\n"] {
        let error = report(b'E', "FATAL", "58000", &text.repeat(100 << 20));
        for (arguments, replication, at) in [
            (&["slot", "list"][..], false, b'T'),
            (&stream, true, b'W'),
            (&stream, true, b'T'),
        ] {
            let liar = Meddler::before(server.port(), {
                let error = error.clone();
                move |heard| match heard.replication == replication && heard.tag == at {
                    true if at == b'W' => {
                        Act::Cut([message(b'W', heard.body), error.clone()].concat())
                    }
                    true => Act::Cut(error.clone()),
                    false => Act::Pass,
                }
            });
            let finished = run(&mut through(&liar, &db, arguments));
            let stderr = &finished.exited(1).stderr;
            assert!(stderr.contains("(cut: "), "{arguments:?}");
            assert!(stderr.len() < 3 << 20, "{arguments:?}: {}", stderr.len());
        }
    }
}

#[test]
fn what_a_server_says_costs_little_memory() {
    let server = Server::start(Options::default());
    let db = shop(&server, "hostile_memory");
    let stream = ["stream", "-S", "hostile_memory", "--publication", "p"];
    let notice = report(b'N', "NOTICE", "00000", &"x".repeat(1000));
    let long = report(b'N', "NOTICE", "00000", &"\u{1b}".repeat(50 << 20));
    let parameter = |number: usize| message(b'S', format!("p{number}\0value\0").as_bytes());
    let parameters: Vec<u8> = (0..200_000).flat_map(parameter).collect();
    let notification = message(
        b'A',
        &[&b"\0\0\0\x01channel\0"[..], &[b'x'; 1000], b"\0"].concat(),
    );
    let last = report(b'E', "FATAL", "58000", "this is the end");
    let with_last =
        |flood: &[u8], times: usize| -> Vec<u8> { [flood.repeat(times), last.clone()].concat() };
    for flood in [
        with_last(&notice, 50_000),
        with_last(&long, 1),
        with_last(&parameters, 5),
        with_last(&notification, 50_000),
    ] {
        for (arguments, replication, at) in [(&["check"][..], false, b'T'), (&stream, true, b'W')] {
            let flood = match at {
                b'W' => [message(b'W', b"\0\0\0"), flood.clone()].concat(),
                _ => flood.clone(),
            };
            let meddler = Meddler::before(server.port(), move |heard| {
                match heard.replication == replication && heard.tag == at {
                    true => Act::Say(flood.clone(), 1),
                    false => Act::Pass,
                }
            });
            let finished = run(&mut within(40_000, &through(&meddler, &db, arguments)));
            let stderr = &finished.exited(1).stderr;
            assert!(stderr.contains("this is the end"), "{arguments:?}");
            assert!(stderr.len() < 3 << 20, "{arguments:?}: {}", stderr.len());
        }
    }
}

#[test]
fn an_answer_without_end_is_an_error() {
    let server = Server::start(Options::default());
    let db = shop(&server, "hostile_rows");
    let liar = Meddler::before(server.port(), |heard| match heard.tag {
        b'D' if heard.answer == 0 => Act::Say(message(b'D', heard.body), 10_000_000),
        _ => Act::Pass,
    });
    let finished = run(&mut through(&liar, &db, &["slot", "list"]));
    let expected =
        "walcat: error: could not list replication slots: its answer is longer than 64 MB\n";
    assert_eq!(finished.exited(1).stderr, expected);
}

#[test]
fn types_without_end_are_an_error() {
    let server = Server::start(Options::default());
    let db = shop(&server, "hostile_types");
    // Every type that the program asks for consists of another.
    let next = AtomicUsize::new(1_000_000);
    let liar = Meddler::before(server.port(), move |heard| match heard.tag {
        b'T' if heard.answer == 0 => Lie::UnknownTypes.tell(heard),
        // The real server finds no such type.
        b'C' if heard.answer > 0 => {
            let oid = next.fetch_add(1, Ordering::SeqCst) as u32;
            let value = |bytes: &[u8]| [&(bytes.len() as u32).to_be_bytes()[..], bytes].concat();
            let row = [
                7u16.to_be_bytes().to_vec(),
                value(b"t"),
                value(b"b"),
                value(&oid.to_be_bytes()),
                u32::MAX.to_be_bytes().to_vec(),
                value(&[0; 4]),
                value(b"public"),
                value(&[0; 4]),
            ];
            let row = message(b'D', &row.concat());
            Act::Say([row, message(b'C', b"SELECT 1\0")].concat(), 1)
        }
        _ => Act::Pass,
    });
    let finished = run(&mut through(&liar, &db, &["slot", "list"]));
    ended_well(&finished, "types");
    let stderr = &finished.exited(1).stderr;
    assert!(stderr.contains("its answer has no end"), "{stderr}");
}

#[test]
fn a_cut_answer_says_what_happened() {
    let server = Server::start(Options::default());
    let db = shop(&server, "hostile_cut");
    for length in 0..12 {
        let liar = Meddler::before(server.port(), move |heard| match heard.tag {
            b'T' if heard.answer == 0 => Act::Cut(message(b'T', heard.body)[..length].to_vec()),
            _ => Act::Pass,
        });
        let finished = run(&mut through(&liar, &db, &["slot", "list"]));
        let expected = "walcat: error: could not list replication slots: server closed the \
                        connection unexpectedly\n";
        assert_eq!(finished.exited(1).stderr, expected, "{length}");
    }
}

#[test]
fn an_unexpected_message_before_silence_is_told() {
    let server = Server::start(Options::default());
    let db = shop(&server, "hostile_silence");
    let stream = [
        "stream",
        "-S",
        "hostile_silence",
        "--publication",
        "p",
        "--until-now",
    ];
    for (arguments, replication) in [(&["slot", "list"][..], false), (&stream, true)] {
        for said in [
            message(b'v', b"\0\0\0\0\0\0\0\0"),
            message(b'G', b"\0\0\0"),
            report(b'E', "ERROR", "58000", "no more of this"),
        ] {
            let quiet = Arc::new(AtomicBool::new(false));
            let said_once = said.clone();
            let liar = Meddler::before(server.port(), move |heard| {
                match heard.replication == replication && heard.tag == b'T' {
                    true if quiet.swap(true, Ordering::SeqCst) => Act::Silence,
                    true => Act::Say(said_once.clone(), 1),
                    false if heard.replication == replication && quiet.load(Ordering::SeqCst) => {
                        Act::Silence
                    }
                    false => Act::Pass,
                }
            });
            let finished = run(&mut through(&liar, &db, arguments));
            let stderr = &finished.exited(1).stderr;
            assert!(stderr.starts_with("walcat: error: could not "), "{stderr}");
        }
    }
}

#[test]
fn a_signal_ends_any_wait() {
    let server = Server::start(Options::default());
    let db = shop(&server, "hostile_waits");
    let stream = ["stream", "-S", "hostile_waits", "--publication", "p"];
    // The session falls silent at its first message, at the end of its start, in its first answer,
    // when the stream begins.
    for (replication, at) in [
        (false, b'R'),
        (false, b'Z'),
        (false, b'T'),
        (true, b'R'),
        (true, b'Z'),
        (true, b'T'),
        (true, b'W'),
    ] {
        for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
            let silent = Arc::new(AtomicBool::new(false));
            let told = Arc::clone(&silent);
            let liar = Meddler::before(server.port(), move |heard| {
                match heard.replication == replication && heard.tag == at {
                    true => {
                        told.store(true, Ordering::SeqCst);
                        Act::Silence
                    }
                    false => Act::Pass,
                }
            });
            let running = spawn(&mut through(&liar, &db, &stream));
            wait_until("silence", || silent.load(Ordering::SeqCst).then_some(()));
            running.signal(signal);
            let finished = running.wait();
            assert_eq!(
                &*finished.succeeded().stderr,
                "",
                "{replication} {} {signal:?}",
                at.escape_ascii()
            );
        }
    }
}

#[test]
fn a_signal_ends_the_search_for_a_reason() {
    let server = Server::start(Options::default());
    let db = shop(&server, "hostile_reasons");
    // The second stream is refused, and then nobody tells why.
    let (starts, silent) = (AtomicUsize::new(0), Arc::new(AtomicBool::new(false)));
    let told = Arc::clone(&silent);
    let refused = AtomicBool::new(false);
    let liar = Meddler::before(server.port(), move |heard| match heard.tag {
        b'W' if starts.fetch_add(1, Ordering::SeqCst) > 0 => {
            refused.store(true, Ordering::SeqCst);
            Act::Say(
                [
                    report(b'E', "ERROR", "55000", "cannot read from this slot"),
                    message(b'Z', b"I"),
                ]
                .concat(),
                1,
            )
        }
        b'd' if starts.load(Ordering::SeqCst) == 1 && heard.body[0] == b'w' => Act::Cut(Vec::new()),
        b'T' if refused.load(Ordering::SeqCst) && !heard.replication => {
            told.store(true, Ordering::SeqCst);
            Act::Silence
        }
        _ => Act::Pass,
    });
    let stream = ["stream", "-S", "hostile_reasons", "--publication", "p"];
    let running = spawn(&mut through(&liar, &db, &stream));
    db.wait_for("SELECT bool_or(active) FROM pg_replication_slots");
    db.sql("INSERT INTO t VALUES (1)");
    wait_until("silence", || silent.load(Ordering::SeqCst).then_some(()));
    running.signal(Signal::TERM);
    let finished = running.wait();
    assert!(
        finished
            .exited(1)
            .stderr
            .contains("cannot read from this slot"),
        "{}",
        finished.stderr
    );
}
