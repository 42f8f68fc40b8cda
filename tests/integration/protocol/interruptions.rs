//! What a lost connection leaves of streamed transactions, and `kill -9` of prepared ones in a
//! file.

use super::consumer::{self, Consumer};
use super::{Live, levels, xid};
use crate::support::*;
use rustix::process::Signal;
use serde_json::Value;
use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::Command;

const SCHEMA: &str = "CREATE TABLE t (id int PRIMARY KEY, v text)";

fn many(from: u32) -> String {
    format!(
        "INSERT INTO t SELECT g, repeat('x', 1000) FROM generate_series({from}, {}) g",
        from + 199
    )
}

#[test]
fn a_lost_connection_neither_loses_nor_repeats() {
    for level in levels() {
        let mut live = Live::start("lost_connection", level, SCHEMA, &[]);
        let [mut committed, mut kept, mut void] = [live.session(), live.session(), live.session()];
        let mut xids = Vec::new();
        for (session, from) in [(&mut committed, 1000), (&mut kept, 2000), (&mut void, 3000)] {
            session
                .batch_execute(&format!("BEGIN; {}", many(from)))
                .unwrap();
            let xid = xid(session);
            live.streamed(xid, |event| event["op"] == "stream_stop");
            xids.push(xid);
        }
        committed.batch_execute("COMMIT").unwrap();
        live.db.sql("INSERT INTO t VALUES (1, 'before')");
        live.wait_for(|event| event["after"]["v"] == "before");
        live.db.sql(
            "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE database = \
             current_database()",
        );
        live.stream.wait_for_stderr("trying again");
        live.db.sql("INSERT INTO t VALUES (2, 'meanwhile')");
        void.batch_execute("ROLLBACK").unwrap();
        live.wait_for(|event| event["after"]["v"] == "meanwhile");
        kept.batch_execute(&format!("{}; COMMIT", many(4000)))
            .unwrap();
        let [live, _] = live.finish(&["t"]);
        if level.streams {
            let aborted = |xid: u64| {
                live.json()
                    .iter()
                    .any(|event| event["op"] == "stream_abort" && event["xid"] == xid)
            };
            assert_eq!(
                xids.iter().map(|xid| aborted(*xid)).collect::<Vec<_>>(),
                [false, true, true],
                "{}",
                level.name
            );
        }
    }
}

#[test]
fn what_a_killed_run_had_of_a_streamed_transaction_is_dropped() {
    let server = Server::start(Options {
        settings: &[("logical_decoding_work_mem", "64kB")],
        ..Options::default()
    });
    let db = Database::create_on(&server, "killed");
    db.sql(SCHEMA);
    db.sql("CREATE TABLE hidden (LIKE t); CREATE PUBLICATION p FOR ALL TABLES");
    db.create_slot("pgoutput");
    let stream = |more: &[&str]| {
        let mut command = db.walcat(&["stream", "-S", "killed", "--publication", "p"]);
        command.args(["--streaming", "on", "--table", "public.t"]);
        command.args(more);
        command
    };
    // The first blocks show nothing.
    let mut session = db.client();
    let hidden = many(0).replace("INTO t", "INTO hidden");
    session.batch_execute(&format!("BEGIN; {hidden}")).unwrap();
    let mut first = spawn(&mut stream(&[]));
    session.batch_execute(&many(1000)).unwrap();
    db.sql("CREATE TABLE flushed (id int)");
    let mut events = Vec::new();
    while events
        .last()
        .is_none_or(|event: &Value| event["op"] != "stream_stop")
    {
        events.push(first.json());
    }
    first.signal(Signal::KILL);
    assert!(first.wait().status.code().is_none());
    session
        .batch_execute(&format!("{}; COMMIT", many(2000)))
        .unwrap();
    db.wait_for("SELECT NOT active FROM pg_replication_slots");
    let second = run(&mut stream(&["--until-now"]));
    events.extend(second.succeeded().json());
    let held = db.value("SELECT json_agg(row_to_json(t) ORDER BY id)::text FROM t");
    let consumer = Consumer::of(&events);
    assert!(consumer.table("t") == consumer::rows(&serde_json::from_str(&held).unwrap()));
    assert_eq!(consumer.undecided(), [0; 0]);
}

