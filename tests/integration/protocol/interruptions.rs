//! What a lost connection leaves of streamed transactions, and `kill -9` of prepared ones in a file.

use super::consumer::{self, Consumer};
use super::{Live, levels, xid};
use crate::support::*;
use rustix::process::Signal;
use serde_json::Value;
use std::collections::HashSet;
use std::fs;
use std::path::Path;

const SCHEMA: &str = "CREATE TABLE t (id int PRIMARY KEY, v text)";

fn many(from: u32) -> String {
    format!("INSERT INTO t SELECT g, repeat('x', 1000) FROM generate_series({from}, {}) g", from + 199)
}

#[test]
fn a_lost_connection_neither_loses_nor_repeats() {
    for level in levels() {
        let mut live = Live::start("lost_connection", level, SCHEMA, &[]);
        let [mut committed, mut kept, mut void] = [live.session(), live.session(), live.session()];
        let mut xids = Vec::new();
        for (session, from) in [(&mut committed, 1000), (&mut kept, 2000), (&mut void, 3000)] {
            session.batch_execute(&format!("BEGIN; {}", many(from))).unwrap();
            let xid = xid(session);
            live.streamed(xid, |event| event["op"] == "stream_stop");
            xids.push(xid);
        }
        committed.batch_execute("COMMIT").unwrap();
        live.db.sql("INSERT INTO t VALUES (1, 'before')");
        live.wait_for(|event| event["after"]["v"] == "before");
        live.db.sql(
            "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE database = current_database()",
        );
        live.stream.wait_for_stderr("trying again");
        live.db.sql("INSERT INTO t VALUES (2, 'meanwhile')");
        void.batch_execute("ROLLBACK").unwrap();
        live.wait_for(|event| event["after"]["v"] == "meanwhile");
        kept.batch_execute(&format!("{}; COMMIT", many(4000))).unwrap();
        let [live, _] = live.finish(&["t"]);
        if level.streams {
            let aborted =
                |xid: u64| live.json().iter().any(|event| event["op"] == "stream_abort" && event["xid"] == xid);
            assert_eq!(xids.iter().map(|xid| aborted(*xid)).collect::<Vec<_>>(), [false, true, true], "{}", level.name);
        }
    }
}

#[test]
fn a_file_has_prepared_transactions_once_through_kill_9() {
    let server = Server::start(Options::default());
    let db = Database::create_on(&server, "prepared_in_a_file");
    if db.server().version() < 150_000 {
        db.sql("CREATE PUBLICATION p FOR ALL TABLES");
        db.sql("SELECT pg_create_logical_replication_slot('prepared_in_a_file', 'pgoutput', false, true)");
        let run = db.run(&["stream", "-S", db.name(), "--publication", "p", "--two-phase"]);
        assert!(
            run.exited(1).stderr.contains("--two-phase needs PostgreSQL 15, and the server is 14"),
            "{}",
            run.stderr
        );
        return;
    }
    db.sql(SCHEMA);
    db.sql("CREATE PUBLICATION p FOR ALL TABLES");
    db.sql("SELECT pg_create_logical_replication_slot('prepared_in_a_file', 'pgoutput', false, true)");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("changes.json");
    let file = path.to_str().unwrap();
    let stream = ["stream", "-S", db.name(), "--publication", "p", "--two-phase", "-f", file, "-F", "0.1"];
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
        db.sql(&format!("INSERT INTO t VALUES ({}, 'between')", round * 100_000 + 1));
        if round % 2 == 0 {
            db.sql(&format!("COMMIT PREPARED 'file {round} 1'"));
            db.sql(&format!("ROLLBACK PREPARED 'file {round} 2'"));
        }
        // As soon as it has written something, which often is in the middle of the large one.
        for attempt in 0..3 {
            db.sql(&format!("INSERT INTO t VALUES ({}, 'there is something to write')", round * 100_000 + 2 + attempt));
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
    db.run(&[&stream[..], &["--until-now"]].concat()).succeeded();
    db.run(&[&stream[..], &["--until-now"]].concat()).succeeded();
    let events: Vec<Value> =
        fs::read_to_string(&path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
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
    assert!(consumer.is_settled());
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}
