//! What sessions do at the same time, at each protocol level.

use super::consumer::Consumer;
use super::{Level, Live, levels, streaming_server, xid};
use crate::support::*;
use postgres::Client;
use serde_json::{Value, json};

const SCHEMA: &str =
    "CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE u (id int PRIMARY KEY, v text)";

/// Rows that do not fit in 64 kB.
fn many(table: &str, from: u32) -> String {
    format!(
        "INSERT INTO {table} SELECT g, repeat('x', 1000) FROM generate_series({from}, {}) g",
        from + 149
    )
}

fn run(session: &mut Client, statements: &str) {
    session
        .batch_execute(statements)
        .unwrap_or_else(|error| panic!("{statements}: {error:?}"));
}

/// Begins a transaction that is large, and waits until its first rows are here.
fn begin_large(live: &mut Live, session: &mut Client, table: &str, from: u32) -> u64 {
    run(session, "BEGIN");
    run(session, &many(table, from));
    let xid = xid(session);
    live.streamed(xid, |event| event["table"] == table);
    xid
}

/// The committed changes, and those that came before their commit.
fn ops(run: &Finished, xid: u64) -> Vec<String> {
    let mut ops: Vec<String> = Vec::new();
    for event in run.json().iter().filter(|event| event["xid"] == xid) {
        let op = event["op"].as_str().unwrap();
        if ops.last().is_none_or(|last| last != op) {
            ops.push(op.to_owned());
        }
    }
    ops
}

#[test]
fn interleaved_transactions_come_apart() {
    for level in levels() {
        let mut live = Live::start("interleaved", level, SCHEMA, &[]);
        let (mut a, mut b) = (live.session(), live.session());
        let first = begin_large(&mut live, &mut a, "t", 1000);
        let second = begin_large(&mut live, &mut b, "t", 2000);
        live.db.sql("INSERT INTO u VALUES (1, 'small, in between')");
        run(&mut a, "UPDATE t SET v = 'changed' WHERE id % 2 = 0");
        run(&mut b, "DELETE FROM t WHERE id % 3 = 0");
        run(&mut a, &many("u", 1000));
        run(&mut b, &many("u", 2000));
        live.streamed(first, |event| event["table"] == "u");
        live.streamed(second, |event| event["table"] == "u");
        run(&mut b, "COMMIT");
        live.db.sql("UPDATE u SET v = 'small again' WHERE id = 1");
        run(
            &mut a,
            "UPDATE u SET id = -id WHERE id BETWEEN 1000 AND 1010",
        );
        run(&mut a, "COMMIT");
        let [live, late] = live.finish(&["t", "u"]);
        for run in [&live, &late] {
            for xid in [first, second] {
                let ops = ops(run, xid);
                assert_eq!(
                    ops.contains(&"stream_commit".to_owned()),
                    level.streams,
                    "{ops:?}"
                );
                assert_eq!(
                    ops.iter().filter(|op| *op == "stream_start").count() >= 2,
                    level.streams,
                    "{ops:?}"
                );
            }
        }
        let order = |run: &Finished| -> Vec<Value> {
            let mut order: Vec<Value> = Consumer::of(&run.json())
                .committed
                .iter()
                .map(|change| change["xid"].clone())
                .collect();
            order.dedup();
            order
        };
        assert_eq!(
            order(&live),
            order(&late),
            "{}: whole transactions, in the order of their commits",
            level.name
        );
        assert_eq!(order(&live).len(), 5);
    }
}