#[test]
fn a_file_has_prepared_transactions_once_through_kill_9() {
    let server = Server::start(Options::default());
    let db = Database::create_on(&server, "prepared_in_a_file");
    if db.server().version() < 150_000 {
        db.sql("CREATE PUBLICATION p FOR ALL TABLES");
        db.sql(
            "SELECT pg_create_logical_replication_slot('prepared_in_a_file', 'pgoutput', false, \
                true)",
        );
        let run = db.run(&[
            "stream",
            "-S",
            db.name(),
            "--publication",
            "p",
            "--two-phase",
        ]);
        assert!(
            run.exited(1)
                .stderr
                .contains("--two-phase needs PostgreSQL 15, and the server is 14"),
            "{}",
            run.stderr
        );
        return;
    }
    db.sql(SCHEMA);
    db.sql("CREATE PUBLICATION p FOR ALL TABLES");
    db.sql(
        "SELECT pg_create_logical_replication_slot('prepared_in_a_file', 'pgoutput', false, true)",
    );
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("changes.json");
    let file = path.to_str().unwrap();
    let stream = [
        "stream",
        "-S",
        db.name(),
        "--publication",
        "p",
        "--two-phase",
        "-f",
        file,
        "-F",
        "0.1",
    ];
    let stream = [&stream[..], &["--include", "transactions"]].concat();
    for round in 0..6 {
        let prepare = |number: u32, rows: u32| {
            let from = round * 100_000 + number * 10_000;
            db.sql("BEGIN");
            db.sql(&format!(
                "INSERT INTO t SELECT g, repeat('x', 100) FROM generate_series({from}, {}) g",
                from + rows
            ));
            db.sql(&format!("PREPARE TRANSACTION 'file {round} {number}'"));
        };
        prepare(1, 5000);
        prepare(2, 10);
        db.sql(&format!(
            "INSERT INTO t VALUES ({}, 'between')",
            round * 100_000 + 1
        ));
        if round % 2 == 0 {
            db.sql(&format!("COMMIT PREPARED 'file {round} 1'"));
            db.sql(&format!("ROLLBACK PREPARED 'file {round} 2'"));
        }
        // As soon as it has written something, which often is in the middle of the large one.
        for attempt in 0..3 {
            db.sql(&format!(
                "INSERT INTO t VALUES ({}, 'there is something to write')",
                round * 100_000 + 2 + attempt
            ));
            db.wait_for("SELECT NOT active FROM pg_replication_slots");
            let before = size(&path);
            let walcat = spawn(&mut db.walcat(&stream));
            wait_until("the file to grow", || (size(&path) > before).then_some(()));
            walcat.signal(Signal::KILL);
            walcat.wait();
        }
        if round % 2 == 1 {
            db.sql(&format!("ROLLBACK PREPARED 'file {round} 1'"));
            db.sql(&format!("COMMIT PREPARED 'file {round} 2'"));
        }
    }
    db.wait_for("SELECT NOT active FROM pg_replication_slots");
    db.run(&[&stream[..], &["--until-now"]].concat())
        .succeeded();
    db.run(&[&stream[..], &["--until-now"]].concat())
        .succeeded();
    let events: Vec<Value> = fs::read_to_string(&path)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let mut seen = HashSet::new();
    for event in &events {
        let name = ["op", "commit_lsn", "prepare_lsn", "lsn", "seq"].map(|key| match key {
            "op" | "lsn" if event.get("seq").is_some() => String::new(),
            key => event[key].to_string(),
        });
        assert!(seen.insert(name), "repeated: {event}");
    }
    let consumer = Consumer::of(&events);
    let held = db.value("SELECT json_agg(row_to_json(t) ORDER BY id)::text FROM t");
    assert!(consumer.table("t") == consumer::rows(&serde_json::from_str(&held).unwrap()));
    assert_eq!(consumer.undecided(), [0; 0]);
}

