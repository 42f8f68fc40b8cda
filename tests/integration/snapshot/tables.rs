//! What becomes of tables, connections and outputs while rows are read.

use super::consumer::Consumer;
use crate::support::*;
use rustix::process::Signal;
use serde_json::Value;
use std::fs;

const WIDE: &str = "CREATE TABLE t (id int PRIMARY KEY, v text);
    INSERT INTO t SELECT i, repeat(md5(i::text), 60) FROM generate_series(1, 6000) i;
    CREATE PUBLICATION p FOR ALL TABLES";

struct Output(tempfile::TempDir);

impl Output {
    fn new() -> Output {
        Output(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap())
    }

    fn path(&self) -> String {
        self.0.path().join("out.json").to_str().unwrap().to_owned()
    }

    fn lines(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.path()).unwrap_or_default();
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let lines = text[..whole].lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    fn count(&self, op: &str) -> usize {
        self.lines().iter().filter(|line| line["op"] == op).count()
    }
}

fn arguments<'a>(db: &'a Database<'_>, path: &'a str) -> Vec<&'a str> {
    vec![
        "stream",
        "-S",
        db.name(),
        "--publication",
        "p",
        "--snapshot",
        "-F",
        "0.1",
        "-f",
        path,
    ]
}

/// The same rows in a partition: to read them is to wait for its locks, to list what is published
/// is not. (From 19 on the server's own list waits for locks of the tables in it.)
const PARTITIONED: &str = "CREATE TABLE t (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
    CREATE TABLE t1 PARTITION OF t DEFAULT;
    INSERT INTO t SELECT i, repeat(md5(i::text), 60) FROM generate_series(1, 6000) i;
    CREATE PUBLICATION p FOR ALL TABLES WITH (publish_via_partition_root)";

#[test]
fn a_table_that_is_locked_is_waited_for_while_the_stream_goes_on() {
    let db = Database::create("snapshot_locked");
    db.sql(&format!(
        "{PARTITIONED}; CREATE TABLE u (id int PRIMARY KEY)"
    ));
    db.create_slot("pgoutput");
    let output = Output::new();
    let path = output.path();
    let mut locker = db.client();
    locker
        .batch_execute(
            "BEGIN; ALTER TABLE t1 ALTER v SET NOT NULL; UPDATE t SET v = 'x' WHERE id = 3",
        )
        .unwrap();
    let running = spawn(&mut db.walcat(&arguments(&db, &path)));
    db.wait_for(
        "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation = 't1'::regclass",
    );
    db.sql("INSERT INTO u VALUES (1)");
    wait_until("the change", || (output.count("insert") == 1).then_some(()));
    assert_eq!(output.count("snapshot"), 0);
    locker.batch_execute("COMMIT").unwrap();
    wait_until("the rows", || {
        (output.count("snapshot_done") == 2).then_some(())
    });
    running.interrupt().succeeded();
    Consumer::of(&output.lines(), "t", &["id"]).assert_has(&db, "SELECT * FROM t");
}

#[test]
fn a_table_that_is_altered_is_gone_on_with_and_one_that_is_dropped_is_told() {
    let db = Database::create("snapshot_altered");
    db.sql(&format!(
        "CREATE TABLE a (id int PRIMARY KEY, v text); INSERT INTO a SELECT i, \
        repeat('x', 3000) FROM generate_series(1, 3000) i; {WIDE}"
    ));
    db.create_slot("pgoutput");
    let output = Output::new();
    let path = output.path();
    let mut running = spawn(&mut db.walcat(&arguments(&db, &path)));
    wait_until("some rows", || {
        (output.count("snapshot_progress") > 0).then_some(())
    });
    running.signal(Signal::KILL);
    assert!(wait_until("the end", || running
        .has_ended()
        .then_some(true)));
    db.sql(
        "ALTER TABLE a ADD w int DEFAULT 7, ALTER v TYPE varchar(4000); ALTER TABLE t RENAME TO t2",
    );
    let running = spawn(&mut db.walcat(&arguments(&db, &path)));
    wait_until("the rows", || {
        (output.count("snapshot_done") == 2).then_some(())
    });
    running.interrupt().succeeded();
    let lines = output.lines();
    let of = |table: &str| {
        lines
            .iter()
            .filter(|line| line["table"] == table && line["op"] == "snapshot")
            .count()
    };
    assert_eq!((of("a"), of("t2")), (3000, 6000));
}