#[test]
fn aborted_subtransactions_are_void() {
    for level in levels() {
        let mut live = Live::start("subtransactions", level, SCHEMA, &[]);
        let mut a = live.session();
        let top = begin_large(&mut live, &mut a, "t", 1000);
        run(&mut a, "SAVEPOINT one");
        run(&mut a, &many("t", 2000));
        live.streamed(top, |event| event["after"]["id"] == 2000);
        run(&mut a, "ROLLBACK TO one");
        run(&mut a, "SAVEPOINT two");
        run(&mut a, &many("t", 3000));
        run(
            &mut a,
            "SAVEPOINT three; UPDATE t SET v = 'void' WHERE id < 1100; DELETE FROM t WHERE id > \
             3100",
        );
        run(&mut a, &many("u", 4000));
        live.streamed(top, |event| event["table"] == "u");
        run(&mut a, "ROLLBACK TO three; RELEASE two");
        run(
            &mut a,
            "SAVEPOINT four; INSERT INTO u VALUES (1, 'kept'); RELEASE four",
        );
        run(&mut a, "UPDATE t SET v = 'kept' WHERE id = 1000");
        let query =
            "SELECT id, xmin::text FROM t UNION ALL SELECT id, xmin::text FROM u ORDER BY id";
        let rows = a.query(query, &[]).unwrap();
        let writers: Vec<(i32, u64)> = rows
            .iter()
            .map(|row| (row.get(0), row.get::<_, String>(1).parse().unwrap()))
            .collect();
        run(&mut a, "COMMIT");
        let [live, _] = live.finish(&["t", "u"]);
        let committed = Consumer::of(&live.json()).committed;
        for (id, writer) in writers.into_iter().filter(|(id, _)| *id != 1000) {
            let change = committed
                .iter()
                .find(|change| change["after"]["id"] == id)
                .unwrap();
            let subxid = if level.streams && writer != top {
                json!(writer)
            } else {
                Value::Null
            };
            assert_eq!(
                (&change["xid"], &change["subxid"]),
                (&json!(top), &subxid),
                "{}: {change:.300}",
                level.name
            );
        }
        let aborts = live
            .json()
            .into_iter()
            .filter(|event| event["op"] == "stream_abort");
        let aborted: Vec<Value> = aborts.map(|event| event["subxid"].clone()).collect();
        assert_eq!(
            aborted.len(),
            if level.streams { 2 } else { 0 },
            "{}: {aborted:?}",
            level.name
        );
        assert!(
            aborted.iter().all(|subxid| subxid.as_u64() > Some(top)),
            "{aborted:?}"
        );
    }
}

#[test]
fn aborted_transactions_leave_nothing() {
    for level in levels() {
        let mut live = Live::start("aborts", level, SCHEMA, &[]);
        let mut a = live.session();
        let before = live.db.wal_position();
        let void = begin_large(&mut live, &mut a, "t", 1000);
        run(&mut a, "SAVEPOINT s");
        run(&mut a, &many("t", 2000));
        live.streamed(void, |event| event.get("subxid").is_some());
        run(&mut a, "ROLLBACK");
        live.db.sql("INSERT INTO t VALUES (1, 'kept')");
        let after = live.db.wal_position();
        let [live, _] = live.finish(&["t", "u"]);
        let mut client = streaming_server().client("postgres");
        let aborts: Vec<Value> = live
            .json()
            .into_iter()
            .filter(|event| event["op"] == "stream_abort" && event["xid"] == void)
            .collect();
        assert_eq!(
            aborts.iter().any(|abort| abort.get("subxid").is_none()),
            level.streams,
            "{}",
            level.name
        );
        for abort in aborts.iter().filter(|_| level.parallel) {
            let (lsn, time) = (
                abort["abort_lsn"].as_str().unwrap(),
                abort["abort_time"].as_str().unwrap(),
            );
            let query = format!(
                "SELECT '{lsn}'::pg_lsn BETWEEN '{before}' AND '{after}' AND abs(extract(epoch \
                 FROM now() - '{time}'::timestamptz)) < 600"
            );
            assert!(
                client.query_one(&query, &[]).unwrap().get::<_, bool>(0),
                "{abort}"
            );
        }
    }
}