/// Transactions that are decided just before the commit record of another, so that there is no byte
/// between the two.
#[test]
fn a_file_with_prepared_transactions_goes_on_wherever_it_was_cut() {
    let server = Server::start(Options::default());
    let two_phase = two_phase(&server);
    let db = Database::create_on(&server, "cut");
    db.sql(SCHEMA);
    db.sql("CREATE PUBLICATION p FOR ALL TABLES");
    db.sql("SELECT pg_create_logical_replication_slot('cut', 'pgoutput', false, true)");
    let directory = tempfile::tempdir().unwrap();
    let (whole, part) = (
        directory.path().join("whole.json"),
        directory.path().join("part.json"),
    );
    let stream = |path: &Path, more: &[&str]| {
        let mut command = db.walcat(&[
            "stream",
            "-S",
            "cut",
            "--publication",
            "p",
            "--messages",
            "--peek",
        ]);
        command.args(two_phase).args(more).arg("--file").arg(path);
        command
    };
    let running = spawn(&mut stream(&whole, &[]));
    db.wait_for("SELECT active FROM pg_replication_slots");
    let mut other = db.client();
    let mut id = 0;
    for statement in [
        "PREPARE TRANSACTION 'a'",
        "ROLLBACK PREPARED 'a'",
        "PREPARE TRANSACTION 'b'",
        "COMMIT PREPARED 'b'",
    ] {
        if statement.starts_with("PREPARE") {
            id += 1;
            db.sql("BEGIN");
            db.sql(&format!("INSERT INTO t VALUES ({id}, 'prepared')"));
        }
        id += 1;
        other
            .batch_execute(&format!("BEGIN; INSERT INTO t VALUES ({id}, 'committed')"))
            .unwrap();
        db.sql(statement);
        other
            .batch_execute("COMMIT; SELECT pg_logical_emit_message(false, 'test', 'outside')")
            .unwrap();
        let line = format!("\"after\":{{\"id\":{id},");
        wait_until("the row", || {
            fs::read_to_string(&whole)
                .unwrap()
                .contains(&line)
                .then_some(())
        });
    }
    db.sql("INSERT INTO t VALUES (0, 'the end')");
    wait_until("the last row", || {
        fs::read_to_string(&whole)
            .unwrap()
            .contains("the end")
            .then_some(())
    });
    running.interrupt().succeeded();
    let text = fs::read_to_string(&whole).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    assert_eq!(
        lines.len(),
        if two_phase.is_empty() { 10 } else { 17 },
        "{text}"
    );
    // Of a transaction that it knows to be rolled back, the server sends as much as it likes.
    let settled = |text: &str| {
        text.split_inclusive('\n')
            .filter(|line| !line.contains("\"id\":1,"))
            .collect::<String>()
    };
    for cut in 1..=lines.len() {
        fs::write(&part, lines[..cut].concat()).unwrap();
        run(&mut stream(&part, &["--until-now"])).succeeded();
        let found = fs::read_to_string(&part).unwrap();
        assert_eq!(settled(&found), settled(&text), "cut behind line {cut}");
    }
}

#[test]
fn a_rollback_at_the_end_of_the_wal_is_wanted_by_until_now() {
    let server = Server::start(Options::default());
    let two_phase = two_phase(&server);
    let db = Database::create_on(&server, "end");
    db.sql(SCHEMA);
    db.sql("CREATE PUBLICATION p FOR ALL TABLES");
    db.sql("SELECT pg_create_logical_replication_slot('end', 'pgoutput', false, true)");
    db.sql("BEGIN");
    db.sql("INSERT INTO t VALUES (1)");
    db.sql("PREPARE TRANSACTION 'a'");
    let stream = [
        &["stream", "-S", "end", "--publication", "p", "--until-now"],
        two_phase,
    ]
    .concat();
    let ops = |run: Finished| -> Vec<Value> {
        run.succeeded()
            .json()
            .iter()
            .map(|event| event["op"].clone())
            .collect()
    };
    let of_prepared = |ops: &'static [&'static str]| if two_phase.is_empty() { &[] } else { ops };
    assert_eq!(
        ops(db.run(&stream)),
        of_prepared(&["begin_prepare", "insert", "prepare"])
    );
    db.sql("ROLLBACK PREPARED 'a'");
    assert_eq!(ops(db.run(&stream)), of_prepared(&["rollback_prepared"]));
}