#[test]
fn the_reading_connection_may_be_lost() {
    let db = Database::create("snapshot_lost");
    db.sql(PARTITIONED);
    db.sql("ALTER DATABASE snapshot_lost SET statement_timeout = 1");
    db.create_slot("pgoutput");
    let output = Output::new();
    let path = output.path();
    let mut locker = db.client();
    let lock = "SET statement_timeout = 0; BEGIN; LOCK TABLE t1 IN ACCESS EXCLUSIVE MODE";
    locker.batch_execute(lock).unwrap();
    db.reconnect();
    db.sql("SET statement_timeout = 0");
    let running = spawn(&mut db.walcat(&arguments(&db, &path)));
    let waiting = "relation = 't1'::regclass AND NOT granted AND pid <> pg_backend_pid()";
    for _ in 0..3 {
        db.wait_for(&format!(
            "SELECT count(pg_terminate_backend(pid)) > 0 FROM pg_locks WHERE {waiting}"
        ));
    }
    locker.batch_execute("COMMIT").unwrap();
    wait_until("the rows", || {
        (output.count("snapshot_done") == 1).then_some(())
    });
    running.interrupt().succeeded();
    let consumer = Consumer::of(&output.lines(), "t", &["id"]);
    assert_eq!((consumer.snapshots, consumer.repeats), (6000, 0));
}

#[test]
fn a_new_table_is_read_by_the_next_run_and_a_done_one_is_not() {
    let db = Database::create("snapshot_joins");
    db.sql(
        "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1); CREATE PUBLICATION p \
        FOR ALL TABLES",
    );
    db.create_slot("pgoutput");
    let output = Output::new();
    let path = output.path();
    let all = [&arguments(&db, &path)[..], &["--until-now"]].concat();
    db.run(&all).succeeded();
    db.sql(
        "INSERT INTO t VALUES (2); CREATE TABLE u (id int PRIMARY KEY); INSERT INTO u VALUES (5)",
    );
    let second = db.run(&all);
    second.succeeded();
    assert!(
        second
            .stderr
            .contains("snapshot: complete: 1 row of 1 table"),
        "{}",
        second.stderr
    );
    db.run(&all).succeeded();
    let ops: Vec<String> = output
        .lines()
        .iter()
        .map(|line| {
            format!("{} {} {}", line["op"], line["table"], line["after"]["id"]).replace('"', "")
        })
        .collect();
    assert_eq!(
        ops,
        [
            "snapshot t 1",
            "snapshot_done t null",
            "insert t 2",
            "insert u 5",
            "snapshot u 5",
            "snapshot_done u null",
        ]
    );
}

#[test]
fn what_is_rotated_away_is_remembered() {
    let db = Database::create("snapshot_rotated");
    db.sql(
        "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1); CREATE PUBLICATION p \
        FOR ALL TABLES",
    );
    db.create_slot("pgoutput");
    let output = Output::new();
    let path = output.path();
    let running = spawn(&mut db.walcat(&arguments(&db, &path)));
    wait_until("the rows", || {
        (output.count("snapshot_done") == 1).then_some(())
    });
    fs::rename(&path, format!("{path}.1")).unwrap();
    running.signal(Signal::HUP);
    wait_until("the new file", || fs::exists(&path).unwrap().then_some(()));
    running.interrupt().succeeded();
    db.sql("INSERT INTO t VALUES (2)");
    db.run(&[&arguments(&db, &path)[..], &["--until-now"]].concat())
        .succeeded();
    assert_eq!((output.count("snapshot"), output.count("insert")), (0, 1));
    fs::rename(&path, format!("{path}.2")).unwrap();
    db.run(&[&arguments(&db, &path)[..], &["--until-now"]].concat())
        .succeeded();
    assert_eq!(output.count("snapshot"), 0);
}

#[test]
fn a_pipe_gets_the_rows_and_then_goes_on() {
    let db = Database::create("snapshot_pipe");
    db.sql("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a'), (2, 'b')");
    let mut running = spawn(&mut db.walcat(&[
        "stream",
        "--create-publication",
        "--snapshot",
        "--stats=0.1",
    ]));
    assert_eq!(running.json()["after"]["id"], 1);
    assert_eq!(running.json()["after"]["v"], "b");
    assert_eq!(running.json()["op"], "snapshot_done");
    db.sql("UPDATE t SET v = 'c' WHERE id = 1");
    assert_eq!(running.json()["after"]["v"], "c");
    running.wait_for_stderr("snapshot: complete: 2 rows of 1 table in");
    running.interrupt().succeeded();
}