#[test]
fn tables_change_their_shape_on_the_way() {
    for level in levels() {
        let mut live = Live::start("shapes", level, SCHEMA, &[]);
        let mut a = live.session();
        run(&mut a, "BEGIN; CREATE TABLE w (id int PRIMARY KEY, v text)");
        run(&mut a, &many("w", 1));
        let created = xid(&mut a);
        live.streamed(created, |event| event["table"] == "w");
        run(&mut a, "ALTER TABLE w ADD COLUMN extra int");
        run(
            &mut a,
            "UPDATE w SET extra = id WHERE id % 5 = 0; INSERT INTO w VALUES (9000, 'nine', 9)",
        );
        run(&mut a, &many("u", 1));
        run(
            &mut a,
            "ALTER TABLE w DROP COLUMN v; ALTER TABLE w ADD COLUMN later numeric",
        );
        run(
            &mut a,
            "INSERT INTO w VALUES (9001, 10, 1.50); UPDATE w SET later = 0.5 WHERE id < 10",
        );
        run(&mut a, "COMMIT");
        // A shape that is rolled back must not stay.
        let void = begin_large(&mut live, &mut a, "t", 1000);
        run(
            &mut a,
            "SAVEPOINT s; ALTER TABLE t ADD COLUMN void int; UPDATE t SET void = id",
        );
        run(
            &mut a,
            "INSERT INTO t SELECT g, repeat('y', 1000), g FROM generate_series(5000, 5199) g",
        );
        live.streamed(void, |event| event["after"]["void"].is_number());
        run(&mut a, "ROLLBACK TO s");
        run(&mut a, &many("t", 6000));
        run(&mut a, "COMMIT");
        let aborted = begin_large(&mut live, &mut a, "u", 1000);
        run(&mut a, "ALTER TABLE u RENAME COLUMN v TO renamed");
        run(
            &mut a,
            "INSERT INTO u (id, renamed) SELECT g, repeat('y', 1000) FROM generate_series(5000, \
             5199) g",
        );
        live.streamed(aborted, |event| event["after"]["renamed"].is_string());
        run(&mut a, "ROLLBACK");
        live.db.sql(
            "INSERT INTO u VALUES (8000, 'as before'); INSERT INTO t VALUES (8000, 'as before')",
        );
        let [_, late] = live.finish(&["t", "u"]);
        let last = late
            .json()
            .into_iter()
            .rev()
            .find(|event| event["table"] == "w")
            .unwrap();
        assert_eq!(
            last["after"]
                .as_object()
                .unwrap()
                .keys()
                .collect::<Vec<_>>(),
            ["extra", "id", "later"]
        );
    }
}

#[test]
fn truncates_and_messages_keep_their_place() {
    for level in levels() {
        let mut live = Live::start("places", level, SCHEMA, &["--messages"]);
        let mut a = live.session();
        run(&mut a, &many("t", 1));
        let top = begin_large(&mut live, &mut a, "u", 1000);
        run(
            &mut a,
            "SELECT pg_logical_emit_message(true, 'test', 'before the truncate')",
        );
        run(
            &mut a,
            "SELECT pg_logical_emit_message(false, 'test', 'at once')",
        );
        run(&mut a, "TRUNCATE t, u RESTART IDENTITY");
        run(
            &mut a,
            "SAVEPOINT s; TRUNCATE u; SELECT pg_logical_emit_message(true, 'test', 'in void'); \
             ROLLBACK TO s",
        );
        run(
            &mut a,
            "SELECT pg_logical_emit_message(true, 'test', 'after the truncate')",
        );
        run(&mut a, &many("t", 2000));
        run(&mut a, &many("u", 2000));
        live.streamed(top, |event| event["after"]["id"] == 2000);
        run(&mut a, "COMMIT");
        let [live, late] = live.finish(&["t", "u"]);
        for run in [&live, &late] {
            let committed = Consumer::of(&run.json()).committed;
            let of_interest: Vec<&str> = committed
                .iter()
                .filter(|change| change["xid"] == top && change["op"] != "insert")
                .map(|change| {
                    change["content"]
                        .as_str()
                        .or(change["table"].as_str())
                        .unwrap()
                })
                .filter(|content| *content != "in void")
                .collect();
            assert_eq!(
                of_interest,
                ["before the truncate", "t", "u", "after the truncate"],
                "{}",
                level.name
            );
            let messages: Vec<&Value> = committed
                .iter()
                .filter(|change| change["transactional"] == false)
                .collect();
            assert_eq!(messages.len(), 1, "{}: {messages:?}", level.name);
            assert_eq!(messages[0]["content"], "at once");
        }
    }
}

/// Prepares a transaction after these statements.
fn prepare(session: &mut Client, statements: &[&str], gid: &str) -> u64 {
    run(session, "BEGIN");
    statements
        .iter()
        .for_each(|statement| run(session, statement));
    let xid = xid(session);
    run(session, &format!("PREPARE TRANSACTION '{gid}'"));
    xid
}