#[test]
fn what_was_prepared_before_the_slot_became_two_phase_comes_late() {
    let server = Server::start(Options::default());
    let two_phase = two_phase(&server);
    let db = Database::create_on(&server, "late");
    db.sql(SCHEMA);
    db.sql("CREATE PUBLICATION p FOR ALL TABLES");
    db.create_slot("pgoutput");
    let directory = tempfile::tempdir().unwrap();
    let (whole, part) = (
        directory.path().join("whole.json"),
        directory.path().join("part.json"),
    );
    let stream = |path: &Path, more: &[&str]| {
        let path = path.to_str().unwrap();
        db.run(
            &[
                &[
                    "stream",
                    "-S",
                    "late",
                    "--publication",
                    "p",
                    "--until-now",
                    "-f",
                    path,
                ],
                two_phase,
                more,
            ]
            .concat(),
        )
    };
    let prepare = |id: u32, gid: &str| {
        db.sql("BEGIN");
        db.sql(&format!("INSERT INTO t VALUES ({id}, 'prepared')"));
        db.sql(&format!("PREPARE TRANSACTION '{gid}'"));
    };
    prepare(1, "late");
    db.sql("INSERT INTO t VALUES (2, 'before')");
    db.run(&["stream", "-S", "late", "--publication", "p", "--until-now"])
        .succeeded();
    // As others turn it on: ALTER SUBSCRIPTION, or whoever else streams from the slot.
    if !two_phase.is_empty() {
        let options = "proto_version '3', publication_names 'p', two_phase 'on'";
        let position = db.wal_position();
        let mut other = Command::new(server.client_program("pg_recvlogical"));
        other.args([
            "-d",
            "late",
            "-S",
            "late",
            "--start",
            "-f",
            "-",
            "-E",
            &position,
            "--no-loop",
        ]);
        for option in options.split(", ") {
            let (name, value) = option.split_once(' ').unwrap();
            other.args(["-o", &format!("{name}={}", value.trim_matches('\''))]);
        }
        other
            .env("PGHOST", server.socket_directory())
            .env("PGPORT", server.port().to_string())
            .env("PGUSER", "postgres");
        run(&mut other).succeeded();
        db.wait_for("SELECT two_phase AND NOT active FROM pg_replication_slots");
    }
    db.sql("INSERT INTO t VALUES (3, 'delivered before')");
    stream(&whole, &["--peek"]).succeeded();
    prepare(4, "in its place");
    db.sql("COMMIT PREPARED 'late'");
    db.sql("COMMIT PREPARED 'in its place'");
    db.sql("INSERT INTO t VALUES (5, 'the end')");
    stream(&whole, &["--peek"]).succeeded();
    let text = fs::read_to_string(&whole).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let events: Vec<Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let consumer = Consumer::of(&events);
    let held = db.value("SELECT json_agg(row_to_json(t) ORDER BY id)::text FROM t WHERE id <> 2");
    let delivered: Vec<Value> = consumer
        .table("t")
        .into_iter()
        .filter(|row| row["id"] != 2)
        .collect();
    assert!(
        delivered == consumer::rows(&serde_json::from_str(&held).unwrap()),
        "{text}"
    );
    // Not within what comes late: of that a file cannot tell that it is late.
    let whole_transactions = |cut: &usize| {
        let last = &events[cut - 1];
        last.get("prepare_lsn").is_none() || last["gid"] == "in its place"
    };
    for cut in (1..=lines.len()).filter(whole_transactions) {
        fs::write(&part, lines[..cut].concat()).unwrap();
        stream(&part, &["--peek"]).succeeded();
        assert_eq!(
            fs::read_to_string(&part).unwrap(),
            text,
            "cut behind line {cut}"
        );
    }
}

/// What asks for prepared transactions; older servers have them when they commit.
fn two_phase(server: &Server) -> &'static [&'static str] {
    if server.version() < 150_000 {
        &[]
    } else {
        &["--two-phase"]
    }
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}
