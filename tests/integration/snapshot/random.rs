//! Writers that do anything at any time while the program is killed again and again.

use super::consumer::Consumer;
use crate::support::*;
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

const WRITERS: u64 = 4;

/// `WALCAT_CHAOS_ROUNDS` and `WALCAT_CHAOS_SEED`, as the other tests of chance.
fn given(name: &str, usual: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(usual)
}

#[test]
fn whatever_writers_and_kills_do_the_lines_make_the_table() {
    let (rounds, seed) = (
        given("WALCAT_CHAOS_ROUNDS", 12),
        given("WALCAT_CHAOS_SEED", 1),
    );
    let server = Arc::new(Server::start(Options::default()));
    let db = Database::create_on(&server, "snapshot_of_chance");
    db.sql(
        "CREATE SEQUENCE versions;
         CREATE TABLE t (id int PRIMARY KEY, n bigint, body text);
         ALTER TABLE t ALTER body SET STORAGE EXTERNAL;
         CREATE TABLE few (a text, b int, n bigint, body text, PRIMARY KEY (b, a));
         INSERT INTO t SELECT i * 10, nextval('versions'), repeat(chr(65 + i % 26), (i * 37) % 6000)
           FROM generate_series(1, 4000) i;
         INSERT INTO few SELECT 'k' || i, i % 7, nextval('versions'), 'x' FROM generate_series(1, \
         200) i;
         CREATE PUBLICATION p FOR TABLE t, few",
    );
    db.sql(
        "SELECT pg_create_logical_replication_slot(name, 'pgoutput') FROM unnest(ARRAY['plain', \
        'with_rows']) name",
    );
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (server, stop) = (Arc::clone(&server), Arc::clone(&stop));
            let random = Random::new(seed ^ writer << 32);
            thread::spawn(move || write(&server, writer, random, &stop))
        })
        .collect();
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = directory.path().join("out.json");
    let arguments = |path: &Path, slot: &str| {
        let common = [
            "stream",
            "-S",
            slot,
            "--publication",
            "p",
            "-F",
            "0.1",
            "-f",
        ];
        let mut arguments: Vec<String> = common.map(str::to_owned).to_vec();
        arguments.push(path.to_str().unwrap().to_owned());
        arguments
    };
    let mut random = Random::new(seed);
    let with_rows = arguments(&path, "with_rows");
    let with_rows: Vec<&str> = with_rows
        .iter()
        .map(String::as_str)
        .chain(["--snapshot"])
        .collect();
    for _ in 0..rounds {
        let mut running = spawn(&mut db.walcat(&with_rows));
        thread::sleep(Duration::from_millis(random.within(30..400)));
        if random.within(0..3) == 0 {
            db.value(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                 WHERE application_name = 'walcat' AND backend_type = 'client backend'",
            );
            thread::sleep(Duration::from_millis(random.within(30..300)));
        }
        if !running.has_ended() {
            running.signal(Signal::KILL);
        }
        let finished = running.wait();
        let excused = finished.stderr.is_empty()
            || [
                "snapshot: ",
                "in use by",
                "is active",
                "SQLSTATE 57P01",
                "closed the connection",
            ]
            .iter()
            .any(|part| finished.stderr.contains(part));
        assert!(excused, "{}", finished.stderr);
    }
    wait_until_free(&db, "with_rows");
    let mut running = spawn(&mut db.walcat(&with_rows));
    wait_until("the end of the snapshot", || {
        let lines = fs::read_to_string(&path).unwrap_or_default();
        assert!(!running.has_ended(), "{}", running.stderr());
        (lines.matches("\"op\":\"snapshot_done\"").count() == 2).then_some(())
    });
    running.interrupt().succeeded();
    stop.store(true, Ordering::SeqCst);
    writers
        .into_iter()
        .for_each(|writer| writer.join().unwrap());
    wait_until_free(&db, "with_rows");
    db.run(&[&with_rows[..], &["--until-now"]].concat())
        .succeeded();

    let lines = read(&path);
    for (table, key) in [("t", vec!["id"]), ("few", vec!["b", "a"])] {
        let consumer = Consumer::of(&lines, table, &key);
        println!(
            "{table}: {} lines, {} rows of the snapshot, {} repeats",
            lines.len(),
            consumer.snapshots,
            consumer.repeats
        );
        consumer.assert_has(&db, &format!("SELECT * FROM {table}"));
        // Where a connection is lost while rows that have moved are asked for, some come again.
        assert!(
            consumer.repeats * 100 <= consumer.snapshots,
            "{table}: {} repeats",
            consumer.repeats
        );
    }
    let plain = directory.path().join("plain.json");
    let plain_arguments = arguments(&plain, "plain");
    let plain_arguments: Vec<&str> = plain_arguments.iter().map(String::as_str).collect();
    db.run(&[&plain_arguments[..], &["--until-now"]].concat())
        .succeeded();
    let text = fs::read_to_string(&path).unwrap();
    let changes: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("{\"op\":\"snapshot"))
        .collect();
    let expected = fs::read_to_string(&plain).unwrap();
    let expected: Vec<&str> = expected.lines().collect();
    assert!(expected.len() > 500, "{} changes", expected.len());
    assert!(changes == expected, "the changes differ");
}