#[test]
fn prepared_transactions_are_decided_later() {
    for level in levels() {
        let live = Live::start("prepared", level, SCHEMA, &[]);
        let name = live.db.name().to_owned();
        let gid = |number: u32| format!("{name} it''s {number}");
        let mut a = live.session();
        let kept = prepare(
            &mut a,
            &[
                "INSERT INTO t VALUES (1, 'kept')",
                "UPDATE t SET v = 'kept too'",
            ],
            &gid(1),
        );
        let void = prepare(&mut a, &["INSERT INTO t VALUES (2, 'void')"], &gid(2));
        live.db.sql("INSERT INTO t VALUES (3, 'between')");
        let subtransactions = [
            "SAVEPOINT s",
            &many("u", 1000),
            "ROLLBACK TO s",
            "INSERT INTO u VALUES (1, 'u')",
        ];
        let large = prepare(
            &mut a,
            &[
                &[&*many("t", 1000)],
                &subtransactions[..],
                &[&many("t", 2000)],
            ]
            .concat(),
            &gid(3),
        );
        let large_void = prepare(&mut a, &[&many("u", 5000)], &gid(4));
        let empty = prepare(
            &mut a,
            &["CREATE TEMP TABLE IF NOT EXISTS nothing ()"][..0],
            &gid(5),
        );
        live.db.sql("INSERT INTO t VALUES (4, 'between')");
        for (number, word) in [
            (3, "COMMIT"),
            (2, "ROLLBACK"),
            (5, "COMMIT"),
            (1, "COMMIT"),
            (4, "ROLLBACK"),
        ] {
            run(&mut a, &format!("{word} PREPARED '{}'", gid(number)));
        }
        let [live, late] = live.finish(&["t", "u"]);
        for run in [&live, &late] {
            assert_eq!(
                ops(run, empty),
                [""; 0],
                "nothing of an empty transaction is shown"
            );
            check_prepared(level, run, [kept, void, large, large_void], &name);
        }
    }
}

fn check_prepared(
    level: Level,
    run: &Finished,
    [kept, void, large, large_void]: [u64; 4],
    name: &str,
) {
    let plain = |end: &'static str| match level.two_phase {
        true => vec!["begin_prepare", "insert", "prepare", end],
        false if end == "rollback_prepared" => vec![],
        false => vec!["insert"],
    };
    assert_eq!(ops(run, void), plain("rollback_prepared"), "{}", level.name);
    let mut with_update = plain("commit_prepared");
    with_update.insert(
        with_update.iter().position(|op| *op == "insert").unwrap() + 1,
        "update",
    );
    assert_eq!(ops(run, kept), with_update, "{}", level.name);
    let (large, large_void) = (ops(run, large), ops(run, large_void));
    // An empty list: since 18 a large transaction that is known to be void is not sent, and before that
    // a server that decodes it late may notice before it has sent a row of it.
    let void_end = large_void
        .iter()
        .rev()
        .take(2)
        .rev()
        .map(String::as_str)
        .collect::<Vec<_>>();
    match (level.two_phase, level.streams) {
        (true, true) => {
            assert_eq!(
                large[large.len() - 2..],
                ["stream_prepare", "commit_prepared"]
            );
            assert!(
                void_end.is_empty() || void_end == ["stream_prepare", "rollback_prepared"],
                "{large_void:?}"
            );
        }
        (true, false) => {
            assert_eq!(large, plain("commit_prepared"));
            assert!(
                void_end.is_empty() || large_void == plain("rollback_prepared"),
                "{large_void:?}"
            );
        }
        (false, true) => {
            assert_eq!(large.last().unwrap(), "stream_commit");
            assert!(
                void_end.is_empty() || void_end.ends_with(&["stream_abort"]),
                "{large_void:?}"
            );
        }
        (false, false) => assert_eq!((large.len(), large_void.len()), (1, 0)),
    }
    let gids = run
        .json()
        .into_iter()
        .filter(|event| event.get("gid").is_some() && event["xid"] == kept);
    for event in gids {
        assert_eq!(event["gid"], format!("{name} it's 1"));
    }
}