fn read(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn wait_until_free(db: &Database<'_>, slot: &str) {
    db.wait_for(&format!(
        "SELECT NOT active FROM pg_replication_slots WHERE slot_name = '{slot}'"
    ));
}

/// Commits transactions of any kind; now and then one fails, as they wait for each other.
fn write(server: &Server, writer: u64, mut random: Random, stop: &AtomicBool) {
    let mut client = server.client("snapshot_of_chance");
    let mut transactions = 0;
    while !stop.load(Ordering::SeqCst) {
        let mut statements = "BEGIN; SET LOCAL lock_timeout = '2s'".to_owned();
        for _ in 0..random.within(1..6) {
            statements += &change(&mut random);
            if random.within(0..5) == 0 {
                statements += "; SAVEPOINT s";
                statements += &change(&mut random);
                statements += ["; ROLLBACK TO s", "; RELEASE s"][random.within(0..2) as usize];
            }
        }
        transactions += 1;
        statements += &match random.within(0..12) {
            0 => "; ROLLBACK".to_owned(),
            1 => format!("; PREPARE TRANSACTION '{writer}'"),
            _ => "; COMMIT".to_owned(),
        };
        let prepared = statements.contains("PREPARE");
        if client.batch_execute(&statements).is_err() {
            client.batch_execute("ROLLBACK").unwrap();
        } else if prepared {
            thread::sleep(Duration::from_millis(random.within(0..30)));
            let end = ["COMMIT", "ROLLBACK"][random.within(0..2) as usize];
            client
                .batch_execute(&format!("{end} PREPARED '{writer}'"))
                .unwrap();
        }
        thread::sleep(Duration::from_millis(random.within(0..10)));
    }
    assert!(transactions > 10, "{transactions} transactions");
}

fn change(random: &mut Random) -> String {
    let id = random.within(0..41_000);
    let other = random.within(0..41_000);
    let (a, b) = (random.within(0..400), random.within(0..7));
    let length = random.within(0..8000);
    match random.within(0..40) {
        0..6 => format!(
            "; INSERT INTO t VALUES ({id}, nextval('versions'), repeat('i', {length})) ON CONFLICT \
             DO NOTHING"
        ),
        6..12 => {
            format!("; UPDATE t SET n = nextval('versions') WHERE id BETWEEN {id} AND {id} + 40")
        }
        12..15 => format!(
            "; UPDATE t SET n = nextval('versions'), body = repeat('u', {length}) WHERE id BETWEEN \
             {id} AND {id} + 10"
        ),
        15..24 => format!(
            "; UPDATE t SET id = {other}, n = nextval('versions') WHERE id = (SELECT min(id) FROM \
             t WHERE id > {id}) \
             AND NOT EXISTS (SELECT FROM t WHERE id = {other})"
        ),
        24..29 => format!("; DELETE FROM t WHERE id BETWEEN {id} AND {id} + 15"),
        29..32 => format!(
            "; INSERT INTO few VALUES ('k{a}', {b}, nextval('versions'), repeat('f', {length})) ON \
             CONFLICT (b, a) \
             DO UPDATE SET n = excluded.n"
        ),
        32..36 => format!(
            "; UPDATE few SET b = {b}, n = nextval('versions') WHERE a = 'k{a}' \
             AND NOT EXISTS (SELECT FROM few WHERE a = 'k{a}' AND b = {b})"
        ),
        36..39 => format!("; DELETE FROM few WHERE a = 'k{a}'"),
        _ if random.within(0..12) == 0 => "; TRUNCATE few".to_owned(),
        _ => "; SELECT 1".to_owned(),
    }
}
